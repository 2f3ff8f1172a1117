//! Frames of a websocket, by their heads alone (RFC 6455 5.2).
//!
//! Frames are read by another, which keeps what it was sent of a frame until it has all of it, and
//! looks at the size only then. This goes over the same bytes before, and refuses a frame as soon
//! as its head has told how long it is: nothing of one that is too long is kept.
//!
//! All else about a frame (mask, opcode, control frames) is for the reader to judge, which does so
//! by the first two bytes.

/// A frame longer than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame too large")]
pub struct FrameTooLarge;

/// Goes along with the bytes of one peer, in whatever pieces they come.
#[derive(Clone, Debug)]
pub struct FrameGate {
    largest: u64,
    place: Place,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The first of a frame: its opcode.
    Opcode,
    /// The second: whether it is masked, and its length or how that is written.
    Length,
    /// Of a length that is written in more bytes: how many are to come, and what those before say.
    LongLength {
        left: u8,
        length: u64,
        is_masked: bool,
    },
    /// Of mask and payload: how many are to come.
    Payload(u64),
    /// Behind the head of a frame that was refused.
    Refused,
}

/// In the second byte: the payload is masked.
const MASKED: u8 = 0x80;
/// In the second byte: the length, or one of the two below.
const SHORT_LENGTH: u8 = 0x7f;
/// The length is in the next two bytes.
const IN_TWO: u8 = 126;
/// The length is in the next eight bytes.
const IN_EIGHT: u8 = 127;
/// The bytes of a mask.
const MASK: u64 = 4;

impl FrameGate {
    /// Lets frames through whose payload has at most `largest` bytes.
    #[must_use]
    pub const fn new(largest: u64) -> Self {
        Self {
            largest,
            place: Place::Opcode,
        }
    }

    /// Goes over the next bytes.
    ///
    /// # Errors
    /// [`FrameTooLarge`] once the head of a frame declares more, and ever after.
    pub fn pass(&mut self, mut bytes: &[u8]) -> Result<(), FrameTooLarge> {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.place = match self.place {
                Place::Opcode => Place::Length,
                Place::Length => self.read_length(byte)?,
                Place::LongLength {
                    left,
                    length,
                    is_masked,
                } => {
                    let length = length << 8 | u64::from(byte);
                    match left.saturating_sub(1) {
                        0 => self.enter(length, is_masked)?,
                        left => Place::LongLength {
                            left,
                            length,
                            is_masked,
                        },
                    }
                }
                Place::Payload(left) => {
                    // This byte, and what there is of the others.
                    let others = left.saturating_sub(1);
                    let here = usize::try_from(others).map_or(rest.len(), |n| n.min(rest.len()));
                    bytes = rest.get(here..).unwrap_or_default();
                    payload(others.saturating_sub(here as u64))
                }
                Place::Refused => return Err(FrameTooLarge),
            };
        }
        Ok(())
    }

    fn read_length(&mut self, byte: u8) -> Result<Place, FrameTooLarge> {
        let is_masked = byte & MASKED != 0;
        let left = match byte & SHORT_LENGTH {
            IN_TWO => 2,
            IN_EIGHT => 8,
            short => return self.enter(u64::from(short), is_masked),
        };
        Ok(Place::LongLength {
            left,
            length: 0,
            is_masked,
        })
    }

    /// The head but for the mask is read.
    fn enter(&mut self, length: u64, is_masked: bool) -> Result<Place, FrameTooLarge> {
        if length > self.largest {
            self.place = Place::Refused;
            return Err(FrameTooLarge);
        }
        let mask = if is_masked { MASK } else { 0 };
        Ok(payload(length.saturating_add(mask)))
    }
}

const fn payload(left: u64) -> Place {
    match left {
        0 => Place::Opcode,
        left => Place::Payload(left),
    }
}

#[cfg(test)]
mod tests;
