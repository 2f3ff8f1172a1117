//! How much a device may do in a time: the generic cell rate algorithm (ITU-T I.371) on time that
//! comes in as an argument.

use std::collections::HashMap;
use std::time::Duration;

use ics_core::id::DeviceId;
use ics_core::time::Timestamp;

/// How long it is not told again that a device goes beyond its rate.
pub const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// So many at once, and then so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many a second, in the long run; at least 1.
    pub per_second: u32,
    /// How many at once after a while of rest; at least 1.
    pub burst: u32,
}

impl Rate {
    /// Microseconds that one takes.
    fn interval(self) -> i64 {
        1_000_000 / i64::from(self.per_second.max(1))
    }
}

/// What is used up of a [`Rate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Allowance {
    /// Microseconds since 1970 at which all is as if nothing had been used.
    restored: i64,
}

impl Allowance {
    /// Uses one, if there is one.
    fn take(&mut self, rate: Rate, now: Timestamp) -> bool {
        let now = micros(now);
        let span = rate.interval().saturating_mul(rate.burst.max(1).into());
        let begun = self.restored.max(now);
        // A clock that was put back must not lock a device out: what was used is used of the new time.
        let begun = begun.min(now.saturating_add(span));
        self.restored = begun;
        let restored = begun.saturating_add(rate.interval());
        if restored > now.saturating_add(span) {
            return false;
        }
        self.restored = restored;
        true
    }

    /// Whether it is as if nothing had been used.
    fn is_restored(self, now: Timestamp) -> bool {
        self.restored <= micros(now)
    }
}

/// What a device has used of its connects, or of its messages on whichever connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    allowance: Allowance,
    /// When it was last told that it wants more.
    told: Option<Timestamp>,
}

/// Whether one more may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may.
    Within,
    /// It may not.
    Beyond {
        /// Whether that is to be told.
        is_news: bool,
    },
}

impl Usage {
    /// Uses one, if there is one.
    #[must_use]
    pub fn take(&mut self, rate: Rate, now: Timestamp) -> Taken {
        if self.allowance.take(rate, now) {
            return Taken::Within;
        }
        let is_news = !self.is_told(now);
        if is_news {
            self.told = Some(now);
        }
        Taken::Beyond { is_news }
    }

    /// Whether there is none, and that was told.
    #[must_use]
    pub fn is_barred(&self, rate: Rate, now: Timestamp) -> bool {
        let mut allowance = self.allowance;
        self.is_told(now) && !allowance.take(rate, now)
    }

    /// Whether it is as if nothing had been used.
    #[must_use]
    pub fn is_restored(&self, now: Timestamp) -> bool {
        self.allowance.is_restored(now) && !self.is_told(now)
    }

    fn is_told(&self, now: Timestamp) -> bool {
        // A clock that was put back must not silence it for longer.
        self.told
            .is_some_and(|told| told <= now && now.since(told) < TOLD_AGAIN)
    }
}

/// How much each device has said of late.
#[derive(Debug)]
pub struct Meter {
    rate: Rate,
    by_device: HashMap<DeviceId, Usage>,
    /// With so many, those that rest are looked for.
    sweep_at: usize,
}

/// Fewer are not worth a look.
const FEW: usize = 1024;

impl Meter {
    /// Nobody has said anything.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            by_device: HashMap::new(),
            sweep_at: FEW,
        }
    }

    /// The device says one thing more.
    #[must_use]
    pub fn take(&mut self, device: &DeviceId, now: Timestamp) -> Taken {
        if self.by_device.len() >= self.sweep_at {
            self.by_device.retain(|_, usage| !usage.is_restored(now));
            self.sweep_at = self.by_device.len().saturating_mul(2).max(FEW);
        }
        let usage = self.by_device.entry(device.clone()).or_default();
        usage.take(self.rate, now)
    }
}

const fn micros(time: Timestamp) -> i64 {
    time.millis().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_one_at_a_time() {
        let rate = Rate {
            per_second: 10,
            burst: 3,
        };
        let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        let mut allowance = Allowance::default();
        let taken: Vec<bool> = (0..4).map(|_| allowance.take(rate, at(0))).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert!(!allowance.take(rate, at(99)));
        assert!(allowance.take(rate, at(100)));
        assert!(!allowance.take(rate, at(100)));
        assert!(!allowance.is_restored(at(399)));
        assert!(allowance.is_restored(at(400)));
    }

    #[test]
    fn that_a_device_goes_beyond_its_rate_is_news_once_a_minute() {
        let rate = Rate {
            per_second: 1,
            burst: 1,
        };
        let at = |seconds: i64| Timestamp::from_millis(1_000_000 + seconds * 1000);
        let mut usage = Usage::default();
        assert_eq!(usage.take(rate, at(0)), Taken::Within);
        assert!(!usage.is_barred(rate, at(0)), "not told yet");
        assert_eq!(usage.take(rate, at(0)), Taken::Beyond { is_news: true });
        assert!(usage.is_barred(rate, at(0)) && !usage.is_barred(rate, at(1)));
        for second in 1..60 {
            assert_eq!(usage.take(rate, at(second)), Taken::Within);
            let beyond = usage.take(rate, at(second));
            assert_eq!(beyond, Taken::Beyond { is_news: false });
        }
        assert_eq!(usage.take(rate, at(60)), Taken::Within);
        assert_eq!(usage.take(rate, at(60)), Taken::Beyond { is_news: true });
        assert!(!usage.is_restored(at(119)));
        assert!(usage.is_restored(at(120)));
    }

    #[test]
    fn a_clock_put_back_locks_nobody_out_for_longer_than_the_burst() {
        let rate = Rate {
            per_second: 10,
            burst: 3,
        };
        let mut allowance = Allowance::default();
        assert!(allowance.take(rate, Timestamp::from_millis(9_000_000)));
        assert!(!allowance.take(rate, Timestamp::from_millis(1_000)));
        assert!(!allowance.take(rate, Timestamp::from_millis(1_099)));
        assert!(allowance.take(rate, Timestamp::from_millis(1_100)));
    }
}
