//! A store that was damaged, or robbed of its witness, while it was closed.

use std::path::Path;

use ics_store::{OnLoss, contract};

use crate::{FILE_NAME, OpenError, Options, RedbFiles, RedbStore, open};

fn open_on(directory: &Path, on_loss: OnLoss) -> Result<RedbStore, OpenError> {
    let options = Options {
        on_loss,
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
    contract::a_check_reads_on_behind_damage::<RedbFiles>(directory.path(), FILE_NAME, open_on);
}
