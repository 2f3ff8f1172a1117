//! What a client says and hears in an association: one confirmable request at a time (RFC 7252 4.2,
//! 5.2), and news of the one resource it observes (RFC 7641). No I/O, no clock and no chance.
//!
//! Who drives it sends what it is given, and calls [`Exchange::attend`] at [`Exchange::due`].

use std::time::{Duration, Instant};

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};

/// How long an answer is waited for before its request is sent again (RFC 7252 4.8).
const ACK_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a request is sent again (RFC 7252 4.8).
const MAX_RETRANSMIT: u32 = 4;

/// How long an answer may take whose request was acknowledged.
const SEPARATE: Duration = Duration::from_secs(60);

/// After so long any order is that of something newer (RFC 7641 3.4).
const ORDER_FORGOTTEN: Duration = Duration::from_secs(128);

/// application/json (RFC 7252 12.3).
const JSON: u8 = 50;

/// What is asked of a server.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: RequestType,
    path: &'static str,
    payload: Vec<u8>,
    is_observed: bool,
}

impl Request {
    /// Reads what is at `path`.
    pub(crate) const fn get(path: &'static str) -> Self {
        Self {
            method: RequestType::Get,
            path,
            payload: Vec::new(),
            is_observed: false,
        }
    }

    /// Reads what is at `path`, and wants to hear whenever it changes.
    pub(crate) fn observe(path: &'static str) -> Self {
        Self {
            is_observed: true,
            ..Self::get(path)
        }
    }

    /// Posts to `path`.
    pub(crate) fn post(path: &'static str, json: String) -> Self {
        Self {
            method: RequestType::Post,
            payload: json.into_bytes(),
            ..Self::get(path)
        }
    }

    fn encode(&self, id: u16, token: Vec<u8>) -> Vec<u8> {
        let mut packet = Packet::new();
        packet.header.set_type(MessageType::Confirmable);
        packet.header.code = MessageClass::Request(self.method);
        packet.header.message_id = id;
        packet.set_token(token);
        for segment in self.path.split('/') {
            packet.add_option(CoapOption::UriPath, segment.as_bytes().to_vec());
        }
        if self.is_observed {
            packet.add_option(CoapOption::Observe, Vec::new());
        }
        packet.add_option(CoapOption::Accept, vec![JSON]);
        if !self.payload.is_empty() {
            packet.add_option(CoapOption::ContentFormat, vec![JSON]);
            packet.payload.clone_from(&self.payload);
        }
        // It is far below the size at which the codec refuses.
        packet.to_bytes().unwrap_or_default()
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// How it went.
    pub(crate) code: ResponseType,
    /// Its place among all that is told of what is observed; none where nothing is (any more).
    pub(crate) order: Option<u32>,
    /// A body, or a diagnostic text.
    pub(crate) payload: Vec<u8>,
}

/// What a message was.
#[derive(Debug, PartialEq)]
pub(super) enum Came {
    /// The answer to the request.
    Answer(Answer),
    /// News of what is observed.
    News(Answer),
    /// The server has no use for the request.
    Reset,
    /// Nothing that is not known.
    Nothing,
}

/// The server was silent for as often as a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server does not answer")]
pub(crate) struct Unanswered;

/// The messages of one association.
pub(super) struct Exchange {
    id: u16,
    requests: u32,
    asked: Option<Asked>,
    observed: Option<Observed>,
}

/// A request under way.
struct Asked {
    datagram: Vec<u8>,
    id: u16,
    token: Vec<u8>,
    is_observed: bool,
    repeated: u32,
    wait: Duration,
    due: Instant,
    is_acknowledged: bool,
}

/// What is heard of a resource: the newest of it.
struct Observed {
    token: Vec<u8>,
    order: u32,
    at: Instant,
}

impl Exchange {
    /// Nothing said yet; message IDs go on from `id`.
    pub(super) const fn new(id: u16) -> Self {
        Self {
            id,
            requests: 0,
            asked: None,
            observed: None,
        }
    }

    /// Asks, and no longer for what was asked before. `chance` spreads the first wait
    /// (`ACK_RANDOM_FACTOR` of RFC 7252 4.8: 1 to 1.5). Answers what is to be sent.
    pub(super) fn ask(&mut self, now: Instant, chance: u16, request: &Request) -> Vec<u8> {
        self.id = self.id.wrapping_add(1);
        self.requests = self.requests.wrapping_add(1);
        // DTLS tells answers of strangers from the server's (RFC 7252 5.3.1): to count is enough.
        let token = self.requests.to_be_bytes().to_vec();
        let datagram = request.encode(self.id, token.clone());
        let wait = ACK_TIMEOUT + ACK_TIMEOUT / 2 * u32::from(chance) / u32::from(u16::MAX);
        self.asked = Some(Asked {
            datagram: datagram.clone(),
            id: self.id,
            token,
            is_observed: request.is_observed,
            repeated: 0,
            wait,
            due: now + wait,
            is_acknowledged: false,
        });
        datagram
    }

