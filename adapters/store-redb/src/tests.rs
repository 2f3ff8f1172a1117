use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use std::fs;

use ics_core::port::{CommitError, Store, StoreError};

use ics_store::contract::kill::{self, create, is_there, put};
use ics_store::contract::{Contender, block_on};
use ics_store::engine::{Engine, EngineError, ReadKeys, Verdict, WriteKeys};
use ics_store::{BatchLimits, EmbeddedStore};
use tempfile::TempDir;

use super::engine::RedbEngine;
use super::{FILE_NAME, OpenError, Options, RedbStore, open};

mod damage;
mod faulty;
mod forgetful;

use faulty::{Fault, FaultyDisk};
use forgetful::ForgetfulDisk;

/// A store that takes its directory with it.
struct Temporary {
    store: RedbStore,
    _directory: TempDir,
}

impl Contender for Temporary {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn assert_sound(&self) {
        self.store.assert_sound();
    }
}

fn temporary() -> Temporary {
    let directory = tempfile::tempdir().unwrap();
    Temporary {
        store: reopen(directory.path()),
        _directory: directory,
    }
}

fn reopen(directory: &Path) -> RedbStore {
    open(directory, Options::default()).unwrap()
}

mod contract {
    ics_store::store_contract!(super::temporary());
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("data");
    let store = reopen(&at);
    (0..20).for_each(|n| put(&store, n).unwrap());
    let before = store.check().unwrap();
    drop(store);
    let store = reopen(&at);
    assert_eq!(store.check().unwrap(), before);
    assert!(before.is_sound() && before.mapping_count() == 20);
    assert!((0..20).all(|n| is_there(&store, n)));
}

#[test]
fn what_waits_is_written_before_the_store_closes() {
    let directory = tempfile::tempdir().unwrap();
    let store = reopen(directory.path());
    block_on(async {
        // Polled once: in the queue, its caller gone.
        let mut commit = store.commit(create(1));
        let queued = std::future::poll_fn(|cx| std::task::Poll::Ready(commit.as_mut().poll(cx)));
        assert!(queued.await.is_pending());
    });
    drop(store);
    assert!(is_there(&reopen(directory.path()), 1));
}

#[test]
fn a_second_opening_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = reopen(directory.path());
    let second = open(directory.path(), Options::default());
    assert!(matches!(second, Err(OpenError::InUse(path)) if path.ends_with(FILE_NAME)));
    put(&store, 1).unwrap();
    drop(store);
    assert!(is_there(&reopen(directory.path()), 1));
}

#[test]
fn nobody_else_may_read_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("data");
    drop(reopen(&at));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&at), 0o700);
    assert_eq!(mode(&at.join(FILE_NAME)), 0o600);
    assert_eq!(mode(&at.join("ics-store.witness")), 0o600);
    assert_eq!(mode(&at.join("ics-store.begun")), 0o600);
    assert_eq!(
        fs::read_dir(&at).unwrap().count(),
        3,
        "nothing left of the making"
    );
}

#[test]
fn an_unfinished_beginning_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(format!("{FILE_NAME}.new")), b"").unwrap();
    put(&reopen(directory.path()), 1).unwrap();
    assert!(is_there(&reopen(directory.path()), 1));
}

#[test]
fn damage_is_told_with_the_name_of_the_file_and_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let store = reopen(directory.path());
    (0..200).for_each(|n| put(&store, n).unwrap());
    drop(store);
    let path = directory.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let half = whole.iter().take(whole.len() / 2).copied().collect();
    let text = b"not a store at all, but long enough to be one".repeat(200);
    for damaged in [Vec::new(), vec![0; whole.len()], half, text] {
        fs::write(&path, &damaged).unwrap();
        match open(directory.path(), Options::default()) {
            Err(error @ (OpenError::Damaged { .. } | OpenError::Missing(_))) => {
                assert!(error.to_string().contains(FILE_NAME), "{error}");
            }
            other => panic!("{} bytes: {other:?}", damaged.len()),
        }
        assert_eq!(fs::read(&path).unwrap().len(), damaged.len(), "replaced");
    }
    fs::write(&path, whole).unwrap();
    assert!(is_there(&reopen(directory.path()), 199));
}

