//! One confirmable request at a time (RFC 7252 4.2, NSTART 1): sent again until it is answered, with
//! pauses that double. Without I/O, without a clock.

use std::time::{Duration, Instant};

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType};

use crate::chance::Dice;

/// The token of the request that observes the document: the answers to it go on (RFC 7641 3.1).
const DOCUMENT: &[u8] = b"doc";

/// How often a request is sent again (RFC 7252 4.8).
const RETRANSMISSIONS: u32 = 4;

/// How long an answer may take after its request was acknowledged.
const SEPARATE: Duration = Duration::from_secs(60);

/// Application/json (RFC 7252 12.3).
const JSON: u8 = 50;

/// A part of something long: its number, and the exponent of its size (RFC 7959 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) has_more: bool,
    pub(super) exponent: u8,
}

/// What is asked of the gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// The end of its path, after `/ics/v1`.
    pub(super) path: &'static [&'static str],
    /// JSON; none: it is a GET.
    pub(super) payload: Option<String>,
    pub(super) is_observed: bool,
    pub(super) part: Option<Part>,
    pub(super) etag: Option<Vec<u8>>,
}

/// What came of a datagram.
#[derive(Debug)]
pub(super) enum Came {
    /// The answer to what was asked.
    Answer(Packet),
    /// News of the document.
    News(Packet),
    /// The gateway does not know what it was asked.
    Reset,
    Nothing,
}

/// Nothing came for too long: whoever was there is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer")]
pub(super) struct Unanswered;

pub(super) struct Exchange {
    next: u16,
    dice: Dice,
    first_wait: Duration,
    pending: Option<Pending>,
}

struct Pending {
    datagram: Vec<u8>,
    id: u16,
    token: Vec<u8>,
    sent: u32,
    wait: Duration,
    due: Instant,
    is_acknowledged: bool,
}

impl Exchange {
    /// `first_wait`: `ACK_TIMEOUT` of RFC 7252 4.8, 2 s.
    pub(super) fn new(first_wait: Duration, mut dice: Dice) -> Self {
        Self {
            next: u16::try_from(dice.below(1 << 16)).unwrap_or_default(),
            dice,
            first_wait,
            pending: None,
        }
    }

    /// Whether the next request may go out.
    pub(super) const fn is_free(&self) -> bool {
        self.pending.is_none()
    }

