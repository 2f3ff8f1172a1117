//! Jobs: what takes longer than a request may (t8 A.3), and can be asked after meanwhile.
//!
//! A job is a record like any other: each step commits its work and its progress together, so a
//! crash loses neither and repeats nothing. It is started by the store's content alone.

use crate::id::{JobId, SpId};
use crate::port::Cursor;
use crate::reference_point::Role;
use crate::time::Timestamp;

/// A bulk de-mapping at work: it sweeps the rows of the [`crate::fence::Fence`] of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Who may ask after it.
    pub owner: JobOwner,
    /// How it stands.
    pub status: JobStatus,
    /// How many rows were selected when it began.
    pub total: u64,
    /// How many of them were swept.
    pub done: u64,
    /// How many could not be: they stay behind the fence.
    pub failed: u64,
    /// Where to go on.
    pub cursor: Option<Cursor>,
    /// When it began.
    pub created: Timestamp,
    /// When it ended, if it has.
    pub finished: Option<Timestamp>,
    /// Rises by one with every write.
    pub version: u64,
}

/// Who asked for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOwner {
    /// A service provider, over the reference point of this role.
    Party(SpId, Role),
    /// The operator: an agreement or a service provider ended.
    Operator,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// At work, or waiting for its turn.
    Running,
    /// Every row is swept; the fence is gone.
    Done,
    /// It came to the end, but some rows could not be swept; the fence stays.
    Failed,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Failed];

    /// Its name on every interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
        }
    }
}

impl Job {
    /// This job in its next version, with `done` and `failed` more rows behind it.
    #[must_use]
    pub(crate) fn advanced(&self, done: u64, failed: u64, cursor: Option<Cursor>) -> Self {
        let done = self.done.saturating_add(done);
        let failed = self.failed.saturating_add(failed);
        Self {
            // Rows that came between the counting and the fence are among those swept.
            total: self.total.max(done.saturating_add(failed)),
            done,
            failed,
            cursor,
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }

    /// This job at its end. What was selected and not met was ended by others before it came.
    #[must_use]
    pub(crate) fn finished(self, now: Timestamp) -> Self {
        Self {
            status: if self.failed == 0 {
                JobStatus::Done
            } else {
                JobStatus::Failed
            },
            done: self.total.saturating_sub(self.failed),
            cursor: None,
            finished: Some(now),
            ..self
        }
    }
}
