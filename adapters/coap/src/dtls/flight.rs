//! What a client answers our first flight with (RFC 6347 4.2.4), put together here.
//!
//! It is handed on when it is whole, each message in one piece, once: rtc-dtls stops repeating its
//! own flight at the first message of an answer, keeps pieces nobody bounded, and a key has to be
//! looked up between the messages and what they make readable.

use super::record::{CHANGE_CIPHER_SPEC, HANDSHAKE, Piece, Record, message_header, write_record};

const CERTIFICATE: u8 = 11;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Number of the first message: two ClientHellos come before.
const FIRST: u16 = 2;
/// Of the record it comes in.
const FIRST_RECORD: u64 = 2;

/// Longest message of each kind. A chain of ECDSA certificates has 1 to 3 KiB.
const LONGEST_CHAIN: usize = 8 << 10;
const LONGEST: usize = 1 << 10;

/// The longest record behind the messages that is kept: a Finished has 40 to 50 bytes.
const LONGEST_KEPT: usize = 256;
/// How many of them.
const KEPT: usize = 2;

/// A flight as far as it came.
#[derive(Debug)]
pub(crate) struct Flight {
    messages: Vec<Message>,
    /// Records of epoch 1.
    kept: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Message {
    kind: u8,
    longest: usize,
    came: Came,
}

#[derive(Debug)]
enum Came {
    Nothing,
    /// The bytes, which of them are there, and how many are not.
    Part(Vec<u8>, Vec<bool>, usize),
    Whole(Vec<u8>),
}

impl Flight {
    /// That of a client which shows a pre-shared key, or a certificate.
    pub(crate) fn new(has_key: bool) -> Self {
        let kinds: &[_] = if has_key {
            &[(CLIENT_KEY_EXCHANGE, LONGEST)]
        } else {
            &[
                (CERTIFICATE, LONGEST_CHAIN),
                (CLIENT_KEY_EXCHANGE, LONGEST),
                (CERTIFICATE_VERIFY, LONGEST),
            ]
        };
        let message = |&(kind, longest): &(u8, usize)| Message {
            kind,
            longest,
            came: Came::Nothing,
        };
        Self {
            messages: kinds.iter().map(message).collect(),
            kept: Vec::new(),
        }
    }

    /// Takes a piece; one that does not belong here changes nothing.
    pub(crate) fn take(&mut self, piece: &Piece<'_>) {
        let Some(index) = piece.number.checked_sub(FIRST).map(usize::from) else {
            return;
        };
        let Some(message) = self.messages.get_mut(index) else {
            return;
        };
        if message.kind == piece.kind && (1..=message.longest).contains(&piece.length) {
            message.came.take(piece);
        }
    }

    /// Keeps a record that can be read only after the messages; of too many the newest.
    pub(crate) fn keep(&mut self, record: &Record<'_>) {
        if record.kind == HANDSHAKE && record.whole.len() <= LONGEST_KEPT {
            if self.kept.len() == KEPT {
                self.kept.remove(0);
            }
            self.kept.push(record.whole.to_vec());
        }
    }

    /// Whether its client shows a pre-shared key.
    pub(crate) fn has_key(&self) -> bool {
        matches!(&self.messages[..], [_])
    }

    /// Whether all messages are there. Who shows no certificate has none to prove (RFC 5246 7.4.8), and
    /// is told so.
    pub(crate) fn is_whole(&self) -> bool {
        let shows_none = self.shows_no_certificate();
        let mut messages = self.messages.iter();
        messages.all(|message| {
            matches!(message.came, Came::Whole(_))
                || (shows_none && message.kind == CERTIFICATE_VERIFY)
        })
    }

    /// Whether its Certificate is a list of none (RFC 5246 7.4.6).
    fn shows_no_certificate(&self) -> bool {
        let mut messages = self.messages.iter();
        messages.any(|message| {
            let is_none = matches!(&message.came, Came::Whole(body) if body == &[0, 0, 0]);
            is_none && message.kind == CERTIFICATE
        })
    }

    /// The identity in the ClientKeyExchange of a PSK handshake (RFC 4279 2), once it is there.
    pub(crate) fn identity(&self) -> Option<&[u8]> {
        let [message] = &self.messages[..] else {
            return None;
        };
        let Came::Whole(body) = &message.came else {
            return None;
        };
        let (length, identity) = body.split_first_chunk::<2>()?;
        (identity.len() == usize::from(u16::from_be_bytes(*length))).then_some(identity)
    }

    /// All of it as one datagram: the messages, the change to the keys they make, and what is
    /// encrypted with these.
    pub(crate) fn datagram(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (mut number, mut record) = (FIRST, FIRST_RECORD);
        for message in &self.messages {
            if let Came::Whole(body) = &message.came {
                let header = message_header(message.kind, number, body.len());
                write_record(&mut out, HANDSHAKE, record, &[&header, body]);
                (number, record) = (number + 1, record + 1);
            }
        }
        write_record(&mut out, CHANGE_CIPHER_SPEC, record, &[&[1]]);
        self.kept.iter().for_each(|kept| out.extend(kept));
        out
    }
}

impl Came {
    fn take(&mut self, piece: &Piece<'_>) {
        if matches!(self, Self::Nothing) {
            *self = Self::Part(
                vec![0; piece.length],
                vec![false; piece.length],
                piece.length,
            );
        }
        let Self::Part(bytes, there, missing) = self else {
            return;
        };
        if bytes.len() != piece.length {
            return;
        }
        let to = bytes.iter_mut().zip(there).skip(piece.offset);
        for ((to, is_there), byte) in to.zip(piece.bytes) {
            if !*is_there {
                (*to, *is_there) = (*byte, true);
                *missing -= 1;
            }
        }
        if *missing == 0 {
            *self = Self::Whole(std::mem::take(bytes));
        }
    }
}

#[cfg(test)]
mod tests;