#[test]
fn verifying_finds_a_flipped_bit_before_anything_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let store = reopen(directory.path());
    (0..200).for_each(|n| put(&store, n).unwrap());
    drop(store);
    let path = directory.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    // Within every record: its service URI.
    let needle = b"https://shop.example/eggs";
    let flips: Vec<_> = (0..bytes.len() - needle.len())
        .filter(|at| bytes[*at..].starts_with(needle))
        .collect();
    flips.iter().for_each(|at| bytes[*at] ^= 1);
    fs::write(&path, bytes).unwrap();
    let verified = open(
        directory.path(),
        Options {
            verify: true,
            ..Options::default()
        },
    );
    assert!(
        matches!(verified, Err(OpenError::Damaged { .. })),
        "{verified:?}"
    );
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(reopen(directory.path()));
    let path = directory.path().join(FILE_NAME);
    let engine = RedbEngine::open(path, Options::default()).unwrap();
    let (key, value) = ics_store::contract::sample::newer_format();
    engine
        .write(|transaction| {
            transaction.put(&key, &value)?;
            Ok::<_, EngineError>(Verdict::Commit)
        })
        .unwrap();
    drop(engine);
    let opened = open(directory.path(), Options::default());
    assert!(
        matches!(opened, Err(OpenError::OtherVersion { .. })),
        "{opened:?}"
    );
}

fn on(disk: &FaultyDisk, directory: &TempDir) -> EmbeddedStore<RedbEngine> {
    drop(reopen(directory.path()));
    let engine = RedbEngine::open_by(
        directory.path().join(FILE_NAME),
        disk.opener(),
        std::sync::Arc::default(),
    )
    .unwrap();
    EmbeddedStore::open(engine, BatchLimits::default()).unwrap()
}

#[test]
fn on_a_full_disk_reads_go_on_and_writes_resume_when_space_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let store = on(&disk, &directory);
    (0..10).for_each(|n| put(&store, n).unwrap());
    disk.fail(Fault::NoSpace);
    let mut kept = 10;
    while put(&store, kept).is_ok() {
        kept += 1;
        assert!(kept < 100_000, "the disk is never full");
    }
    let refused = put(&store, kept);
    assert!(matches!(
        refused,
        Ok(()) | Err(CommitError::Store(StoreError::Unavailable))
    ));
    assert!((0..kept).all(|n| is_there(&store, n)), "reads go on");
    assert_eq!(is_there(&store, kept), refused.is_ok());
    disk.fail(Fault::None);
    put(&store, kept + 1).unwrap();
    store.assert_sound();
    drop(store);
    let store = reopen(directory.path());
    assert!((0..kept).all(|n| is_there(&store, n)) && is_there(&store, kept + 1));
}

#[test]
fn a_disk_that_fails_is_unavailable_and_service_resumes_when_it_works_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let store = on(&disk, &directory);
    (0..10).for_each(|n| put(&store, n).unwrap());
    for (fault, first) in [(Fault::NoWrite, 10), (Fault::NoSync, 20)] {
        disk.fail(fault);
        for n in first..first + 3 {
            let refused = put(&store, n);
            assert_eq!(refused, Err(CommitError::Store(StoreError::Unavailable)));
        }
        disk.fail(Fault::None);
        put(&store, first + 5).unwrap();
        assert!((0..10).all(|n| is_there(&store, n)));
        assert!(
            (first..first + 3).all(|n| !is_there(&store, n)),
            "refused, and there"
        );
        store.assert_sound();
    }
    drop(store);
    let store = reopen(directory.path());
    assert!(is_there(&store, 15) && is_there(&store, 25) && !is_there(&store, 10));
}

