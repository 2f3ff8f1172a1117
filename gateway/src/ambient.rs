//! What surrounds a request: the clock, the random source, the directory as of now.
//!
//! The only place in the house that reads the system's clock or asks for random bytes;
//! everywhere else both are arguments.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use ics_core::change::Change;
use ics_core::directory::Directory;
use ics_core::port::{Clock, DirectorySource, Entropy};
use ics_core::time::Timestamp;

/// The system's wall clock, kept from running backwards.
///
/// # Invariants
/// No answer is earlier than one before it. When the wall clock is set back, time goes on at the
/// monotonic clock's pace from the last answer until the wall clock has caught up: nothing that
/// was over becomes valid again, and nothing stands still.
#[derive(Debug)]
pub(crate) struct SystemClock {
    last: Mutex<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    told: Timestamp,
    at: Instant,
}

impl SystemClock {
    /// A clock that starts with the wall clock's time.
    pub(crate) fn new() -> Self {
        Self {
            last: Mutex::new(Reading {
                told: wall_time(),
                at: Instant::now(),
            }),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.next(wall_time(), Instant::now());
        last.told
    }
}

impl Reading {
    /// The reading after this one, with the wall clock at `wall`.
    fn next(self, wall: Timestamp, at: Instant) -> Self {
        if wall >= self.told {
            return Self { told: wall, at };
        }
        let ran = at.saturating_duration_since(self.at);
        let told = self.told.plus(ran);
        // Milliseconds: what is less than one is not lost, it stays with the older instant.
        if told == self.told {
            self
        } else {
            Self { told, at }
        }
    }
}

fn wall_time() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The provider's random source, seeded by the operating system.
#[derive(Debug, Default)]
pub(crate) struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        if self.0.fill(out).is_err() {
            // A token or device ID made of weak bytes is worse than no service. Said without the
            // log, whose writer would not live to see it.
            let _ = std::io::stderr().write_all(b"the random source failed; ending\n");
            std::process::abort();
        }
    }
}

/// The newest snapshot of the directory, swapped whole after a committed change.
#[derive(Debug, Default)]
pub(crate) struct SharedDirectory(ArcSwap<Directory>);

impl SharedDirectory {
    /// Starts with what the store holds.
    pub(crate) fn new(directory: Directory) -> Self {
        Self(ArcSwap::from_pointee(directory))
    }
}

impl DirectorySource for SharedDirectory {
    fn snapshot(&self) -> Arc<Directory> {
        self.0.load_full()
    }

    fn update(&self, change: &Change) {
        if change.directory().is_empty() {
            return;
        }
        // Writers that race each apply their change to the other's outcome.
        self.0.rcu(|current| {
            let mut next = Directory::clone(current);
            next.apply(change);
            next
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wall_clock_set_back_neither_turns_back_time_nor_stops_it() {
        let at = Instant::now();
        let first = Reading {
            told: Timestamp::from_millis(10_000),
            at,
        };
        let back = first.next(Timestamp::from_millis(2_000), at + Duration::from_millis(5));
        assert_eq!(back.told, Timestamp::from_millis(10_005));
        let still = back.next(
            Timestamp::from_millis(2_000),
            back.at + Duration::from_micros(600),
        );
        assert_eq!(still.told, back.told);
        let later = still.next(
            Timestamp::from_millis(2_001),
            back.at + Duration::from_micros(1200),
        );
        assert_eq!(
            later.told,
            Timestamp::from_millis(10_006),
            "parts of a millisecond add up"
        );
        let caught_up = later.next(Timestamp::from_millis(20_000), later.at);
        assert_eq!(caught_up.told, Timestamp::from_millis(20_000));
    }

    #[test]
    fn the_random_source_gives_different_bytes() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemEntropy::default().fill(&mut a);
        SystemEntropy::default().fill(&mut b);
        assert_ne!(a, b);
    }
}
