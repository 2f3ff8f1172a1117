//! What `ics_core::service` does around the procedures, without the futures: load, decide, commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ics_core::change::Change;
use ics_core::directory::Directory;
use ics_core::fence::{FenceScope, date_after};
use ics_core::id::MappingId;
use ics_core::mapping::{
    CauseCode, DemappingCause, EndedBy, FailureCause, Mapping, State, UtiRecord,
};
use ics_core::outbox::{Addressee, Message, OutboxEntry, OutboxKey, Subject};
use ics_core::port::Cursor;
use ics_core::procedure::assignment::{Answer, AnswerOutcome, AnswerRefusal, decide_answer};
use ics_core::procedure::delivery::{DeliveryReport, decide_delivery};
use ics_core::procedure::demapping::{Demapping, RowFacts, decide_demapping, decide_device_death};
use ics_core::procedure::expiry::{Due, decide_due};
use ics_core::procedure::mapping::{
    Pairing, RequestFacts, RequestOutcome, decide_cancellation, decide_request,
};
use ics_core::procedure::sweep::{decide_fence, decide_fenced_demapping, decide_progress};
use ics_core::reference_point::Role;
use ics_core::time::Timestamp;

use crate::iot_sp::Outcome;
use crate::store::{Conflict, Kept, Store, Wrong};
use crate::world::{LISTENERS, NOW, World, device_id, device_index, service_of, uti_index};

/// Counts what happened anywhere in the search, to show that the model is not vacuous.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests_replayed: AtomicUsize,
    pub(crate) answers_replayed: AtomicUsize,
    pub(crate) answers_too_late: AtomicUsize,
    pub(crate) demappings_too_late: AtomicUsize,
    pub(crate) other_devices_refused: AtomicUsize,
    pub(crate) dead_devices_refused: AtomicUsize,
    pub(crate) utis_refused: AtomicUsize,
    pub(crate) decisions_overtaken: AtomicUsize,
    pub(crate) pushes_refused: AtomicUsize,
    pub(crate) rows_settled: AtomicUsize,
}

pub(crate) fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The gateway at work on a store.
pub(crate) struct Gateway<'a> {
    pub(crate) world: &'a World,
    pub(crate) store: &'a mut Store,
    pub(crate) tombstone: bool,
    pub(crate) fences_known: bool,
    pub(crate) seen: &'a Seen,
}

/// What a worker has read and not yet committed on; gone with a restart.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct Worker {
    pub(crate) mapping: MappingId,
    pub(crate) accepted: bool,
    pub(crate) registration: u8,
    /// Whether the IoT SP still waits for the reply.
    pub(crate) reply_wanted: bool,
    knew_fence: bool,
    row: Kept<Mapping>,
    uti: Option<UtiRecord>,
    push: Option<Kept<OutboxEntry>>,
    device_dead: bool,
}

