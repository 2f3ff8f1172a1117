//! Full jitter: a wait drawn evenly between nothing and a limit.

use std::time::Duration;

use ics_core::port::Entropy;

/// Draws a wait of `0..=limit`.
pub(crate) fn draw_wait(entropy: &dyn Entropy, limit: Duration) -> Duration {
    let mut random = [0_u8; 4];
    entropy.fill(&mut random);
    let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    limit.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn wait_lies_between_nothing_and_the_limit() {
        let limit = Duration::from_secs(60);
        assert_eq!(draw_wait(&Fixed(0), limit), Duration::ZERO);
        assert_eq!(draw_wait(&Fixed(255), limit), limit);
        let half = draw_wait(&Fixed(0x80), limit);
        assert!(half > limit / 3 && half < limit, "{half:?}");
    }
}
