//! How often a password may be wrong: by the address it comes from, and by the device it is for.
//!
//! Passwords minted here are 128 random bits, so nobody guesses one; but each guess costs a look into
//! the store, and where chosen ones are taken 20 ms of a core; and a password that was copied
//! somewhere must not be tried out on all devices. Beyond the limit nothing is looked up, and a right
//! password is as good as a wrong one; a right one of a device that is not served counts, too. An address a device last
//! logged in from is exempt from the device's limit: who knows its ID cannot lock it out there.
//! Those that are being looked at are as good as wrong until they are known, so many at once are no
//! way around it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ics_core::id::DeviceId;
use ics_core::time::Timestamp;
use tokio::sync::{Notify, Semaphore};

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
/// So many wait until others are known; more are refused.
const MOST_WAITING: usize = 256;

/// What is remembered of wrong passwords.
pub(crate) struct Guesses {
    state: Mutex<State>,
    /// One that was being looked at is known.
    known: Notify,
    places: Semaphore,
}

#[derive(Default)]
struct State {
    addresses: HashMap<IpAddr, Wrong>,
    devices: HashMap<DeviceId, Wrong>,
    /// Where devices last logged in from.
    homes: HashMap<DeviceId, IpAddr>,
}

#[derive(Clone, Copy, Default)]
struct Wrong {
    /// When all is as if nothing had been wrong, in milliseconds since 1970.
    until: i64,
    /// How many are being looked at.
    under_way: u32,
}

/// Whether one more may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Free,
    /// Not before others are known.
    Taken,
    /// Too many were wrong.
    None,
}

/// A password that is being looked at: as good as wrong until it is known.
pub(crate) struct Guess<'g> {
    guesses: &'g Guesses,
    address: IpAddr,
    device: DeviceId,
}

impl Wrong {
    fn room(&mut self, most: u32, limits: &GuessLimits, now: Timestamp) -> Room {
        let one = millis(limits.forgotten_after);
        let span = one.saturating_mul(most.into());
        let most = now.millis().saturating_add(span);
        // A clock that was put back must not lock anybody out for longer.
        self.until = self.until.min(most);
        let with_one = self.until.max(now.millis()).saturating_add(one);
        if with_one > most {
            Room::None
        } else if with_one.saturating_add(one.saturating_mul(self.under_way.into())) > most {
            Room::Taken
        } else {
            Room::Free
        }
    }

    fn count(&mut self, limits: &GuessLimits, now: Timestamp) {
        let begun = self.until.max(now.millis());
        self.until = begun.saturating_add(millis(limits.forgotten_after));
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            known: Notify::new(),
            places: Semaphore::new(MOST_WAITING),
        }
    }
}

impl Guesses {
    /// Room to look at a password from an address for a device; `None` when too many were wrong.
    /// Waits while as many are being looked at as may still be wrong.
    pub(crate) async fn begin(
        &self,
        (address, device): (IpAddr, &DeviceId),
        limits: &GuessLimits,
        now: Timestamp,
    ) -> Option<Guess<'_>> {
        let address = network_of(address);
        let mut place = None;
        loop {
            let mut known = pin!(self.known.notified());
            known.as_mut().enable();
            match self.enter((address, device), limits, now) {
                Room::Free => {
                    return Some(Guess {
                        guesses: self,
                        address,
                        device: device.clone(),
                    });
                }
                Room::None => return None,
                Room::Taken => {}
            }
            if place.is_none() {
                place = Some(self.places.try_acquire().ok()?);
            }
            known.await;
        }
    }

    fn enter(
        &self,
        (address, device): (IpAddr, &DeviceId),
        limits: &GuessLimits,
        now: Timestamp,
    ) -> Room {
        let mut state = self.lock();
        let wrong = entry_in(&mut state.addresses, address, now);
        let mut room = wrong.room(limits.of_address, limits, now);
        let is_home = state.homes.get(device) == Some(&address);
        let wrong = entry_in(&mut state.devices, device.clone(), now);
        if !is_home {
            room = room.max(wrong.room(limits.of_device, limits, now));
        }
        if room == Room::Free {
            wrong.under_way = wrong.under_way.saturating_add(1);
            let wrong = entry_in(&mut state.addresses, address, now);
            wrong.under_way = wrong.under_way.saturating_add(1);
        } else {
            forget_idle(&mut state.addresses, &address);
            forget_idle(&mut state.devices, device);
        }
        room
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guess<'_> {
    /// The password was wrong, or there is no such device.
    pub(crate) fn wrong(self, limits: &GuessLimits, now: Timestamp) {
        let mut state = self.guesses.lock();
        entry_in(&mut state.addresses, self.address, now).count(limits, now);
        entry_in(&mut state.devices, self.device.clone(), now).count(limits, now);
        drop(state);
    }

    /// The password was right, and the device is not served: that is counted for the device, from
    /// wherever it comes.
    pub(crate) fn useless(self, limits: &GuessLimits, now: Timestamp) {
        let mut state = self.guesses.lock();
        state.homes.remove(&self.device);
        entry_in(&mut state.devices, self.device.clone(), now).count(limits, now);
        drop(state);
    }

    /// The password was right.
    pub(crate) fn right(self) {
        let mut state = self.guesses.lock();
        if state.homes.len() >= MOST && !state.homes.contains_key(&self.device) {
            state.homes.clear();
        }
        state.homes.insert(self.device.clone(), self.address);
        drop(state);
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        let mut state = self.guesses.lock();
        leave(&mut state.addresses, &self.address);
        leave(&mut state.devices, &self.device);
        drop(state);
        self.guesses.known.notify_waiters();
    }
}

fn entry_in<K: Eq + Hash>(all: &mut HashMap<K, Wrong>, key: K, now: Timestamp) -> &mut Wrong {
    if all.len() >= MOST && !all.contains_key(&key) {
        all.retain(|_, wrong| wrong.until > now.millis() || wrong.under_way > 0);
        // So many at once: whoever does that is kept busy by it, and memory is bounded.
        if all.len() >= MOST {
            all.retain(|_, wrong| wrong.under_way > 0);
        }
    }
    all.entry(key).or_default()
}

fn leave<K: Eq + Hash>(all: &mut HashMap<K, Wrong>, key: &K) {
    if let Some(wrong) = all.get_mut(key) {
        wrong.under_way = wrong.under_way.saturating_sub(1);
    }
    forget_idle(all, key);
}

/// Nothing is kept of one that never was wrong.
fn forget_idle<K: Eq + Hash>(all: &mut HashMap<K, Wrong>, key: &K) {
    let is_idle = |wrong: &Wrong| wrong.until == 0 && wrong.under_way == 0;
    if all.get(key).is_some_and(is_idle) {
        all.remove(key);
    }
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
mod tests;
