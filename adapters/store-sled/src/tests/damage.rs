//! A store that was damaged while it was closed: refused by name, or whole; never less in silence.

use std::fs;
use std::path::Path;

use ics_core::port::Store;
use ics_store::contract::sample::pending;
use ics_store::contract::{Contender, block_on};
use ics_store::{EngineFiles, Finding, FindingKind, OnLoss, contract};

use super::{DATA_NAME, OpenError, Options, SledStore, is_there, open, options, put, reopen};
use crate::SledFiles;

const ROWS: u64 = 200;

/// A store of [`ROWS`] rows, closed in order.
fn closed(directory: &Path) {
    let store = reopen(directory);
    (0..ROWS).for_each(|n| put(&store, n).unwrap());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Opens the damaged store: either an error that names it and says what to do, or every row.
fn refused_or_whole(directory: &Path, what: &str) -> Option<OpenError> {
    match open(directory, options()) {
        Err(error) => {
            let said = error.to_string();
            assert!(
                said.contains(DATA_NAME) && said.contains("backup"),
                "{what}: {said}"
            );
            Some(error)
        }
        Ok(store) => {
            // What is damaged within a page shows when it is read, as an error of the store.
            match store.check() {
                Ok(report) if report.is_sound() => {
                    assert!(
                        (0..ROWS).all(|n| is_there(&store, n)),
                        "{what}: rows are gone"
                    );
                }
                Ok(report) => {
                    let found = |n| block_on(store.load_live(&pending(n).key));
                    let silent = (0..ROWS).filter(|n| matches!(found(*n), Ok(None)));
                    let tells_loss = |f: &Finding| f.kind != FindingKind::Misplaced;
                    assert!(
                        silent.count() == 0 || report.findings.iter().any(tells_loss),
                        "{what}: rows are gone, and the report does not say so: {report:?}"
                    );
                }
                // It reads on behind damage.
                Err(error) => panic!("{what}: {error}"),
            }
            None
        }
    }
}

#[test]
fn damage_is_told_with_the_name_of_the_store_or_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    closed(&whole);
    let length = fs::metadata(whole.join(DATA_NAME).join("db"))
        .unwrap()
        .len();
    let mut refused = 0;
    let mut damage = |what: &str, spoil: &dyn Fn(&Path)| {
        let at = directory.path().join("damaged");
        let _ = fs::remove_dir_all(&at);
        copy(&whole, &at);
        spoil(&at.join(DATA_NAME));
        let error = refused_or_whole(&at, what);
        refused += usize::from(error.is_some());
        error
    };
    let log = |change: &dyn Fn(Vec<u8>) -> Vec<u8>, at: &Path| {
        let bytes = fs::read(at.join("db")).unwrap();
        fs::write(at.join("db"), change(bytes)).unwrap();
    };
    let zeroed = damage("zeroed", &|at| log(&|bytes| vec![0; bytes.len()], at));
    assert!(
        zeroed.is_some(),
        "an empty store in the place of one with rows"
    );
    let emptied = damage("emptied", &|at| log(&|_| Vec::new(), at));
    assert!(
        matches!(emptied, Some(OpenError::Missing(_))),
        "{emptied:?}"
    );
    let removed = damage("removed", &|at| fs::remove_file(at.join("db")).unwrap());
    assert!(
        matches!(removed, Some(OpenError::Missing(_))),
        "{removed:?}"
    );
    let gone = damage("directory removed", &|at| fs::remove_dir_all(at).unwrap());
    assert!(matches!(gone, Some(OpenError::Missing(_))), "{gone:?}");
    damage("configuration spoiled", &|at| {
        fs::write(at.join("conf"), b"x").unwrap()
    });
    damage("text", &|at| log(&|_| b"no log".repeat(100_000), at));
    for part in [1, 2, 3] {
        let what = format!("cut at {part} of 4");
        let cut = move |mut bytes: Vec<u8>| {
            bytes.truncate(bytes.len() * part / 4);
            bytes
        };
        damage(&what, &|at| log(&cut, at));
        let zero = move |mut bytes: Vec<u8>| {
            let from = bytes.len() * part / 4;
            let to = (from + 20_000).min(bytes.len());
            bytes[from..to].fill(0);
            bytes
        };
        damage(&format!("zeros at {part} of 4"), &|at| log(&zero, at));
    }
    for n in 0..24_u64 {
        let bit = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (length * 8);
        let flip = move |mut bytes: Vec<u8>| {
            bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
            bytes
        };
        damage(&format!("bit {bit} flipped"), &|at| log(&flip, at));
    }
    assert!(refused > 8, "only {refused} were told");
}

/// The tail of the log as it was some transactions ago: consistent in itself, and less than was
/// acknowledged.
#[test]
fn a_log_that_lost_its_last_transactions_is_refused_and_can_be_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("store");
    let older = directory.path().join("older");
    closed(&at);
    copy(&at.join(DATA_NAME), &older);
    let store = reopen(&at);
    put(&store, ROWS).unwrap();
    drop(store);
    fs::remove_dir_all(at.join(DATA_NAME)).unwrap();
    copy(&older, &at.join(DATA_NAME));
    let Err(error @ OpenError::Differs { .. }) = open(&at, options()) else {
        panic!("a row is gone and nobody says so");
    };
    let said = error.to_string();
    assert!(
        said.contains(DATA_NAME) && said.contains("--accept"),
        "{said}"
    );
    assert!(said.contains("number 200, number 201"), "{said}");
    let accepted = Options {
        on_loss: OnLoss::Accept,
        ..options()
    };
    drop(open(&at, accepted).unwrap());
    let store = reopen(&at);
    assert!(is_there(&store, 0) && !is_there(&store, ROWS));
    store.assert_sound();
}

