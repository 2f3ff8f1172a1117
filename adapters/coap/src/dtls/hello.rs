//! The first message of a handshake, read as far as its cookie, and what we answer it with.
//!
//! A ClientHello (RFC 6347 4.2.1) comes whole, in the first record of a datagram: whoever sends it
//! in pieces would make us keep them for an address that is not proven yet.

use super::record::{
    ALERT, HANDSHAKE, MESSAGE_HEADER, Pieces, RECORD_HEADER, Records, VERSION, message_header,
    write_record,
};

const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// A fatal alert, handshake_failure (RFC 5246 7.2).
const HANDSHAKE_FAILURE: [u8; 2] = [2, 40];

/// Version and random.
const FIXED: usize = 2 + 32;
/// Its longest answer: what a cookie costs who only pretends to be there.
pub(crate) const COOKIE: usize = COOKIE_BYTE as usize;
const COOKIE_BYTE: u8 = 20;

/// A ClientHello as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientHello<'d> {
    record: &'d [u8],
    /// Which message of its sender this is.
    number: u16,
    /// Where the length of its cookie stands.
    cookie_at: usize,
    cookie: &'d [u8],
}

impl<'d> ClientHello<'d> {
    /// Reads it from the first record of a datagram; `None` if that is anything else.
    pub(crate) fn read(datagram: &'d [u8]) -> Option<Self> {
        let record = Records(datagram).next()?;
        let hello = Pieces(record.body).next()?;
        let is_whole = MESSAGE_HEADER + hello.length == record.body.len();
        if record.kind != HANDSHAKE || record.epoch != 0 {
            return None;
        }
        if hello.kind != CLIENT_HELLO || !is_whole || hello.bytes.len() != hello.length {
            return None;
        }
        let (record, body) = (record.whole, hello.bytes);
        let session = usize::from(*body.get(FIXED)?);
        let cookie_at = RECORD_HEADER + MESSAGE_HEADER + FIXED + 1 + session;
        let cookie_length = usize::from(*record.get(cookie_at)?);
        let cookie = record.get(cookie_at + 1..cookie_at + 1 + cookie_length)?;
        Some(Self {
            record,
            number: hello.number,
            cookie_at,
            cookie,
        })
    }

    /// What its sender was given, and gives back; empty in a first one.
    pub(crate) const fn cookie(&self) -> &'d [u8] {
        self.cookie
    }

    /// What a cookie is bound to beside the address: all of the message but the cookie
    /// (RFC 6347 4.2.1), which is the same in both.
    pub(crate) fn parts(&self) -> [&'d [u8]; 2] {
        let body = RECORD_HEADER + MESSAGE_HEADER;
        let before = self.record.get(body..self.cookie_at);
        let after = self.record.get(self.cookie_at + 1 + self.cookie.len()..);
        [before, after].map(Option::unwrap_or_default)
    }

    /// The HelloVerifyRequest that answers it (RFC 6347 4.2.1): 48 bytes.
    pub(crate) fn verify_request(&self, cookie: &[u8; COOKIE]) -> Vec<u8> {
        const BODY: u8 = 2 + 1 + COOKIE_BYTE;
        let mut out = Vec::with_capacity(RECORD_HEADER + MESSAGE_HEADER + usize::from(BODY));
        out.push(HANDSHAKE);
        out.extend(VERSION);
        // Epoch and sequence number of the record it answers.
        out.extend(self.record.get(3..11).unwrap_or_default());
        out.extend([0, 12 + BODY]);
        out.push(HELLO_VERIFY_REQUEST);
        // Length, message 0, from its byte 0 on, all of it.
        out.extend([0, 0, BODY, 0, 0, 0, 0, 0, 0, 0, BODY]);
        out.extend(VERSION);
        out.push(COOKIE_BYTE);
        out.extend(cookie);
        out
    }

    /// The ClientHello its sender must have begun with: message 0, without a cookie.
    pub(crate) fn first(&self) -> Vec<u8> {
        self.numbered(0, &[])
    }

    /// Itself as message 1, if it is that.
    pub(crate) fn second(&self) -> Option<Vec<u8>> {
        (self.number == 1).then(|| self.numbered(1, self.cookie))
    }

    fn numbered(&self, number: u16, cookie: &[u8]) -> Vec<u8> {
        let [before, after] = self.parts();
        // A byte holds it: it came with one.
        let [.., cookie_length] = cookie.len().to_be_bytes();
        let length = before.len() + 1 + cookie.len() + after.len();
        let header = message_header(CLIENT_HELLO, number, length);
        let body = [&header, before, &[cookie_length], cookie, after];
        let mut out = Vec::with_capacity(RECORD_HEADER + MESSAGE_HEADER + length);
        write_record(&mut out, HANDSHAKE, u64::from(number), &body);
        out
    }

    /// What answers one that begins no handshake: rtc-dtls wants an empty session and a block of
    /// extensions (RFC 5246 7.4.1.2 has both otherwise).
    pub(crate) fn refusal(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_record(&mut out, ALERT, 1, &[&HANDSHAKE_FAILURE]);
        out
    }
}

#[cfg(test)]
pub(crate) mod tests;
