//! The fixed topics (channels.md A): `ics/v1/d/{device ID}/` and what is under it. Everything a
//! device reads, writes or subscribes is measured against this prefix, byte by byte.

use ics_core::id::DeviceId;

/// Under this is a level for each device.
pub(crate) const PREFIX: &str = "ics/v1/d/";

/// The topics of one device.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Subtree {
    prefix: String,
}

/// Down: the document, as JSON or as CBOR.
pub(crate) const DOCUMENT: &str = "doc";
pub(crate) const DOCUMENT_CBOR: &str = "doc/cbor";
/// Up, and the only will.
pub(crate) const PRESENCE: &str = "st";

/// What a device publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upward<'a> {
    /// `doc/ack`
    Acknowledgement,
    /// `inq`, or `inq/{request}`
    Inquiry(Option<&'a str>),
    /// `rev`, or `rev/{request}`
    Revocation(Option<&'a str>),
    /// `evt`
    Event,
    /// `st`
    Presence,
}

impl<'a> Upward<'a> {
    /// What a topic under the prefix is for.
    pub(crate) fn read(own: &'a str) -> Option<Self> {
        match own.split_once('/') {
            None => match own {
                "inq" => Some(Self::Inquiry(None)),
                "rev" => Some(Self::Revocation(None)),
                "evt" => Some(Self::Event),
                PRESENCE => Some(Self::Presence),
                _ => None,
            },
            Some(("doc", "ack")) => Some(Self::Acknowledgement),
            Some(("inq", request)) if is_request(request) => Some(Self::Inquiry(Some(request))),
            Some(("rev", request)) if is_request(request) => Some(Self::Revocation(Some(request))),
            Some(_) => None,
        }
    }
}

/// The longest name of a request.
const LONGEST_REQUEST: usize = 64;

/// One level of letters, digits, `-` and `_`.
fn is_request(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_REQUEST).contains(&text.len()) && text.bytes().all(plain)
}

/// The device that a topic is of; `None` for a topic that is of none.
pub(crate) fn device_of(topic: &str) -> Option<DeviceId> {
    let (device, _) = topic.strip_prefix(PREFIX)?.split_once('/')?;
    DeviceId::parse(device).ok()
}

impl Subtree {
    pub(crate) fn of(device: &DeviceId) -> Self {
        Self {
            prefix: format!("{PREFIX}{}/", device.as_str()),
        }
    }

    /// What of `topic` is under the prefix; `None` for a topic of somebody else.
    pub(crate) fn own<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let own = topic.strip_prefix(self.prefix.as_str());
        own.filter(|own| !own.is_empty())
    }

    /// What of a topic of the device's choice is under the prefix: a name, not a filter.
    pub(crate) fn own_name<'a>(&self, topic: &'a str) -> Option<&'a str> {
        self.own(topic).filter(|own| !own.contains(['+', '#']))
    }

    /// The whole topic.
    pub(crate) fn name(&self, own: &str) -> String {
        format!("{}{own}", self.prefix)
    }
}

/// Whether a filter is one (4.7.1): `+` fills a level, `#` the last.
pub(crate) fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').rev();
    let is_level = |level: &str| level == "+" || !level.contains(['+', '#']);
    let last = levels.next().unwrap_or_default();
    (last == "#" || is_level(last)) && levels.all(is_level)
}

/// Whether a topic is one the filter stands for (4.7.1); both under the prefix.
pub(crate) fn does_match(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some(level), Some(name)) if level == "+" || level == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
