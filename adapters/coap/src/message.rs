//! CoAP messages (RFC 7252 3, 4.2, 4.3, 5.4): what a datagram is, and what is done with one that is
//! none. coap-lite takes it apart; what it lets through and the RFC does not is refused here.

mod answer;
mod block;
mod option;

use coap_lite::{MessageClass, MessageType, Packet, RequestType};

pub(crate) use answer::{Answer, Code, Kind, acknowledgement, reset, shortest};
pub(crate) use block::Block;
pub(crate) use option::{ACCEPT, CONTENT_FORMAT, URI_PATH, URI_QUERY};
use option::{Options, Unknown};

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A request.
    Request(Box<Request>),
    /// A request that carries an option it must not be answered without (RFC 7252 5.4.1), or one
    /// that asks a proxy (5.7.2).
    Refused(Heading, Unservable),
    /// A confirmable message without anything in it: it is answered with a reset (4.3, "CoAP ping").
    Ping(u16),
    /// What we sent under that message id arrived.
    Acknowledged(u16),
    /// Whoever got what we sent under that message id has no use for it.
    Reset(u16),
    /// Confirmable, and no message of ours: a response, or one that cannot be read (4.2).
    Rejected(u16),
    /// Nothing is done about it (4.3).
    Ignored,
}

/// What an answer needs to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    /// Whether the request wants to be acknowledged.
    pub(crate) is_confirmable: bool,
    /// Its message id.
    pub(crate) id: u16,
    /// Its token: up to 8 bytes.
    pub(crate) token: Vec<u8>,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unservable {
    /// 4.02: a critical option we do not know, or one twice that is there once, or of a wrong length.
    BadOption,
    /// 5.05: we are no proxy.
    Proxying,
}

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// RFC 7252 5.8.1.
    Get,
    /// RFC 7252 5.8.2.
    Post,
    /// RFC 7252 5.8.3.
    Put,
    /// RFC 7252 5.8.4.
    Delete,
    /// RFC 8132 2.
    Fetch,
    /// Any other.
    Other,
}

/// A request that can be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) heading: Heading,
    pub(crate) method: Method,
    /// Its path, a segment each.
    pub(crate) path: Vec<String>,
    /// Its query, a part each.
    pub(crate) query: Vec<String>,
    /// The content format the answer should have.
    pub(crate) accept: Option<u16>,
    /// That of its payload.
    pub(crate) content_format: Option<u16>,
    /// 0: it observes; 1: not any more (RFC 7641 2).
    pub(crate) observe: Option<u32>,
    /// Which part of a long payload this is (RFC 7959 2.2).
    pub(crate) block1: Option<Block>,
    /// Which part of a long answer it wants.
    pub(crate) block2: Option<Block>,
    /// What it has already.
    pub(crate) etags: Vec<Vec<u8>>,
    /// Classes of answers it does not want (RFC 7967).
    pub(crate) no_response: u8,
    /// What we asked it to bring back (RFC 9175 2).
    pub(crate) echo: Option<Vec<u8>>,
    /// Options that a guest knows, in order.
    pub(crate) of_guest: Vec<(u16, Vec<u8>)>,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    /// Reads a datagram, or what came in one record.
    pub(crate) fn read(datagram: &[u8]) -> Self {
        Self::read_knowing(datagram, &[])
    }

    /// Reads it where the options of those numbers are known, too.
    pub(crate) fn read_knowing(datagram: &[u8], known: &[u16]) -> Self {
        let Some(&[first, code, id_0, id_1]) = datagram.first_chunk::<4>() else {
            return Self::Ignored;
        };
        let (version, id) = (first >> 6, u16::from_be_bytes([id_0, id_1]));
        // Of another version: silence (3).
        if version != 1 {
            return Self::Ignored;
        }
        let is_confirmable = (first >> 4) & 3 == 0;
        let unreadable = if is_confirmable {
            Self::Rejected(id)
        } else {
            Self::Ignored
        };
        // An empty message has nothing behind its id (4.1).
        if code == 0 && datagram.len() > 4 {
            return unreadable;
        }
        match Packet::from_bytes(datagram) {
            Ok(packet) if !ends_with_marker(&packet, datagram) => {
                Self::of(packet, known, (id, unreadable))
            }
            _ => unreadable,
        }
    }

    fn of(packet: Packet, known: &[u16], (id, unreadable): (u16, Self)) -> Self {
        let kind = packet.header.get_type();
        match (kind, packet.header.code) {
            (MessageType::Confirmable, MessageClass::Empty) => Self::Ping(id),
            (MessageType::Acknowledgement, _) => Self::Acknowledged(id),
            (MessageType::Reset, MessageClass::Empty) => Self::Reset(id),
            (
                MessageType::Confirmable | MessageType::NonConfirmable,
                MessageClass::Request(code),
            ) => Self::of_request(packet, known, (id, method_of(code))),
            // Methods that coap-lite has no name for (0.08 to 0.31).
            (
                MessageType::Confirmable | MessageType::NonConfirmable,
                MessageClass::Reserved(1..=31),
            ) => Self::of_request(packet, known, (id, Method::Other)),
            _ => unreadable,
        }
    }

    fn of_request(packet: Packet, known: &[u16], (id, method): (u16, Method)) -> Self {
        let heading = Heading {
            is_confirmable: packet.header.get_type() == MessageType::Confirmable,
            id,
            token: packet.get_token().to_vec(),
        };
        let options = match Options::read(&packet, known) {
            Ok(options) => options,
            Err(Unknown::Critical) => return Self::Refused(heading, Unservable::BadOption),
            Err(Unknown::Proxy) => return Self::Refused(heading, Unservable::Proxying),
        };
        Self::Request(Box::new(Request {
            heading,
            method,
            path: options.path,
            query: options.query,
            accept: options.accept,
            content_format: options.content_format,
            observe: options.observe,
            block1: options.block1,
            block2: options.block2,
            etags: options.etags,
            no_response: options.no_response,
            echo: options.echo,
            of_guest: options.of_guest,
            payload: packet.payload,
        }))
    }
}

/// Whether a payload was announced that is not there (3: a format error).
fn ends_with_marker(packet: &Packet, datagram: &[u8]) -> bool {
    if !packet.payload.is_empty() || datagram.last() != Some(&0xff) {
        return false;
    }
    // The byte may be the end of the last option, or of the token where there is none.
    let last = packet
        .options()
        .next_back()
        .and_then(|(_, values)| values.back());
    let last = last.map_or(packet.get_token(), Vec::as_slice);
    last.last() != Some(&0xff)
}

const fn method_of(code: RequestType) -> Method {
    match code {
        RequestType::Get => Method::Get,
        RequestType::Post => Method::Post,
        RequestType::Put => Method::Put,
        RequestType::Delete => Method::Delete,
        RequestType::Fetch => Method::Fetch,
        _ => Method::Other,
    }
}

#[cfg(test)]
mod tests;
