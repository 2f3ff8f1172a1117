//! Caps on what one address and one party can take.
//!
//! A connection that says nothing costs a file descriptor until its time is over, no more. Each
//! step of a handshake waits for its turn: first among those of its address, then among all; one
//! that waits for its peer has none. So one address that floods keeps the others waiting for at
//! most its own share of turns, and nobody waits for a peer that has stopped.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ics_core::id::SpId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The caps of one listener, and what is taken of them.
pub(crate) struct Gate {
    turns: Arc<Semaphore>,
    per_address: usize,
    addresses: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
    per_party: AtomicUsize,
    parties: Mutex<HashMap<SpId, usize>>,
}

impl Gate {
    /// At most `all` steps of handshakes at once, `per_address` of them for one address;
    /// `per_party` open connections of one party.
    pub(crate) fn new(all: usize, per_address: usize, per_party: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            per_address: per_address.min(Semaphore::MAX_PERMITS),
            addresses: Mutex::default(),
            per_party: AtomicUsize::new(per_party),
            parties: Mutex::default(),
        }
    }

    /// From now on a party may open this many connections; those it has stay.
    pub(crate) fn set_per_party(&self, per_party: usize) {
        self.per_party.store(per_party, Ordering::Relaxed);
    }

    /// Waits for the turn of a step; it is over when the value is dropped. `None`: the
    /// process ends.
    pub(super) async fn wait_for_turn(self: &Arc<Self>, address: IpAddr) -> Option<Turn> {
        let address = network_of(address);
        let own = {
            let mut addresses = lock(&self.addresses);
            let new = || Arc::new(Semaphore::new(self.per_address));
            Arc::clone(addresses.entry(address).or_insert_with(new))
        };
        // Made first: when the wait is cut off, it still forgets the address.
        let mut turn = Turn {
            gate: Arc::clone(self),
            address,
            held: None,
        };
        let own = own.acquire_owned().await.ok()?;
        let any = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        turn.held = Some((own, any));
        Some(turn)
    }

    /// A place for one more connection of a party, if it has one left.
    pub(super) fn take_seat(self: &Arc<Self>, party: &SpId) -> Option<Seat> {
        let mut parties = lock(&self.parties);
        let taken = parties.entry(party.clone()).or_insert(0);
        if *taken >= self.per_party.load(Ordering::Relaxed) {
            return None;
        }
        *taken = taken.saturating_add(1);
        drop(parties);
        Some(Seat {
            gate: Arc::clone(self),
            party: party.clone(),
        })
    }
}

/// The address, or the network that an IPv6 peer can take its addresses from.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A step that may be computed, or waits to be.
pub(super) struct Turn {
    gate: Arc<Gate>,
    address: IpAddr,
    held: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut addresses = lock(&self.gate.addresses);
        // Nobody else waits or runs: all permits are back, the map's is the only handle.
        if addresses
            .get(&self.address)
            .is_some_and(|own| Arc::strong_count(own) == 1)
        {
            addresses.remove(&self.address);
        }
    }
}

/// An open connection of a party.
pub(super) struct Seat {
    gate: Arc<Gate>,
    party: SpId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut parties = lock(&self.gate.parties);
        if let Some(taken) = parties.get_mut(&self.party) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                parties.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests;
