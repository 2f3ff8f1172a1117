//! What a client may send, read: CONNECT first, then the rest. A violation is told by the reason
//! MQTT 5 has for it.

use super::bytes::Bytes;
use super::property::{Place, Properties};
use super::{Frame, Malformed, Version};

/// A CONNECT (3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connect<'a> {
    pub(crate) version: Version,
    pub(crate) clean: bool,
    /// Seconds; 0: none.
    pub(crate) keep_alive: u16,
    pub(crate) client_id: &'a str,
    pub(crate) will: Option<Will<'a>>,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    /// How many QoS 1 messages the client takes at once.
    pub(crate) receive_maximum: u16,
    /// How long a packet it takes.
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) has_authentication_method: bool,
}

/// What is to be said when the client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Will<'a> {
    pub(crate) topic: &'a str,
    pub(crate) is_retained: bool,
    pub(crate) is_exactly_once: bool,
}

/// A packet after CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    Publish(Publish<'a>),
    Puback(u16),
    Subscribe(u16, Vec<Filter<'a>>),
    Unsubscribe(u16, Vec<&'a str>),
    Ping,
    Disconnect,
}

/// A PUBLISH (3.3) of QoS 0 or 1, not retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    /// With one, it is of QoS 1.
    pub(crate) packet_id: Option<u16>,
    pub(crate) response_topic: Option<&'a str>,
    pub(crate) correlation_data: Option<&'a [u8]>,
    pub(crate) payload: &'a [u8],
}

/// One filter of a SUBSCRIBE (3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter<'a> {
    pub(crate) text: &'a str,
    /// Whether messages may be of QoS 1.
    pub(crate) is_at_least_once: bool,
}

/// The version a CONNECT asks for, and the CONNECT. A version that is known is told with the
/// error: the answer is written in it.
pub(crate) fn read_connect(frame: Frame<'_>) -> Result<Connect<'_>, (Option<Version>, Malformed)> {
    let mut bytes = Bytes::new(frame.body);
    let version = read_version(frame, &mut bytes)?;
    read_rest_of_connect(version, bytes).map_err(|malformed| (Some(version), malformed))
}

fn read_version(
    frame: Frame<'_>,
    bytes: &mut Bytes<'_>,
) -> Result<Version, (Option<Version>, Malformed)> {
    if frame.first != 0x10 {
        return Err((None, Malformed::Protocol));
    }
    let (name, level) = (bytes.text(), bytes.byte());
    match (name, level) {
        (Ok("MQTT"), Ok(4)) => Ok(Version::V3),
        (Ok("MQTT"), Ok(5)) => Ok(Version::V5),
        // 3.1.2.2 of 3.1.1: return code 1, which older and newer ones understand.
        (Ok("MQTT" | "MQIsdp"), Ok(_)) => Err((Some(Version::V3), Malformed::Version)),
        _ => Err((None, Malformed::Form)),
    }
}

fn read_rest_of_connect(version: Version, mut bytes: Bytes<'_>) -> Result<Connect<'_>, Malformed> {
    let flags = bytes.byte()?;
    let keep_alive = bytes.two()?;
    let properties = Properties::read(&mut bytes, (Place::Connect, version))?;
    let client_id = bytes.text()?;
    let will = read_will(flags, version, &mut bytes)?;
    let has = |bit: u8| flags & bit != 0;
    let user_name = has(0x80).then(|| bytes.text()).transpose()?;
    let password = has(0x40).then(|| bytes.binary()).transpose()?;
    bytes.end()?;
    // 3.1.2.3: the reserved flag; 3.1.2.9 of 3.1.1: no password without user name.
    if has(0x01) || version == Version::V3 && password.is_some() && user_name.is_none() {
        return Err(Malformed::Form);
    }
    Ok(Connect {
        version,
        clean: has(0x02),
        keep_alive,
        client_id,
        will,
        user_name,
        password,
        receive_maximum: properties.receive_maximum.unwrap_or(u16::MAX),
        maximum_packet_size: properties.maximum_packet_size,
        has_authentication_method: properties.has_authentication_method,
    })
}

fn read_will<'a>(
    flags: u8,
    version: Version,
    bytes: &mut Bytes<'a>,
) -> Result<Option<Will<'a>>, Malformed> {
    let quality = flags >> 3 & 3;
    let is_retained = flags & 0x20 != 0;
    if flags & 0x04 == 0 {
        return if quality == 0 && !is_retained {
            Ok(None)
        } else {
            Err(Malformed::Form)
        };
    }
    if quality == 3 {
        return Err(Malformed::Form);
    }
    Properties::read(bytes, (Place::Will, version))?;
    let topic = bytes.text()?;
    bytes.binary()?;
    Ok(Some(Will {
        topic,
        is_retained,
        is_exactly_once: quality == 2,
    }))
}

