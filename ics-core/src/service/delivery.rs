//! The deliverer's side of the outbox: what to send, where, and what came of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService, OpenAssignment};
use crate::change::Change;
use crate::id::{CallbackUri, Origin};
use crate::mapping::{Mapping, State};
use crate::outbox::{Addressee, Message, OutboxEntry, OutboxKey, Subject};
use crate::party::{Party, PartyStatus, Subscription};
use crate::port::{Cursor, DueEntries, DuePlace, Store, StoreError};
use crate::procedure::delivery::{DeliveryReport, decide_delivery, decide_recall, decide_revival};
use crate::reference_point::Role;
use crate::time::Timestamp;

/// How many entries a walk of the whole outbox takes at a time.
const PAGE: usize = 512;

/// How many entries of one subject are looked through at a time.
const OF_SUBJECT: usize = 8;

/// The longest any deliverer puts an entry off.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// One entry made ready: everything needed to send it, read when it is sent.
#[derive(Clone, Debug)]
pub struct Consignment {
    /// The entry.
    pub entry: OutboxEntry,
    /// Whom it is for.
    pub party: Arc<Party>,
    /// The callback it goes to; without one, it goes by websocket alone, or to the AE.
    pub destination: Option<CallbackUri>,
    /// Whether it goes by websocket while one is open.
    pub websocket: bool,
    /// Whether it goes to the party's AE: it named nothing else.
    pub onem2m: bool,
    /// The subscription it goes under, towards an IoT SP.
    pub subscription: Option<Arc<Subscription>>,
    /// The assignment of step 3 with its serial number, where the entry is that push; all other
    /// messages are whole in the entry.
    pub assignment: Option<Box<OpenAssignment>>,
    /// What the device says, byte-exact, where the entry is an event.
    pub event: Option<Vec<u8>>,
}

/// Which ways an entry may go: what [`Consignment`] says more of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The host of its callback, if it has one that is pinned.
    pub callback: Option<Origin>,
    /// Whether it goes by websocket while one is open.
    pub websocket: bool,
    /// Whether it goes to the party's AE: it named nothing else.
    pub onem2m: bool,
}

