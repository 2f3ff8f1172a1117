//! A handshake in steps: each waits for a turn, and gives it back when it waits for its peer.
//!
//! So a peer that stops in the middle keeps nobody waiting, however many of it there are: it costs
//! memory and a descriptor until its time is over, and one step of computing. A turn is held over
//! one yield before its step is computed: of a thousand handshakes of one address that become ready
//! together, only its own turns stand in the way of others.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;

use super::gate::{Arrival, Turn};

/// A handshake, or whatever else computes when its peer has said something.
pub(super) struct InSteps<F> {
    work: Pin<Box<F>>,
    arrival: Arrival,
    step: Step,
}

enum Step {
    /// Waits for its peer; woken, it wants a turn.
    AtRest,
    /// Waits for its turn.
    Queued(BoxFuture<'static, Option<Turn>>),
    /// Has its turn; others that have theirs come first.
    Next(#[expect(dead_code, reason = "held until the step is computed")] Option<Turn>),
}

impl<F: Future> InSteps<F> {
    /// `work` by the turns of its address.
    pub(super) fn new(work: F, arrival: Arrival) -> Self {
        Self {
            work: Box::pin(work),
            arrival,
            step: Step::AtRest,
        }
    }
}

impl<F: Future> Future for InSteps<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        loop {
            match &mut self.step {
                Step::AtRest => {
                    let turn = self.arrival.wait_for_turn();
                    self.step = Step::Queued(Box::pin(turn));
                }
                Step::Queued(turn) => {
                    let turn = ready!(turn.as_mut().poll(cx));
                    self.step = Step::Next(turn);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Next(_) => {
                    let done = self.work.as_mut().poll(cx);
                    self.step = Step::AtRest;
                    return done;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
