//! Records and pieces of handshake messages (RFC 6347 4.1, 4.2.2), read before rtc-dtls sees them:
//! it is handed only what it can take without harm.

/// Content types.
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
/// DTLS 1.2.
pub(crate) const VERSION: [u8; 2] = [0xfe, 0xfd];

pub(crate) const RECORD_HEADER: usize = 13;
pub(crate) const MESSAGE_HEADER: usize = 12;

/// A record as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'d> {
    pub(crate) kind: u8,
    pub(crate) epoch: u16,
    /// Its header too.
    pub(crate) whole: &'d [u8],
    pub(crate) body: &'d [u8],
}

/// The records of a datagram, up to the first that is none.
pub(crate) struct Records<'d>(pub(crate) &'d [u8]);

impl<'d> Iterator for Records<'d> {
    type Item = Record<'d>;

    fn next(&mut self) -> Option<Record<'d>> {
        let datagram = std::mem::take(&mut self.0);
        let [kind, major, minor, e0, e1, .., l0, l1] = *datagram.first_chunk::<RECORD_HEADER>()?;
        // DTLS 1.0 stands in the first record of many clients.
        if major != 0xfe || !matches!(minor, 0xfd | 0xff) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (whole, rest) = datagram.split_at_checked(RECORD_HEADER + length)?;
        self.0 = rest;
        Some(Record {
            kind,
            epoch: u16::from_be_bytes([e0, e1]),
            whole,
            body: whole.get(RECORD_HEADER..)?,
        })
    }
}

/// A piece of a handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'d> {
    pub(crate) kind: u8,
    /// Length of the whole message.
    pub(crate) length: usize,
    /// Which message of its sender this is.
    pub(crate) number: u16,
    /// Where the piece stands in it.
    pub(crate) offset: usize,
    pub(crate) bytes: &'d [u8],
}

/// The pieces in the body of a handshake record, up to the first that is none.
pub(crate) struct Pieces<'d>(pub(crate) &'d [u8]);

impl<'d> Iterator for Pieces<'d> {
    type Item = Piece<'d>;

    fn next(&mut self) -> Option<Piece<'d>> {
        let body = std::mem::take(&mut self.0);
        let (header, rest) = body.split_first_chunk::<MESSAGE_HEADER>()?;
        let [kind, l0, l1, l2, n0, n1, o0, o1, o2, f0, f1, f2] = *header;
        let [length, offset, piece] = [[l0, l1, l2], [o0, o1, o2], [f0, f1, f2]].map(uint24);
        let (bytes, rest) = rest.split_at_checked(piece)?;
        if offset + piece > length {
            return None;
        }
        self.0 = rest;
        Some(Piece {
            kind,
            length,
            number: u16::from_be_bytes([n0, n1]),
            offset,
            bytes,
        })
    }
}

fn uint24([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// A record of epoch 0, as its sender would have numbered it had nothing been lost.
pub(crate) fn write_record(out: &mut Vec<u8>, kind: u8, number: u64, body: &[&[u8]]) {
    let length: usize = body.iter().map(|part| part.len()).sum();
    let [.., l0, l1] = length.to_be_bytes();
    let [_, _, number @ ..] = number.to_be_bytes();
    out.push(kind);
    out.extend(VERSION);
    out.extend([0, 0]);
    out.extend(number);
    out.extend([l0, l1]);
    body.iter().for_each(|part| out.extend(*part));
}

/// The header of a handshake message that is one piece.
pub(crate) fn message_header(kind: u8, number: u16, length: usize) -> [u8; MESSAGE_HEADER] {
    let [n0, n1] = number.to_be_bytes();
    let [.., l0, l1, l2] = length.to_be_bytes();
    [kind, l0, l1, l2, n0, n1, 0, 0, 0, l0, l1, l2]
}
