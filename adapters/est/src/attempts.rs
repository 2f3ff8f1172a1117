//! How many codes an address may try: 20 at once, then one a second. Of IPv6, a network of 64 bits is one.

use std::collections::HashMap;
use std::net::IpAddr;

use ics_channel::{Rate, Taken, Usage};
use ics_core::time::Timestamp;

const RATE: Rate = Rate {
    per_second: 1,
    burst: 20,
};
/// Fewer are not worth a look.
const FEW: usize = 1024;

/// What each address has tried of late.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_address: HashMap<IpAddr, Usage>,
    /// With so many, those that rest are looked for.
    sweep_at: usize,
}

impl Attempts {
    /// One more; whether it may be.
    pub(crate) fn take(&mut self, address: IpAddr, now: Timestamp) -> bool {
        if self.by_address.len() >= self.sweep_at.max(FEW) {
            self.by_address.retain(|_, usage| !usage.is_restored(now));
            self.sweep_at = self.by_address.len().saturating_mul(2);
        }
        let usage = self.by_address.entry(network_of(address)).or_default();
        usage.take(RATE, now) == Taken::Within
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tries_a_score_and_then_one_a_second() {
        let at = |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        let mut attempts = Attempts::default();
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let same: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        assert!((0..20).all(|_| attempts.take(one, at(0))));
        assert!(!attempts.take(same, at(0)) && attempts.take(other, at(0)));
        assert!(attempts.take(one, at(1)) && !attempts.take(one, at(1)));
    }
}