impl IcsService {
    /// Everybody who may have entries.
    #[must_use]
    pub fn addressees(&self) -> Vec<Addressee> {
        let directory = self.directory();
        let parties = directory
            .parties()
            .filter(|party| party.status != PartyStatus::Removed);
        parties
            .flat_map(|party| {
                let sp = party.id.clone();
                party
                    .roles()
                    .map(move |role| Addressee {
                        role,
                        sp: sp.clone(),
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Where `addressee` may be called back, in any role.
    #[must_use]
    pub fn callback_origins(&self, addressee: &Addressee) -> Vec<Origin> {
        let directory = self.directory();
        let party = directory.party(&addressee.sp);
        party.map_or_else(Vec::new, |party| party.callback_origins.clone())
    }

    /// Whether `addressee` speaks as an AE over oneM2M, in any role.
    #[must_use]
    pub fn speaks_onem2m(&self, addressee: &Addressee) -> bool {
        let directory = self.directory();
        let party = directory.party(&addressee.sp);
        party.is_some_and(|party| party.onem2m.is_some())
    }

    /// What `addressee` is due at `now`, behind a place. Nothing while it is suspended.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn due_entries(
        &self,
        addressee: &Addressee,
        (after, now): (Option<DuePlace>, Timestamp),
        limit: usize,
    ) -> Result<DueEntries, Failure> {
        let directory = self.directory();
        let served = directory
            .party(&addressee.sp)
            .is_some_and(|party| party.status != PartyStatus::Suspended);
        if !served {
            return Ok(DueEntries::default());
        }
        Ok(self
            .ports
            .store
            .due_entries(addressee, (after, now), limit)
            .await?)
    }

    /// Which ways an entry may go, as of now.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn route(&self, entry: &OutboxEntry) -> Result<Route, Failure> {
        let row = self.subject_row(entry).await?;
        let subscription = self.subscription_for(entry, row.as_ref());
        Ok(self
            .route_by(entry, row.as_ref(), subscription.as_deref())
            .1)
    }

    /// The head of the subject of `key`, which goes before its others: its first entry that is not
    /// given up. That may be one before `key`, which the operator has tried again.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn load_head(&self, key: &OutboxKey) -> Result<Option<OutboxEntry>, Failure> {
        Ok(load_head(self.ports.store.as_ref(), key).await?)
    }

    /// Makes an entry ready. `None`: it needed no sending, and is settled.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn consign(
        &self,
        entry: &OutboxEntry,
        now: Timestamp,
    ) -> Result<Option<Consignment>, Failure> {
        let mut row = self.subject_row(entry).await?;
        if entry.message == Message::Assignment
            && let Some(pushed) = row.take()
        {
            // One behind a fence is not pushed any more.
            row = Some(self.settle(pushed, now).await?);
        }
        let directory = self.directory();
        let party = directory
            .party(&entry.key.addressee.sp)
            .filter(|party| party.status != PartyStatus::Removed);
        let subscription = self.subscription_for(entry, row.as_ref());
        let (
            destination,
            Route {
                websocket, onem2m, ..
            },
        ) = self.route_by(entry, row.as_ref(), subscription.as_deref());
        let reachable = party.filter(|_| destination.is_some() || websocket || onem2m);
        let Some(party) = reachable else {
            self.report_delivery(&entry.key, DeliveryReport::NoDestination, now)
                .await?;
            return Ok(None);
        };
        let assignment = match (&entry.message, row) {
            (Message::Assignment, Some(row)) if matches!(row.state, State::Pending { .. }) => {
                Some(Box::new(self.open_assignment(row)?))
            }
            // The row has left PENDING: there is nothing to assign, and no serial number to send.
            (Message::Assignment, _) => {
                self.report_delivery(&entry.key, DeliveryReport::Accepted, now)
                    .await?;
                return Ok(None);
            }
            _ => None,
        };
        let event = match (&entry.message, entry.key.subject) {
            (Message::Event { data, .. }, Subject::Mapping(id)) => {
                Some(self.ports.sealer.open(id.as_bytes(), data)?)
            }
            _ => None,
        };
        let entry = entry.clone();
        Ok(Some(Consignment {
            entry,
            party: party.clone(),
            destination,
            websocket,
            onem2m,
            subscription,
            assignment,
            event,
        }))
    }

    /// Takes in what came of sending.
    ///
    /// # Errors
    /// [`Failure`]; the entry stays as it was then, and will be sent again.
    pub async fn report_delivery(
        &self,
        key: &OutboxKey,
        report: DeliveryReport,
        now: Timestamp,
    ) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.ports.store.load_entry(key).await? else {
                return Ok(());
            };
            let mut row = self.subject_row(&entry).await?;
            if entry.message == Message::Assignment
                && let Some(pushed) = row.take()
            {
                let version = pushed.version;
                let settled = self.settle(pushed, now).await?;
                if settled.version != version {
                    // It ended, and the push with it.
                    continue;
                }
                row = Some(settled);
            }
            let facts = match &row {
                Some(row) => Some(self.row_facts(row).await?),
                None => None,
            };
            let disclose_at = row
                .as_ref()
                .map_or(now, |row| self.disclose_at(row.created));
            let with_facts = row.as_ref().zip(facts.as_ref());
            let times = (&self.knobs, disclose_at);
            let change = decide_delivery(&entry, with_facts, report, times, now);
            if self.commit(change).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy)
    }

    /// The operator has a dead letter, or one that waits, tried again now. `false`: not there.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn retry_entry(&self, key: &OutboxKey, now: Timestamp) -> Result<bool, Failure> {
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.ports.store.load_entry(key).await? else {
                return Ok(false);
            };
            let change = decide_revival(&entry, &self.knobs, now);
            if self.commit(change).await? == Committed::Yes {
                return Ok(true);
            }
        }
        Err(Failure::Busy)
    }

    /// Tries now what a clock that ran ahead put off further than anything is put off: the operator
    /// has set time back. Tells how many entries that were.
    ///
    /// # Errors
    /// [`Failure`]; what was done before stays done.
    pub async fn recall_put_off(&self, now: Timestamp) -> Result<usize, Failure> {
        let latest = now.plus(LONGEST_PAUSE);
        let mut after: Option<OutboxKey> = None;
        let mut recalled = 0_usize;
        loop {
            let page = self.ports.store.walk_outbox(after.as_ref(), PAGE).await?;
            let Some(last) = page.last().map(|entry| entry.key.clone()) else {
                return Ok(recalled);
            };
            for entry in page {
                let put_off = entry.dead.is_none() && entry.next_attempt > latest;
                if put_off && self.retry_entry(&entry.key, now).await? {
                    recalled = recalled.saturating_add(1);
                }
            }
            after = Some(last);
            give_way().await;
        }
    }

    /// The websocket of `addressee` has opened: tries now what has been waiting for it. Tells how many
    /// entries that were.
    ///
    /// # Errors
    /// [`Failure`]; what was done before stays done.
    pub async fn recall_for_websocket(
        &self,
        addressee: &Addressee,
        now: Timestamp,
    ) -> Result<usize, Failure> {
        let mut after = Some(OutboxKey::before_all_of(addressee.clone()));
        let mut recalled = 0_usize;
        loop {
            let page = self.ports.store.walk_outbox(after.as_ref(), PAGE).await?;
            after = page.last().map(|entry| entry.key.clone());
            let Some(last) = &after else {
                return Ok(recalled);
            };
            let done = last.addressee != *addressee;
            let mut changes = Vec::new();
            for entry in page {
                let waits = entry.dead.is_none() && entry.next_attempt > now;
                if entry.key.addressee != *addressee || !waits {
                    continue;
                }
                let row = self.subject_row(&entry).await?;
                let subscription = self.subscription_for(&entry, row.as_ref());
                if by_websocket(addressee.role, row.as_ref(), subscription.as_deref()) {
                    changes.push(decide_recall(&entry, now));
                }
            }
            recalled = recalled.saturating_add(changes.len());
            let all = changes
                .iter()
                .cloned()
                .fold(Change::default(), Change::join);
            if self.commit(all).await? == Committed::Overtaken {
                // One of them moved meanwhile, and is tried by whoever moved it.
                for change in changes {
                    self.commit(change).await?;
                }
            }
            if done {
                return Ok(recalled);
            }
            give_way().await;
        }
    }

    /// There may be something for `addressee` that could not be sent before.
    pub fn wake(&self, addressee: &Addressee) {
        self.ports.bell.ring(addressee);
    }

    /// Outbox entries of everybody for the operator, dead letters included.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn list_outbox(
        &self,
        after: Option<&OutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, Failure> {
        Ok(self.ports.store.walk_outbox(after, limit).await?)
    }

    /// Any row, for the operator.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn show_mapping(&self, id: crate::id::MappingId) -> Result<Option<Mapping>, Failure> {
        match self.ports.store.load(id).await? {
            Some(row) => Ok(Some(self.show_row(row).await?)),
            None => Ok(None),
        }
    }

    /// Rows for the operator.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn show_mappings(
        &self,
        selection: &crate::port::Selection,
        (after, limit): (Option<&Cursor>, usize),
    ) -> Result<(Vec<Mapping>, Option<Cursor>), Failure> {
        self.collect(selection, (after, limit), |_| true).await
    }

    /// The name of an entry from its `notificationId`, as operators and receivers know it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn find_entry(&self, notification_id: &str) -> Result<Option<OutboxEntry>, Failure> {
        let mut after: Option<OutboxKey> = None;
        loop {
            let page = self.ports.store.walk_outbox(after.as_ref(), PAGE).await?;
            let Some(last) = page.last().map(|entry| entry.key.clone()) else {
                return Ok(None);
            };
            let wanted: fn(&OutboxEntry) -> String = |entry| entry.key.notification_id();
            if let Some(entry) = page.into_iter().find(|e| wanted(e) == notification_id) {
                return Ok(Some(entry));
            }
            after = Some(last);
            give_way().await;
        }
    }

    /// The callback of an entry, where it may be called, and its ways.
    fn route_by(
        &self,
        entry: &OutboxEntry,
        row: Option<&Mapping>,
        subscription: Option<&Subscription>,
    ) -> (Option<CallbackUri>, Route) {
        let Addressee { role, sp } = &entry.key.addressee;
        let destination = match role {
            Role::ThirdPartySp => row.and_then(|row| row.destination.clone()),
            Role::IotSp => subscription.and_then(|s| s.destination.clone()),
        };
        let directory = self.directory();
        let party = directory.party(sp);
        // The pin may have moved since the destination was named.
        let destination =
            destination.filter(|d| party.is_some_and(|party| party.may_be_notified_at(d)));
        let route = Route {
            callback: destination.as_ref().map(CallbackUri::origin),
            websocket: by_websocket(*role, row, subscription),
            onem2m: by_onem2m(*role, row, subscription)
                && party.is_some_and(|party| party.onem2m.is_some()),
        };
        (destination, route)
    }

    async fn subject_row(&self, entry: &OutboxEntry) -> Result<Option<Mapping>, Failure> {
        match entry.key.subject {
            Subject::Mapping(id) => Ok(self.ports.store.load(id).await?),
            Subject::Subscription(_) => Ok(None),
        }
    }

    fn subscription_for(
        &self,
        entry: &OutboxEntry,
        row: Option<&Mapping>,
    ) -> Option<Arc<Subscription>> {
        let directory = self.directory();
        match (entry.key.addressee.role, entry.key.subject) {
            (Role::ThirdPartySp, _) => None,
            (Role::IotSp, Subject::Subscription(id)) => directory.subscription(&id).cloned(),
            (Role::IotSp, Subject::Mapping(_)) => {
                row.and_then(|row| directory.subscription_of(row)).cloned()
            }
        }
    }
}