impl Gateway<'_> {
    fn commit(&mut self, change: &Change) -> Result<(), Conflict> {
        let directory = (&self.world.directory, self.tombstone);
        self.store.commit(change, directory, &self.world.fence)?;
        self.tell_idle();
        Ok(())
    }

    /// What nobody acts on is delivered at once: the third party's notifications, and the IoT
    /// SP's copy of a result it has had as the answer to its PUT. No procedure and no other party
    /// depends on when, so their delays would only multiply states.
    fn tell_idle(&mut self) {
        let is_idle = |entry: &&Kept<OutboxEntry>| {
            entry.key.addressee.role == Role::ThirdPartySp
                || matches!(entry.message, Message::Result { undo: false, .. })
        };
        while let Some(entry) = self.store.outbox.values().find(is_idle).cloned() {
            self.report(&entry.key, DeliveryReport::Accepted);
        }
    }

    /// The rows that are gone by the fence, but not swept.
    fn is_behind(&self, row: &Mapping) -> bool {
        self.directory().fence_over(row).is_some()
    }

    fn directory(&self) -> &Directory {
        self.world.directory(self.store.fence_up)
    }

    /// This change, if fences are asked for at all.
    fn knowing(&self, change: Change, directory: &Directory) -> Change {
        if self.fences_known {
            change.knowing_fences(directory)
        } else {
            change
        }
    }

    /// Whoever would write a row behind the fence ends it first.
    fn settle(&mut self, mapping: MappingId) {
        let row = self.store.rows.get(&mapping).cloned();
        if let Some(row) = row.filter(|row| self.is_behind(row)) {
            count(&self.seen.rows_settled);
            let change = self.end_behind(&row);
            self.commit(&change).expect("nobody else commits");
        }
    }

    fn end_behind(&self, row: &Mapping) -> Change {
        let rows = [(row.clone(), self.facts(row))];
        let (fence, knobs) = (&self.world.fence, &self.world.knobs);
        decide_fenced_demapping(&rows, fence, knobs, NOW).unwrap_or_default()
    }

    /// ICS-3 in bulk: the first transaction.
    pub(crate) fn fence_off(&mut self) {
        let change = decide_fence(&self.world.fence, &self.world.job);
        self.commit(&change).expect("nobody else commits");
    }

    /// One step of the job: the next row in the order of the index, and at the end the fence.
    pub(crate) fn sweep(&mut self) {
        let swept = self.store.swept;
        let next = self.store.rows.values().find(|row| Some(row.id) > swept);
        let next = next.cloned();
        let work = match &next {
            Some(row) if self.is_behind(row) => self.end_behind(row),
            _ => Change::default(),
        };
        self.store.swept = next.as_ref().map(|row| row.id).or(swept);
        let cursor = next.map(|row| Cursor(row.id.as_bytes().to_vec()));
        let names = (&self.world.fence, &self.world.job);
        let change = decide_progress(work, names, (1, 0), cursor, NOW);
        self.commit(&change).expect("nobody else commits");
    }

    fn facts(&self, row: &Mapping) -> RowFacts {
        let index = uti_index(&row.key);
        RowFacts {
            listeners: LISTENERS,
            uti_index: index,
            uti: self.store.utis.get(&index).copied(),
            push: matches!(row.state, State::Pending { .. })
                .then(|| {
                    self.store
                        .outbox
                        .get(&push_key(row))
                        .map(|e| OutboxEntry::clone(e))
                })
                .flatten(),
        }
    }

    /// ICS-1 POST. `ended_before` is how many rows of the key had ended when it was made.
    pub(crate) fn request(&mut self, service: usize, ended_before: usize) {
        let key = self.world.key(service);
        if let Some(row) = self.store.live(key).cloned() {
            self.settle(row.id);
        }
        let live = self.store.live(key).cloned();
        let directory = self.directory().clone();
        let in_scope = |_: &FenceScope| key.uti == self.world.key(0).uti;
        let made = date_after(directory.fences(), in_scope, NOW);
        let index = uti_index(key);
        let facts = RequestFacts {
            live: live.as_deref(),
            uti_index: index,
            uti: self.store.utis.get(&index).copied(),
            listeners: LISTENERS,
            hosted: None,
            hosted_owner: None,
            pairing: Pairing::NotShown,
            disclose_at: NOW,
        };
        let generation = self.generation(service);
        let new = self.world.new_mapping(service, generation);
        let permission = self.world.permission(service);
        match decide_request(permission, &new, &facts, &self.world.knobs, made) {
            Ok(RequestOutcome::Created { change, .. }) => {
                if ended_before < self.ended(service) {
                    self.store.history.wrongs.insert(Wrong::RequestFromBefore);
                }
                let change = self.knowing(*change, &directory);
                self.commit(&change).expect("nobody else commits");
            }
            Ok(RequestOutcome::Existing(_)) => count(&self.seen.requests_replayed),
            Err(_) => count(&self.seen.utis_refused),
        }
    }

    fn generation(&self, service: usize) -> u8 {
        let live = self.store.live(self.world.key(service));
        let live = live.is_some_and(|row| !self.is_behind(row));
        u8::try_from(self.ended(service)).unwrap() + u8::from(live)
    }

    /// How many rows of a service's key have ended.
    pub(crate) fn ended(&self, service: usize) -> usize {
        let ended = self.store.history.ended.iter();
        let behind = self.store.rows.values().filter(|row| self.is_behind(row));
        ended
            .chain(behind.map(|row| &row.id))
            .filter(|id| service_of(id) == service)
            .count()
    }

    /// ICS-2 PUT, whole.
    pub(crate) fn answer(
        &mut self,
        mapping: MappingId,
        accepted: bool,
        registration: u8,
    ) -> Outcome {
        match self.read(mapping, accepted, registration) {
            None => Outcome::NotFound,
            Some(worker) => self.decide(&worker).expect("nobody else commits"),
        }
    }

    /// ICS-2 PUT as far as the reading.
    pub(crate) fn read(
        &mut self,
        mapping: MappingId,
        accepted: bool,
        registration: u8,
    ) -> Option<Worker> {
        self.settle(mapping);
        let row = self.store.rows.get(&mapping)?.clone();
        let facts = self.facts(&row);
        Some(Worker {
            knew_fence: self.store.fence_up,
            mapping,
            accepted,
            registration,
            reply_wanted: true,
            uti: facts.uti,
            push: facts.push.map(Kept::new),
            device_dead: self
                .store
                .dead_devices
                .contains(&device_index(registration)),
            row,
        })
    }

    /// ICS-2 PUT from the reading on; starts over when it was overtaken.
    pub(crate) fn finish(&mut self, worker: &Worker) -> Outcome {
        self.decide(worker).unwrap_or_else(|Conflict| {
            count(&self.seen.decisions_overtaken);
            self.answer(worker.mapping, worker.accepted, worker.registration)
        })
    }

    fn decide(&mut self, worker: &Worker) -> Result<Outcome, Conflict> {
        let row = &worker.row;
        let facts = RowFacts {
            listeners: LISTENERS,
            uti_index: uti_index(&row.key),
            uti: worker.uti,
            push: worker.push.as_deref().cloned(),
        };
        let answer = if worker.accepted {
            Answer::Accepted {
                device_id: device_id(worker.registration),
                device_index: device_index(worker.registration),
                device_dead: worker.device_dead,
                owner: None,
                consent: None,
            }
        } else {
            let cause = CauseCode::parse("USER_REFUSED").unwrap();
            Answer::Rejected { cause }
        };
        let permission = self.world.establishment(row);
        let times = (&self.world.knobs, self.world.disclose_at(row));
        match decide_answer(row, answer, (permission, &facts), times, (NOW, NOW)) {
            Ok(AnswerOutcome::Settled { change, .. }) => {
                let change = self.knowing(change, self.world.directory(worker.knew_fence));
                self.commit(&change)?;
                Ok(Outcome::Taken)
            }
            Ok(AnswerOutcome::Replayed(_)) => {
                count(&self.seen.answers_replayed);
                Ok(Outcome::Taken)
            }
            Ok(AnswerOutcome::Overruled { change, cause, .. }) => {
                let change = self.knowing(change, self.world.directory(worker.knew_fence));
                self.commit(&change)?;
                count(match cause {
                    FailureCause::DeviceRevoked => &self.seen.dead_devices_refused,
                    _ => &self.seen.utis_refused,
                });
                Ok(Outcome::Conflict)
            }
            Err(AnswerRefusal::NotPending) => {
                count(&self.seen.answers_too_late);
                Ok(Outcome::Conflict)
            }
            Err(AnswerRefusal::DeviceAlreadyAssigned) => {
                count(&self.seen.other_devices_refused);
                Ok(Outcome::OtherDevice)
            }
        }
    }

    /// ICS-1 DELETE.
    pub(crate) fn cancel(&mut self, mapping: MappingId) {
        self.settle(mapping);
        let row = self.store.rows[&mapping].clone();
        if !row.is_live() {
            return;
        }
        let facts = self.facts(&row);
        if let Ok(change) = decide_cancellation(&row, &facts, &self.world.knobs, NOW) {
            self.commit(&change).expect("nobody else commits");
        }
    }

    /// ICS-3, ICS-4, or the service itself; with UTI_INVALID all rows of the UTI.
    pub(crate) fn demap(
        &mut self,
        mappings: &[MappingId],
        (cause, by): (DemappingCause, EndedBy),
        now: Timestamp,
    ) {
        let mut by_uti: BTreeMap<_, BTreeMap<MappingId, Kept<Mapping>>> = BTreeMap::new();
        for row in mappings.iter().filter_map(|id| self.store.rows.get(id)) {
            let rows = by_uti.entry(uti_index(&row.key)).or_default();
            rows.insert(row.id, row.clone());
            if cause == DemappingCause::UtiInvalid && row.is_live() {
                let same = |other: &&Kept<Mapping>| other.key.uti == row.key.uti && other.is_live();
                rows.extend(
                    self.store
                        .rows
                        .values()
                        .filter(same)
                        .map(|r| (r.id, r.clone())),
                );
            }
        }
        let demapping = Demapping {
            cause,
            sub_cause: None,
            by,
        };
        let mut change = Change::default();
        for rows in by_uti.into_values() {
            let with_facts: Vec<_> = rows
                .into_values()
                .filter(|row| !self.is_behind(row))
                .map(|row| (Mapping::clone(&row), self.facts(&row)))
                .collect();
            let more = decide_demapping(&with_facts, &demapping, &self.world.knobs, now);
            change = change.join(more.unwrap_or_default());
        }
        if change.is_empty() {
            count(&self.seen.demappings_too_late);
        }
        self.commit(&change).expect("nobody else commits");
    }

    /// The first transaction of an unregistration: the device ID is dead.
    pub(crate) fn kill_device(&mut self, registration: u8) {
        let change = decide_device_death(device_index(registration));
        self.commit(&change).expect("nobody else commits");
    }

    /// The rows of a device (t8 A.3: from the IoT SP by device ID).
    pub(crate) fn rows_of(&self, registration: u8) -> Vec<MappingId> {
        let device = device_id(registration);
        let rows = self.store.rows.values();
        rows.filter(|row| row.device_id() == Some(&device))
            .map(|row| row.id)
            .collect()
    }

    /// The sweep reaches a row.
    pub(crate) fn expire(&mut self, mapping: MappingId, now: Timestamp) {
        self.settle(mapping);
        let row = self.store.rows[&mapping].clone();
        let facts = self.facts(&row);
        let times = (&self.world.knobs, self.world.disclose_at(&row));
        match decide_due(&row, &facts, times, now) {
            None => {}
            Some(Due::Change(change)) => self.commit(&change).expect("nobody else commits"),
            Some(Due::Demap(demapping)) => {
                self.demap(&[mapping], (demapping.cause, demapping.by), now);
            }
        }
    }

    /// What came of sending an entry.
    pub(crate) fn report(&mut self, key: &OutboxKey, report: DeliveryReport) {
        let Some(entry) = self.store.outbox.get(key).cloned() else {
            return;
        };
        let Subject::Mapping(id) = key.subject else {
            return;
        };
        if entry.message == Message::Assignment {
            self.settle(id);
            if !self.store.outbox.contains_key(key) {
                return;
            }
        }
        let row = self.store.rows.get(&id).cloned();
        let facts = row.as_ref().map(|row| self.facts(row));
        let disclose_at = row.as_ref().map_or(NOW, |row| self.world.disclose_at(row));
        let with_facts = row.as_deref().zip(facts.as_ref());
        let times = (&self.world.knobs, disclose_at);
        let change = decide_delivery(&entry, with_facts, report, times, NOW);
        if report == DeliveryReport::Refused && !change.mappings().is_empty() {
            count(&self.seen.pushes_refused);
        }
        self.commit(&change).expect("nobody else commits");
    }
}

fn push_key(row: &Mapping) -> OutboxKey {
    OutboxKey {
        addressee: Addressee {
            role: Role::IotSp,
            sp: row.iot_sp.clone(),
        },
        subject: Subject::Mapping(row.id),
        sequence: 1,
    }
}
