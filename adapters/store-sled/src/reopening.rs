//! Readers while the database is opened again: they wait for it, but not for long.
//!
//! After a failed sync all files are written again first (`lost_sync`), which takes seconds; whoever
//! waited for that would hold up a thread that serves.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long a reader waits; those after it wait no more.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Running,
    /// It has run for longer than a reader waits.
    Long,
}

/// Whether the database is being opened again.
#[derive(Debug, Default)]
pub(crate) struct Reopening {
    phase: Mutex<Phase>,
    ended: Condvar,
}

/// While this lives, it is.
#[derive(Debug)]
pub(crate) struct Running<'r>(&'r Reopening);

impl Reopening {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self) -> Running<'_> {
        *self.phase() = Phase::Running;
        Running(self)
    }

    /// Waits for its end, if it is being opened; answers whether it is no more.
    pub(crate) fn wait(&self) -> bool {
        let waited = self
            .ended
            .wait_timeout_while(self.phase(), PATIENCE, |phase| *phase == Phase::Running);
        let (mut phase, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *phase == Phase::Running {
            *phase = Phase::Long;
        }
        *phase == Phase::Idle
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.0.phase() = Phase::Idle;
        self.0.ended.notify_all();
    }
}
