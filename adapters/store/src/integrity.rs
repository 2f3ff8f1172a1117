//! Whether a store holds together: every record readable, every index entry there and none too
//! many, as much of everything as was counted.
//!
//! Where the engine cannot read its file any more, that is found too, and what lies behind is read
//! on (`reading`). The report names tables and mapping ids, never identifiers.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use ics_core::consent::ConsentRecord;
use ics_core::device::HostedDevice;
use ics_core::directory::DirectoryRecord;
use ics_core::id::MappingId;
use ics_core::keepsake::Keepsake;
use ics_core::mapping::{Mapping, UtiRecord};
use ics_core::outbox::OutboxEntry;

use crate::engine::{EngineError, ReadKeys};
use crate::fault::Fault;
use crate::index::{self, Key, Table};
use crate::record::{DeadDevice, Record, Tally, checksum, decode, stored_checksum};
use crate::walk::{first_live_entry, load};
use reading::{Contained, scan_readable};

/// The most findings a report lists; all are counted.
const LISTED: usize = 100;

/// What is wrong with one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The engine cannot read its file there: what is behind may be more than one record.
    Damaged,
    /// The record cannot be read.
    Unreadable,
    /// The record does not belong under its key.
    Misplaced,
    /// A record lacks this index entry, or it says something else.
    EntryMissing,
    /// The index entry has no record that wants it.
    EntryDangling,
    /// The number of keys, or the digest of the rows, is not what was counted.
    CountDiffers,
}

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// In which table.
    pub table: Table,
    /// Of which row, where that can be told.
    pub mapping: Option<MappingId>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegrityReport {
    /// Keys of each table, those that could be read.
    pub counts: BTreeMap<&'static str, u64>,
    /// Keys of each table as the store counted them; empty when its counters cannot be read, and
    /// without the table in which it speaks of itself.
    pub counted: BTreeMap<&'static str, u64>,
    /// Tables of which the engine could not read everything.
    pub damaged: BTreeSet<&'static str>,
    /// Digest of all rows, independent of their order: what the store's own counters hold.
    pub digest: u64,
    /// Digest of every key and value, what the store says of itself apart: equal for stores that
    /// hold the same, whatever their engine.
    pub content: u64,
    /// What is wrong; at most a hundred.
    pub findings: Vec<Finding>,
    /// How much is wrong in all.
    pub finding_count: u64,
    /// Index entries that the records read so far were found to have.
    found_entries: BTreeMap<Table, u64>,
}

