//! Identifiers of ics-core.

use ics_core::id::{
    AgreementId, CallbackUri, DeviceId, DeviceSerialNumber, JobId, MappingId, Origin,
    ServicePrefix, ServiceUri, SpId, SubscriptionId, Uti, find_permanent_identifier,
};
use ics_core::mapping::{Attribute, CauseCode, DemappingCause, MappingStatus};
use ics_core::party::{SerialMatcher, SerialNamespace};
use ics_core::reference_point::Scopes;
use ics_core::time::Timestamp;

/// Every identifier that is a text: read once or twice it is the same, a store takes it back, and
/// nothing permanent is in what must be anonymous.
pub(super) fn opaque_id(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    if let Ok(id) = Uti::parse(text) {
        assert!(id.as_str().len() <= Uti::MAX);
        assert_anonymous(id.as_str());
        assert!(Uti::parse(id.as_str()).as_ref() == Ok(&id));
        assert!(Uti::from_store(id.as_str()) == Ok(id));
    }
    if let Ok(id) = DeviceId::parse(text) {
        assert_eq!(id.as_str(), text);
        assert_anonymous(text);
        assert!(DeviceId::from_store(text) == Ok(id));
    }
    if let Ok(id) = Attribute::parse(text) {
        assert_eq!(id.as_str(), text);
        assert_anonymous(text);
        assert!(Attribute::from_store(text) == Ok(id));
    }
    if let Ok(id) = SpId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(id) = DeviceSerialNumber::parse(text) {
        assert_eq!(id.expose(), text);
        // The device ID that is the serial number is never taken beside it.
        if let Ok(device) = DeviceId::parse(text) {
            assert!(device.check_differs_from(&id).is_err());
        }
    }
    if let Ok(code) = CauseCode::parse(text) {
        assert_eq!(code.as_str(), text);
    }
    let uuids = [
        MappingId::parse(text).map(|id| id.to_string()),
        AgreementId::parse(text).map(|id| id.to_string()),
        SubscriptionId::parse(text).map(|id| id.to_string()),
        JobId::parse(text).map(|id| id.to_string()),
    ];
    for told in uuids.into_iter().flatten() {
        assert_eq!(told, text);
    }
    if let Some(cause) = DemappingCause::parse(text) {
        assert_eq!(cause.name(), text);
    }
    if let Some(status) = MappingStatus::parse(text) {
        assert_eq!(status.name(), text);
    }
    if let Some(scopes) = Scopes::parse(text) {
        assert!(Scopes::parse(&scopes.to_string()) == Some(scopes));
    }
}

/// No part of a URI is permanent: an address, or a port, is none.
pub(super) fn assert_uri_anonymous(uri: &str) {
    let (scheme, rest) = uri.split_once("://").expect("a scheme");
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    };
    assert!(port.len() <= 5, "{uri}");
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<std::net::IpAddr>().is_err() {
        assert_anonymous(host);
    }
    assert_anonymous(scheme);
    assert_anonymous(behind);
}

fn assert_anonymous(text: &str) {
    assert!(find_permanent_identifier(text).is_none(), "{text}");
}

/// A permanent identifier, hidden among other text and encoded, is found and taken by no type.
///
/// Kind, encoding, six bytes of digits, then what stands before it and behind it.
pub(super) fn permanent_identifier(data: &[u8]) {
    // The scan itself, over any text.
    if let Some(text) = super::text(data) {
        let found = find_permanent_identifier(text);
        let encoded = percent_encode(text, 0xff);
        assert_eq!(find_permanent_identifier(&encoded), found, "{text}");
    }
    let Some(([kind, mask, levels, number @ ..], rest)) = data.split_first_chunk::<9>() else {
        return;
    };
    let Some(rest) = super::text(rest) else {
        return;
    };
    let number = number
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let (before, behind) = rest.split_once('\n').unwrap_or((rest, ""));
    let hidden = (0..levels % 4).fold(permanent(*kind, number), |text, _| {
        percent_encode(&text, *mask)
    });
    // What stands beside it is other text, told apart by a separator that is in no number; of a
    // number alone, by one that may be in a UUID too.
    let mut texts = vec![
        hidden.clone(),
        format!("{before}/{hidden}"),
        format!("{hidden}?{behind}"),
        format!("{before}={hidden}&{behind}"),
    ];
    if matches!(kind % 12, 0 | 7 | 8) {
        texts.push(format!("{before}-{hidden}"));
        texts.push(format!("{hidden}-{behind}"));
    }
    for text in texts {
        assert!(find_permanent_identifier(&text).is_some(), "{text}");
        assert!(Uti::parse(&text).is_err(), "{text}");
        assert!(DeviceId::parse(&text).is_err(), "{text}");
        assert!(Attribute::parse(&text).is_err(), "{text}");
        let uri = format!("https://s.example/{text}");
        assert!(ServiceUri::parse(&uri).is_err(), "{uri}");
        assert!(CallbackUri::parse(&uri).is_err(), "{uri}");
        assert!(ServicePrefix::parse(&uri).is_err(), "{uri}");
    }
}

