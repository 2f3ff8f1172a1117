//! The seam to the core: the few things a lane asks of the service.

use ics_core::id::Origin;
use ics_core::outbox::{Addressee, OutboxEntry, OutboxKey};
use ics_core::port::{DueEntries, DuePlace, PortFuture};
use ics_core::procedure::Knobs;
use ics_core::procedure::delivery::DeliveryReport;
use ics_core::service::{Consignment, Failure, IcsService, Route};
use ics_core::time::Timestamp;

/// What a lane asks of the service; see [`IcsService`], which answers it.
pub trait Outbox: Send + Sync {
    /// Everybody who may have entries.
    fn addressees(&self) -> Vec<Addressee>;

    /// The times the service works by.
    fn knobs(&self) -> Knobs;

    /// Where `addressee` may be called back.
    fn callback_origins(&self, addressee: &Addressee) -> Vec<Origin>;

    /// Whether `addressee` speaks as an AE over oneM2M.
    fn speaks_onem2m(&self, addressee: &Addressee) -> bool;

    /// What `addressee` is due at `now`, behind a place; at most one entry of each subject.
    fn due_entries<'a>(
        &'a self,
        addressee: &'a Addressee,
        range: (Option<DuePlace>, Timestamp),
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, Failure>>;

    /// Which ways an entry may go.
    fn route<'a>(&'a self, entry: &'a OutboxEntry) -> PortFuture<'a, Result<Route, Failure>>;

    /// The head of the subject of `key`, which goes before its others.
    fn load_head<'a>(
        &'a self,
        key: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, Failure>>;

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

    fn callback_origins(&self, addressee: &Addressee) -> Vec<Origin> {
        self.callback_origins(addressee)
    }

    fn speaks_onem2m(&self, addressee: &Addressee) -> bool {
        self.speaks_onem2m(addressee)
    }

    fn due_entries<'a>(
        &'a self,
        addressee: &'a Addressee,
        range: (Option<DuePlace>, Timestamp),
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, Failure>> {
        Box::pin(self.due_entries(addressee, range, limit))
    }

    fn route<'a>(&'a self, entry: &'a OutboxEntry) -> PortFuture<'a, Result<Route, Failure>> {
        Box::pin(self.route(entry))
    }

    fn load_head<'a>(
        &'a self,
        key: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, Failure>> {
        Box::pin(self.load_head(key))
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
