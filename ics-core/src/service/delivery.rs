//! The deliverer's side of the outbox: what to send, where, and what came of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ATTEMPTS, Committed, Failure, IcsService, OpenAssignment};
use crate::id::CallbackUri;
use crate::mapping::{Mapping, State};
use crate::outbox::{Addressee, Message, OutboxEntry, OutboxKey, Subject};
use crate::party::{Party, PartyStatus, Subscription};
use crate::port::{Cursor, DueEntries};
use crate::procedure::delivery::{DeliveryReport, decide_delivery, decide_revival};
use crate::reference_point::Role;
use crate::time::Timestamp;

/// One entry made ready: everything needed to send it, read when it is sent.
#[derive(Clone, Debug)]
pub struct Consignment {
    /// The entry.
    pub entry: OutboxEntry,
    /// Whom it is for.
    pub party: Arc<Party>,
    /// Where it goes.
    pub destination: CallbackUri,
    /// The subscription it goes under, towards an IoT SP.
    pub subscription: Option<Arc<Subscription>>,
    /// The assignment of step 3 with its serial number, where the entry is that push; all other
    /// messages are whole in the entry.
    pub assignment: Option<Box<OpenAssignment>>,
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

    /// What `addressee` is due at `now`. Nothing while it is suspended.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn due_entries(
        &self,
        addressee: &Addressee,
        now: Timestamp,
        limit: usize,
    ) -> Result<DueEntries, Failure> {
        let directory = self.directory();
        let served = directory
            .party(&addressee.sp)
            .is_some_and(|party| party.status != PartyStatus::Suspended);
        if !served {
            return Ok(DueEntries::default());
        }
        Ok(self.ports.store.due_entries(addressee, now, limit).await?)
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
        let row = self.subject_row(entry).await?;
        let directory = self.directory();
        let party = directory
            .party(&entry.key.addressee.sp)
            .filter(|party| party.status != PartyStatus::Removed);
        let subscription = self.subscription_for(entry, row.as_ref());
        let destination = match entry.key.addressee.role {
            Role::ThirdPartySp => row.as_ref().and_then(|row| row.destination.clone()),
            Role::IotSp => subscription.as_ref().map(|s| s.destination.clone()),
        };
        // The pin may have moved since the destination was named.
        let destination =
            destination.filter(|d| party.is_some_and(|party| party.may_be_notified_at(d)));
        let (Some(party), Some(destination)) = (party, destination) else {
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
        let entry = entry.clone();
        Ok(Some(Consignment {
            entry,
            party: party.clone(),
            destination,
            subscription,
            assignment,
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
            let row = self.subject_row(&entry).await?;
            let facts = match &row {
                Some(row) => Some(self.row_facts(row).await?),
                None => None,
            };
            let disclose_at = row.as_ref().map_or(now, |row| self.disclose_at(row));
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
        Ok(self.ports.store.load(id).await?)
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
        const PAGE: usize = 512;
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
        }
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
