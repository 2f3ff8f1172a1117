//! One change in one transaction: is all it was decided on still so; then write it, with every
//! index entry that goes or comes.
//!
//! Works on an overlay: a change that is refused leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use ics_core::change::{Assumption, Change, Write};
use ics_core::consent::ConsentRecord;
use ics_core::device::HostedDevice;
use ics_core::directory::{DirectoryKey, DirectoryRecord};
use ics_core::id::{AeId, JobId, MappingId, SpId};
use ics_core::keepsake::{Keeping, Keepsake};
use ics_core::mapping::{Mapping, UtiRecord};
use ics_core::outbox::{Addressee, OutboxEntry, Subject};
use ics_core::party::PartyStatus;
use ics_core::sealed::BlindIndex;

use crate::engine::{EngineError, Overlay, ReadKeys};
use crate::fault::Fault;
use crate::index::{self, Key, Table};
use crate::record::{DeadDevice, Record, Tally, encode, peek_version, stored_checksum};
use crate::walk::{find_device, first_live_entry, load, load_parties};

/// Why a change was not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Something it was decided on is no longer so.
    Conflict,
    /// The store failed.
    Fault(Fault),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Fault(error.into())
    }
}

/// Writes `change` into `view`, or says why not; then `view` and `tally` are to be thrown away.
pub(crate) fn apply<R: ReadKeys>(
    view: &mut Overlay<'_, R>,
    tally: &mut Tally,
    change: &Change,
) -> Result<(), Refusal> {
    let mut writer = Writer { view, tally };
    for assumption in change.assumptions() {
        writer.check_assumption(assumption)?;
    }
    writer.write_mappings(change.mappings())?;
    writer.write_uti_records(change.uti_records())?;
    writer.write_dead_devices(change.dead_devices())?;
    writer.write_devices(change.devices())?;
    writer.write_outbox(change.outbox())?;
    writer.write_directory(change.directory())?;
    writer.write_consents(change.consents())?;
    for keeping in change.keepsakes() {
        writer.write_keepsake(keeping)?;
    }
    if let Some(mark) = change.clock_mark() {
        let key = index::clock_mark();
        let record = encode(key.as_bytes(), &mark);
        writer.view.put_owned(key.into_bytes(), record);
    }
    Ok(())
}

/// Writes records and keeps indexes and counters in step with them.
pub(crate) struct Writer<'w, 'b, R> {
    pub(crate) view: &'w mut Overlay<'b, R>,
    pub(crate) tally: &'w mut Tally,
}

impl<R: ReadKeys> Writer<'_, '_, R> {
    fn check_assumption(&self, assumption: &Assumption) -> Result<(), Refusal> {
        let holds = match assumption {
            Assumption::AgreementUnchanged { id, version } => {
                let key = index::directory(&DirectoryKey::Agreement(*id));
                self.directory_version(&key)? == Some(*version)
            }
            Assumption::DeviceAlive(index) => {
                !self.view.holds(index::dead_device(*index).as_bytes())?
            }
            Assumption::DeviceUnchanged {
                iot_sp,
                serial,
                device,
            } => {
                let found = find_device(self.view, (iot_sp, *serial))?;
                found.map(|found| (found.id, found.version)) == *device
            }
            Assumption::FencesKnown(known) => self.are_fences_among(known)?,
            Assumption::AeUntaken { ae, sp } => self.is_ae_untaken(ae, sp)?,
        };
        if holds {
            Ok(())
        } else {
            Err(Refusal::Conflict)
        }
    }

