//! Where callbacks go, and what comes back.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ics_core::id::CallbackUri;
use ics_core::time::Timestamp;
use ics_notify::fuzzing;
use ics_notify::{AddressRules, Network};

const NOW: Timestamp = Timestamp::from_millis(1_795_291_200_000);

/// A destination is sent to the host and port that were pinned, whoever reads the URI.
pub(super) fn target(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    let target = fuzzing::parse_target(text);
    let Ok(uri) = CallbackUri::parse(text) else {
        return;
    };
    let origin = uri.origin();
    let pinned = fuzzing::parse_target(origin.as_str());
    assert_eq!(target, pinned, "{text}");
    let Some((host, port)) = target else {
        return;
    };
    let written = format!("https://{host}:{port}/");
    assert_eq!(
        fuzzing::parse_target(&written),
        Some((host, port)),
        "{text}"
    );
}

/// Networks, and addresses held against them: an address, or a network and an address behind it.
pub(super) fn address(data: &[u8]) {
    let (length, rest) = super::choice(data);
    let (network, address) = rest.split_at(length.min(rest.len()));
    let network = super::text(network).and_then(|text| text.parse::<Network>().ok());
    if let Some(network) = network {
        assert_eq!(network.to_string().parse::<Network>(), Ok(network));
    }
    let ip = match *address {
        [a, b, c, d] => IpAddr::from([a, b, c, d]),
        _ => match <[u8; 16]>::try_from(address) {
            Ok(bytes) => IpAddr::from(bytes),
            Err(_) => match super::text(address).and_then(|text| text.parse().ok()) {
                Some(ip) => ip,
                None => return,
            },
        },
    };
    let socket = SocketAddr::new(ip, 443);
    let strict = AddressRules::default();
    let public = strict.check(socket).is_ok();
    if public {
        assert_public(ip);
    }
    if let Some(network) = network {
        let rules = AddressRules {
            allowed: vec![network],
            forbidden: Vec::new(),
        };
        assert_eq!(rules.check(socket).is_ok(), public || network.holds(ip));
    }
    let own = AddressRules {
        allowed: network.into_iter().collect(),
        forbidden: vec![socket],
    };
    assert!(own.check(socket).is_err(), "{ip}");
}

fn assert_public(ip: IpAddr) {
    let inside = match ip {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_link_local() || ip.is_broadcast() || ip.is_documentation()
        }
        IpAddr::V6(ip) => {
            is_within(ip, 0xfc00, 7)
                || is_within(ip, 0xfe80, 10)
                || ip.to_ipv4().is_some()
                || is_within(ip, 0x0064, 16)
                || is_within(ip, 0x2002, 16)
        }
    };
    let special = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    assert!(!inside && !special, "{ip}");
}

fn is_within(ip: Ipv6Addr, first: u16, bits: u32) -> bool {
    let [head, ..] = ip.segments();
    let mask = u16::MAX.checked_shl(16 - bits).unwrap_or(u16::MAX);
    head & mask == first
}

/// What a host answers: how long it asks to wait, and the token it gives.
pub(super) fn answer(data: &[u8]) {
    if let Some(text) = super::text(data)
        && let Some(wait) = fuzzing::parse_retry_after(text, NOW)
    {
        assert!(wait <= Duration::from_secs(3600));
        let seconds = wait.as_secs().to_string();
        let again = fuzzing::parse_retry_after(&seconds, NOW);
        assert_eq!(again, Some(Duration::from_secs(wait.as_secs())));
    }
    let endpoint = CallbackUri::parse("https://sp.example/token").expect("a URI");
    if let Some((authorization, usable_until)) = fuzzing::hold_token(data, &endpoint, NOW) {
        // One line, of the scheme that was asked for.
        assert!(authorization.starts_with(b"Bearer "));
        assert!(!authorization.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
        assert!(usable_until >= NOW);
    }
}
