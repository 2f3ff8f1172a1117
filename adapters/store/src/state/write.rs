//! Writing it, from a snapshot, a record in memory at a time.

use std::io::{self, Write};
use std::ops::ControlFlow;

use ics_core::sealed::{BlindIndex, Sealed};
use ics_core::time::Timestamp;

use super::line::{Header, Trailer, own_versions};
use super::{EXPORTED, Line, Objections, StateRecord, StateSummary};
use crate::file_fault::WriteFault;
use crate::hashing::HashingWriter;
use crate::record::{Record, Tally, checksum, decode, encode};
use crate::{Table, Upkeep, index};

/// What is read, in this order: those of the store itself first, for the header.
const TABLES: [Table; 10] = [
    Table::Meta,
    Table::Mapping,
    Table::UtiRecord,
    Table::DeadDevice,
    Table::Outbox,
    Table::OutboxDue,
    Table::Directory,
    Table::HostedDevice,
    Table::Keepsake,
    Table::Consent,
];

/// Writes the state of `store` as of one instant, which `taken` names. Commits go on meanwhile.
///
/// # Errors
/// [`WriteFault`]; what was written then has no trailer.
pub fn write_state(
    store: &dyn Upkeep,
    taken: Timestamp,
    out: &mut dyn Write,
) -> Result<StateSummary, WriteFault> {
    let mut writer = StateWriter {
        out: HashingWriter::new(out),
        taken,
        waiting: Some((Tally::default(), Vec::new())),
        counted: None,
        seen: [0; TABLES.len()],
        records: 0,
        digest: 0,
        canary: None,
    };
    let mut written = Ok(());
    let visited = store.visit(&TABLES, &mut |key, value| {
        written = writer.add(key, value);
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    written?;
    visited.map_err(WriteFault::Read)?;
    writer.see_whole()?;
    writer.end().map_err(WriteFault::Write)
}

struct StateWriter<'w> {
    out: HashingWriter<'w>,
    taken: Timestamp,
    /// Until the header is written: the counters it tells, and the records that come next.
    waiting: Option<(Tally, Vec<StateRecord>)>,
    /// The counters of the store, once they went by; how many keys did of each of [`TABLES`].
    counted: Option<Tally>,
    seen: [u64; TABLES.len()],
    records: u64,
    digest: u64,
    canary: Option<Sealed>,
}

impl StateWriter<'_> {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteFault> {
        let Some(table) = Table::of_key(key) else {
            return Ok(());
        };
        if table == Table::Meta {
            return self.note(key, value);
        }
        let places = TABLES.iter().zip(&mut self.seen);
        for (_, seen) in places.filter(|(of, _)| **of == table) {
            *seen = seen.saturating_add(1);
        }
        self.begin().map_err(WriteFault::Write)?;
        if table == Table::OutboxDue {
            self.digest = self.digest.wrapping_add(checksum(key, value));
            return Ok(());
        }
        let record = read_record(table, key, value).ok_or(WriteFault::Damaged(table))?;
        self.digest = self.digest.wrapping_add(digest_of(key, &record));
        self.put(record).map_err(WriteFault::Write)
    }

    /// What the store says of itself.
    fn note(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteFault> {
        fn read<R: Record>(key: &[u8], value: &[u8]) -> Result<R, WriteFault> {
            decode(key, value).map_err(|_| WriteFault::Damaged(Table::Meta))
        }
        let Some((tally, records)) = &mut self.waiting else {
            return Ok(());
        };
        if key == index::tally().as_bytes() {
            *tally = read(key, value)?;
            self.counted = Some(*tally);
        } else if key == index::canary().as_bytes() {
            records.push(StateRecord::Canary(read(key, value)?));
        } else if key == index::clock_mark().as_bytes() {
            records.push(StateRecord::ClockMark(read(key, value)?));
        }
        Ok(())
    }

    /// Sees that as many records went by as the store counted: a page that is gone shows in
    /// nothing else.
    fn see_whole(&self) -> Result<(), WriteFault> {
        let counted = self.counted.ok_or(WriteFault::Damaged(Table::Meta))?;
        let mut seen = TABLES.iter().zip(self.seen);
        match seen.find(|(of, seen)| **of != Table::Meta && counted.count(**of) != *seen) {
            Some((table, _)) => Err(WriteFault::Damaged(*table)),
            None => Ok(()),
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        let Some((tally, records)) = self.waiting.take() else {
            return Ok(());
        };
        let of_meta = |place| records.iter().filter(|r| r.place() == place).count();
        let of_meta = |place| u64::try_from(of_meta(place)).unwrap_or(0);
        let counts: [u64; EXPORTED.len()] = [
            of_meta(0),
            of_meta(1),
            tally.count(Table::Mapping),
            tally.count(Table::UtiRecord),
            tally.count(Table::DeadDevice),
            tally.count(Table::Outbox),
            tally.count(Table::Directory),
            tally.count(Table::HostedDevice),
            tally.count(Table::Keepsake),
            tally.count(Table::Consent),
        ];
        let header = Line::Header(Header {
            taken: self.taken,
            versions: own_versions(),
            counts,
        });
        self.out.put(&header.render())?;
        records.into_iter().try_for_each(|record| self.put(record))
    }

    fn put(&mut self, record: StateRecord) -> io::Result<()> {
        if let StateRecord::Canary(canary) = &record {
            self.canary = Some(canary.0.clone());
        }
        self.records = self.records.saturating_add(1);
        self.out.put(&Line::Record(record).render())
    }

    fn end(mut self) -> io::Result<StateSummary> {
        self.begin()?;
        let (records, digest, sha256) = (self.records, self.digest, self.out.hash());
        let trailer = Line::Trailer(Trailer {
            records,
            digest,
            sha256,
        });
        self.out.put(&trailer.render())?;
        self.out.flush()?;
        Ok(StateSummary {
            taken: self.taken,
            records,
            digest,
            is_comparable: true,
            sha256,
            bytes: self.out.bytes,
            canary: self.canary,
            objections: Objections::default(),
        })
    }
}

fn read_record(table: Table, key: &[u8], value: &[u8]) -> Option<StateRecord> {
    let index = || key.last_chunk().copied().map(BlindIndex::from_bytes);
    Some(match table {
        Table::Mapping => StateRecord::Mapping(Box::new(decode(key, value).ok()?)),
        Table::UtiRecord => StateRecord::UtiRecord(index()?, decode(key, value).ok()?),
        Table::DeadDevice => StateRecord::DeadDevice(index()?),
        Table::Outbox => StateRecord::Outbox(Box::new(decode(key, value).ok()?)),
        Table::Directory => StateRecord::Directory(decode(key, value).ok()?),
        Table::HostedDevice => StateRecord::Device(Box::new(decode(key, value).ok()?)),
        Table::Keepsake => StateRecord::Keepsake(decode(key, value).ok()?),
        Table::Consent => StateRecord::Consent(Box::new(decode(key, value).ok()?)),
        _ => return None,
    })
}

/// What a record adds to the digest of a store that is made of it: itself as this version writes
/// it, and its index entries.
fn digest_of(key: &[u8], record: &StateRecord) -> u64 {
    fn of<R: Record>(key: &[u8], record: &R) -> u64 {
        checksum(key, &encode(key, record))
    }
    match record {
        StateRecord::Canary(_) | StateRecord::ClockMark(_) => 0,
        StateRecord::Mapping(row) => digest_with(&index::entries_of(row), of(key, row.as_ref())),
        StateRecord::Device(device) => {
            digest_with(&index::entries_of_device(device), of(key, device.as_ref()))
        }
        StateRecord::UtiRecord(_, record) => of(key, record),
        StateRecord::DeadDevice(_) => of(key, &crate::record::DeadDevice),
        StateRecord::Outbox(entry) => of(key, entry.as_ref()),
        StateRecord::Directory(record) => of(key, record),
        StateRecord::Keepsake(keepsake) => of(key, keepsake),
        StateRecord::Consent(consent) => digest_with(
            &index::entries_of_consent(consent),
            of(key, consent.as_ref()),
        ),
    }
}

/// `record`'s own digest, and that of its index entries.
fn digest_with(entries: &[(index::Key, Vec<u8>)], record: u64) -> u64 {
    entries
        .iter()
        .map(|(key, value)| checksum(key.as_bytes(), value))
        .fold(record, u64::wrapping_add)
}
