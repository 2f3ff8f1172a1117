//! What surrounds a request: the clock, the random source, the directory as of now.
//!
//! The only place in the house that reads the system's clock or asks for random bytes;
//! everywhere else both are arguments.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use ics_core::change::Change;
use ics_core::directory::{Directory, RevocationList};
use ics_core::port::{Clock, DirectorySource, Entropy};
use ics_core::time::Timestamp;
use ics_core::timekeeping::{ClockMark, Reading, Timekeeper};

/// The system's clocks, read through the core's [`Timekeeper`]: the wall clock as long as it can
/// be believed.
#[derive(Debug)]
pub(crate) struct SystemClock {
    began: Instant,
    keeper: Mutex<Timekeeper>,
}

impl SystemClock {
    /// A clock that starts with the wall clock's time.
    pub(crate) fn new() -> Self {
        Self::since(None)
    }

    /// A clock that goes on after what a store remembers of time.
    pub(crate) fn since(mark: Option<ClockMark>) -> Self {
        let began = Instant::now();
        let reading = Reading {
            wall: wall_time(),
            monotonic: Duration::ZERO,
        };
        Self {
            began,
            keeper: Mutex::new(Timekeeper::start(mark, reading)),
        }
    }

    /// How time is kept, after a fresh reading.
    pub(crate) fn look(&self) -> Timekeeper {
        self.with_keeper(|keeper, reading| {
            keeper.read(reading);
            *keeper
        })
    }

    /// Takes the wall clock for right; tells how time was kept before.
    pub(crate) fn accept(&self) -> Timekeeper {
        self.with_keeper(|keeper, reading| {
            keeper.read(reading);
            let before = *keeper;
            keeper.accept(reading);
            before
        })
    }

    fn with_keeper<T>(&self, act: impl FnOnce(&mut Timekeeper, Reading) -> T) -> T {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = Reading {
            wall: wall_time(),
            monotonic: self.began.elapsed(),
        };
        act(&mut keeper, reading)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.with_keeper(Timekeeper::read)
    }

    fn latest(&self) -> Timestamp {
        self.look().latest()
    }
}

/// The system's clock tells a time before 1970, as one does that was never set. No instant of the
/// stores and no date of HTTP can be told by it: the workers of a listener panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the system's clock tells a time before 1970: set it (`date -u` tells what it says), then start again"
)]
pub(crate) struct ClockBeforeEpoch;

/// Whether a gateway can be started by the system's clock.
///
/// # Errors
/// [`ClockBeforeEpoch`].
pub(crate) fn check_wall_clock() -> Result<(), ClockBeforeEpoch> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|_| ()).map_err(|_| ClockBeforeEpoch)
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

    /// Holds certificates of other authorities against these lists from the next request on.
    pub(crate) fn set_lists(&self, lists: &[RevocationList]) {
        self.0.rcu(|current| {
            let mut next = Directory::clone(current);
            next.set_lists(lists.to_vec());
            next
        });
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
    use super::*;

    #[test]
    fn a_clock_after_what_was_seen_goes_on_from_there() {
        let mark = ClockMark {
            seen: Timestamp::MAX,
            trusted: true,
        };
        let clock = SystemClock::since(Some(mark));
        assert!(!clock.look().standing().is_trusted());
        assert_eq!(clock.now(), Timestamp::MAX);
        assert_eq!(clock.accept().now(), Timestamp::MAX);
        assert!(clock.look().standing().is_trusted());
        assert!(clock.now() < Timestamp::MAX);
    }

    #[test]
    fn the_random_source_gives_different_bytes() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemEntropy::default().fill(&mut a);
        SystemEntropy::default().fill(&mut b);
        assert_ne!(a, b);
    }
}