    /// Whether every fence in force is one of `known`. Mostly there is none.
    fn are_fences_among(&self, known: &[JobId]) -> Result<bool, Fault> {
        let prefix = index::fences();
        let mut all_known = true;
        self.view
            .scan(prefix.as_bytes(), &prefix.prefix_end(), |key, _| {
                let job = key.last_chunk().copied().map(JobId::from_bytes);
                all_known = job.is_some_and(|job| known.contains(&job));
                if all_known {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        Ok(all_known)
    }

    /// Whether no party but `own` speaks as `ae`. Read from all of them: few, and seldom written.
    fn is_ae_untaken(&self, ae: &AeId, own: &SpId) -> Result<bool, Fault> {
        let speaks = |record: &DirectoryRecord| match record {
            DirectoryRecord::Party(party) => {
                party.id != *own
                    && party.status != PartyStatus::Removed
                    && party.onem2m.as_ref().is_some_and(|own| own.ae == *ae)
            }
            _ => false,
        };
        Ok(!load_parties(self.view)?.iter().any(speaks))
    }

    /// All old index entries go before new ones come: within one change a row may take over the
    /// (service URI, UTI) of another that dies.
    pub(crate) fn write_mappings(&mut self, writes: &[Write<Mapping>]) -> Result<(), Refusal> {
        let mut rows = BTreeMap::<MappingId, (Option<Mapping>, Option<&Mapping>)>::new();
        for write in writes {
            let ids = (
                write.before.as_ref().map(|m| m.id),
                write.after.as_ref().map(|m| m.id),
            );
            let id = match ids {
                (Some(before), Some(after)) if before != after => return Err(Fault::Change.into()),
                (Some(id), _) | (None, Some(id)) => id,
                (None, None) => continue,
            };
            let stored = load::<Mapping, _>(self.view, Table::Mapping, &index::mapping(id))?;
            if stored.as_ref().map(|m| m.version) != write.before.as_ref().map(|m| m.version) {
                return Err(Refusal::Conflict);
            }
            if rows.insert(id, (stored, write.after.as_ref())).is_some() {
                return Err(Fault::Change.into());
            }
        }
        let mut coming = Vec::new();
        for (id, (stored, after)) in &rows {
            coming.extend(self.replace_row(*id, stored.as_ref(), *after)?);
        }
        for (table, key, value) in coming {
            // Y.4462 10.3 case 2 has one answer: (service URI, UTI) is unique among live rows.
            if table == Table::Live && self.view.holds(key.as_bytes())? {
                return Err(Refusal::Conflict);
            }
            self.insert(table, key, |_| value)?;
        }
        Ok(())
    }

    /// Replaces the record, takes out the index entries that go, and returns those that come.
    fn replace_row(
        &mut self,
        id: MappingId,
        before: Option<&Mapping>,
        after: Option<&Mapping>,
    ) -> Result<Vec<(Table, Key, Vec<u8>)>, Refusal> {
        let old = before.map(index::entries_of).unwrap_or_default();
        let new = after.map(index::entries_of).unwrap_or_default();
        let key = index::mapping(id);
        if before.is_some() {
            let sum = self
                .view
                .read(key.as_bytes(), stored_checksum)?
                .unwrap_or(0);
            self.tally.digest = self.tally.digest.wrapping_sub(sum);
            self.remove(Table::Mapping, key.clone())?;
        }
        if let Some(after) = after {
            let record = encode(key.as_bytes(), after);
            self.tally.digest = self.tally.digest.wrapping_add(stored_checksum(&record));
            self.insert(Table::Mapping, key, |_| record)?;
        }
        for (key, _) in old.iter().filter(|entry| !new.contains(entry)) {
            let table = table_of(key)?;
            if !self.view.holds(key.as_bytes())? {
                return Err(Fault::Layout(table).into());
            }
            self.remove(table, key.clone())?;
        }
        new.into_iter()
            .filter(|entry| !old.contains(entry))
            .map(|(key, value)| Ok((table_of(&key)?, key, value)))
            .collect()
    }

    pub(crate) fn write_uti_records(
        &mut self,
        writes: &[(BlindIndex, Write<UtiRecord>)],
    ) -> Result<(), Refusal> {
        for (hash, write) in writes {
            let key = index::uti_record(*hash);
            if load::<UtiRecord, _>(self.view, Table::UtiRecord, &key)? != write.before {
                return Err(Refusal::Conflict);
            }
            self.replace(
                Table::UtiRecord,
                key,
                write.before.is_some(),
                write.after.as_ref(),
            )?;
        }
        Ok(())
    }

    /// Idempotent.
    pub(crate) fn write_dead_devices(&mut self, indexes: &[BlindIndex]) -> Result<(), Refusal> {
        for index in indexes {
            let key = index::dead_device(*index);
            if !self.view.holds(key.as_bytes())? {
                self.insert(Table::DeadDevice, key, |key| encode(key, &DeadDevice))?;
            }
        }
        Ok(())
    }

    /// Compared by version; one active device a serial number.
    pub(crate) fn write_devices(&mut self, writes: &[Write<HostedDevice>]) -> Result<(), Refusal> {
        for write in writes {
            let Some(named) = write.before.as_ref().or(write.after.as_ref()) else {
                continue;
            };
            let key = index::hosted_device(&named.id);
            let stored = load::<HostedDevice, _>(self.view, Table::HostedDevice, &key)?;
            let version = |device: &HostedDevice| device.version;
            if stored.as_ref().map(version) != write.before.as_ref().map(version) {
                return Err(Refusal::Conflict);
            }
            let after = write.after.as_ref();
            if after.is_some_and(|after| after.id != named.id) {
                return Err(Fault::Change.into());
            }
            self.replace(Table::HostedDevice, key, stored.is_some(), after)?;
            let old = stored.as_ref().map(index::entries_of_device);
            let new = after.map(index::entries_of_device);
            self.replace_entries(&old.unwrap_or_default(), new.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Compared by version.
    pub(crate) fn write_consents(
        &mut self,
        writes: &[Write<ConsentRecord>],
    ) -> Result<(), Refusal> {
        for write in writes {
            let Some(named) = write.before.as_ref().or(write.after.as_ref()) else {
                continue;
            };
            let key = index::consent(named.id);
            let stored = load::<ConsentRecord, _>(self.view, Table::Consent, &key)?;
            let version = |record: &ConsentRecord| record.version;
            if stored.as_ref().map(version) != write.before.as_ref().map(version) {
                return Err(Refusal::Conflict);
            }
            let after = write.after.as_ref();
            if after.is_some_and(|after| after.id != named.id) {
                return Err(Fault::Change.into());
            }
            self.replace(Table::Consent, key, stored.is_some(), after)?;
            let old = stored.as_ref().map(index::entries_of_consent);
            let new = after.map(index::entries_of_consent);
            self.replace_entries(&old.unwrap_or_default(), new.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Takes out the index entries that go, and puts those that come, which nobody may have.
    fn replace_entries(
        &mut self,
        old: &[(Key, Vec<u8>)],
        new: Vec<(Key, Vec<u8>)>,
    ) -> Result<(), Refusal> {
        for (key, _) in old.iter().filter(|entry| !new.contains(entry)) {
            self.remove(table_of(key)?, key.clone())?;
        }
        for (key, value) in new.into_iter().filter(|entry| !old.contains(entry)) {
            if self.view.holds(key.as_bytes())? {
                return Err(Refusal::Conflict);
            }
            self.insert(table_of(&key)?, key, |_| value)?;
        }
        Ok(())
    }

    /// Of each (addressee, subject) the first entry that is not dead waits in the due table.
    pub(crate) fn write_outbox(&mut self, writes: &[Write<OutboxEntry>]) -> Result<(), Refusal> {
        let subjects: BTreeSet<(&Addressee, &Subject)> = writes
            .iter()
            .flat_map(|write| write.before.iter().chain(&write.after))
            .map(|entry| (&entry.key.addressee, &entry.key.subject))
            .collect();
        for (addressee, subject) in &subjects {
            if let Some(head) = first_live_entry(self.view, addressee, subject)? {
                let key = index::outbox_due(&head);
                if !self.view.holds(key.as_bytes())? {
                    return Err(Fault::Layout(Table::OutboxDue).into());
                }
                self.remove(Table::OutboxDue, key)?;
            }
        }
        for write in writes {
            let Some(entry) = write.before.as_ref().or(write.after.as_ref()) else {
                continue;
            };
            let key = index::outbox(&entry.key);
            let stored = load::<OutboxEntry, _>(self.view, Table::Outbox, &key)?;
            if stored.as_ref() != write.before.as_ref() {
                return Err(Refusal::Conflict);
            }
            if write
                .after
                .as_ref()
                .is_some_and(|after| after.key != entry.key)
            {
                return Err(Fault::Change.into());
            }
            self.replace(
                Table::Outbox,
                key,
                write.before.is_some(),
                write.after.as_ref(),
            )?;
        }
        for (addressee, subject) in subjects {
            if let Some(head) = first_live_entry(self.view, addressee, subject)? {
                let value = index::outbox(&head.key).into_bytes();
                self.insert(Table::OutboxDue, index::outbox_due(&head), |_| value)?;
            }
        }
        Ok(())
    }

    pub(crate) fn write_directory(
        &mut self,
        writes: &[(DirectoryKey, Write<DirectoryRecord>)],
    ) -> Result<(), Refusal> {
        for (name, write) in writes {
            let key = index::directory(name);
            if write
                .after
                .as_ref()
                .is_some_and(|after| after.key() != *name)
            {
                return Err(Fault::Change.into());
            }
            let before = write.before.as_ref().map(|r| r.version());
            if self.directory_version(&key)? != before {
                return Err(Refusal::Conflict);
            }
            self.replace(
                Table::Directory,
                key,
                before.is_some(),
                write.after.as_ref(),
            )?;
        }
        Ok(())
    }

    /// Whatever was there.
    fn write_keepsake(&mut self, keeping: &Keeping) -> Result<(), Fault> {
        let key = index::keepsake(keeping.shelf, &keeping.key);
        let is_there = self.view.holds(key.as_bytes())?;
        let after = keeping.value.as_ref().map(|value| Keepsake {
            shelf: keeping.shelf,
            key: keeping.key.clone(),
            value: value.clone(),
        });
        self.replace(Table::Keepsake, key, is_there, after.as_ref())
    }

    /// Puts one that is not there.
    pub(crate) fn put_keepsake(&mut self, keepsake: &Keepsake) -> Result<(), Refusal> {
        let key = index::keepsake(keepsake.shelf, &keepsake.key);
        if self.view.holds(key.as_bytes())? {
            return Err(Refusal::Conflict);
        }
        Ok(self.insert(Table::Keepsake, key, |key| encode(key, keepsake))?)
    }

    fn directory_version(&self, key: &Key) -> Result<Option<u64>, Fault> {
        self.view
            .read(key.as_bytes(), |bytes| peek_version(key.as_bytes(), bytes))?
            .transpose()
            .map_err(|source| Fault::Record {
                table: Table::Directory,
                source,
            })
    }

    /// Puts or takes out a record; `is_there` is what the check just found.
    fn replace<T: Record>(
        &mut self,
        table: Table,
        key: Key,
        is_there: bool,
        after: Option<&T>,
    ) -> Result<(), Fault> {
        match (is_there, after) {
            (true, None) => self.remove(table, key),
            (false, Some(after)) => self.insert(table, key, |key| encode(key, after)),
            (true, Some(after)) => {
                let record = encode(key.as_bytes(), after);
                self.view.put_owned(key.into_bytes(), record);
                Ok(())
            }
            (false, None) => Ok(()),
        }
    }

    /// Puts a key that is not there.
    fn insert(
        &mut self,
        table: Table,
        key: Key,
        value: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<(), Fault> {
        let value = value(key.as_bytes());
        self.view.put_owned(key.into_bytes(), value);
        if self.tally.count_in(table) {
            Ok(())
        } else {
            Err(Fault::Layout(table))
        }
    }

    /// Takes out a key that is there.
    fn remove(&mut self, table: Table, key: Key) -> Result<(), Fault> {
        self.view.delete_owned(key.into_bytes());
        if self.tally.count_out(table) {
            Ok(())
        } else {
            Err(Fault::Layout(table))
        }
    }
}

fn table_of(key: &Key) -> Result<Table, Fault> {
    Table::of_key(key.as_bytes()).ok_or(Fault::Layout(Table::Meta))
}