/// A backup reads on while its database was closed and another took its place: it ends, and says
/// nothing of the other.
#[test]
fn a_snapshot_that_outlasts_its_database_does_not_close_the_next() {
    let directory = tempfile::tempdir().unwrap();
    drop(reopen(directory.path()));
    let disk = FaultyDisk::default();
    let file = directory.path().join(FILE_NAME);
    let engine = RedbEngine::open_by(file, disk.opener(), std::sync::Arc::default()).unwrap();
    let put = |number: u32| {
        engine.write(|transaction| {
            transaction.put(&number.to_be_bytes(), &[7; 4096])?;
            Ok::<_, EngineError>(Verdict::Commit)
        })
    };
    (0..50).for_each(|number| put(number).unwrap());
    let count = |view: &super::engine::Snapshot<'_>| {
        let mut keys = 0;
        let all = view.scan(&[0; 4], &[1; 4], |_, _| {
            keys += 1;
            std::ops::ControlFlow::Continue(())
        });
        all.map(|()| keys)
    };
    let before = engine.snapshot().unwrap();
    assert_eq!(count(&before).unwrap(), 50);
    disk.fail(Fault::NoSync);
    put(50).unwrap_err();
    // In the time of the standby, and then in that of the database after it.
    let in_standby = engine.snapshot().unwrap();
    let openings = disk.openings();
    count(&before).unwrap_err();
    assert_eq!(count(&engine.snapshot().unwrap()).unwrap(), 50);
    assert_eq!(disk.openings(), openings, "the standby is not at fault");
    disk.fail(Fault::None);
    put(51).unwrap();
    let openings = disk.openings();
    for old in [&before, &in_standby] {
        let _ = count(old);
        count(&before).unwrap_err();
        assert_eq!(count(&engine.snapshot().unwrap()).unwrap(), 51);
    }
    let now = engine.snapshot().unwrap();
    put(52).unwrap();
    assert_eq!(disk.openings(), openings, "nothing was wrong with it");
    assert_eq!(count(&now).unwrap(), 51, "its database was closed");
}

/// Linux calls pages clean that a failed sync did not bring to the disk. redb needs no remedy: a commit
/// syncs its pages before the head of the file names them, and each one writes the head.
#[test]
fn after_a_sync_that_lost_its_pages_acknowledged_rows_survive_a_power_cut() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE_NAME);
    drop(reopen(directory.path()));
    let disk = ForgetfulDisk::holding(fs::read(&file).unwrap());
    let engine = RedbEngine::open_by(file, disk.opener(), std::sync::Arc::default()).unwrap();
    let store = EmbeddedStore::open(engine, BatchLimits::default()).unwrap();
    let mut next = 0;
    let mut acknowledged = Vec::new();
    let mut write = |count: u64, acknowledged: &mut Vec<u64>| {
        for _ in 0..count {
            next += 1;
            acknowledged.extend(put(&store, next).is_ok().then_some(next));
        }
    };
    for (well, ill) in (0..6).flat_map(|well| (1..5).map(move |ill| (well, ill))) {
        let failed = disk.failed();
        disk.fail(well, ill);
        write(8, &mut acknowledged);
        assert!(disk.failed() > failed, "no sync failed");
        disk.fail(0, 0);
        write(8, &mut acknowledged);
        let cut = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, cut.path().join(from.file_name().unwrap())).unwrap();
        }
        fs::write(cut.path().join(FILE_NAME), disk.cut_power()).unwrap();
        let left = reopen(cut.path());
        assert!(acknowledged.iter().all(|n| is_there(&left, *n)));
        left.assert_sound();
    }
    assert!(acknowledged.len() > 200);
}

#[test]
fn acknowledged_rows_survive_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    kill::acknowledged_rows_survive_kill_9(
        "tests::child_writes_until_killed",
        directory.path(),
        reopen,
    );
}

#[test]
#[ignore = "the process that acknowledged_rows_survive_kill_9 kills"]
fn child_writes_until_killed() {
    kill::write_until_killed(&reopen(&kill::directory_of_the_killed()));
}
