//! Who is half-open, by age and by network: of too many, who has to go.
//!
//! One network (RFC 4632: a /24; RFC 6177: a /56) fills at most a quarter of the room at the cost
//! of others. Each answer takes O(log n).

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

/// An IPv4 /24 or an IPv6 /56; an IPv4 address mapped into IPv6 is one of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Network {
    V4([u8; 3]),
    V6([u8; 7]),
}

impl Network {
    fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

/// When it came, among all.
pub(crate) type Turn = u64;

/// All that are half-open.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    turn: Turn,
    ages: BTreeSet<(Turn, SocketAddr)>,
    networks: HashMap<Network, BTreeSet<(Turn, SocketAddr)>>,
    sizes: BTreeSet<(usize, Network)>,
}

impl Crowd {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.ages.len()
    }

    /// One more; what [`Self::leave`] takes.
    pub(crate) fn enter(&mut self, peer: SocketAddr) -> Turn {
        self.turn += 1;
        let turn = self.turn;
        self.ages.insert((turn, peer));
        self.change(peer, |members| members.insert((turn, peer)));
        turn
    }

    /// One less.
    pub(crate) fn leave(&mut self, turn: Turn, peer: SocketAddr) {
        self.ages.remove(&(turn, peer));
        self.change(peer, |members| members.remove(&(turn, peer)));
    }

    /// Who has to go when there is room for `most`: the oldest of the largest network, if that has
    /// more than a quarter, else the oldest of all.
    pub(crate) fn first_to_go(&self, most: usize) -> Option<SocketAddr> {
        let largest = self.sizes.last().filter(|(size, _)| *size > most / 4);
        let members = match largest {
            Some((_, network)) => self.networks.get(network)?,
            None => &self.ages,
        };
        members.first().map(|(_, peer)| *peer)
    }

    fn change(
        &mut self,
        peer: SocketAddr,
        change: impl FnOnce(&mut BTreeSet<(Turn, SocketAddr)>) -> bool,
    ) {
        let network = Network::of(peer);
        let members = self.networks.entry(network).or_default();
        self.sizes.remove(&(members.len(), network));
        change(members);
        if members.is_empty() {
            self.networks.remove(&network);
        } else {
            self.sizes.insert((members.len(), network));
        }
    }
}

#[cfg(test)]
mod tests;
