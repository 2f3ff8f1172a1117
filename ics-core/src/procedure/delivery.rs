//! What becomes of an outbox entry after it was tried (Y.4462 10.1 step 3, 10.2 step 3).
//!
//! Delivery never delays or undoes a change of a row; only the push of step 3 has a say: taken
//! over, it stops; refused for good, the row fails.

use core::time::Duration;

use super::Knobs;
use super::assignment::decide_failure;
use super::demapping::RowFacts;
use super::mapping::decide_taken_over;
use crate::change::Change;
use crate::mapping::{FailureCause, Mapping, State};
use crate::outbox::{DeadReason, Message, OutboxEntry};
use crate::time::Timestamp;

/// What trying came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryReport {
    /// A 2xx.
    Accepted,
    /// A 4xx that trying again will not change (not 408, 425, 429).
    Refused,
    /// Anything else; `wait` is drawn by the deliverer between nothing and the backoff.
    Failed {
        /// How long to wait before trying again.
        wait: Duration,
    },
    /// There is nowhere to send it.
    NoDestination,
}

/// The longest wait before the next attempt after `attempts` of them: doubling, bounded.
#[must_use]
pub fn backoff(knobs: &Knobs, attempts: u32) -> Duration {
    let factor = 1_u32.checked_shl(attempts.min(16)).unwrap_or(u32::MAX);
    knobs
        .retry_first
        .saturating_mul(factor)
        .min(knobs.retry_max)
}

/// Decides what becomes of `entry`. `row` is the row it is about, with its facts; `None` when
/// the row is gone.
#[must_use]
pub fn decide_delivery(
    entry: &OutboxEntry,
    row: Option<(&Mapping, &RowFacts)>,
    report: DeliveryReport,
    (knobs, disclose_at): (&Knobs, Timestamp),
    now: Timestamp,
) -> Change {
    if entry.message == Message::Assignment {
        let pending = row.filter(|(row, _)| matches!(row.state, State::Pending { .. }));
        let Some((row, facts)) = pending else {
            return settled(entry);
        };
        match report {
            DeliveryReport::Accepted => return decide_taken_over(row, Some(entry)),
            DeliveryReport::Refused => {
                // The push itself is settled as part of the row's failure.
                let facts = RowFacts {
                    push: Some(entry.clone()),
                    ..facts.clone()
                };
                let times = (knobs, disclose_at);
                return decide_failure(row, FailureCause::Unreachable, &facts, times, now).1;
            }
            // The subscription is gone: the assignment can still be pulled.
            DeliveryReport::NoDestination => return decide_taken_over(row, Some(entry)),
            DeliveryReport::Failed { wait } => {
                // The push is worth sending as long as the row waits; its end may have moved.
                let deadline = row.due().unwrap_or(entry.deadline);
                return retry(entry, (wait, deadline), now);
            }
        }
    }
    match report {
        DeliveryReport::Accepted => settled(entry),
        DeliveryReport::NoDestination => dead(entry, DeadReason::NoDestination),
        // A receiver that is broken today may be mended before the deadline.
        // A test that is refused has told what it was asked for; nothing waits behind it.
        DeliveryReport::Refused if entry.message == Message::Test => settled(entry),
        DeliveryReport::Refused => retry(entry, (knobs.retry_max, entry.deadline), now),
        DeliveryReport::Failed { wait } => retry(entry, (wait, entry.deadline), now),
    }
}

fn settled(entry: &OutboxEntry) -> Change {
    let mut change = Change::default();
    change.settle(entry);
    change
}

fn retry(entry: &OutboxEntry, (wait, deadline): (Duration, Timestamp), now: Timestamp) -> Change {
    let mut next = entry.clone();
    next.deadline = deadline;
    next.attempts = entry.attempts.saturating_add(1);
    next.next_attempt = now.plus(wait);
    next.dead = (next.deadline <= now).then_some(DeadReason::DeadlinePassed);
    let mut change = Change::default();
    change.replace_entry(entry, next);
    change
}

fn dead(entry: &OutboxEntry, reason: DeadReason) -> Change {
    let mut next = entry.clone();
    next.dead = Some(reason);
    let mut change = Change::default();
    change.replace_entry(entry, next);
    change
}

/// Tries `entry` now instead of later; its deadline stays.
#[must_use]
pub fn decide_recall(entry: &OutboxEntry, now: Timestamp) -> Change {
    let mut next = entry.clone();
    next.next_attempt = now;
    let mut change = Change::default();
    change.replace_entry(entry, next);
    change
}

/// The operator has a dead letter tried again.
#[must_use]
pub fn decide_revival(entry: &OutboxEntry, knobs: &Knobs, now: Timestamp) -> Change {
    let mut next = entry.clone();
    next.dead = None;
    next.next_attempt = now;
    next.deadline = now.plus(knobs.notification_lifetime);
    let mut change = Change::default();
    change.replace_entry(entry, next);
    change
}
