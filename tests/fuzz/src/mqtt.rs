//! The device channel over MQTT: packets as a stranger cuts them, topics and filters, and a whole
//! session on both versions.

use std::cell::RefCell;

use ics_mqtt::fuzzing::{DEVICE, count_packets, matches, own_name, serve};
use tokio::runtime::{Builder, Runtime};

use super::script::Script;

/// The longest packet of a session.
const LONGEST: usize = 8192;

/// Packets: the first byte says of which version.
pub(super) fn packets(data: &[u8]) {
    let (kind, bytes) = super::choice(data);
    let is_5 = kind % 2 == 1;
    let all = count_packets(bytes, is_5, LONGEST);
    assert!(all <= bytes.len() / 2, "each has two bytes at least");
    // What is there of it is read the same, and a shorter limit lets no more in.
    let half = &bytes[..bytes.len() / 2];
    assert!(count_packets(half, is_5, LONGEST) <= all);
    assert!(count_packets(bytes, is_5, 64) <= all);
}

/// A filter and a topic, a line each.
pub(super) fn topics(data: &[u8]) {
    let Some((filter, topic)) = super::text(data).and_then(|text| text.split_once('\n')) else {
        return;
    };
    let levels = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    if let Some(does) = matches(filter, topic) {
        assert_eq!(
            does,
            fits(&levels(filter), &levels(topic)),
            "{filter:?} {topic:?}"
        );
        assert!(matches(filter, filter).is_some());
    } else {
        // A wildcard that does not fill its level, or `#` before the end.
        assert!(filter.contains(['+', '#']), "{filter:?}");
    }
    if !topic.contains(['+', '#']) {
        assert_eq!(matches(topic, topic), Some(true));
        assert_eq!(matches("#", topic), Some(true));
    }
    match own_name(topic) {
        Some(own) => {
            assert!(!own.is_empty() && !own.contains(['+', '#']));
            assert_eq!(topic, format!("ics/v1/d/{DEVICE}/{own}"));
        }
        None => {
            let own = topic.strip_prefix(&format!("ics/v1/d/{DEVICE}/"));
            assert!(own.is_none_or(|own| own.is_empty() || own.contains(['+', '#'])));
        }
    }
}

/// 4.7.1 of MQTT, word by word: `+` is one level, `#` all that are left, none too.
fn fits(filter: &[String], topic: &[String]) -> bool {
    match (filter.split_first(), topic.split_first()) {
        (None, None) => true,
        (Some((level, _)), _) if level == "#" => true,
        (Some((level, filter)), Some((name, topic))) => {
            (level == "+" || level == name) && fits(filter, topic)
        }
        _ => false,
    }
}

/// A connection on which anything comes; the first byte says how much of it at once.
pub(super) fn session(data: &[u8]) {
    let (at_once, bytes) = super::choice(data);
    check_sent(&converse(bytes, at_once), false);
}

/// A session that begins well: the first byte says of which version, and how much comes at once;
/// after it come packets, each with a byte for its kind, and its length told rightly.
pub(super) fn conversation(data: &[u8]) {
    let (kind, script) = super::choice(data);
    let version = if kind % 2 == 1 { 5 } else { 4 };
    let mut said = connect(version);
    let mut script = Script(script);
    let mut id = 0_u16;
    while let Some(kind) = script.byte() {
        id = id.wrapping_add(1).max(1);
        let packet = match kind % 8 {
            0 => packet(script.byte().unwrap_or_default(), script.bytes()),
            1 => packet(0xc0, &[]),
            2 => packet(0x40, &[0, script.byte().unwrap_or_default()]),
            3 => packet(0x82, &subscription(version, id, script.bytes(), Some(1))),
            4 => packet(0xa2, &subscription(version, id, script.bytes(), None)),
            5 => packet(0x30, &publication(version, None, &mut script, false)),
            6 => packet(0x32, &publication(version, Some(id), &mut script, false)),
            _ => packet(0x32, &publication(version, Some(id), &mut script, true)),
        };
        said.extend(packet);
    }
    let sent = converse(&said, (kind / 2).max(1));
    check_sent(&sent, true);
    // It does not matter how the bytes fell into segments.
    assert_eq!(sent.first(), converse(&said, said.len()).first());
}

fn connect(version: u8) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    let body = [
        b"\x00\x04MQTT",
        &[version, 2, 0, 60][..],
        properties,
        b"\x00\x01x",
    ];
    packet(0x10, &body.concat())
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let digit = u8::try_from(left % 128).expect("below 128");
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("short");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A topic or filter of the device's own.
fn own(bytes: &[u8]) -> Vec<u8> {
    text(&[format!("ics/v1/d/{DEVICE}/").as_bytes(), bytes].concat())
}

fn subscription(version: u8, id: u16, filter: &[u8], quality: Option<u8>) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    let quality: Vec<u8> = quality.into_iter().collect();
    [&id.to_be_bytes()[..], properties, &own(filter), &quality].concat()
}

fn publication(version: u8, id: Option<u16>, script: &mut Script<'_>, asks: bool) -> Vec<u8> {
    let topic = own(script.bytes());
    let id = id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
    let mut properties = Vec::new();
    if asks && version == 5 {
        // Response topic and correlation data.
        properties.extend([&[8][..], &own(script.bytes()), &[9], &text(script.bytes())].concat());
    }
    let properties = match version {
        5 => {
            let length = packet(0, &properties);
            length[1..].to_vec()
        }
        _ => Vec::new(),
    };
    [&topic[..], &id, &properties, script.bytes()].concat()
}

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread().enable_time().build().expect("a runtime")
    );
}

/// What the device is sent, packet by packet.
fn converse(bytes: &[u8], at_once: usize) -> Vec<Vec<u8>> {
    let (sent, _) = RUNTIME
        .with_borrow(|runtime| runtime.block_on(serve(bytes, at_once)))
        .expect("fixed identifiers");
    let mut rest = &sent[..];
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let digits = 1 + rest[1..].iter().take_while(|byte| **byte >= 0x80).count();
        let length = rest[1..=digits].iter().rev();
        let length = length.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
        let (packet, more) = rest
            .split_at_checked(1 + digits + length)
            .expect("whole packets are sent");
        packets.push(packet.to_vec());
        rest = more;
    }
    packets
}

/// CONNACK comes first, nothing after DISCONNECT, what is published is the device's own.
fn check_sent(sent: &[Vec<u8>], is_let_in: bool) {
    for (n, packet) in sent.iter().enumerate() {
        assert!(packet.len() <= LONGEST, "{packet:?}");
        assert_eq!(
            packet[0] >> 4 == 2,
            n == 0,
            "CONNACK, and no other: {sent:?}"
        );
        match packet[0] >> 4 {
            2 | 4 | 9 | 11 | 13 => {}
            3 => check_publication(packet),
            14 => assert_eq!(n + 1, sent.len(), "DISCONNECT is the last"),
            _ => panic!("no server sends {packet:?}"),
        }
    }
    if is_let_in {
        // Success, in either version.
        assert_eq!(sent.first().and_then(|connack| connack.get(3)), Some(&0));
    }
}

fn check_publication(packet: &[u8]) {
    assert_eq!(packet[0] & 0b0000_0001, 0, "never retained");
    assert_ne!(packet[0] & 0b0000_0110, 0b0000_0100, "never QoS 2");
    let header = 2 + packet[1..].iter().take_while(|byte| **byte >= 0x80).count();
    let topic = &packet[header + 2..];
    let prefix = format!("ics/v1/d/{DEVICE}/");
    assert!(topic.starts_with(prefix.as_bytes()), "{packet:?}");
}