async fn load_head(store: &dyn Store, key: &OutboxKey) -> Result<Option<OutboxEntry>, StoreError> {
    // 0 is the test notification of a subscription; a walk begins behind the key it is given.
    let mut after = OutboxKey {
        sequence: 0,
        ..key.clone()
    };
    let first = store.load_entry(&after).await?;
    if let Some(first) = first.filter(|entry| entry.dead.is_none()) {
        return Ok(Some(first));
    }
    loop {
        let page = store.walk_outbox(Some(&after), OF_SUBJECT).await?;
        if page.is_empty() {
            return Ok(None);
        }
        for entry in page {
            if entry.key.addressee != key.addressee || entry.key.subject != key.subject {
                return Ok(None);
            }
            if entry.dead.is_none() {
                return Ok(Some(entry));
            }
            after = entry.key;
        }
    }
}

/// Whether what `role` is told goes by websocket while one is open.
fn by_websocket(role: Role, row: Option<&Mapping>, subscription: Option<&Subscription>) -> bool {
    match role {
        Role::ThirdPartySp => row.is_some_and(|row| row.websocket),
        Role::IotSp => subscription.is_some_and(|subscription| subscription.websocket),
    }
}

/// Whether nothing else was named for what `role` is told, so that it goes to the party's AE, if that
/// has one.
pub(super) fn by_onem2m(
    role: Role,
    row: Option<&Mapping>,
    subscription: Option<&Subscription>,
) -> bool {
    match role {
        Role::ThirdPartySp => row.is_some_and(|row| !row.has_listener()),
        Role::IotSp => row.is_some() && subscription.is_none(),
    }
}

#[cfg(test)]
mod tests;
