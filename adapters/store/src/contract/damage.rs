//! Files damaged, or put back as they were, behind the back of a store that is closed.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite: what breaks a promise is shown, and ends the test"
)]

use std::fs;
use std::path::Path;

use crate::contract::Contender;
use crate::contract::kill::{is_there, put};
use crate::{EmbeddedStore, EngineFiles, OnLoss, OpenError, Table};

/// The file beside the engine's own.
const WITNESS: &str = "ics-store.witness";
const ROWS: u64 = 400;
const PAGE: usize = 4096;

/// A store of an engine, opened as its adapter opens it.
type Opened<F> = Result<EmbeddedStore<<F as EngineFiles>::Engine>, OpenError>;

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    copy_into(from, to);
}

fn copy_into(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy_into(&entry.path(), &to.join(entry.file_name()));
    }
}

/// How a witness is, as the refusal says, and what makes it so.
type Loss = (&'static str, fn(&Path));

/// What may become of a witness without the store.
fn losses() -> [Loss; 5] {
    [
        ("missing", |witness| fs::remove_file(witness).unwrap()),
        ("empty", |witness| fs::write(witness, b"").unwrap()),
        ("damaged", |witness| fs::write(witness, [0x5a; 40]).unwrap()),
        ("damaged", |witness| fs::write(witness, b"ICSWIT").unwrap()),
        ("damaged", |witness| {
            let length = fs::read(witness).unwrap().len();
            fs::write(witness, vec![0; length]).unwrap();
        }),
    ]
}

/// A store that holds transactions and comes without its witness may have lost the last of them:
/// it is refused by name, whether it is an older one or not, until somebody takes it as it is.
pub fn a_store_without_its_witness_is_refused_until_it_is_accepted<F: EngineFiles>(
    directory: &Path,
    open: impl Fn(&Path, OnLoss) -> Opened<F>,
) {
    let (older, newer, at) = (
        directory.join("older"),
        directory.join("newer"),
        directory.join("store"),
    );
    let refuse = |path: &Path| open(path, OnLoss::Refuse);
    put(&refuse(&at).unwrap(), 0).unwrap();
    copy(&at, &older);
    put(&refuse(&at).unwrap(), 1).unwrap();
    copy(&at, &newer);
    for (is_older, (state, lose)) in [false, true]
        .into_iter()
        .flat_map(|is_older| losses().map(|loss| (is_older, loss)))
    {
        copy(&newer, &at);
        if is_older {
            let data = at.join(F::DATA);
            let removed = fs::remove_dir_all(&data).or_else(|_| fs::remove_file(&data));
            removed.unwrap();
            copy_into(&older.join(F::DATA), &data);
        }
        lose(&at.join(WITNESS));
        let refused = refuse(&at).map(drop);
        let Err(error @ OpenError::Unwitnessed { .. }) = refused else {
            panic!("{state}, older: {is_older}: {refused:?}");
        };
        let said = error.to_string();
        for word in [F::DATA, WITNESS, state, "backup", "--accept"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        // Looking at it changes nothing; taking it as it is does.
        drop(open(&at, OnLoss::Look).unwrap());
        refuse(&at).map(drop).unwrap_err();
        drop(open(&at, OnLoss::Accept).unwrap());
        let store = refuse(&at).unwrap();
        assert!(is_there(&store, 0) && is_there(&store, 1) != is_older);
        store.assert_sound();
    }
}

/// What a power cut, or a kill, may leave of a witness is no reason to refuse a store.
pub fn a_witness_that_was_torn_or_never_made_does_no_harm<F: EngineFiles>(
    directory: &Path,
    open: impl Fn(&Path, OnLoss) -> Opened<F>,
) {
    let at = directory.join("store");
    let refuse = |path: &Path| open(path, OnLoss::Refuse);
    // Begun, and cut off before there was one, or before anything was in it.
    for (_, lose) in losses() {
        drop(refuse(&at).unwrap());
        lose(&at.join(WITNESS));
    }
    let store = refuse(&at).unwrap();
    for number in 0..4 {
        put(&store, number).unwrap();
        // As power cuts may leave it: the write under way torn, the one before it whole.
        let cut = directory.join("cut");
        fs::create_dir_all(&cut).unwrap();
        let witness = fs::read(at.join(WITNESS)).unwrap();
        for sector in [0, 512] {
            let mut torn = witness.clone();
            torn[sector + 20..sector + 24].fill(0xee);
            fs::write(cut.join(WITNESS), torn).unwrap();
            let asked = crate::witness::Witness::ask(&cut).unwrap();
            let crate::witness::Asked::Said(said) = asked else {
                panic!("{asked:?}");
            };
            assert!((number..=number + 1).contains(&said.commits), "{said:?}");
        }
    }
    drop(store);
    refuse(&at).unwrap().assert_sound();
}

/// One page that cannot be read does not hide the rest: it is told which tables it concerns, and
/// how much of them can be read.
pub fn a_check_reads_on_behind_damage<F: EngineFiles>(
    directory: &Path,
    log: &str,
    open: impl Fn(&Path, OnLoss) -> Opened<F>,
) {
    let (whole, at) = (directory.join("whole"), directory.join("store"));
    let store = open(&whole, OnLoss::Refuse).unwrap();
    (0..ROWS).for_each(|number| put(&store, number).unwrap());
    drop(store);
    let bytes = fs::read(whole.join(log)).unwrap();
    let (mut opened, mut partly, mut elsewhere) = (0, 0, 0);
    // Where pages begin.
    for place in (0..bytes.len())
        .step_by(PAGE)
        .step_by(bytes.len() / (PAGE * 64) + 1)
    {
        copy(&whole, &at);
        let mut damaged = bytes.clone();
        let end = damaged.len().min(place + 64);
        damaged[place..end].fill(0);
        fs::write(at.join(log), damaged).unwrap();
        let Ok(store) = open(&at, OnLoss::Refuse) else {
            continue;
        };
        opened += 1;
        let report = store
            .check()
            .unwrap_or_else(|error| panic!("at {place}: {error}"));
        if report.is_whole() {
            continue;
        }
        assert!(!report.is_sound(), "at {place}: {report:?}");
        let counted = Table::ALL.into_iter().map(|table| {
            let name = table.name();
            let is_whole = !report.damaged.contains(name);
            (is_whole, report.counts[name], report.counted.get(name))
        });
        for (is_whole, found, counted) in counted {
            let Some(counted) = counted.copied() else {
                continue;
            };
            assert!(found <= counted, "at {place}: {report:?}");
            partly += usize::from(!is_whole && found > 0 && found < counted);
            elsewhere += usize::from(is_whole && counted > 0);
        }
    }
    assert!(
        opened > 0 && partly > 0 && elsewhere > 0,
        "{}: {opened} opened, {partly} tables read in part, {elsewhere} whole beside them",
        F::NAME
    );
}
