//! Copies: whole and like the original, or recognizable as unfinished.

use std::fs;

use ics_core::change::Change;
use ics_core::port::Store as _;
use ics_store::contract::sample::pending;
use ics_store::contract::{Contender, block_on};
use ics_store::{Copied, CopyError, MemoryStore, Upkeep, copy_store};

use ics_store::contract::kill::create;

use super::{DATA_NAME, OpenError, is_there, open, options, put, reopen};
use crate::{SledFiles, compact};

fn original() -> MemoryStore {
    let store = MemoryStore::in_memory().unwrap();
    (0..50).for_each(|n| block_on(store.commit(create(n))).unwrap());
    store
}

#[test]
fn a_copy_holds_what_the_original_holds() {
    let directory = tempfile::tempdir().unwrap();
    let (at, store) = (directory.path().join("copy"), original());
    let before = store.check().unwrap();
    let files = SledFiles::new(options());
    let (mut begun, mut written, mut read) = (0, 0, 0);
    let after = copy_store(
        &store,
        (&files, &at),
        before.content,
        &mut |step| match step {
            Copied::Begun(keys) => begun = keys,
            Copied::Key => written += 1,
            Copied::ReadBack => read += 1,
        },
    )
    .unwrap();
    assert_eq!(
        (after.content, after.digest),
        (before.content, before.digest)
    );
    assert_eq!(after.counts, before.counts);
    assert_eq!((begun, written, read), (read, read, store.total().unwrap()));
    let copy = reopen(&at);
    assert!((0..50).all(|n| is_there(&copy, n)));
    put(&copy, 50).unwrap();
    copy.assert_sound();
}

#[test]
fn a_copy_that_was_cut_off_is_refused_and_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (at, store) = (directory.path().join("copy"), original());
    let before = store.check().unwrap();
    let files = SledFiles::new(options());
    // Cut off where a kill would: after something was written, before it was read back.
    let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        copy_store(&store, (&files, &at), before.content, &mut |step| {
            assert_ne!(step, Copied::ReadBack, "as it was told");
        })
    }));
    assert!(!matches!(cut, Ok(Ok(_))));
    let opened = open(&at, options());
    assert!(
        matches!(opened, Err(OpenError::Unfinished { .. })),
        "{opened:?}"
    );
    assert!(opened.unwrap_err().to_string().contains("store migrate"));
    let after = copy_store(&store, (&files, &at), before.content, &mut |_| ()).unwrap();
    assert_eq!(after.content, before.content);
    assert!(is_there(&reopen(&at), 49));
}

#[test]
fn nothing_is_copied_over_something() {
    let directory = tempfile::tempdir().unwrap();
    let (at, store) = (directory.path().join("taken"), original());
    put(&reopen(&at), 7).unwrap();
    let files = SledFiles::new(options());
    let copied = copy_store(&store, (&files, &at), 0, &mut |_| ());
    assert!(
        matches!(copied, Err(CopyError::Open(OpenError::NotEmpty(_)))),
        "{copied:?}"
    );
    assert!(is_there(&reopen(&at), 7));
    // Nor is a copy that is not like the original ever taken for one.
    let other = directory.path().join("other");
    let copied = copy_store(&store, (&files, &other), 1, &mut |_| ());
    assert!(
        matches!(copied, Err(CopyError::Differs { .. })),
        "{copied:?}"
    );
    assert!(matches!(
        open(&other, options()),
        Err(OpenError::Unfinished { .. })
    ));
}

#[test]
fn an_exchange_gives_space_back_and_can_be_cut_off_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("store");
    let store = reopen(&at);
    (0..50).for_each(|n| put(&store, n).unwrap());
    let before = store.check().unwrap();
    drop(store);
    let sizes = compact(&at, options(), &mut |_| ()).unwrap();
    assert!(sizes.before >= sizes.after && sizes.after > 0, "{sizes:?}");
    assert_eq!(fs::read_dir(&at).unwrap().count(), 3, "nothing left of it");
    assert_eq!(reopen(&at).check().unwrap().content, before.content);
    // Cut off before the new has its name: the old comes back. After: the old goes.
    let (data, old, new) = (
        at.join(DATA_NAME),
        at.join(format!("{DATA_NAME}.old")),
        at.join(format!("{DATA_NAME}.new")),
    );
    fs::rename(&data, &old).unwrap();
    fs::create_dir(&new).unwrap();
    assert_eq!(reopen(&at).check().unwrap().content, before.content);
    fs::create_dir(&old).unwrap();
    assert_eq!(reopen(&at).check().unwrap().content, before.content);
    assert!(!old.exists() && !new.exists());
}

#[test]
fn what_deleted_rows_left_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = reopen(directory.path());
    let at_once = |change: &dyn Fn(u64) -> Change| {
        for from in (0..4000).step_by(400) {
            let changes = (from..from + 400).map(change);
            let change = changes.fold(Change::default(), Change::join);
            block_on(store.commit(change)).unwrap();
        }
    };
    at_once(&|n| Change::default().with_mapping(None, Some(pending(n))));
    at_once(&|n| Change::default().with_mapping(Some(pending(n)), None));
    put(&store, 1).unwrap();
    let before = store.check().unwrap();
    drop(store);
    let sizes = compact(directory.path(), options(), &mut |_| ()).unwrap();
    assert!(sizes.after < sizes.before / 2, "{sizes:?}");
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        3,
        "nothing left of it"
    );
    let store = reopen(directory.path());
    assert_eq!(store.check().unwrap(), before);
    assert!(is_there(&store, 1));
}
