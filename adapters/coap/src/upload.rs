//! A payload that comes in parts (RFC 7959 2.5): one at a time of each peer.

use crate::message::{Answer, Block, Code, Request};

/// The longest payload, in bytes.
pub(crate) const LONGEST: usize = 8 * 1024;

/// What came of a request's payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It is whole.
    Whole,
    /// More is to come, or something is wrong: this is answered.
    Answer(Box<Answer>),
}

/// The payload that is coming.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Of which request: method and path.
    of: Vec<u8>,
    bytes: Vec<u8>,
}

impl Upload {
    /// Puts the request's payload together; a whole one is left in the request.
    pub(crate) fn take(&mut self, request: &mut Request) -> Part {
        let Some(block) = request.block1 else {
            return if request.payload.len() > LONGEST {
                too_large(None)
            } else {
                Part::Whole
            };
        };
        if block.number == 0 {
            self.of = named(request);
            self.bytes.clear();
        }
        let is_next = self.of == named(request) && self.bytes.len() == block.begins_at();
        // All but the last fill their block.
        let fits = request.payload.len() == block.size()
            || (!block.more && request.payload.len() <= block.size());
        if !is_next || !fits {
            self.forget();
            let answer = Answer::of(Code::INCOMPLETE);
            return Part::Answer(Box::new(answer));
        }
        if self.bytes.len().saturating_add(request.payload.len()) > LONGEST {
            self.forget();
            return too_large(Some(block));
        }
        self.bytes.append(&mut request.payload);
        if block.more {
            return Part::Answer(Box::new(Answer {
                block1: Some(block),
                ..Answer::of(Code::CONTINUE)
            }));
        }
        request.payload = std::mem::take(&mut self.bytes);
        self.forget();
        Part::Whole
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Tells a request from another: by its method, its path, and a guest's options.
pub(crate) fn named(request: &Request) -> Vec<u8> {
    let mut name = vec![request.method as u8];
    for segment in &request.path {
        name.push(b'/');
        name.extend_from_slice(segment.as_bytes());
    }
    for (number, value) in &request.of_guest {
        name.push(0);
        name.extend(number.to_be_bytes());
        name.extend_from_slice(value);
    }
    name
}

fn too_large(block: Option<Block>) -> Part {
    let answer = Answer {
        block1: block,
        size1: u32::try_from(LONGEST).ok(),
        ..Answer::of(Code::TOO_LARGE)
    };
    Part::Answer(Box::new(answer))
}

#[cfg(test)]
mod tests;
