//! What the process that is killed writes: rows, each in a few steps, each step one change of many
//! records; and what of it a store holds.

use ics_core::change::{Change, Write};
use ics_core::directory::DirectoryRecord;
use ics_core::mapping::{Mapping, UtiRecord};
use ics_core::outbox::{OutboxEntry, OutboxKey};
use ics_core::port::{CommitError, Selection, Store};
use ics_store::contract::block_on;
use ics_store::contract::sample::{
    deleted, entry, established, fence, hash, job, mapping_id, new, pending, third_party,
};

/// How many threads write; thread `w` writes rows `w`, `w + WRITERS`, and so on.
pub(super) const WRITERS: u64 = 4;
/// The most entries a row ever has.
const ENTRIES: u64 = 3;

/// Everything that is stored on account of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Held {
    mapping: Option<Mapping>,
    entries: Vec<OutboxEntry>,
    uti: Option<UtiRecord>,
    is_dead: bool,
    records: Vec<DirectoryRecord>,
}

/// The row's life, a change a step: asked for, established, for two in three de-mapped, for some
/// purged; what is told replaces what was told before. Some rows come with a job and its fence.
pub(super) fn steps(number: u64) -> Vec<Change> {
    let letters: String = format!("{number:06x}")
        .bytes()
        .map(|b| char::from(b'g' + b % 16))
        .collect();
    let asked = pending(number);
    let live = established(&asked, &format!("device-{letters}"));
    let gone = deleted(&live);
    let told = |sequence| entry(&third_party("shop1"), number, sequence);
    let first = UtiRecord {
        device: None,
        serial: Some(hash(number)),
        live: 1,
        dead: false,
    };
    let paired = UtiRecord {
        device: Some(hash(number)),
        ..first
    };
    let over = UtiRecord {
        dead: true,
        live: 0,
        ..paired
    };
    let known = |before: UtiRecord, after: UtiRecord| Write {
        before: Some(before),
        after: Some(after),
    };
    let create = Change::default()
        .with_mapping(None, Some(asked.clone()))
        .with_entry(None, Some(told(1)))
        .with_uti_record(hash(number), new(first));
    let establish = Change::default()
        .with_mapping(Some(asked), Some(live.clone()))
        .with_entry(Some(told(1)), None)
        .with_entry(None, Some(told(2)))
        .with_uti_record(hash(number), known(first, paired));
    let mut steps = match job_of(number) {
        Some(job) => job.steps(create, establish),
        None => vec![create, establish],
    };
    if !number.is_multiple_of(3) {
        let demap = Change::default()
            .with_mapping(Some(live), Some(gone.clone()))
            .with_entry(Some(told(2)), None)
            .with_entry(None, Some(told(3)))
            .with_dead_device(hash(number))
            .with_uti_record(hash(number), known(paired, over));
        steps.push(demap);
        if number % 3 == 1 {
            let purge = Change::default()
                .with_mapping(Some(gone), None)
                .with_entry(Some(told(3)), None);
            steps.push(purge);
        }
    }
    steps
}

/// The number of a job and its fence.
struct JobNumber(u8);

/// One row in ten, as long as there are numbers.
fn job_of(number: u64) -> Option<JobNumber> {
    let is_one = number.is_multiple_of(10);
    let number = u8::try_from(number / 10).ok()?;
    is_one.then_some(JobNumber(number))
}

impl JobNumber {
    /// The job begins with the first change, its fence with it; with the second the fence goes.
    fn steps(&self, first: Change, second: Change) -> Vec<Change> {
        let (begun, ended, fence) = (job(self.0, 1), job(self.0, 2), fence(self.0));
        let gone = Write {
            before: Some(fence.clone()),
            after: None,
        };
        let end = Write {
            before: Some(begun.clone()),
            after: Some(ended.clone()),
        };
        vec![
            first
                .with_record(begun.key(), new(begun))
                .with_record(fence.key(), new(fence.clone())),
            second
                .with_record(ended.key(), end)
                .with_record(fence.key(), gone),
        ]
    }
}

/// Commits a step of a row.
///
/// # Errors
/// Those of the store.
pub(super) fn commit(store: &dyn Store, step: &Change) -> Result<(), CommitError> {
    block_on(store.commit(step.clone()))
}

impl Held {
    /// What is held of row `number` after its first `count` steps.
    pub(super) fn after(number: u64, count: usize) -> Self {
        let steps = steps(number);
        let mut held = Self::default();
        steps.iter().take(count).for_each(|step| held.apply(step));
        held
    }

    fn apply(&mut self, change: &Change) {
        for write in change.mappings() {
            self.mapping = write.after.clone();
        }
        for (_, write) in change.uti_records() {
            self.uti = write.after;
        }
        for write in change.outbox() {
            self.entries.retain(|e| Some(e) != write.before.as_ref());
            self.entries.extend(write.after.clone());
        }
        self.is_dead |= !change.dead_devices().is_empty();
        for (_, write) in change.directory() {
            self.records.retain(|r| Some(r) != write.before.as_ref());
            self.records.extend(write.after.clone());
        }
        self.records.sort_by_key(DirectoryRecord::key);
    }

    /// What a store holds of row `number`; `directory` is all of its directory.
    pub(super) fn find(store: &dyn Store, directory: &[DirectoryRecord], number: u64) -> Self {
        let entries = (1..=ENTRIES).filter_map(|sequence| {
            let key: OutboxKey = entry(&third_party("shop1"), number, sequence).key;
            block_on(store.load_entry(&key)).expect("a store")
        });
        let mapping = block_on(store.load(mapping_id(number))).expect("a store");
        let mut records: Vec<_> = directory.to_vec();
        records.retain(|record| job_of(number).is_some_and(|job| job.has(record)));
        records.sort_by_key(DirectoryRecord::key);
        Self {
            mapping,
            entries: entries.collect(),
            uti: block_on(store.load_uti_record(hash(number))).expect("a store"),
            is_dead: block_on(store.is_device_dead(hash(number))).expect("a store"),
            records,
        }
    }

    pub(super) fn has_mapping(&self) -> bool {
        self.mapping.is_some()
    }
}

impl JobNumber {
    fn has(&self, record: &DirectoryRecord) -> bool {
        [fence(self.0).key(), job(self.0, 1).key()].contains(&record.key())
    }
}

/// How many rows a store has.
pub(super) fn count_rows(store: &dyn Store) -> usize {
    let page = block_on(store.walk(&Selection::All, None, usize::MAX));
    page.expect("a store").mappings.len()
}

/// All of a store's directory.
pub(super) fn directory(store: &dyn Store) -> Vec<DirectoryRecord> {
    block_on(store.load_directory()).expect("a store")
}
