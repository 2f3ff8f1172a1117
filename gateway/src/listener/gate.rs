//! Caps on what one address and one party can take.
//!
//! A connection whose handshake is not whole costs a descriptor, and one of the listener's
//! connections, until its time is over: one address has a quarter of them, so that it cannot take
//! the listener by saying nothing. Each step of a handshake waits for its turn: first among those
//! of its address, then among all; one that waits for its peer has none. So one address that
//! floods keeps the others waiting for at most its own share of turns, and nobody waits for a peer
//! that has stopped.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ics_core::id::SpId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::ConnectionsSection;

/// The caps of one listener, and what is taken of them.
pub(crate) struct Gate {
    turns: Arc<Semaphore>,
    turns_of_address: usize,
    arrivals_of_address: usize,
    addresses: Mutex<HashMap<IpAddr, Address>>,
    per_party: AtomicUsize,
    parties: Mutex<HashMap<SpId, usize>>,
}

/// What an address has under way.
struct Address {
    turns: Arc<Semaphore>,
    arrivals: usize,
}

impl Gate {
    /// The caps of that section.
    pub(crate) fn new(caps: &ConnectionsSection) -> Self {
        let turns = |most: usize| most.min(Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(turns(caps.max_handshakes))),
            turns_of_address: turns(caps.max_handshakes_per_address),
            arrivals_of_address: caps.arrivals_of_address(),
            addresses: Mutex::default(),
            per_party: AtomicUsize::new(caps.max_connections_per_party),
            parties: Mutex::default(),
        }
    }

    /// From now on a party may open this many connections; those it has stay.
    pub(crate) fn set_per_party(&self, per_party: usize) {
        self.per_party.store(per_party, Ordering::Relaxed);
    }

    /// A connection whose handshake is to come, until the value is dropped. `None`: its address has
    /// too many of them.
    pub(super) fn arrive(self: &Arc<Self>, address: IpAddr) -> Option<Arrival> {
        let address = network_of(address);
        let mut addresses = lock(&self.addresses);
        let own = addresses.entry(address).or_insert_with(|| Address {
            turns: Arc::new(Semaphore::new(self.turns_of_address)),
            arrivals: 0,
        });
        if own.arrivals >= self.arrivals_of_address {
            return None;
        }
        own.arrivals = own.arrivals.saturating_add(1);
        Some(Arrival {
            gate: Arc::clone(self),
            turns: Arc::clone(&own.turns),
            address,
        })
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

/// A connection whose handshake is not whole yet.
pub(super) struct Arrival {
    gate: Arc<Gate>,
    turns: Arc<Semaphore>,
    address: IpAddr,
}

impl Arrival {
    /// Waits for the turn of a step; it is over when the value is dropped. `None`: the process
    /// ends.
    pub(super) fn wait_for_turn(&self) -> impl Future<Output = Option<Turn>> + use<> {
        let (own, all) = (Arc::clone(&self.turns), Arc::clone(&self.gate.turns));
        async move {
            let own = own.acquire_owned().await.ok()?;
            let any = all.acquire_owned().await.ok()?;
            Some(Turn {
                _own: own,
                _any: any,
            })
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut addresses = lock(&self.gate.addresses);
        let Some(own) = addresses.get_mut(&self.address) else {
            return;
        };
        own.arrivals = own.arrivals.saturating_sub(1);
        if own.arrivals == 0 {
            addresses.remove(&self.address);
        }
    }
}

/// A step that may be computed.
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _any: OwnedSemaphorePermit,
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