    /// When something is to be done.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.due)
    }

    /// The datagram of a request.
    pub(super) fn ask(&mut self, now: Instant, request: &Request) -> Vec<u8> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        let token = if request.is_observed {
            DOCUMENT.to_vec()
        } else {
            id.to_be_bytes().to_vec()
        };
        let datagram = encode(request, id, token.clone());
        // Between one and one and a half of it (ACK_RANDOM_FACTOR).
        let wait = self.first_wait + self.dice.wait(self.first_wait / 2);
        self.pending = Some(Pending {
            datagram: datagram.clone(),
            id,
            token,
            sent: 0,
            wait,
            due: now + wait,
            is_acknowledged: false,
        });
        datagram
    }

    /// What is to be sent again by now.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(super) fn attend(&mut self, now: Instant) -> Result<Option<Vec<u8>>, Unanswered> {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.due <= now) else {
            return Ok(None);
        };
        if pending.is_acknowledged || pending.sent == RETRANSMISSIONS {
            return Err(Unanswered);
        }
        pending.sent += 1;
        pending.wait *= 2;
        pending.due = now + pending.wait;
        Ok(Some(pending.datagram.clone()))
    }

    /// Takes a message; what it is, and what is to be sent for it.
    pub(super) fn take(&mut self, now: Instant, message: &[u8]) -> (Came, Option<Vec<u8>>) {
        let Ok(packet) = Packet::from_bytes(message) else {
            return (Came::Nothing, None);
        };
        let (kind, id) = (packet.header.get_type(), packet.header.message_id);
        let is_ours = self.pending.as_ref().is_some_and(|own| own.id == id);
        match (kind, packet.header.code) {
            (MessageType::Reset, _) if is_ours => {
                self.pending = None;
                (Came::Reset, None)
            }
            (MessageType::Acknowledgement, MessageClass::Empty) if is_ours => {
                if let Some(pending) = self.pending.as_mut() {
                    pending.is_acknowledged = true;
                    pending.due = now + SEPARATE;
                }
                (Came::Nothing, None)
            }
            (MessageType::Acknowledgement, MessageClass::Response(_)) if is_ours => {
                self.pending = None;
                (Came::Answer(packet), None)
            }
            (MessageType::Confirmable, MessageClass::Response(_)) => {
                let came = self.sort(packet);
                // What nobody waits for is told so: an observation of ours that is forgotten ends.
                let kind = match came {
                    Came::Nothing => MessageType::Reset,
                    _ => MessageType::Acknowledgement,
                };
                (came, Some(empty(kind, id)))
            }
            (MessageType::NonConfirmable, MessageClass::Response(_)) => (self.sort(packet), None),
            (MessageType::Confirmable, _) => (Came::Nothing, Some(empty(MessageType::Reset, id))),
            _ => (Came::Nothing, None),
        }
    }

    fn sort(&mut self, packet: Packet) -> Came {
        let token = packet.get_token();
        if self.pending.as_ref().is_some_and(|own| own.token == token) {
            self.pending = None;
            Came::Answer(packet)
        } else if token == DOCUMENT {
            Came::News(packet)
        } else {
            Came::Nothing
        }
    }
}

fn encode(request: &Request, id: u16, token: Vec<u8>) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(MessageType::Confirmable);
    packet.header.message_id = id;
    packet.set_token(token);
    let method = match request.payload {
        Some(_) => RequestType::Post,
        None => RequestType::Get,
    };
    packet.header.code = MessageClass::Request(method);
    for segment in ["ics", "v1"].iter().chain(request.path) {
        packet.add_option(CoapOption::UriPath, segment.as_bytes().to_vec());
    }
    if let Some(etag) = &request.etag {
        packet.add_option(CoapOption::ETag, etag.clone());
    }
    if request.is_observed {
        packet.add_option(CoapOption::Observe, Vec::new());
    }
    if let Some(part) = request.part {
        packet.add_option(CoapOption::Block2, part.encode());
    }
    match &request.payload {
        Some(json) => {
            packet.add_option(CoapOption::ContentFormat, vec![JSON]);
            packet.payload = json.as_bytes().to_vec();
        }
        None => packet.add_option(CoapOption::Accept, vec![JSON]),
    }
    packet.to_bytes().unwrap_or_default()
}

fn empty(kind: MessageType, id: u16) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.code = MessageClass::Empty;
    packet.header.message_id = id;
    packet.to_bytes().unwrap_or_default()
}

impl Part {
    /// That of an answer.
    pub(super) fn of(packet: &Packet) -> Option<Self> {
        let value = unsigned(packet.get_first_option(CoapOption::Block2)?)?;
        Some(Self {
            number: value >> 4,
            has_more: value & 8 != 0,
            exponent: u8::try_from(value & 7).ok()?,
        })
    }

    /// The one after it.
    pub(super) const fn next(self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            has_more: false,
            exponent: self.exponent,
        }
    }

    fn encode(self) -> Vec<u8> {
        let value = self.number << 4 | u32::from(self.exponent);
        let bytes = value.to_be_bytes();
        bytes.into_iter().skip_while(|byte| *byte == 0).collect()
    }
}

/// An unsigned integer of at most four bytes (RFC 7252 3.2).
pub(super) fn unsigned(bytes: &[u8]) -> Option<u32> {
    let is_short = bytes.len() <= 4;
    is_short.then(|| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    })
}

#[cfg(test)]
mod tests;
