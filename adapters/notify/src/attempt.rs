//! One attempt at one entry: make ready, carry, report, and one line in the log.

use std::sync::Arc;
use std::time::Duration;

use ics_core::outbox::{Addressee, OutboxEntry};
use ics_core::party::PartyStatus;
use ics_core::port::{Clock, Entropy};
use ics_core::procedure::delivery::{DeliveryReport, backoff};
use ics_core::service::Failure;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};

use crate::Pace;
use crate::cooldown::Sign;
use crate::courier::Carrier;
use crate::jitter::draw_wait;
use crate::outbox::Outbox;
use crate::outcome::Outcome;
use crate::translate::message_name;

/// How often a report is offered to a service that does not take it.
const REPORT_TRIES: u32 = 4;

/// What all lanes stand on.
pub(crate) struct Shared {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// One for each attempt under way, of all lanes, beyond the one that each road has of its own.
    pub(crate) permits: Semaphore,
    pub(crate) pace: Pace,
    /// True once no new attempt may begin.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    /// Whether no new attempt may begin.
    pub(crate) fn is_stopping(&self) -> bool {
        // Without a sender nobody can stop us any more: the deliverer was dropped.
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Full jitter.
    pub(crate) fn draw(&self, limit: Duration) -> Duration {
        draw_wait(self.entropy.as_ref(), limit)
    }

    /// Tries `entry`, and tells the service what came of it. `own`: the permit of its road, so that
    /// roads that are slow, however many, leave each other one its turn.
    pub(crate) async fn attempt(&self, entry: &OutboxEntry, own: &Semaphore) -> Sign {
        let permit = tokio::select! {
            biased;
            permit = own.acquire() => permit,
            permit = self.permits.acquire() => permit,
        };
        if permit.is_err() || self.is_stopping() {
            return Sign::None;
        }
        let addressee = &entry.key.addressee;
        let consignment = match self.outbox.consign(entry, self.clock.now()).await {
            Ok(Some(consignment)) => consignment,
            Ok(None) => return Sign::None,
            Err(failure) => return self.note_failure(addressee, failure),
        };
        // Suspended since it was due: frozen, so nothing is sent and nothing is changed.
        if consignment.party.status == PartyStatus::Suspended {
            return Sign::None;
        }
        let started = Instant::now();
        let outcome = self.carrier.carry(&consignment).await;
        log_attempt(entry, outcome, started.elapsed());
        match self.report(entry, outcome).await {
            Ok(()) => outcome.sign(&entry.message),
            Err(failure) => self.note_failure(addressee, failure),
        }
    }

    /// Gives up an entry whose deadline has passed, without trying it.
    pub(crate) async fn bury(&self, entry: &OutboxEntry) -> Result<(), Failure> {
        let report = DeliveryReport::Failed {
            wait: Duration::ZERO,
        };
        let now = self.clock.now();
        self.outbox.report_delivery(&entry.key, report, now).await?;
        tracing::info!(
            addressee = %entry.key.addressee,
            message = message_name(&entry.message),
            outcome = "expired",
            attempts = entry.attempts,
            duration_ms = 0_u64,
            "delivery"
        );
        Ok(())
    }

    /// Our own side failed: the lane rests, whatever its hosts may be worth.
    pub(crate) fn note_failure(&self, addressee: &Addressee, failure: Failure) -> Sign {
        tracing::warn!(%addressee, error = %failure, "outbox unavailable");
        Sign::Unserved
    }

    async fn report(&self, entry: &OutboxEntry, outcome: Outcome) -> Result<(), Failure> {
        let knobs = self.outbox.knobs();
        let report = match outcome {
            Outcome::Accepted { .. } | Outcome::Acknowledged => DeliveryReport::Accepted,
            Outcome::Refused { .. } => DeliveryReport::Refused,
            _ => {
                let drawn = self.draw(backoff(&knobs, entry.attempts));
                DeliveryReport::Failed {
                    wait: drawn.max(outcome.least_wait()),
                }
            }
        };
        let mut tries = 0;
        loop {
            let now = self.clock.now();
            let reported = self.outbox.report_delivery(&entry.key, report, now).await;
            let Err(failure) = reported else {
                return Ok(());
            };
            tries += 1;
            // Unreported, it would be sent once more: worth some patience, within bounds.
            if tries >= REPORT_TRIES || self.is_stopping() {
                return Err(failure);
            }
            sleep(self.draw(backoff(&knobs, tries))).await;
        }
    }
}

fn log_attempt(entry: &OutboxEntry, outcome: Outcome, took: Duration) {
    tracing::info!(
        addressee = %entry.key.addressee,
        message = message_name(&entry.message),
        outcome = outcome.name(),
        status = outcome.status(),
        attempts = entry.attempts.saturating_add(1),
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "delivery"
    );
}