    /// When [`Self::attend`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.due)
    }

    /// What is to be sent again by `now`.
    ///
    /// # Errors
    /// [`Unanswered`]: the request is given up.
    pub(super) fn attend(&mut self, now: Instant) -> Result<Option<Vec<u8>>, Unanswered> {
        let Some(asked) = self.asked.as_mut().filter(|asked| asked.due <= now) else {
            return Ok(None);
        };
        if asked.is_acknowledged || asked.repeated == MAX_RETRANSMIT {
            self.asked = None;
            return Err(Unanswered);
        }
        asked.repeated += 1;
        asked.wait *= 2;
        asked.due = now + asked.wait;
        Ok(Some(asked.datagram.clone()))
    }

    /// Takes a message: what it was, and what is to be sent for it.
    pub(super) fn take(&mut self, now: Instant, message: &[u8]) -> (Came, Option<Vec<u8>>) {
        let Ok(packet) = Packet::from_bytes(message) else {
            return (Came::Nothing, None);
        };
        let id = packet.header.message_id;
        let is_for_it = self.asked.as_ref().is_some_and(|asked| asked.id == id);
        match (packet.header.get_type(), packet.header.code) {
            (MessageType::Reset, _) if is_for_it => {
                self.asked = None;
                (Came::Reset, None)
            }
            (MessageType::Acknowledgement, MessageClass::Empty) if is_for_it => {
                if let Some(asked) = &mut self.asked {
                    asked.is_acknowledged = true;
                    asked.due = now + SEPARATE;
                }
                (Came::Nothing, None)
            }
            (MessageType::Acknowledgement, MessageClass::Response(code)) if is_for_it => {
                (self.hear(now, code, packet).unwrap_or(Came::Nothing), None)
            }
            (MessageType::NonConfirmable, MessageClass::Response(code)) => {
                (self.hear(now, code, packet).unwrap_or(Came::Nothing), None)
            }
            (MessageType::Confirmable, MessageClass::Response(code)) => {
                // RFC 7641 3.2, 3.6: who does not want to hear it says so by a Reset.
                match self.hear(now, code, packet) {
                    Some(came) => (came, Some(empty(MessageType::Acknowledgement, id))),
                    None => (Came::Nothing, Some(empty(MessageType::Reset, id))),
                }
            }
            // A ping (RFC 7252 4.3), or a request: nothing is served here.
            (MessageType::Confirmable, _) => (Came::Nothing, Some(empty(MessageType::Reset, id))),
            _ => (Came::Nothing, None),
        }
    }

    /// What a response is, by its token; none: nobody waits for it.
    fn hear(&mut self, now: Instant, code: ResponseType, packet: Packet) -> Option<Came> {
        let token = packet.get_token().to_vec();
        let order = packet.get_first_option(CoapOption::Observe);
        let answer = Answer {
            code,
            order: order.and_then(|order| unsigned(order)),
            payload: packet.payload,
        };
        if let Some(asked) = self.asked.take_if(|asked| asked.token == token) {
            if asked.is_observed {
                self.observed = answer.order.map(|order| Observed {
                    token,
                    order,
                    at: now,
                });
            }
            return Some(Came::Answer(answer));
        }
        let observed = self.observed.as_mut().filter(|own| own.token == token)?;
        match answer.order {
            // RFC 7641 4.2: an answer without a place is the last.
            None => self.observed = None,
            Some(order) if !observed.is_before(now, order) => return Some(Came::Nothing),
            Some(order) => (observed.order, observed.at) = (order, now),
        }
        Some(Came::News(answer))
    }
}

impl Observed {
    /// RFC 7641 3.4: places are counted around in 24 bits.
    fn is_before(&self, now: Instant, order: u32) -> bool {
        let ahead = order.wrapping_sub(self.order) & 0x00ff_ffff;
        (1..1 << 23).contains(&ahead) || now > self.at + ORDER_FORGOTTEN
    }
}

fn empty(kind: MessageType, id: u16) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.code = MessageClass::Empty;
    packet.header.message_id = id;
    packet.to_bytes().unwrap_or_default()
}

/// An unsigned integer of an option (RFC 7252 3.2), three bytes at most.
fn unsigned(bytes: &[u8]) -> Option<u32> {
    let sum = |sum, byte: &u8| sum << 8 | u32::from(*byte);
    (bytes.len() <= 3).then(|| bytes.iter().fold(0, sum))
}

#[cfg(test)]
mod tests;
