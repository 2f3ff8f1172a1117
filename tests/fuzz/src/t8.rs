//! The T8 API: bodies, lines of bulk inquiries, queries, links.

use ics_core::id::{ServiceUri, SpId, find_permanent_identifier};
use ics_t8::fuzzing;
use ics_t8::wire::{FrameGate, InvalidBody};
use serde_json::Value;

/// Bodies, merge patches among them: the first byte says of which operation.
pub(super) fn body(data: &[u8]) {
    let (kind, bytes) = super::choice(data);
    let kind = kind % fuzzing::BODIES;
    check(fuzzing::read_body(kind, bytes), bytes, |again| {
        fuzzing::read_body(kind, again)
    });
}

/// A line of a bulk inquiry.
pub(super) fn line(data: &[u8]) {
    check(fuzzing::read_line(data), data, fuzzing::read_line);
}

/// A frame of a websocket: what it acknowledges is what stands in it, and written by itself it reads
/// the same. Nothing is told but the id: `details` is read by nobody.
pub(super) fn acknowledgement(data: &[u8]) {
    let id = match fuzzing::read_acknowledgement(data) {
        Ok(id) => id,
        Err(invalid) => return check_pointer(&invalid.pointer),
    };
    let sent: Value = serde_json::from_slice(data).expect("what was read is JSON");
    let members = sent.as_object().expect("an object");
    assert_eq!(
        members.get("notificationId"),
        Some(&Value::from(id.as_str()))
    );
    let known = |name: &String| ["notificationId", "details"].contains(&name.as_str());
    assert!(members.keys().all(known), "{sent}");
    assert!(members.get("details").is_none_or(Value::is_string));
    let written = serde_json::json!({ "notificationId": id }).to_string();
    assert_eq!(
        fuzzing::read_acknowledgement(written.as_bytes()).ok(),
        Some(id)
    );
}

/// What a peer sends by a websocket, in pieces of the size that the first byte says: it is refused
/// at the piece in which a head ends that declares too much, as these heads are read here, one
/// whole frame after the other.
pub(super) fn frame(data: &[u8]) {
    const LARGEST: u64 = 300;
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let mut gate = FrameGate::new(LARGEST);
    let mut seen = 0;
    let refused = stream.chunks(usize::from(size).max(1)).find_map(|piece| {
        let before = seen;
        seen += piece.len();
        gate.pass(piece).err().map(|_| before..seen)
    });
    let known = end_of_large_head(stream, LARGEST);
    match refused {
        Some(piece) => {
            // The last byte of the head lies in that piece.
            let last = known.expect("a frame that is too large") - 1;
            assert!(piece.contains(&last), "{last} in {piece:?}");
            assert!(gate.pass(b"x").is_err(), "it stays refused");
        }
        None => assert_eq!(known, None),
    }
}

/// Where the first head ends that declares more than `largest`.
fn end_of_large_head(stream: &[u8], largest: u64) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let second = *stream.get(at + 1)?;
        let (length, end) = match second & 0x7f {
            126 => {
                let bytes = stream.get(at + 2..at + 4)?;
                let length = u16::from_be_bytes(bytes.try_into().expect("two"));
                (u64::from(length), at + 4)
            }
            127 => {
                let bytes = stream.get(at + 2..at + 10)?;
                (
                    u64::from_be_bytes(bytes.try_into().expect("eight")),
                    at + 10,
                )
            }
            short => (u64::from(short), at + 2),
        };
        if length > largest {
            return Some(end);
        }
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        at = end + mask + usize::try_from(length).expect("a small one");
    }
}

/// What was read is what stands in the JSON, no more and no less; written, it reads the same; what
/// is taken has nothing permanent in it; a refusal repeats nothing.
fn check(
    read: Result<fuzzing::Told, InvalidBody>,
    bytes: &[u8],
    again: impl Fn(&[u8]) -> Result<fuzzing::Told, InvalidBody>,
) {
    let told = match read {
        Ok(told) => told,
        Err(invalid) => return check_pointer(&invalid.pointer),
    };
    if !told.has_fixed_members {
        let sent: Value = serde_json::from_slice(bytes).expect("what was read is JSON");
        assert_same(&told.members, &sent);
        let written = serde_json::to_vec(&told.members).expect("JSON is written");
        let read = again(&written).expect("what was told is read");
        assert_eq!(read.members, told.members);
        assert_eq!(read.taken, told.taken);
    }
    for id in told.taken.into_iter().flatten() {
        if ServiceUri::parse(&id).is_ok() {
            super::identifier::assert_uri_anonymous(&id);
        } else {
            assert_eq!(find_permanent_identifier(&id), None, "{id}");
        }
    }
}

/// A pointer is made of the names of the API and of numbers: never of what was sent.
fn check_pointer(pointer: &str) {
    for part in pointer.split('/') {
        assert!(part.bytes().all(|b| b.is_ascii_alphanumeric()), "{pointer}");
        let is_number = part.bytes().all(|b| b.is_ascii_digit());
        assert!(is_number || part.len() <= 24, "{pointer}");
    }
}

/// Whether JSON says what was told of it; an absent list is an empty one, and 60 may be 60.0.
fn assert_same(told: &Value, sent: &Value) {
    match (told, sent) {
        (Value::Object(told), Value::Object(sent)) => {
            for (name, value) in sent {
                let empty = Value::Array(Vec::new());
                assert_same(told.get(name).unwrap_or(&empty), value);
            }
            assert!(told.keys().all(|name| sent.contains_key(name)));
        }
        (Value::Array(told), Value::Array(sent)) => {
            assert_eq!(told.len(), sent.len());
            for (told, sent) in told.iter().zip(sent) {
                assert_same(told, sent);
            }
        }
        (Value::Number(told), Value::Number(sent)) => assert_eq!(told.as_f64(), sent.as_f64()),
        _ => assert_eq!(told, sent),
    }
}

/// The query of a list.
pub(super) fn query(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    let Some((status, limit, after)) = fuzzing::read_query(text) else {
        return;
    };
    assert!((1..=1000).contains(&limit));
    // A status that is taken is one of ours; others are refused behind the query.
    let plain = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase());
    let status = status.filter(plain);
    let cursor = after.unwrap_or_else(|| vec![1]);
    let next = fuzzing::next_query(status.clone(), limit, &cursor);
    assert_eq!(
        fuzzing::read_query(&next),
        Some((status, limit, Some(cursor)))
    );
}

/// The link of a row: written out it is what was sent, absolute or as a path, and nothing else.
pub(super) fn link(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    let root = "https://ics.example";
    let sp = SpId::parse("shop").expect("an id");
    if let Some(link) = fuzzing::read_link(root, &sp, text) {
        assert!(
            text == link || link.strip_prefix(root) == Some(text),
            "{text}"
        );
        assert_eq!(fuzzing::read_link(root, &sp, &link), Some(link.clone()));
        let other = SpId::parse("shop2").expect("an id");
        assert_eq!(fuzzing::read_link(root, &other, text), None);
    }
}
