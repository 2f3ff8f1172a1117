//! Which time is believed when the clocks disagree (t8, top: "Clock").
//!
//! The gateway's time follows the wall clock as long as that keeps within a minute of the monotonic
//! one. A wall clock that jumps further is not followed: time goes on at the monotonic clock's
//! pace, and whatever deletes waits, until the wall clock is back or the operator says that it is
//! right. So a moved clock deletes nothing by itself.
//!
//! Reads no clock: both readings are arguments.

use core::time::Duration;

use crate::time::Timestamp;

/// How far the wall clock may leave the monotonic one, or lie before the last time seen, and
/// still be believed.
pub const TOLERANCE: Duration = Duration::from_secs(60);

/// How long a gateway may have been down for the wall clock to be believed at its start.
pub const LONGEST_ABSENCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Both clocks at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the system says the time is.
    pub wall: Timestamp,
    /// How long a clock that nobody sets has been running since some instant of this process.
    pub monotonic: Duration,
}

/// What a store remembers of time while the gateway is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockMark {
    /// The gateway's time when it was last written.
    pub seen: Timestamp,
    /// Whether the wall clock was believed then.
    pub trusted: bool,
}

/// What is thought of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockStanding {
    /// It is believed.
    Trusted,
    /// It is ahead of the gateway's time by this much, and not believed.
    Ahead(Duration),
    /// It is behind the gateway's time by this much, and not believed.
    Behind(Duration),
}

impl ClockStanding {
    /// Whether the wall clock is believed.
    #[must_use]
    pub const fn is_trusted(self) -> bool {
        matches!(self, Self::Trusted)
    }

    /// Its name on every interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Ahead(_) => "ahead",
            Self::Behind(_) => "behind",
        }
    }
}

/// Tells the gateway's time from readings of both clocks.
///
/// # Invariants
/// No instant told is earlier than one before it, except after [`Self::accept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timekeeper {
    /// The last instant told.
    told: Timestamp,
    /// The monotonic reading `told` belongs to.
    told_at: Duration,
    /// The last wall reading.
    wall: Timestamp,
    standing: ClockStanding,
}

impl Timekeeper {
    /// Begins with what the store remembers. A wall clock that lies before it, one that a gateway
    /// before this one did not believe, and one from after [`LONGEST_ABSENCE`] are not believed.
    #[must_use]
    pub fn start(mark: Option<ClockMark>, reading: Reading) -> Self {
        let mut keeper = Self {
            told: reading.wall,
            told_at: reading.monotonic,
            wall: reading.wall,
            standing: ClockStanding::Trusted,
        };
        let Some(ClockMark { seen, trusted }) = mark else {
            return keeper;
        };
        let believed = if trusted { LONGEST_ABSENCE } else { TOLERANCE };
        if reading.wall.since(seen) > believed || reading.wall < seen {
            keeper.told = seen;
            keeper.standing = standing_of(reading.wall, seen);
        }
        keeper
    }

    /// Takes a reading in, and tells the gateway's time.
    pub fn read(&mut self, reading: Reading) -> Timestamp {
        self.wall = reading.wall;
        let ran = reading.monotonic.saturating_sub(self.told_at);
        // What is less than a millisecond is not lost: it stays with the older reading.
        let ran = whole_millis(ran);
        let expected = self.told.plus(ran);
        self.standing = standing_of(reading.wall, expected);
        if !self.standing.is_trusted() {
            self.told = expected;
            self.told_at = self.told_at.saturating_add(ran);
        } else if reading.wall >= expected {
            self.told = reading.wall;
            self.told_at = reading.monotonic;
        } else {
            // A little behind: at half the pace until it has caught up. Nothing that was over
            // becomes valid again, and nothing stands still.
            let half = whole_millis(ran / 2);
            self.told = self.told.plus(half);
            self.told_at = self.told_at.saturating_add(half.saturating_mul(2));
        }
        self.told
    }

    /// The operator says that the wall clock is right: time is what it says, later or earlier.
    pub fn accept(&mut self, reading: Reading) -> Timestamp {
        *self = Self::start(None, reading);
        self.told
    }

    /// The last instant told.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.told
    }

    /// The last wall reading.
    #[must_use]
    pub const fn wall(&self) -> Timestamp {
        self.wall
    }

    /// The later of both: by it nothing is shown that may have run out.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        self.told.max(self.wall)
    }

    /// What is thought of the wall clock.
    #[must_use]
    pub const fn standing(&self) -> ClockStanding {
        self.standing
    }

    /// What a store is to remember.
    #[must_use]
    pub const fn mark(&self) -> ClockMark {
        ClockMark {
            seen: self.told,
            trusted: self.standing.is_trusted(),
        }
    }
}

fn standing_of(wall: Timestamp, expected: Timestamp) -> ClockStanding {
    let (ahead, behind) = (wall.since(expected), expected.since(wall));
    if ahead > TOLERANCE {
        ClockStanding::Ahead(ahead)
    } else if behind > TOLERANCE {
        ClockStanding::Behind(behind)
    } else {
        ClockStanding::Trusted
    }
}

fn whole_millis(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
