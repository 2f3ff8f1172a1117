//! How an answer reaches the device: with the acknowledgement of its request, or by itself; whole, or
//! a part of it.

use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};

use super::Session;
use super::at_work::Shape;
use crate::message::{Answer, Block, Code, Heading, Kind, acknowledgement};

/// The longest part of a long answer: 1,024 bytes (RFC 7959 2.2).
pub(super) const LONGEST_PART: u8 = 6;

impl Session {
    /// Answers a request in the form it wants.
    pub(super) fn tell_shaped(
        &mut self,
        now: Instant,
        heading: &Heading,
        shape: &Shape,
        answer: Answer,
    ) {
        if answer.code.is_unwanted(shape.no_response) {
            return self.tell_nothing(heading);
        }
        let mut answer = cut(answer, shape.block2);
        answer.block1 = answer.block1.or(shape.block1);
        self.tell(now, heading, &answer);
    }

    /// Answers a request.
    pub(super) fn tell(&mut self, now: Instant, heading: &Heading, answer: &Answer) {
        let answer = Answer {
            pending: Some(self.pending()),
            ..answer.clone()
        };
        if !heading.is_confirmable {
            let id = self.exchange.draw_id();
            let message = answer.write(Kind::NonConfirmable, id, &heading.token);
            return self.exchange.reply(heading.id, message);
        }
        if !self.exchange.is_acknowledged(heading.id) {
            let message = answer.write(Kind::Acknowledgement, heading.id, &heading.token);
            return self.exchange.reply(heading.id, message);
        }
        let id = self.exchange.draw_id();
        let message = answer.write(Kind::Confirmable, id, &heading.token);
        let jitter = self.dice.throw();
        if self.exchange.send(now, (id, message), jitter) {
            self.exchange.answered_apart(heading.id);
        } else {
            self.exchange.disown(heading.id);
        }
    }

    /// Who asked wants no answer (RFC 7967): an acknowledgement, if anything.
    pub(super) fn tell_nothing(&mut self, heading: &Heading) {
        let said = if heading.is_confirmable && !self.exchange.is_acknowledged(heading.id) {
            acknowledgement(heading.id).to_vec()
        } else {
            Vec::new()
        };
        self.exchange.reply(heading.id, said);
    }
}

/// The part of a long answer that is asked for, or the first.
pub(super) fn cut(mut answer: Answer, asked: Option<Block>) -> Answer {
    if answer.code != Code::CONTENT && answer.of_guest.is_empty() {
        return answer;
    }
    let exponent = asked.map_or(LONGEST_PART, |block| block.exponent.min(LONGEST_PART));
    let number = asked.map_or(0, |block| block.number);
    let mut block = Block {
        number,
        more: false,
        exponent,
    };
    let whole = answer.payload.len();
    if asked.is_none() && whole <= block.size() {
        return answer;
    }
    let begin = block.begins_at();
    let Some(rest) = answer
        .payload
        .get(begin..)
        .filter(|rest| number == 0 || !rest.is_empty())
    else {
        // RFC 7959 2.3: there is no such part.
        return Answer::of(Code::BAD_REQUEST);
    };
    block.more = rest.len() > block.size();
    let part: Vec<u8> = rest.iter().take(block.size()).copied().collect();
    if whole > block.size() {
        // Parts of two answers must not be taken for one.
        answer.etag.get_or_insert_with(|| name_of(&answer.payload));
        answer.size2 = (number == 0).then(|| u32::try_from(whole).ok()).flatten();
    }
    answer.block2 = Some(block);
    answer.payload = part;
    answer
}

/// What names an answer that has no version: 8 bytes of its hash.
fn name_of(payload: &[u8]) -> Vec<u8> {
    let hash = digest(&SHA256, payload);
    hash.as_ref().iter().take(8).copied().collect()
}
