//! What a device asks a guest for, and the rest of an answer that is longer than a part.

use std::time::Instant;

use super::at_work::{AtWork, Shape};
use super::reply::LONGEST_PART;
use super::{MOST_AT_WORK, Session, Wanted};
use crate::conversation::tell_refusal;
use crate::guest::{GuestAnswer, GuestRequest};
use crate::message::{Answer, Code, Request};
use crate::upload::{Part, named};

/// The last answer of a guest that is fetched part by part: it is not asked twice, for it may have
/// done something. At most one.
#[derive(Debug, Default)]
pub(super) struct Leftover(Option<(Vec<u8>, Answer)>);

impl Leftover {
    pub(super) fn bytes(&self) -> usize {
        let kept = self.0.as_ref();
        kept.map_or(0, |(name, answer)| {
            name.len().saturating_add(answer.payload.len())
        })
    }
}

impl Session {
    pub(super) fn take_for_guest(&mut self, now: Instant, mut request: Request) {
        let shape = Shape::of(None, &request);
        let name = named(&request);
        if request.block2.is_some_and(|block| block.number > 0) {
            return self.tell_leftover(now, &request, (&name, &shape));
        }
        if let Part::Answer(answer) = self.upload.take(&mut request) {
            return self.tell_shaped(now, &request.heading, &shape, *answer);
        }
        if self.at_work.len() >= MOST_AT_WORK {
            let refusal = ics_channel::refusal::Refusal::TooMany;
            let answer = tell_refusal(refusal, shape.speaks_cbor);
            return self.tell_shaped(now, &request.heading, &shape, answer);
        }
        self.tickets = self.tickets.wrapping_add(1);
        let mut at_work = AtWork::new(self.tickets, request.heading.clone(), shape, now);
        at_work.of_guest = Some(name);
        self.at_work.push(at_work);
        let asked = GuestRequest::of(request);
        self.wanted.push_back(Wanted::Hand(self.tickets, asked));
    }

    /// The answer of a guest; kept, if it does not fit into a part.
    pub(super) fn keep_leftover(&mut self, work: &AtWork, answer: GuestAnswer) -> Answer {
        let answer = Answer {
            of_guest: answer.options,
            payload: answer.payload,
            ..Answer::of(Code::of_guest(answer.code))
        };
        let asked = work.shape.block2.map(|block| block.exponent);
        let exponent = asked.map_or(LONGEST_PART, |exponent| exponent.min(LONGEST_PART));
        let is_long = answer.payload.len() > 16 << exponent;
        let kept = is_long.then(|| work.of_guest.clone()).flatten();
        self.leftover = Leftover(kept.map(|name| (name, answer.clone())));
        answer
    }

    fn tell_leftover(&mut self, now: Instant, request: &Request, (name, shape): (&[u8], &Shape)) {
        let kept = self.leftover.0.as_ref();
        let kept = kept.filter(|(kept, _)| kept == name);
        let answer = kept.map_or_else(
            // RFC 7959 2.9.2: it is to be asked for from the beginning.
            || Answer::of(Code::INCOMPLETE),
            |(_, answer)| answer.clone(),
        );
        self.tell_shaped(now, &request.heading, shape, answer);
    }
}
