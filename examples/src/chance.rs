//! Dice that fall the same way again for the same seed (SplitMix64). Not for secrets.

use std::time::Duration;

/// A sequence of throws.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of this seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for each of several, whatever the others throw.
    #[must_use]
    pub fn beside(&self, number: u64) -> Self {
        let mut dice = Self(self.0 ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        Self(dice.throw())
    }

    /// Any number.
    pub const fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub const fn below(&mut self, end: u64) -> u64 {
        let thrown = self.throw();
        match thrown.checked_rem(end) {
            Some(number) => number,
            None => 0,
        }
    }

    /// True in so many of a hundred.
    pub const fn is_hit(&mut self, percent: u8) -> bool {
        self.below(100) < percent as u64
    }

    /// A while up to `longest`, in milliseconds.
    pub fn wait(&mut self, longest: Duration) -> Duration {
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.below(millis.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_falls_the_same_way() {
        let throw = |mut dice: Dice| [(); 8].map(|()| dice.throw());
        assert_eq!(throw(Dice::of(7)), throw(Dice::of(7)));
        assert_ne!(throw(Dice::of(7)), throw(Dice::of(8)));
        assert_ne!(throw(Dice::of(7).beside(1)), throw(Dice::of(7).beside(2)));
        // The first number of the reference implementation for seed 0.
        assert_eq!(Dice::of(0).throw(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn thirty_percent_are_thirty_of_a_hundred() {
        let mut dice = Dice::of(1);
        let hits = (0..10_000).filter(|_| dice.is_hit(30)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!(!(0..100).any(|_| dice.is_hit(0)));
        assert_eq!(dice.below(0), 0);
    }
}
