//! How often a password may be wrong: by the address it comes from, and by the device it is for.
//!
//! Passwords are 128 random bits, so nobody guesses one; but each guess costs a look into the store,
//! and a password that was copied somewhere must not be tried out on all devices. Beyond the limit
//! nothing is looked up, and a right password is as good as a wrong one. An address a device last
//! logged in from is exempt from the device's limit: who knows its ID cannot lock it out there.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ics_core::id::DeviceId;
use ics_core::time::Timestamp;

/// How many wrong passwords there may be at once, and how long it takes until there may be one
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessLimits {
    /// From one address (of IPv6, one /64).
    pub of_address: u32,
    /// For one device.
    pub of_device: u32,
    /// Until one of them is forgotten.
    pub forgotten_after: Duration,
}

impl Default for GuessLimits {
    /// 30 and 10; one is forgotten in 20 seconds.
    fn default() -> Self {
        Self {
            of_address: 30,
            of_device: 10,
            forgotten_after: Duration::from_secs(20),
        }
    }
}

/// No more entries than this of each kind.
const MOST: usize = 65_536;

/// What is remembered of wrong passwords.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<State>);

#[derive(Default)]
struct State {
    addresses: HashMap<IpAddr, Wrong>,
    devices: HashMap<DeviceId, Wrong>,
    /// Where devices last logged in from.
    homes: HashMap<DeviceId, IpAddr>,
}

/// When all is as if nothing had been wrong, in milliseconds since 1970.
#[derive(Clone, Copy, Default)]
struct Wrong(i64);

impl Wrong {
    /// Whether one more may be tried.
    fn allows(&mut self, most: u32, limits: &GuessLimits, now: Timestamp) -> bool {
        let span = millis(limits.forgotten_after).saturating_mul(most.into());
        // A clock that was put back must not lock anybody out for longer.
        self.0 = self.0.min(now.millis().saturating_add(span));
        self.0.saturating_add(millis(limits.forgotten_after)) <= now.millis().saturating_add(span)
    }

    fn count(&mut self, limits: &GuessLimits, now: Timestamp) {
        let begun = self.0.max(now.millis());
        self.0 = begun.saturating_add(millis(limits.forgotten_after));
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Guesses {
    /// Whether a password from `address` for `device` is looked at.
    pub(crate) fn allow(
        &self,
        (address, device): (IpAddr, &DeviceId),
        limits: &GuessLimits,
        now: Timestamp,
    ) -> bool {
        let address = network_of(address);
        let mut state = self.lock();
        let wrong = state.addresses.get_mut(&address);
        if wrong.is_some_and(|wrong| !wrong.allows(limits.of_address, limits, now)) {
            return false;
        }
        if state.homes.get(device) == Some(&address) {
            return true;
        }
        let wrong = state.devices.get_mut(device);
        wrong.is_none_or(|wrong| wrong.allows(limits.of_device, limits, now))
    }

    /// The password was wrong, or there is no such device.
    pub(crate) fn note_wrong(
        &self,
        (address, device): (IpAddr, &DeviceId),
        limits: &GuessLimits,
        now: Timestamp,
    ) {
        let address = network_of(address);
        let mut state = self.lock();
        count_in(&mut state.addresses, address, (limits, now));
        count_in(&mut state.devices, device.clone(), (limits, now));
    }

    /// The password was right.
    pub(crate) fn note_right(&self, (address, device): (IpAddr, &DeviceId)) {
        let mut state = self.lock();
        if state.homes.len() >= MOST && !state.homes.contains_key(device) {
            state.homes.clear();
        }
        state.homes.insert(device.clone(), network_of(address));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count_in<K: Eq + Hash>(
    all: &mut HashMap<K, Wrong>,
    key: K,
    (limits, now): (&GuessLimits, Timestamp),
) {
    if all.len() >= MOST && !all.contains_key(&key) {
        all.retain(|_, wrong| wrong.0 > now.millis());
        // So many at once: whoever does that is kept busy by it, and memory is bounded.
        if all.len() >= MOST {
            all.clear();
        }
    }
    all.entry(key).or_default().count(limits, now);
}

/// Who has one IPv6 address has all of its /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let kept = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(kept.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GuessLimits = GuessLimits {
        of_address: 5,
        of_device: 2,
        forgotten_after: Duration::from_secs(20),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    fn device(n: u8) -> DeviceId {
        DeviceId::mint([n; 16])
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_device_that_was_guessed_at_is_left_alone_for_a_while_from_anywhere_but_its_home() {
        let guesses = Guesses::default();
        let (home, stranger, third) = (
            address("192.0.2.1"),
            address("192.0.2.2"),
            address("192.0.2.3"),
        );
        let lock = device(1);
        guesses.note_right((home, &lock));
        for _ in 0..2 {
            assert!(guesses.allow((stranger, &lock), &LIMITS, at(0)));
            guesses.note_wrong((stranger, &lock), &LIMITS, at(0));
        }
        assert!(!guesses.allow((stranger, &lock), &LIMITS, at(0)));
        assert!(!guesses.allow((third, &lock), &LIMITS, at(19)));
        assert!(guesses.allow((home, &lock), &LIMITS, at(0)));
        assert!(guesses.allow((stranger, &device(2)), &LIMITS, at(0)));
        assert!(guesses.allow((third, &lock), &LIMITS, at(20)));
    }

    #[test]
    fn an_address_that_guesses_at_many_devices_is_heard_no_more_for_a_while() {
        let guesses = Guesses::default();
        let from = address("2001:db8:0:1::7");
        for n in 0..5 {
            assert!(guesses.allow((from, &device(n)), &LIMITS, at(0)));
            guesses.note_wrong((from, &device(n)), &LIMITS, at(0));
        }
        let neighbour = address("2001:db8:0:1:ffff::9");
        guesses.note_right((neighbour, &device(9)));
        assert!(!guesses.allow((neighbour, &device(9)), &LIMITS, at(19)));
        assert!(guesses.allow((address("2001:db8:0:2::7"), &device(9)), &LIMITS, at(0)));
        assert!(guesses.allow((from, &device(9)), &LIMITS, at(20)));
        // The clock is put back by an hour: locked out for no longer than the limit takes.
        assert!(!guesses.allow((from, &device(9)), &LIMITS, at(-3600)));
        assert!(!guesses.allow((from, &device(9)), &LIMITS, at(-3581)));
        assert!(guesses.allow((from, &device(9)), &LIMITS, at(-3580)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let guesses = Guesses::default();
        for n in 0..u32::try_from(MOST).unwrap() + 10 {
            let from = IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
            guesses.note_wrong((from, &device(1)), &LIMITS, at(0));
        }
        assert!(guesses.lock().addresses.len() <= MOST);
    }
}