impl IntegrityReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.finding_count == 0
    }

    /// Whether all of it could be read, right or wrong; the digests say nothing otherwise.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }

    fn is_damaged(&self, table: Table) -> bool {
        self.damaged.contains(table.name())
    }

    /// Rows, tombstones included.
    #[must_use]
    pub fn mapping_count(&self) -> u64 {
        self.counts.get(Table::Mapping.name()).copied().unwrap_or(0)
    }

    fn expect_entry(&mut self, is_there: bool, table: Table, mapping: Option<MappingId>) {
        if is_there {
            let found = self.found_entries.entry(table).or_default();
            *found = found.saturating_add(1);
        } else {
            self.find(FindingKind::EntryMissing, table, mapping);
        }
    }

    /// What was read at a place of `table`; `None`, and found, when it is damaged there.
    fn reached<T>(
        &mut self,
        read: Result<T, impl Into<Fault>>,
        (table, mapping): (Table, Option<MappingId>),
    ) -> Result<Option<T>, Fault> {
        match read.map_err(Into::into) {
            Ok(read) => Ok(Some(read)),
            Err(Fault::Engine(EngineError::Damaged(_))) => {
                self.damaged.insert(table.name());
                self.find(FindingKind::Damaged, table, mapping);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn find(&mut self, kind: FindingKind, table: Table, mapping: Option<MappingId>) {
        self.finding_count = self.finding_count.saturating_add(1);
        if self.findings.len() < LISTED {
            self.findings.push(Finding {
                kind,
                table,
                mapping,
            });
        }
    }
}

/// A store does not hold what it counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Too few keys, or too many.
    #[error("table `{table}` holds {found} keys where {counted} were counted")]
    Keys {
        /// Where.
        table: Table,
        /// As many as there should be.
        counted: u64,
        /// As many as there are.
        found: u64,
    },
    /// As many rows as were counted, but others.
    #[error("the rows are not those that were counted")]
    Rows,
    /// The counters themselves cannot be read.
    #[error("the store's counters cannot be read")]
    Counters,
}

/// Counts every key and adds up the rows' checksums, without reading the records: a tenth of
/// [`check`]. `None` when all is as it was counted.
pub(crate) fn recount<R: ReadKeys>(view: &R) -> Result<Option<Difference>, Fault> {
    let tally = match load::<Tally, _>(view, Table::Meta, &index::tally()) {
        Ok(Some(tally)) => tally,
        Ok(None) | Err(Fault::Record { .. }) => return Ok(Some(Difference::Counters)),
        Err(fault) => return Err(fault),
    };
    let mut digest = 0_u64;
    for table in Table::ALL.into_iter().filter(|t| *t != Table::Meta) {
        let whole = Key::of(table);
        let mut found = 0_u64;
        view.scan(whole.as_bytes(), &whole.prefix_end(), |_, value| {
            found = found.saturating_add(1);
            if table == Table::Mapping {
                digest = digest.wrapping_add(stored_checksum(value));
            }
            ControlFlow::Continue(())
        })?;
        let counted = tally.count(table);
        if found != counted {
            return Ok(Some(Difference::Keys {
                table,
                counted,
                found,
            }));
        }
    }
    Ok((digest != tally.digest).then_some(Difference::Rows))
}

/// Reads everything in `view` that can be read and compares. `progress` is told of each key.
pub(crate) fn check<R: ReadKeys>(
    view: &R,
    progress: &mut dyn FnMut(),
) -> Result<IntegrityReport, Fault> {
    let view = &Contained(view);
    let mut report = IntegrityReport::default();
    for table in Table::ALL {
        let count = check_table(view, table, (&mut report, progress))?;
        report.counts.insert(table.name(), count);
    }
    check_tally(view, &mut report)?;
    Ok(report)
}

fn check_tally<R: ReadKeys>(view: &R, report: &mut IntegrityReport) -> Result<(), Fault> {
    let tally = match load::<Tally, _>(view, Table::Meta, &index::tally()) {
        Ok(None) | Err(Fault::Record { .. }) => {
            report.find(FindingKind::Unreadable, Table::Meta, None);
            return Ok(());
        }
        read => match report.reached(read, (Table::Meta, None))?.flatten() {
            Some(tally) => tally,
            None => return Ok(()),
        },
    };
    for table in Table::ALL.into_iter().filter(|t| *t != Table::Meta) {
        let counted = tally.count(table);
        report.counted.insert(table.name(), counted);
        if report.counts.get(table.name()) != Some(&counted) && !report.is_damaged(table) {
            report.find(FindingKind::CountDiffers, table, None);
        }
    }
    if report.digest != tally.digest && !report.is_damaged(Table::Mapping) {
        report.find(FindingKind::CountDiffers, Table::Mapping, None);
    }
    Ok(())
}

fn check_table<R: ReadKeys>(
    view: &R,
    table: Table,
    (report, progress): (&mut IntegrityReport, &mut dyn FnMut()),
) -> Result<u64, Fault> {
    let mut count = 0_u64;
    // As many entries as the records have: none can be one too many.
    if let Some(found) = report.found_entries.get(&table).copied() {
        let mut content = 0_u64;
        let is_whole = scan_readable(view, table, |key, value| {
            count = count.saturating_add(1);
            content = content.wrapping_add(checksum(key, value));
            progress();
            ControlFlow::Continue(())
        })?;
        if count == found && is_whole {
            report.content = report.content.wrapping_add(content);
            return Ok(count);
        }
        count = 0;
    }
    let mut result = Ok(());
    let is_whole = scan_readable(view, table, |key, value| {
        count = count.saturating_add(1);
        if table != Table::Meta {
            report.content = report.content.wrapping_add(checksum(key, value));
            progress();
        }
        result = check_key(view, table, (key, value), report);
        if result.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    if !is_whole {
        report.damaged.insert(table.name());
        report.find(FindingKind::Damaged, table, None);
    }
    result.map(|()| count)
}

fn check_key<R: ReadKeys>(
    view: &R,
    table: Table,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    match table {
        Table::Meta => Ok(()),
        Table::Mapping => check_row(view, (key, value), report),
        Table::Live
        | Table::Device
        | Table::Uti
        | Table::ThirdPartySp
        | Table::IotSp
        | Table::Due
        | Table::Owner => check_entry(view, table, (key, value), report),
        Table::UtiRecord => {
            readable::<UtiRecord>(table, (key, value), report);
            Ok(())
        }
        Table::DeadDevice => {
            readable::<DeadDevice>(table, (key, value), report);
            Ok(())
        }
        Table::Directory => {
            if let Some(record) = readable::<DirectoryRecord>(table, (key, value), report)
                && index::directory(&record.key()).as_bytes() != key
            {
                report.find(FindingKind::Misplaced, table, None);
            }
            Ok(())
        }
        Table::Keepsake => {
            if let Some(found) = readable::<Keepsake>(table, (key, value), report)
                && index::keepsake(found.shelf, &found.key).as_bytes() != key
            {
                report.find(FindingKind::Misplaced, table, None);
            }
            Ok(())
        }
        Table::HostedDevice => check_device(view, (key, value), report),
        Table::HostedSp | Table::HostedSerial | Table::HostedDue => {
            check_device_entry(view, table, (key, value), report)
        }
        Table::Consent => check_consent(view, (key, value), report),
        Table::ConsentDue => check_consent_entry(view, (key, value), report),
        Table::Outbox => check_outbox(view, (key, value), report),
        Table::OutboxDue => check_outbox_due(view, (key, value), report),
    }
}

fn readable<T: Record>(
    table: Table,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Option<T> {
    let record = decode(key, value).ok();
    if record.is_none() {
        report.find(FindingKind::Unreadable, table, None);
    }
    record
}

fn check_row<R: ReadKeys>(
    view: &R,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    report.digest = report.digest.wrapping_add(stored_checksum(value));
    let Some(row) = readable::<Mapping>(Table::Mapping, (key, value), report) else {
        return Ok(());
    };
    expect_entries(view, index::entries_of(&row), (report, Some(row.id)))
}

/// Sees that the index entries of a record are there.
fn expect_entries<R: ReadKeys>(
    view: &R,
    entries: Vec<(Key, Vec<u8>)>,
    (report, mapping): (&mut IntegrityReport, Option<MappingId>),
) -> Result<(), Fault> {
    for (entry, wanted) in entries {
        let table = Table::of_key(entry.as_bytes()).unwrap_or(Table::Meta);
        let read = view.read(entry.as_bytes(), |found| found == wanted);
        if let Some(found) = report.reached(read, (table, mapping))? {
            report.expect_entry(found.unwrap_or(false), table, mapping);
        }
    }
    Ok(())
}

/// Whether an index entry is among those its record must have.
fn is_among(entries: &[(Key, Vec<u8>)], (key, value): (&[u8], &[u8])) -> bool {
    entries
        .iter()
        .any(|(k, v)| k.as_bytes() == key && v == value)
}

fn check_entry<R: ReadKeys>(
    view: &R,
    table: Table,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    let id = index::row_of_entry(key, value);
    let row = match id.map(|id| load::<Mapping, _>(view, Table::Mapping, &index::mapping(id))) {
        // Unreadable rows are reported where they lie.
        None | Some(Err(Fault::Record { .. })) => None,
        Some(Err(Fault::Engine(EngineError::Damaged(_)))) => return Ok(()),
        Some(row) => row?,
    };
    let is_wanted = row.is_some_and(|row| is_among(&index::entries_of(&row), (key, value)));
    if !is_wanted {
        report.find(FindingKind::EntryDangling, table, id);
    }
    Ok(())
}

fn check_device<R: ReadKeys>(
    view: &R,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    let device = readable::<HostedDevice>(Table::HostedDevice, (key, value), report);
    let Some(device) = device else {
        return Ok(());
    };
    if index::hosted_device(&device.id).as_bytes() != key {
        report.find(FindingKind::Misplaced, Table::HostedDevice, None);
        return Ok(());
    }
    expect_entries(view, index::entries_of_device(&device), (report, None))
}

fn check_device_entry<R: ReadKeys>(
    view: &R,
    table: Table,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    let id = index::device_of_entry(table, key, value);
    let stored = id.map(|id| {
        let key = index::hosted_device(&id);
        load::<HostedDevice, _>(view, Table::HostedDevice, &key)
    });
    let device = match stored {
        // Unreadable devices are reported where they lie.
        None | Some(Err(Fault::Record { .. })) => None,
        Some(Err(Fault::Engine(EngineError::Damaged(_)))) => return Ok(()),
        Some(device) => device?,
    };
    let is_wanted =
        device.is_some_and(|device| is_among(&index::entries_of_device(&device), (key, value)));
    if !is_wanted {
        report.find(FindingKind::EntryDangling, table, None);
    }
    Ok(())
}

fn check_consent<R: ReadKeys>(
    view: &R,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    match readable::<ConsentRecord>(Table::Consent, (key, value), report) {
        Some(record) => expect_entries(view, index::entries_of_consent(&record), (report, None)),
        None => Ok(()),
    }
}

fn check_consent_entry<R: ReadKeys>(
    view: &R,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    let stored = index::consent_of_entry(key)
        .map(|id| load::<ConsentRecord, _>(view, Table::Consent, &index::consent(id)));
    let record = match stored {
        // Unreadable consents are reported where they lie.
        None | Some(Err(Fault::Record { .. })) => None,
        Some(Err(Fault::Engine(EngineError::Damaged(_)))) => return Ok(()),
        Some(record) => record?,
    };
    let is_wanted =
        record.is_some_and(|record| is_among(&index::entries_of_consent(&record), (key, value)));
    if !is_wanted {
        report.find(FindingKind::EntryDangling, Table::ConsentDue, None);
    }
    Ok(())
}

fn check_outbox<R: ReadKeys>(
    view: &R,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    let Some(entry) = readable::<OutboxEntry>(Table::Outbox, (key, value), report) else {
        return Ok(());
    };
    if index::outbox(&entry.key).as_bytes() != key {
        report.find(FindingKind::Misplaced, Table::Outbox, None);
        return Ok(());
    }
    if is_head(view, &entry)? == Some(true) {
        let due = index::outbox_due(&entry);
        let read = view.read(due.as_bytes(), |found| found == key);
        if let Some(found) = report.reached(read, (Table::OutboxDue, None))? {
            report.expect_entry(found.unwrap_or(false), Table::OutboxDue, None);
        }
    }
    Ok(())
}

fn check_outbox_due<R: ReadKeys>(
    view: &R,
    (key, value): (&[u8], &[u8]),
    report: &mut IntegrityReport,
) -> Result<(), Fault> {
    let read = view.read(value, |bytes| decode::<OutboxEntry>(value, bytes).ok());
    let Some(entry) = report.reached(read, (Table::Outbox, None))? else {
        return Ok(());
    };
    let is_wanted = match entry.flatten() {
        Some(entry) if index::outbox_due(&entry).as_bytes() == key => is_head(view, &entry)?,
        _ => Some(false),
    };
    if is_wanted == Some(false) {
        report.find(FindingKind::EntryDangling, Table::OutboxDue, None);
    }
    Ok(())
}

/// `None`: where that stands is damaged.
fn is_head<R: ReadKeys>(view: &R, entry: &OutboxEntry) -> Result<Option<bool>, Fault> {
    match first_live_entry(view, &entry.key.addressee, &entry.key.subject) {
        Ok(head) => Ok(Some(head.is_some_and(|head| head.key == entry.key))),
        // Reported where it lies.
        Err(Fault::Record { .. }) => Ok(Some(false)),
        Err(Fault::Engine(EngineError::Damaged(_))) => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests;