/// A packet after CONNECT.
pub(crate) fn read_packet(version: Version, frame: Frame<'_>) -> Result<Packet<'_>, Malformed> {
    let bytes = Bytes::new(frame.body);
    match frame.first {
        first @ 0x30..=0x3f => read_publish(version, first & 0x0f, bytes),
        0x40 => read_puback(version, bytes),
        0x82 => read_subscribe(version, bytes),
        0xa2 => read_unsubscribe(version, bytes),
        0xc0 => bytes.end().map(|()| Packet::Ping),
        0xe0 => read_disconnect(version, bytes),
        // PUBREC and its kin belong to QoS 2, which was not granted; AUTH to an exchange that was
        // not begun; a second CONNECT, and what only servers send, to nobody.
        0x10 | 0x20 | 0x50 | 0x62 | 0x70 | 0x90 | 0xb0 | 0xd0 | 0xf0 => Err(Malformed::Protocol),
        _ => Err(Malformed::Form),
    }
}

fn read_publish(
    version: Version,
    flags: u8,
    mut bytes: Bytes<'_>,
) -> Result<Packet<'_>, Malformed> {
    let is_repeated = flags & 0x08 != 0;
    let quality = flags >> 1 & 3;
    // 3.3.1: DUP is of QoS 1 and 2 alone.
    if quality == 3 || quality == 0 && is_repeated {
        return Err(Malformed::Form);
    }
    let topic = bytes.text()?;
    let packet_id = (quality > 0).then(|| bytes.packet_id()).transpose()?;
    let properties = Properties::read(&mut bytes, (Place::Publish, version))?;
    if quality == 2 {
        return Err(Malformed::QualityOfService);
    }
    if flags & 0x01 != 0 {
        return Err(Malformed::Retain);
    }
    if properties.has_topic_alias {
        return Err(Malformed::TopicAlias);
    }
    // 3.3.4: only a server sends one.
    if properties.has_subscription_identifier {
        return Err(Malformed::Protocol);
    }
    Ok(Packet::Publish(Publish {
        topic,
        packet_id,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data,
        payload: bytes.rest(),
    }))
}

fn read_puback(version: Version, mut bytes: Bytes<'_>) -> Result<Packet<'_>, Malformed> {
    let id = bytes.packet_id()?;
    // 3.4.2: the reason may be left out, and the properties after it.
    if version == Version::V5 && !bytes.is_empty() {
        bytes.byte()?;
        if !bytes.is_empty() {
            Properties::read(&mut bytes, (Place::Response, version))?;
        }
    }
    bytes.end()?;
    Ok(Packet::Puback(id))
}

fn read_subscribe(version: Version, mut bytes: Bytes<'_>) -> Result<Packet<'_>, Malformed> {
    let id = bytes.packet_id()?;
    let properties = Properties::read(&mut bytes, (Place::Subscribe, version))?;
    let mut filters = Vec::new();
    while !bytes.is_empty() {
        let text = bytes.text()?;
        let options = bytes.byte()?;
        let reserved = match version {
            Version::V3 => 0xfc,
            Version::V5 => 0xc0,
        };
        if options & 3 == 3 || options & reserved != 0 || options & 0x30 == 0x30 {
            return Err(Malformed::Form);
        }
        filters.push(Filter {
            text,
            is_at_least_once: options & 3 > 0,
        });
    }
    if filters.is_empty() {
        return Err(Malformed::Protocol);
    }
    if properties.has_subscription_identifier {
        return Err(Malformed::SubscriptionIdentifier);
    }
    Ok(Packet::Subscribe(id, filters))
}

fn read_unsubscribe(version: Version, mut bytes: Bytes<'_>) -> Result<Packet<'_>, Malformed> {
    let id = bytes.packet_id()?;
    Properties::read(&mut bytes, (Place::Unsubscribe, version))?;
    let mut filters = Vec::new();
    while !bytes.is_empty() {
        filters.push(bytes.text()?);
    }
    if filters.is_empty() {
        return Err(Malformed::Protocol);
    }
    Ok(Packet::Unsubscribe(id, filters))
}

fn read_disconnect(version: Version, mut bytes: Bytes<'_>) -> Result<Packet<'_>, Malformed> {
    if version == Version::V5 && !bytes.is_empty() {
        bytes.byte()?;
        if !bytes.is_empty() {
            Properties::read(&mut bytes, (Place::Disconnect, version))?;
        }
    }
    bytes.end()?;
    Ok(Packet::Disconnect)
}
