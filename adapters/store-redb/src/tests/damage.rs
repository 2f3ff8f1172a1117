//! A store that was damaged, or robbed of its witness, while it was closed.

use std::fs;
use std::path::Path;

use ics_core::change::Change;
use ics_core::mapping::Mapping;
use ics_core::port::{Store as _, StoreError};
use ics_store::contract::{block_on, sample};
use ics_store::{OnLoss, contract};

use crate::{FILE_NAME, OpenError, Options, RedbFiles, RedbStore, open};

const ROWS: u64 = 150;
const WITNESS: &str = "ics-store.witness";
/// Bytes of redb's own head.
const HEAD: usize = 320;
/// Meets each part of a page in one page or another.
const STRIDE: usize = 2593;

fn open_on(directory: &Path, on_loss: OnLoss) -> Result<RedbStore, OpenError> {
    let options = Options {
        on_loss,
        ..Options::default()
    };
    open(directory, options)
}

/// As who looks what is left of a damaged one.
fn open_as_it_is(directory: &Path, on_loss: OnLoss) -> Result<RedbStore, OpenError> {
    let options = Options {
        on_loss,
        verify: false,
        ..Options::default()
    };
    open(directory, options)
}

#[test]
fn a_store_without_its_witness_is_refused_until_it_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    contract::a_store_without_its_witness_is_refused_until_it_is_accepted::<RedbFiles>(
        directory.path(),
        open_on,
    );
}

#[test]
fn a_witness_that_was_torn_or_never_made_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    contract::a_witness_that_was_torn_or_never_made_does_no_harm::<RedbFiles>(
        directory.path(),
        open_on,
    );
}

#[test]
fn a_check_reads_on_behind_damage() {
    let directory = tempfile::tempdir().unwrap();
    contract::a_check_reads_on_behind_damage::<RedbFiles>(
        directory.path(),
        FILE_NAME,
        open_as_it_is,
    );
}

/// Of each row: whether it is found by its id and by its transaction, or why not.
fn rows_found(store: &RedbStore) -> Vec<[Result<bool, StoreError>; 2]> {
    let rows = (0..ROWS).map(established);
    rows.map(|row| {
        let by_id = block_on(store.load(row.id)).map(|found| found.as_ref() == Some(&row));
        let by_transaction = block_on(store.correlate(&row.key)).map(|found| found.is_some());
        [by_id, by_transaction]
    })
    .collect()
}

fn established(number: u64) -> Mapping {
    sample::established(&sample::pending(number), &format!("d-{number}"))
}

/// A store of established rows, each made by two commits. Its bytes after a kill, and closed.
fn write_rows(directory: &Path) -> [Vec<u8>; 2] {
    let store = open_on(directory, OnLoss::Refuse).unwrap();
    for number in 0..ROWS {
        let pending = sample::pending(number);
        let begun = Change::default().with_mapping(None, Some(pending.clone()));
        block_on(store.commit(begun)).unwrap();
        let ended = Change::default().with_mapping(Some(pending), Some(established(number)));
        block_on(store.commit(ended)).unwrap();
    }
    let file = directory.join(FILE_NAME);
    let killed = fs::read(&file).unwrap();
    drop(store);
    [killed, fs::read(&file).unwrap()]
}

/// Flips a bit in each of these places in turn: how often the store was refused, and how often one
/// that trusts its pages would have hidden a row then.
fn flip_each(
    directory: &Path,
    whole: &[u8],
    places: impl Iterator<Item = usize>,
) -> (usize, usize) {
    let (file, witness) = (directory.join(FILE_NAME), directory.join(WITNESS));
    let said = fs::read(&witness).unwrap();
    let (mut refused, mut hidden) = (0, 0);
    for place in places {
        let mut damaged = whole.to_vec();
        damaged[place] ^= 0x10;
        let spoil = || {
            fs::write(&file, &damaged).unwrap();
            fs::write(&witness, &said).unwrap();
        };
        spoil();
        match open_on(directory, OnLoss::Refuse) {
            Ok(store) => {
                let found = rows_found(&store);
                let is_found = found.iter().flatten().all(|found| *found == Ok(true));
                assert!(is_found, "at {place}: {found:?}");
            }
            Err(error) => {
                assert!(error.to_string().contains(FILE_NAME), "at {place}: {error}");
                refused += 1;
                spoil();
                let trusting = open_as_it_is(directory, OnLoss::Refuse);
                let hides = trusting.is_ok_and(|store| {
                    let found = rows_found(&store);
                    found.iter().flatten().any(|found| *found == Ok(false))
                });
                hidden += usize::from(hides);
            }
        }
    }
    (refused, hidden)
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_hides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let [killed, closed] = write_rows(directory.path());
    for whole in [&killed, &closed] {
        let (refused, hidden) = flip_each(directory.path(), whole, (0..HEAD).step_by(7));
        assert!(refused > 0);
        assert_eq!(hidden, 0, "the older of two commits, taken for the newest");
    }
    let places = (HEAD..closed.len()).step_by(STRIDE);
    let (refused, hidden) = flip_each(directory.path(), &closed, places);
    assert!(refused > 0 && hidden > 0, "{refused} refused, {hidden}");
}
