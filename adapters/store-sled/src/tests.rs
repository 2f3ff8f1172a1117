use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use std::{fs, thread};

use ics_core::port::{CommitError, Store, StoreError};

use ics_store::contract::Contender;
use ics_store::contract::kill::{self, is_there, put};
use ics_store::engine::{Engine, EngineError, ReadKeys, Verdict, WriteKeys};
use ics_store::{BatchLimits, EmbeddedStore, EngineFiles};
use tempfile::TempDir;

use super::{DATA_NAME, OpenError, Options, SledEngine, SledFiles, SledStore, open};

mod copy;
mod damage;
mod lost_sync;

/// What goes wrong when a write should become durable, or the database should be opened again.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    kind: AtomicU8,
    /// Who holds it holds up whoever opens the database again, while it is closed.
    gate: Mutex<()>,
}

impl Faults {
    fn set(&self, kind: u8) {
        self.kind.store(kind, Ordering::SeqCst);
    }

    pub(crate) fn linger(&self) {
        drop(self.gate.lock());
    }

    pub(crate) fn meet(&self) -> Result<(), sled::Error> {
        match self.kind.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into()),
            _ => panic!("as it was told"),
        }
    }
}

/// A store that takes its directory with it.
struct Temporary {
    store: SledStore,
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

fn options() -> Options {
    Options {
        cache_bytes: 64 << 20,
        ..Options::default()
    }
}

fn temporary() -> Temporary {
    let directory = tempfile::tempdir().unwrap();
    Temporary {
        store: reopen(directory.path()),
        _directory: directory,
    }
}

fn reopen(directory: &Path) -> SledStore {
    open(directory, options()).unwrap()
}

fn engine(directory: &Path) -> SledEngine {
    let path = directory.join(DATA_NAME);
    let files = SledFiles::new(options());
    if path.exists() {
        files.open(&path).unwrap()
    } else {
        files.begin(&path).unwrap()
    }
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
fn a_snapshot_that_was_not_written_to_its_end_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("data");
    let store = reopen(&at);
    (0..20).for_each(|n| put(&store, n).unwrap());
    let before = store.check().unwrap();
    drop(store);
    let newest = at.join(DATA_NAME).join("snap.FFFFFFFFFFFFFF00.generating");
    for bytes in [0, 40] {
        fs::write(&newest, vec![7; bytes]).unwrap();
        let store = reopen(&at);
        assert_eq!(store.check().unwrap(), before);
        assert!(!newest.exists());
    }
}

#[test]
fn a_second_opening_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = reopen(directory.path());
    let second = open(directory.path(), options());
    assert!(matches!(second, Err(OpenError::InUse(path)) if path.ends_with(DATA_NAME)));
    put(&store, 1).unwrap();
    drop(store);
    assert!(is_there(&reopen(directory.path()), 1));
}

#[test]
fn nobody_else_may_read_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("data");
    drop(reopen(&at));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(at.clone()), 0o700);
    assert_eq!(mode(at.join(DATA_NAME)), 0o700);
    assert_eq!(
        fs::read_dir(&at).unwrap().count(),
        3,
        "nothing left of the making"
    );
}

#[test]
fn an_unfinished_beginning_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let unfinished = directory.path().join(format!("{DATA_NAME}.new"));
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("db"), b"torn").unwrap();
    put(&reopen(directory.path()), 1).unwrap();
    assert!(is_there(&reopen(directory.path()), 1));
}

fn write(engine: &SledEngine, pairs: &[(&str, Option<&str>)]) -> Result<(), EngineError> {
    engine.write(|transaction| {
        for (key, value) in pairs {
            match value {
                Some(value) => transaction.put(key.as_bytes(), value.as_bytes())?,
                None => transaction.delete(key.as_bytes())?,
            }
        }
        Ok(Verdict::Commit)
    })
}

