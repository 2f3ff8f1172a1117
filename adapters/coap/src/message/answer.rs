//! What goes out: answers, notifications, empty messages. coap-lite puts them together.

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};

use super::Block;

/// A response code (RFC 7252 5.9, RFC 7959, RFC 8132, RFC 8516).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Code(u8);

impl Code {
    pub(crate) const VALID: Self = Self::of(2, 3);
    pub(crate) const CHANGED: Self = Self::of(2, 4);
    pub(crate) const CONTENT: Self = Self::of(2, 5);
    pub(crate) const CONTINUE: Self = Self::of(2, 31);
    pub(crate) const BAD_REQUEST: Self = Self::of(4, 0);
    pub(crate) const UNAUTHORIZED: Self = Self::of(4, 1);
    pub(crate) const BAD_OPTION: Self = Self::of(4, 2);
    pub(crate) const FORBIDDEN: Self = Self::of(4, 3);
    pub(crate) const NOT_FOUND: Self = Self::of(4, 4);
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self::of(4, 5);
    pub(crate) const NOT_ACCEPTABLE: Self = Self::of(4, 6);
    pub(crate) const INCOMPLETE: Self = Self::of(4, 8);
    pub(crate) const CONFLICT: Self = Self::of(4, 9);
    pub(crate) const TOO_LARGE: Self = Self::of(4, 13);
    pub(crate) const UNSUPPORTED_FORMAT: Self = Self::of(4, 15);
    pub(crate) const TOO_MANY_REQUESTS: Self = Self::of(4, 29);
    pub(crate) const INTERNAL_SERVER_ERROR: Self = Self::of(5, 0);
    pub(crate) const UNAVAILABLE: Self = Self::of(5, 3);
    pub(crate) const NO_PROXY: Self = Self::of(5, 5);

    const fn of(class: u8, detail: u8) -> Self {
        Self((class << 5) | detail)
    }

    /// A guest's; one that is none is its failure.
    pub(crate) const fn of_guest((class, detail): (u8, u8)) -> Self {
        match class {
            2 | 4 | 5 if detail < 32 => Self::of(class, detail),
            _ => Self::INTERNAL_SERVER_ERROR,
        }
    }

    /// The byte on the wire.
    pub(crate) const fn byte(self) -> u8 {
        self.0
    }

    /// 2, 4 or 5.
    const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// Whether who asked wants no such answer (RFC 7967 2.1: a bit for each class).
    pub(crate) const fn is_unwanted(self, no_response: u8) -> bool {
        no_response & (1 << self.class().saturating_sub(1)) != 0
    }
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is repeated until it is acknowledged.
    Confirmable,
    /// It is sent once.
    NonConfirmable,
    /// It acknowledges the message of its id.
    Acknowledgement,
}

/// An answer, or a notification, before it has a message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    pub(crate) content_format: Option<u16>,
    /// What names this state of the resource: 1 to 8 bytes.
    pub(crate) etag: Option<Vec<u8>>,
    /// A notification's place in their order (RFC 7641 4.4): 24 bits.
    pub(crate) observe: Option<u32>,
    /// Seconds after which asking again is of use, or the answer is stale.
    pub(crate) max_age: Option<u32>,
    pub(crate) block1: Option<Block>,
    pub(crate) block2: Option<Block>,
    /// How long the whole of the answer is.
    pub(crate) size2: Option<u32>,
    /// How long a payload may be.
    pub(crate) size1: Option<u32>,
    /// What is to come back before more is said to this address (RFC 9175).
    pub(crate) echo: Option<Vec<u8>>,
    /// How many messages wait for the device; see [`PENDING`].
    pub(crate) pending: Option<u32>,
    /// Options of a guest's.
    pub(crate) of_guest: Vec<(u16, Vec<u8>)>,
    pub(crate) payload: Vec<u8>,
}

const SIZE2: u16 = 28;
const SIZE1: u16 = 60;
/// RFC 9175 2.2.1.
pub(super) const ECHO: u16 = 252;
/// "Pending", in the range for experiments (RFC 7252 12.2): elective, safe to forward, no part of a
/// cache key. An unsigned integer: 1 when the device's newest document is not acknowledged, else 0.
pub(crate) const PENDING: u16 = 65020;

impl Answer {
    pub(crate) const fn of(code: Code) -> Self {
        Self {
            code,
            content_format: None,
            etag: None,
            observe: None,
            max_age: None,
            block1: None,
            block2: None,
            size2: None,
            size1: None,
            echo: None,
            pending: None,
            of_guest: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// The message.
    pub(crate) fn write(&self, kind: Kind, id: u16, token: &[u8]) -> Vec<u8> {
        let mut packet = Packet::new();
        packet.header.message_id = id;
        packet.header.set_type(match kind {
            Kind::Confirmable => MessageType::Confirmable,
            Kind::NonConfirmable => MessageType::NonConfirmable,
            Kind::Acknowledgement => MessageType::Acknowledgement,
        });
        packet.header.code = MessageClass::from(self.code.byte());
        packet.set_token(token.to_vec());
        let mut add = |option: CoapOption, value: Vec<u8>| packet.add_option(option, value);
        if let Some(etag) = &self.etag {
            add(CoapOption::ETag, etag.clone());
        }
        if let Some(observe) = self.observe {
            add(CoapOption::Observe, shortest(observe & 0x00ff_ffff));
        }
        if let Some(format) = self.content_format {
            add(CoapOption::ContentFormat, shortest(format.into()));
        }
        if let Some(seconds) = self.max_age {
            add(CoapOption::MaxAge, shortest(seconds));
        }
        if let Some(block) = self.block2 {
            add(CoapOption::Block2, block.write());
        }
        if let Some(block) = self.block1 {
            add(CoapOption::Block1, block.write());
        }
        if let Some(size) = self.size2 {
            add(CoapOption::from(SIZE2), shortest(size));
        }
        if let Some(size) = self.size1 {
            add(CoapOption::from(SIZE1), shortest(size));
        }
        if let Some(echo) = &self.echo {
            add(CoapOption::from(ECHO), echo.clone());
        }
        if let Some(pending) = self.pending {
            add(CoapOption::from(PENDING), shortest(pending));
        }
        for (number, value) in &self.of_guest {
            add(CoapOption::from(*number), value.clone());
        }
        packet.payload.clone_from(&self.payload);
        // Too long it can only be where a payload is not cut into blocks, which all are.
        packet.to_bytes().unwrap_or_default()
    }
}

/// The message that is an acknowledgement and nothing else.
pub(crate) fn acknowledgement(id: u16) -> [u8; 4] {
    empty(0x60, id)
}

/// The message that says that one of that id is of no use.
pub(crate) fn reset(id: u16) -> [u8; 4] {
    empty(0x70, id)
}

const fn empty(first: u8, id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [first, 0, high, low]
}

/// An unsigned integer as an option's value (RFC 7252 3.2): no byte more than needed.
pub(crate) fn shortest(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests;