/// Something within was lost, and the stop was not in order, so that the counters alone do not
/// tell.
#[test]
fn after_a_crash_the_keys_are_counted() {
    use ics_store::engine::{Engine, EngineError, Verdict, WriteKeys};

    let directory = tempfile::tempdir().unwrap();
    closed(directory.path());
    let engine = SledFiles::new(options())
        .open(&directory.path().join(DATA_NAME))
        .unwrap();
    let mut lost = None;
    {
        use ics_store::engine::ReadKeys;
        let view = engine.snapshot().unwrap();
        view.scan(&[0x14], &[0x15], |key, _| {
            lost = Some(key.to_vec());
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
    }
    let lost = lost.unwrap();
    engine
        .write(|transaction| {
            transaction.delete(&lost)?;
            Ok::<_, EngineError>(Verdict::Commit)
        })
        .unwrap();
    drop(engine);
    // As after a crash of which no witness is left either: what is gone is told first.
    fs::remove_file(directory.path().join("ics-store.witness")).unwrap();
    let Err(error @ OpenError::Differs { .. }) = open(directory.path(), options()) else {
        panic!("an index entry is gone and nobody says so");
    };
    assert!(
        error
            .to_string()
            .contains("`third-party-sp` holds 199 keys where 200"),
        "{error}"
    );
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    use ics_store::engine::{Engine, EngineError, Verdict, WriteKeys};

    let directory = tempfile::tempdir().unwrap();
    drop(reopen(directory.path()));
    let path = directory.path().join(DATA_NAME);
    let engine = SledFiles::new(options()).open(&path).unwrap();
    let (key, value) = contract::sample::newer_format();
    engine
        .write(|transaction| {
            transaction.put(&key, &value)?;
            Ok::<_, EngineError>(Verdict::Commit)
        })
        .unwrap();
    drop(engine);
    let opened = open(directory.path(), options());
    assert!(
        matches!(opened, Err(OpenError::OtherVersion { .. })),
        "{opened:?}"
    );
}

#[test]
fn a_directory_of_another_engine_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ics-store.redb"), b"x").unwrap();
    let opened = open(directory.path(), options());
    assert!(
        matches!(&opened, Err(OpenError::OtherEngine { found, .. }) if found == "redb"),
        "{opened:?}"
    );
    let said = opened.unwrap_err().to_string();
    assert!(
        said.contains("ics-gateway store migrate") && said.contains("--to sled"),
        "{said}"
    );
}

/// Reads of a store whose pages turn out to be damaged are errors: neither a panic of the process
/// nor a row that never was.
#[test]
fn what_is_found_damaged_later_is_an_error_and_no_row_is_denied() {
    let directory = tempfile::tempdir().unwrap();
    closed(directory.path());
    let options = Options {
        cache_bytes: 1,
        ..options()
    };
    let store = open(directory.path(), options).unwrap();
    let path = directory.path().join(DATA_NAME).join("db");
    let length = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let zeros = vec![0; usize::try_from(length).unwrap()];
    std::os::unix::fs::FileExt::write_all_at(&file, &zeros, 0).unwrap();
    for n in 0..ROWS {
        let found = block_on(store.load_live(&pending(n).key));
        // Found in memory, or an error.
        assert!(!matches!(found, Ok(None)), "row {n} is denied");
    }
}

fn open_on(directory: &Path, on_loss: OnLoss) -> Result<SledStore, OpenError> {
    let options = Options {
        on_loss,
        ..options()
    };
    open(directory, options)
}

#[test]
fn a_store_without_its_witness_is_refused_until_it_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    contract::a_store_without_its_witness_is_refused_until_it_is_accepted::<SledFiles>(
        directory.path(),
        open_on,
    );
}

#[test]
fn a_witness_that_was_torn_or_never_made_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    contract::a_witness_that_was_torn_or_never_made_does_no_harm::<SledFiles>(
        directory.path(),
        open_on,
    );
}

/// One page that cannot be read does not hide the rest. Damage of the closed file sled mostly finds
/// when it opens it, and refuses; what it finds later is in pages that it did not keep in memory.
#[test]
fn a_check_reads_on_behind_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (kept, at) = (directory.path().join("kept"), directory.path().join("at"));
    let store = reopen(&kept);
    (0..10 * ROWS).for_each(|n| put(&store, n).unwrap());
    drop(store);
    let options = Options {
        cache_bytes: 1,
        ..options()
    };
    let path = at.join(DATA_NAME).join("db");
    let (mut partly, mut beside) = (0, 0);
    for place in 1..31 {
        let _ = fs::remove_dir_all(&at);
        copy(&kept, &at);
        let store = open(&at, options).unwrap();
        let mut damaged = fs::read(&path).unwrap();
        let (from, length) = (damaged.len() * place / 32, damaged.len() / 256);
        damaged[from..from + length].fill(0);
        fs::write(&path, damaged).unwrap();
        let report = store.check().unwrap();
        for (table, counted) in &report.counted {
            let found = report.counts[table];
            let is_damaged = report.damaged.contains(table);
            assert!(!is_damaged || found <= *counted, "{place}: {report:?}");
            partly += usize::from(is_damaged && 0 < found && found < *counted);
            beside += usize::from(!is_damaged && *counted > 0 && !report.is_whole());
        }
        assert_eq!(report.is_whole(), report.is_sound(), "{place}: {report:?}");
    }
    assert!(partly > 0 && beside > 0, "{partly} in part, {beside} whole");
}