/// A permanent identifier: of a subscription, a person, a card, a piece of equipment.
fn permanent(kind: u8, number: u64) -> String {
    let digits = number % 10_000_000_000;
    let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
    match kind % 12 {
        0 => format!("26201{digits:010}"),
        1 => format!("imsi-26201{digits:010}"),
        2 => format!("+49170{:07}", digits % 10_000_000),
        3 => format!("tel:+49170{:07}", digits % 10_000_000),
        4 => format!("user{digits}@mail.example"),
        5 => format!("{a:02x}:{b:02x}:{c:02x}:{d:02X}:{e:02x}:{f:02x}"),
        6 => format!("{a:02x}-{b:02x}-{c:02x}-{d:02X}-{e:02x}-{f:02x}"),
        7 => format!("35{digits:010}123"),
        8 => format!("894901{digits:010}123"),
        9 => format!("suci-0-262-01-0-0-0-{digits}"),
        10 => format!("{digits}@nai.5gc.mnc001.mcc262.3gppnetwork.org"),
        _ => format!("msisdn-49170{:07}", digits % 10_000_000),
    }
}

/// Percent-encodes the bytes that `mask` picks, eight by eight.
fn percent_encode(text: &str, mask: u8) -> String {
    let mut encoded = String::new();
    for (place, byte) in text.bytes().enumerate() {
        // A byte of a longer character is never left alone.
        if !byte.is_ascii() || byte == b'%' || mask >> (place % 8) & 1 == 1 {
            encoded.push_str(&format!("%{byte:02x}"));
        } else {
            encoded.push(char::from(byte));
        }
    }
    encoded
}

/// Service URIs, prefixes, callback URIs, origins: three of them, a line each.
pub(super) fn service_uri(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    let lines: Vec<&str> = text.lines().take(3).collect();
    for line in &lines {
        if let Ok(uri) = ServiceUri::parse(line) {
            // Normal already, so that reading it twice changes nothing, and one service has one
            // spelling.
            assert_eq!(uri.as_str(), *line);
            assert_uri_anonymous(line);
            assert!(ServiceUri::from_store(line).as_ref() == Ok(&uri));
            let (scheme, rest) = line.split_once("://").expect("a scheme");
            assert_eq!(scheme, scheme.to_ascii_lowercase());
            let mut segments = rest
                .split('?')
                .take(1)
                .flat_map(|path| path.split('/').skip(1));
            assert!(!segments.any(|part| part == ".." || part == "."), "{line}");
            assert!(!rest.contains('#'), "{line}");
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            assert!(!authority.contains('@') && !authority.is_empty(), "{line}");
            // Lower case, but for the digits of an escape.
            let mut parts = authority.split('%');
            let head = parts.next().unwrap_or_default();
            let is_lower = |text: &str| !text.bytes().any(|b| b.is_ascii_uppercase());
            let mut tails = parts.map(|part| part.get(2..).unwrap_or_default());
            assert!(is_lower(head) && tails.all(is_lower), "{line}");
        }
        if let Ok(uri) = CallbackUri::parse(line) {
            assert_eq!(uri.as_str(), *line);
            let origin = uri.origin();
            assert!(line.starts_with(origin.as_str()));
            assert_eq!(Origin::parse(origin.as_str()), Ok(origin));
        }
        if let Ok(origin) = Origin::parse(line) {
            assert_eq!(Origin::parse(origin.as_str()).as_ref(), Ok(&origin));
            let uri = CallbackUri::parse(line).expect("an origin is a callback URI");
            assert_eq!(uri.origin(), origin);
        }
    }
    let [wide, narrow, uri] = lines.as_slice() else {
        return;
    };
    let (Ok(wide), Ok(narrow)) = (ServicePrefix::parse(wide), ServicePrefix::parse(narrow)) else {
        return;
    };
    assert!(wide.covers(&wide) && narrow.covers(&narrow));
    if let Ok(uri) = ServiceUri::parse(uri)
        && narrow.owns(&uri)
    {
        assert!(uri.as_str().starts_with(narrow.as_str()));
        assert!(!wide.covers(&narrow) || wide.owns(&uri));
    }
}

/// Serial namespaces: the pattern, a line break, the serial number.
pub(super) fn serial_namespace(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    let (given, serial) = text.split_once('\n').unwrap_or((text, "SN-1"));
    let serial = DeviceSerialNumber::parse(serial);
    let holds = |matcher: &SerialMatcher| {
        let namespace = SerialNamespace {
            vendor: None,
            matcher: matcher.clone(),
        };
        serial
            .as_ref()
            .ok()
            .map(|serial| (namespace.holds(serial, None), serial.expose()))
    };
    if let Ok(prefix) = SerialMatcher::prefix(given) {
        assert_eq!(prefix.as_text(), (false, given));
        if let Some((held, serial)) = holds(&prefix) {
            assert_eq!(held, serial.starts_with(given));
        }
    }
    if let Ok(pattern) = SerialMatcher::pattern(given) {
        assert_eq!(pattern.as_text(), (true, given));
        let held = holds(&pattern);
        // Anchored at both ends: a pattern that is a plain text holds that text alone.
        if given.bytes().all(|b| b.is_ascii_alphanumeric())
            && let Some((held, serial)) = held
        {
            assert_eq!(held, serial == given);
        }
    }
}

/// Date-times of RFC 3339.
pub(super) fn instant(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    if let Ok(instant) = Timestamp::parse(text) {
        assert!((0..=Timestamp::MAX.millis()).contains(&instant.millis()));
        assert_eq!(Timestamp::parse(&instant.to_rfc3339()), Ok(instant));
        assert_eq!(Timestamp::from_millis(instant.millis()), instant);
    }
}
