//! The seam to the core: the few things a lane asks of the service.

use ics_core::outbox::{Addressee, OutboxEntry, OutboxKey};
use ics_core::port::{DueEntries, PortFuture};
use ics_core::procedure::Knobs;
use ics_core::procedure::delivery::DeliveryReport;
use ics_core::service::{Consignment, Failure, IcsService};
use ics_core::time::Timestamp;

/// What a lane asks of the service; see [`IcsService`], which answers it.
pub trait Outbox: Send + Sync {
    /// Everybody who may have entries.
    fn addressees(&self) -> Vec<Addressee>;

    /// The times the service works by.
    fn knobs(&self) -> Knobs;

    /// What `addressee` is due at `now`; at most one entry of each subject.
    fn due_entries<'a>(
        &'a self,
        addressee: &'a Addressee,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, Failure>>;

    /// Makes an entry ready. `None`: it needed no sending, and is settled.
    fn consign<'a>(
        &'a self,
        entry: &'a OutboxEntry,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<Consignment>, Failure>>;

    /// The websocket of `addressee` has opened: what waits for it is due. Tells how many that were.
    fn recall_for_websocket<'a>(
        &'a self,
        addressee: &'a Addressee,
        now: Timestamp,
    ) -> PortFuture<'a, Result<usize, Failure>>;

    /// Takes in what came of sending.
    fn report_delivery<'a>(
        &'a self,
        key: &'a OutboxKey,
        report: DeliveryReport,
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), Failure>>;
}

impl Outbox for IcsService {
    fn addressees(&self) -> Vec<Addressee> {
        self.addressees()
    }

    fn knobs(&self) -> Knobs {
        *self.knobs()
    }

    fn due_entries<'a>(
        &'a self,
        addressee: &'a Addressee,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, Failure>> {
        Box::pin(self.due_entries(addressee, now, limit))
    }

    fn consign<'a>(
        &'a self,
        entry: &'a OutboxEntry,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<Consignment>, Failure>> {
        Box::pin(self.consign(entry, now))
    }

    fn recall_for_websocket<'a>(
        &'a self,
        addressee: &'a Addressee,
        now: Timestamp,
    ) -> PortFuture<'a, Result<usize, Failure>> {
        Box::pin(self.recall_for_websocket(addressee, now))
    }

    fn report_delivery<'a>(
        &'a self,
        key: &'a OutboxKey,
        report: DeliveryReport,
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), Failure>> {
        Box::pin(self.report_delivery(key, report, now))
    }
}
