//! What a server sends, appended to what is to go out.

use super::bytes::{put_binary, put_variable};
use super::property::{
    CONTENT_TYPE, CORRELATION_DATA, MAXIMUM_PACKET_SIZE, RECEIVE_MAXIMUM, SESSION_EXPIRY,
    TOPIC_ALIAS_MAXIMUM,
};
use super::{Reason, Version};

const ASSIGNED_CLIENT_ID: u8 = 0x12;
const SERVER_KEEP_ALIVE: u8 = 0x13;
const MAXIMUM_QOS: u8 = 0x24;
const RETAIN_AVAILABLE: u8 = 0x25;
const SUBSCRIPTION_IDENTIFIERS_AVAILABLE: u8 = 0x29;
const SHARED_SUBSCRIPTIONS_AVAILABLE: u8 = 0x2a;

/// What a client that is let in is told (channels.md A).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connack<'a> {
    /// How many QoS 1 messages are taken at once.
    pub(crate) receive_maximum: u16,
    /// How long a packet is taken.
    pub(crate) maximum_packet_size: u32,
    /// Seconds, when they are not those the client asked for.
    pub(crate) keep_alive: Option<u16>,
    /// The client id of one that came without.
    pub(crate) client_id: Option<&'a str>,
}

/// A message to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) topic: &'a str,
    /// With one, it is of QoS 1.
    pub(crate) packet_id: Option<u16>,
    pub(crate) content_type: &'a str,
    pub(crate) correlation_data: Option<&'a [u8]>,
    pub(crate) payload: &'a [u8],
}

/// What a filter of a SUBSCRIBE gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// At most this: whether QoS 1.
    Granted(bool),
    Refused(Reason),
}

/// The answer to a CONNECT. Session present is 0 always: what must last, lasts in the store.
pub(crate) fn write_connack(
    out: &mut Vec<u8>,
    version: Version,
    answer: Result<Connack<'_>, Reason>,
) {
    let reason = answer.err().unwrap_or(Reason::Success);
    let code = match version {
        Version::V3 => reason.connack_v3(),
        Version::V5 => reason.code(),
    };
    let mut body = vec![0, code];
    if version == Version::V5 {
        let mut properties = Vec::new();
        if let Ok(connack) = answer {
            put_connack(&mut properties, connack);
        }
        put_variable(&mut body, properties.len());
        body.extend(properties);
    }
    put_packet(out, 0x20, &body);
}

fn put_connack(out: &mut Vec<u8>, connack: Connack<'_>) {
    out.push(SESSION_EXPIRY);
    out.extend([0; 4]);
    out.push(RECEIVE_MAXIMUM);
    out.extend(connack.receive_maximum.to_be_bytes());
    out.extend([MAXIMUM_QOS, 1, RETAIN_AVAILABLE, 0]);
    out.push(MAXIMUM_PACKET_SIZE);
    out.extend(connack.maximum_packet_size.to_be_bytes());
    if let Some(client_id) = connack.client_id {
        out.push(ASSIGNED_CLIENT_ID);
        put_binary(out, client_id.as_bytes());
    }
    out.extend([TOPIC_ALIAS_MAXIMUM, 0, 0]);
    out.extend([SUBSCRIPTION_IDENTIFIERS_AVAILABLE, 0]);
    out.extend([SHARED_SUBSCRIPTIONS_AVAILABLE, 0]);
    if let Some(seconds) = connack.keep_alive {
        out.push(SERVER_KEEP_ALIVE);
        out.extend(seconds.to_be_bytes());
    }
}

/// A message; tells how long the packet is.
pub(crate) fn write_publication(
    out: &mut Vec<u8>,
    version: Version,
    publication: &Publication<'_>,
) -> usize {
    let mut body = Vec::with_capacity(publication.payload.len().saturating_add(128));
    put_binary(&mut body, publication.topic.as_bytes());
    if let Some(id) = publication.packet_id {
        body.extend(id.to_be_bytes());
    }
    if version == Version::V5 {
        let mut properties = vec![CONTENT_TYPE];
        put_binary(&mut properties, publication.content_type.as_bytes());
        if let Some(data) = publication.correlation_data {
            properties.push(CORRELATION_DATA);
            put_binary(&mut properties, data);
        }
        put_variable(&mut body, properties.len());
        body.extend(properties);
    }
    body.extend(publication.payload);
    let before = out.len();
    let quality = u8::from(publication.packet_id.is_some()) << 1;
    put_packet(out, 0x30 | quality, &body);
    out.len().saturating_sub(before)
}

/// A message was taken, or not (MQTT 5 only).
pub(crate) fn write_puback(out: &mut Vec<u8>, version: Version, (id, reason): (u16, Reason)) {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 && reason != Reason::Success {
        body.push(reason.code());
    }
    put_packet(out, 0x40, &body);
}

/// What each filter of a SUBSCRIBE got.
pub(crate) fn write_suback(out: &mut Vec<u8>, version: Version, id: u16, answers: &[Answered]) {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    body.extend(answers.iter().map(|answer| match (answer, version) {
        (Answered::Granted(at_least_once), _) => u8::from(*at_least_once),
        (Answered::Refused(_), Version::V3) => 0x80,
        (Answered::Refused(reason), Version::V5) => reason.code(),
    }));
    put_packet(out, 0x90, &body);
}

/// Whether there was such a filter, for each of an UNSUBSCRIBE.
pub(crate) fn write_unsuback(out: &mut Vec<u8>, version: Version, id: u16, were: &[bool]) {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
        // 3.11.3: 0x11 is "no subscription existed".
        body.extend(were.iter().map(|was| if *was { 0x00 } else { 0x11 }));
    }
    put_packet(out, 0xb0, &body);
}

/// The answer to a PINGREQ.
pub(crate) fn write_pong(out: &mut Vec<u8>) {
    put_packet(out, 0xd0, &[]);
}

/// Why the server leaves; in 3.1.1 there is no such packet.
pub(crate) fn write_disconnect(out: &mut Vec<u8>, version: Version, reason: Reason) {
    if version == Version::V5 {
        put_packet(out, 0xe0, &[reason.code()]);
    }
}

fn put_packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    put_variable(out, body.len());
    out.extend(body);
}
