//! What hosted devices send and are sent, whatever carries it: JSON and CBOR.

use std::fmt::Debug;

use ics_channel::refusal::Refusal;
use ics_channel::{Format, InvalidPayload, acknowledgement, document, event, inquiry, revocation};
use ics_core::device_document::DocumentState;
use ics_core::id::find_permanent_identifier;

/// A payload: the first byte says which message it should be.
pub(super) fn payload(data: &[u8]) {
    let (kind, bytes) = super::choice(data);
    match kind % 7 {
        0 => again(document::parse(bytes), document::encode, document::parse),
        1 => again(
            acknowledgement::parse(bytes),
            acknowledgement::encode,
            acknowledgement::parse,
        ),
        2 => again(inquiry::parse(bytes), inquiry::encode, inquiry::parse),
        3 => again(
            inquiry::parse_answer(bytes),
            |(device, rows), format| inquiry::encode_answer(device, rows, format),
            inquiry::parse_answer,
        ),
        4 => again(
            revocation::parse(bytes),
            revocation::encode,
            revocation::parse,
        ),
        5 => an_event(bytes),
        _ => again(
            Refusal::parse(bytes),
            |refusal, format| refusal.encode(format),
            Refusal::parse,
        ),
    }
    within_bounds(bytes);
}

/// What was read is written in both forms, each of which tells what it is, and reads the same.
fn again<T: PartialEq + Debug>(
    read: Result<T, InvalidPayload>,
    write: impl Fn(&T, Format) -> Vec<u8>,
    parse: impl Fn(&[u8]) -> Result<T, InvalidPayload>,
) {
    let Ok(message) = read else {
        return;
    };
    for format in [Format::Json, Format::Cbor] {
        let written = write(&message, format);
        assert_eq!(Format::of(&written), Ok(format));
        assert_eq!(parse(&written).as_ref(), Ok(&message));
        // Nothing may follow it, and nothing of it may be missing.
        let longer = [&written[..], b"\x00"].concat();
        assert!(parse(&longer).is_err(), "{written:?}");
        let shorter = &written[..written.len() - 1];
        assert!(shorter.is_empty() || parse(shorter).is_err(), "{written:?}");
    }
}

/// What a device says goes on byte by byte.
fn an_event(bytes: &[u8]) {
    let Ok(said) = event::parse(bytes) else {
        return;
    };
    let is_within = bytes
        .windows(said.data.len().max(1))
        .any(|window| window == said.data);
    assert!(said.data.is_empty() || is_within, "{said:?}");
    let written = event::encode(&said).expect("what was read is written");
    assert_eq!(event::parse(&written), Ok(said));
    let format = if said.is_json {
        Format::Json
    } else {
        Format::Cbor
    };
    assert_eq!(Format::of(bytes), Ok(format));
}

/// Whatever is sent, a device's memory has room for what was read.
fn within_bounds(bytes: &[u8]) {
    if let Ok(read) = document::parse(bytes) {
        assert!(read.version <= DocumentState::HIGHEST_VERSION);
        assert!(read.entries.len() <= DocumentState::MOST_ROWS);
        for entry in &read.entries {
            let uti = entry.key.uti.as_str();
            assert!(find_permanent_identifier(uti).is_none(), "{uti}");
        }
    }
    if let Ok(read) = acknowledgement::parse(bytes) {
        assert!(read.version <= DocumentState::HIGHEST_VERSION);
        assert!(read.refused.len() <= DocumentState::MOST_ROWS);
    }
}
