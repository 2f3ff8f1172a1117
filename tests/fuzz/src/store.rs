//! Records and keys of the stores.

use std::cmp::Ordering;

use ics_core::id::{DeviceId, MappingId, ServiceUri, SpId, Uti};
use ics_store::fuzzing;

/// Records: the kind, the length of the key, the key, the bytes. They are read as they stand, and
/// with the checksum they need.
pub(super) fn record(data: &[u8]) {
    let (kind, rest) = super::choice(data);
    let (length, rest) = super::choice(rest);
    let kind = kind % fuzzing::KINDS;
    let (key, bytes) = rest.split_at(length.min(rest.len()));
    check_record(kind, key, bytes);
    check_record(kind, key, &fuzzing::complete(key, bytes));
}

/// Written again, and once more, it is the same: nothing is lost in reading. One damaged byte is
/// noticed.
fn check_record(kind: usize, key: &[u8], bytes: &[u8]) {
    let Some(written) = fuzzing::rewrite(kind, key, bytes) else {
        return;
    };
    let again = fuzzing::rewrite(kind, key, &written).expect("what was written is read");
    assert_eq!(again, written);
    for place in 0..written.len() {
        let mut damaged = written.clone();
        if let Some(byte) = damaged.get_mut(place) {
            *byte ^= 0x10;
        }
        assert_eq!(fuzzing::rewrite(kind, key, &damaged), None);
    }
}

/// Keys: no key is the beginning of another one, and their order is that of their parts.
pub(super) fn key(data: &[u8]) {
    let (length, rest) = super::choice(data);
    let (entry, value) = rest.split_at(length.min(rest.len()));
    let _ = fuzzing::row_of_entry(entry, value);
    let Some(text) = super::text(data) else {
        return;
    };
    let parts: Vec<&str> = text.lines().take(4).collect();
    let &[first, second, third, fourth] = parts.as_slice() else {
        return;
    };
    if let (Ok(a), Ok(b), Ok(c), Ok(d)) = (
        ServiceUri::from_store(first),
        Uti::from_store(second),
        ServiceUri::from_store(third),
        Uti::from_store(fourth),
    ) {
        let keys = (fuzzing::live_key(&a, &b), fuzzing::live_key(&c, &d));
        check_keys(
            (a.as_str(), b.as_str()).cmp(&(c.as_str(), d.as_str())),
            keys,
        );
    }
    if let (Ok(a), Ok(b), Ok(c), Ok(d)) = (
        SpId::parse(first),
        DeviceId::from_store(second),
        SpId::parse(third),
        DeviceId::from_store(fourth),
    ) {
        let id = MappingId::from_bytes([7; 16]);
        let keys = (
            fuzzing::device_key(&a, &b, id),
            fuzzing::device_key(&c, &d, id),
        );
        assert_eq!(fuzzing::row_of_entry(&keys.0, &[]), Some(id));
        check_keys(
            (a.as_str(), b.as_str()).cmp(&(c.as_str(), d.as_str())),
            keys,
        );
    }
}

fn check_keys(order: Ordering, (one, other): (Vec<u8>, Vec<u8>)) {
    assert_eq!(one.cmp(&other), order);
    if order != Ordering::Equal {
        assert!(!one.starts_with(&other) && !other.starts_with(&one));
    }
}

/// A backup, as it stands and with the hash it needs: what was read is written and reads the same.
pub(super) fn backup(data: &[u8]) {
    check_backup(data);
    check_backup(&fuzzing::complete_backup(data));
}

fn check_backup(bytes: &[u8]) {
    let Some((pairs, written)) = fuzzing::rewrite_backup(bytes) else {
        return;
    };
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key).collect();
    assert!(keys.is_sorted_by(|one, next| one < next));
    let (again, rewritten) = fuzzing::rewrite_backup(&written).expect("what was written is read");
    assert_eq!(again, pairs);
    assert_eq!(rewritten, written);
    // Not a bit less, and not a bit else.
    assert!(fuzzing::rewrite_backup(&written[..written.len() - 1]).is_none());
    let mut damaged = written;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    assert!(fuzzing::rewrite_backup(&damaged).is_none());
}

/// A line of an exported state: the versions of its kinds, the line. And a whole state.
pub(super) fn state_line(data: &[u8]) {
    let _ = fuzzing::reads_state(data);
    let (choice, line) = super::choice(data);
    // As they are written, or as the version before wrote them.
    let newest = fuzzing::line_versions();
    let older = |version: &u8| version.saturating_sub(u8::from(choice % 2 == 1)).max(1);
    let versions: Vec<u8> = newest.iter().map(older).collect();
    let Some(written) = fuzzing::rewrite_line(line, &versions) else {
        // What is told of it is ours: names of fields and fixed words.
        let fault = fuzzing::fault_of_line(line, &versions).expect("a fault");
        assert!(fault.len() < 300 && fault.is_ascii());
        return;
    };
    assert!(written.ends_with(b"\n") && !written[..written.len() - 1].contains(&b'\n'));
    if is_older_header(line) {
        // It knows fewer kinds than a header that is written now tells of.
        return;
    }
    let again = fuzzing::rewrite_line(&written, &newest).expect("what was written is read");
    assert_eq!(again, written);
}

/// Of the form of before, which is read and never written.
fn is_older_header(line: &[u8]) -> bool {
    let header: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    header["record"] == "header" && (header["format"] == 1 || header["format"] == 2)
}
