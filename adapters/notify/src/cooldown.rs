//! When a road rests: a host in trouble is asked once in a while, not once for each entry.
//!
//! Open: as many at once as the road may. After a failure the road rests as a whole, and then asks
//! with one entry at a time until one is answered. What waits for it is not touched meanwhile.

use std::time::Duration;

use ics_core::procedure::Knobs;
use ics_core::procedure::delivery::backoff;
use tokio::time::Instant;

/// Failures in a row, each with an answer, before the road rests: one entry the host chokes on
/// does not stop the others.
const PATIENCE: u32 = 8;

/// The shortest rest, so that no luck of the draw makes a road spin.
const SHORTEST: Duration = Duration::from_millis(20);

/// What an attempt said of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It works.
    Well,
    /// Nothing was learnt: nothing was sent.
    None,
    /// It answered with trouble; it may have said how long to stay away.
    Struggling { stay_away: Option<Duration> },
    /// No answer at all.
    Gone,
    /// Nothing was learnt of the host: it was to go by websocket, and none was open to the end.
    NoSocket,
    /// Nothing was learnt of the host: the service on our own side failed.
    Unserved,
}

/// How a road fares (or the service on our own side).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cooldown {
    /// How often it rested since the host last answered well.
    level: u32,
    strikes: u32,
    until: Option<Instant>,
}

impl Cooldown {
    /// How many attempts may be under way at once, of `limit`.
    pub(crate) const fn width(&self, limit: usize) -> usize {
        if self.level == 0 { limit } else { 1 }
    }

    /// Whether it is in trouble: it rests, or asks with one entry at a time.
    pub(crate) const fn is_in_trouble(&self) -> bool {
        self.level > 0
    }

    /// Whether it is as if nothing ever went wrong.
    pub(crate) const fn is_untroubled(&self) -> bool {
        self.level == 0 && self.strikes == 0
    }

    /// How much longer it rests at `now`.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        self.until
            .map(|until| until.saturating_duration_since(now))
            .filter(|rest| !rest.is_zero())
    }

    /// Takes in what an attempt said. `draw` draws a wait between nothing and its argument.
    /// Returns whether it rests anew.
    pub(crate) fn note(
        &mut self,
        sign: Sign,
        (knobs, now): (&Knobs, Instant),
        draw: impl FnOnce(Duration) -> Duration,
    ) -> bool {
        let stay_away = match sign {
            Sign::None | Sign::NoSocket | Sign::Unserved => return false,
            Sign::Well => {
                *self = Self::default();
                return false;
            }
            Sign::Gone => None,
            Sign::Struggling { stay_away } => {
                self.strikes = self.strikes.saturating_add(1);
                if stay_away.is_none() && self.level == 0 && self.strikes < PATIENCE {
                    return false;
                }
                stay_away
            }
        };
        let drawn = draw(backoff(knobs, self.level)).max(SHORTEST);
        let wait = stay_away.map_or(drawn, |least| least.max(drawn));
        if self.rest(now).is_some() {
            // Others of the same burst; they teach nothing new, unless how long to stay away.
            if stay_away.is_some() {
                self.until = self.until.max(now.checked_add(wait));
            }
            return false;
        }
        self.level = self.level.saturating_add(1);
        self.until = now.checked_add(wait);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn longest(limit: Duration) -> Duration {
        limit
    }

    #[test]
    fn road_rests_longer_each_time_and_probes_with_one() {
        let (knobs, start) = (Knobs::default(), Instant::now());
        let mut cooldown = Cooldown::default();
        let mut now = start;
        assert_eq!(cooldown.width(8), 8);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(cooldown.note(Sign::Gone, (&knobs, now), longest));
            assert_eq!(cooldown.rest(now), Some(Duration::from_secs(seconds)));
            assert_eq!(cooldown.width(8), 1);
            // The rest of the burst.
            assert!(!cooldown.note(Sign::Gone, (&knobs, now), longest));
            now += Duration::from_secs(seconds);
            assert_eq!(cooldown.rest(now), None);
        }
        cooldown.note(Sign::Well, (&knobs, now), longest);
        assert_eq!((cooldown.width(8), cooldown.rest(now)), (8, None));
    }

    #[test]
    fn unlucky_draw_does_not_spin() {
        let (knobs, now) = (Knobs::default(), Instant::now());
        let mut cooldown = Cooldown::default();
        cooldown.note(Sign::Gone, (&knobs, now), |_| Duration::ZERO);
        assert_eq!(cooldown.rest(now), Some(SHORTEST));
    }

    #[test]
    fn one_bad_entry_does_not_stop_the_others() {
        let (knobs, now) = (Knobs::default(), Instant::now());
        let mut cooldown = Cooldown::default();
        let bad = Sign::Struggling { stay_away: None };
        for _ in 1..PATIENCE {
            assert!(!cooldown.note(bad, (&knobs, now), longest));
        }
        assert_eq!(cooldown.rest(now), None);
        assert!(cooldown.note(bad, (&knobs, now), longest));
        assert_eq!(cooldown.rest(now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn retry_after_is_heeded() {
        let (knobs, now) = (Knobs::default(), Instant::now());
        let mut cooldown = Cooldown::default();
        let busy = Sign::Struggling {
            stay_away: Some(Duration::from_secs(120)),
        };
        assert!(cooldown.note(busy, (&knobs, now), longest));
        assert_eq!(cooldown.rest(now), Some(Duration::from_secs(120)));
    }
}