fn read_all(view: &impl ReadKeys) -> Vec<String> {
    let mut all = Vec::new();
    view.scan(b"", &[0xff], |key, value| {
        all.push(String::from_utf8([key, b"=", value].concat()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

#[test]
fn a_snapshot_shows_one_instant_whatever_is_written_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(directory.path());
    write(
        &engine,
        &[("a", Some("1")), ("b", Some("1")), ("d", Some("1"))],
    )
    .unwrap();
    let before = engine.snapshot().unwrap();
    write(&engine, &[("a", Some("2")), ("b", None), ("c", Some("2"))]).unwrap();
    let between = engine.snapshot().unwrap();
    write(&engine, &[("a", None), ("b", Some("3")), ("e", Some("3"))]).unwrap();
    for _ in 0..2 {
        assert_eq!(read_all(&before), ["a=1", "b=1", "d=1"]);
        assert_eq!(read_all(&between), ["a=2", "c=2", "d=1"]);
    }
    assert_eq!(
        before.read(b"b", <[u8]>::to_vec).unwrap(),
        Some(b"1".to_vec())
    );
    assert_eq!(between.read(b"b", <[u8]>::to_vec).unwrap(), None);
    assert_eq!(
        read_all(&engine.snapshot().unwrap()),
        ["b=3", "c=2", "d=1", "e=3"]
    );
}

/// Each write gives all of two hundred keys one number: a reader that sees two numbers, or not
/// all keys, saw half a write.
#[test]
fn no_reader_sees_half_a_write() {
    const KEYS: u32 = 200;
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(directory.path());
    let all_at = |number: u32| {
        engine.write(|transaction| {
            for key in 0..KEYS {
                // Every key but the even ones goes every other time and comes back.
                let key = key.to_be_bytes();
                transaction.put(&key, &number.to_be_bytes())?;
            }
            let gone = (number % KEYS).to_be_bytes();
            transaction.delete(&[&gone[..], b"x"].concat())?;
            transaction.put(
                &[&((number + 1) % KEYS).to_be_bytes()[..], b"x"].concat(),
                b"x",
            )?;
            Ok::<_, EngineError>(Verdict::Commit)
        })
    };
    all_at(0).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut rounds = 0;
                    while !is_over.load(Ordering::SeqCst) || rounds == 0 {
                        let view = engine.snapshot().unwrap();
                        let (mut seen, mut wanderers) = (Vec::new(), Vec::new());
                        view.scan(&[], &[0xff], |key, value| {
                            if key.len() == 4 {
                                seen.push(value.to_vec());
                            } else {
                                wanderers.push(key.to_vec());
                            }
                            ControlFlow::Continue(())
                        })
                        .unwrap();
                        assert_eq!(seen.len(), KEYS as usize);
                        assert!(seen.iter().all(|value| Some(value) == seen.first()));
                        let number = u32::from_be_bytes(seen[0].clone().try_into().unwrap());
                        let wanderer = [&((number + 1) % KEYS).to_be_bytes()[..], b"x"].concat();
                        assert_eq!(wanderers, [wanderer]);
                        for key in [0, KEYS / 2, KEYS - 1] {
                            let one = view.read(&key.to_be_bytes(), <[u8]>::to_vec).unwrap();
                            assert_eq!(one.as_ref(), seen.first());
                        }
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        for number in 1..300 {
            all_at(number).unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        let rounds: Vec<u32> = readers.into_iter().map(|r| r.join().unwrap()).collect();
        assert!(rounds.iter().all(|n| *n > 0), "{rounds:?}");
    });
}

#[test]
fn a_write_that_failed_shows_nothing_and_reads_go_on_until_writes_do() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(directory.path());
    write(&engine, &[("a", Some("1")), ("b", Some("1"))]).unwrap();
    let old = engine.snapshot().unwrap();
    for kind in [1, 2] {
        engine.faults.set(kind);
        let refused = write(&engine, &[("a", Some("2")), ("b", None), ("c", Some("2"))]);
        assert!(refused.is_err());
        // sled holds the write now; nobody sees it.
        assert_eq!(read_all(&engine.snapshot().unwrap()), ["a=1", "b=1"]);
        engine.faults.set(1);
        assert!(matches!(
            write(&engine, &[("a", Some("3"))]),
            Err(EngineError::Unavailable(_))
        ));
        assert_eq!(read_all(&engine.snapshot().unwrap()), ["a=1", "b=1"]);
        engine.faults.set(0);
        write(&engine, &[("d", Some("4"))]).unwrap();
        assert_eq!(read_all(&engine.snapshot().unwrap()), ["a=1", "b=1", "d=4"]);
        assert_eq!(read_all(&old), ["a=1", "b=1"]);
        write(&engine, &[("d", None)]).unwrap();
    }
    drop(old);
    drop(engine);
    assert_eq!(
        read_all(&self::engine(directory.path()).snapshot().unwrap()),
        ["a=1", "b=1"]
    );
}

/// Writing all of a large store again takes seconds.
#[test]
fn readers_do_not_wait_for_the_end_of_a_long_recovery() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(directory.path());
    write(&engine, &[("a", Some("1"))]).unwrap();
    let old = engine.snapshot().unwrap();
    engine.faults.set(1);
    write(&engine, &[("a", Some("2"))]).unwrap_err();
    engine.faults.set(0);
    let gate = engine.faults.gate.lock().unwrap();
    let (told, heard) = mpsc::channel();
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(&engine, &[("b", Some("1"))]));
        let (engine, old) = (&engine, &old);
        scope.spawn(move || {
            // Until it is closed, what was there is read.
            let is_refused = || old.read(b"a", <[u8]>::to_vec).is_err();
            while !is_refused() {
                thread::yield_now();
            }
            let is_refused = matches!(engine.snapshot(), Err(EngineError::Unavailable(_)));
            told.send(is_refused).unwrap();
        });
        let refused = heard.recv_timeout(Duration::from_secs(60));
        drop(gate);
        assert_eq!(refused, Ok(true), "a reader waits for all of it");
        writer.join().unwrap().unwrap();
    });
    assert_eq!(read_all(&engine.snapshot().unwrap()), ["a=1", "b=1"]);
    assert_eq!(read_all(&old), ["a=1"]);
}

#[test]
fn a_disk_that_fails_is_unavailable_and_service_resumes_when_it_works_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(reopen(directory.path()));
    let store = EmbeddedStore::open(engine(directory.path()), BatchLimits::default()).unwrap();
    (0..10).for_each(|n| put(&store, n).unwrap());
    store.engine().faults.set(1);
    for n in 10..13 {
        assert_eq!(
            put(&store, n),
            Err(CommitError::Store(StoreError::Unavailable))
        );
        assert!((0..10).all(|n| is_there(&store, n)), "reads go on");
    }
    store.engine().faults.set(0);
    put(&store, 15).unwrap();
    assert!((10..13).all(|n| !is_there(&store, n)), "refused, and there");
    store.assert_sound();
    drop(store);
    let store = reopen(directory.path());
    assert!(is_there(&store, 9) && is_there(&store, 15) && !is_there(&store, 10));
    store.assert_sound();
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
