//! Which addresses a callback may be sent to: the defence against an SP that names a host of ours.
//!
//! Everything that is not plainly a public unicast address is refused unless the operator allowed
//! its network; the gateway's own listeners are refused even then. An address is vetted at the
//! moment of connecting, so a name that resolves differently each time gains nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

/// What the operator said of addresses.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    /// Networks that may be reached although they are not public.
    pub allowed: Vec<Network>,
    /// Sockets that may never be reached: the gateway's own listeners. An unspecified address
    /// stands for every address of this machine.
    pub forbidden: Vec<SocketAddr>,
}

/// A network in CIDR notation, `10.20.0.0/16` or `fd00:1::/32`; a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// The text is no network: address, slash, prefix length, no bits beyond the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network in CIDR notation")]
pub struct InvalidNetwork;

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// Loopback, private, link-local, multicast, or set aside in another way.
    #[error("address is not public")]
    NotPublic,
    /// One of the gateway's own listeners.
    #[error("address is a listener of the gateway")]
    OwnListener,
}

impl AddressRules {
    /// Whether a callback may be sent to `address`.
    ///
    /// # Errors
    /// [`AddressRefused`].
    pub fn check(&self, address: SocketAddr) -> Result<(), AddressRefused> {
        let ip = address.ip().to_canonical();
        let own = |listener: &SocketAddr| {
            let bound = listener.ip().to_canonical();
            listener.port() == address.port()
                && (bound == ip || (bound.is_unspecified() && is_local(ip)))
        };
        if self.forbidden.iter().any(own) {
            return Err(AddressRefused::OwnListener);
        }
        let allowed = self.allowed.iter().any(|network| network.holds(ip));
        // An IPv4 address in IPv6 clothes is refused for its clothes alone.
        let plain = ip == address.ip();
        if allowed || (plain && is_public(ip)) {
            Ok(())
        } else {
            Err(AddressRefused::NotPublic)
        }
    }
}

impl Network {
    /// Whether `ip` lies within; an IPv4-mapped address counts as the IPv4 one.
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        match (self.base, ip.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                masked(base.to_bits().into(), 32, self.prefix)
                    == masked(ip.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                masked(base.to_bits(), 128, self.prefix) == masked(ip.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

/// The first `prefix` of the lowest `width` bits of `bits`, as a number.
fn masked(bits: u128, width: u8, prefix: u8) -> u128 {
    bits.checked_shr(u32::from(width.saturating_sub(prefix)))
        .unwrap_or(0)
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let (bits, width) = match base {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32_u8),
            IpAddr::V6(ip) => (ip.to_bits(), 128),
        };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| InvalidNetwork)?,
            None => width,
        };
        let spare = u32::from(width.checked_sub(prefix).ok_or(InvalidNetwork)?);
        let whole = masked(bits, width, prefix).checked_shl(spare).unwrap_or(0);
        // Bits beyond the prefix are a typing error, and a dangerous one.
        if whole == bits {
            Ok(Self { base, prefix })
        } else {
            Err(InvalidNetwork)
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Whether this machine answers to `ip`: only then can a socket be bound to it.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// IANA IPv4 Special-Purpose Address Registry (RFC 6890): what is not globally reachable.
const fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)               // this network; private; loopback
            | (100, 64..=127, _)           // carrier-grade NAT, RFC 6598
            | (169, 254, _)                // link-local, cloud metadata
            | (172, 16..=31, _)            // private
            | (192, 168, _)                // private
            | (192, 0, 0 | 2)              // protocol assignments; documentation
            | (192, 88, 99)                // 6to4 relays
            | (198, 18 | 19, _)            // benchmarking
            | (198, 51, 100)               // documentation
            | (203, 0, 113)                // documentation
            | (224..=255, _, _) // multicast, reserved, broadcast
    )
}

/// Global unicast `2000::/3` alone, without what is set aside within it or carries IPv4 inside.
const fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    matches!(a, 0x2000..=0x3fff)
        && !(a == 0x2001 && b < 0x0200)     // protocol assignments, Teredo among them
        && !(a == 0x2001 && b == 0x0db8)    // documentation
        && a != 0x2002                      // 6to4
        && !(a == 0x3fff && b < 0x1000) // documentation, RFC 9637
}

#[cfg(test)]
mod tests;
