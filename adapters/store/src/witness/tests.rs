use std::fs;
use std::path::Path;

use super::{Asked, PLACES, Testimony, WITNESS, Witness};
use crate::record::Tally;

fn ask(directory: &Path) -> Asked {
    Witness::ask(directory).unwrap()
}

fn tally(commits: u64) -> Tally {
    let mut tally = Tally::default();
    (tally.commits, tally.digest) = (commits, commits * 7);
    tally
}

#[test]
fn it_says_what_it_saw_last_and_whether_the_store_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    assert_eq!(ask(at), Asked::Silent("missing"));
    let mut witness = Witness::begin(at, &tally(0)).unwrap();
    assert_eq!(ask(at), Asked::Said(Testimony::of(&tally(0), false)));
    for commits in 1..6 {
        witness.note(&tally(commits));
        assert_eq!(ask(at), Asked::Said(Testimony::of(&tally(commits), false)));
    }
    witness.close();
    assert_eq!(ask(at), Asked::Said(Testimony::of(&tally(5), true)));
    let mut other = tally(5);
    other.digest += 1;
    let counters = |tally| Testimony::of(tally, true).counters;
    assert_ne!(counters(&other), counters(&tally(5)));
    // Opened again: no more closed, wherever it is asked.
    drop(Witness::begin(at, &tally(5)).unwrap());
    assert_eq!(ask(at), Asked::Said(Testimony::of(&tally(5), false)));
}

#[test]
fn a_write_that_was_torn_leaves_the_one_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(WITNESS);
    let mut witness = Witness::begin(directory.path(), &tally(0)).unwrap();
    for commits in 1..5 {
        let before = fs::read(&path).unwrap();
        witness.note(&tally(commits));
        let after = fs::read(&path).unwrap();
        for (at, (old, new)) in before.iter().zip(&after).enumerate() {
            if old == new {
                continue;
            }
            let mut torn = after.clone();
            torn[at] ^= 1;
            fs::write(&path, &torn).unwrap();
            let said = Asked::Said(Testimony::of(&tally(commits - 1), false));
            assert_eq!(ask(directory.path()), said, "byte {at}");
        }
        fs::write(&path, &after).unwrap();
    }
}

#[test]
fn one_that_is_damaged_says_nothing() {
    let directory = tempfile::tempdir().unwrap();
    Witness::begin(directory.path(), &tally(3)).unwrap().close();
    let path = directory.path().join(WITNESS);
    let whole = fs::read(&path).unwrap();
    for byte in 0..40 {
        let mut spoiled = whole.clone();
        for place in PLACES {
            spoiled[usize::try_from(place).unwrap() + byte] ^= 1;
        }
        fs::write(&path, &spoiled).unwrap();
        let asked = ask(directory.path());
        assert_eq!(asked, Asked::Silent("damaged"), "byte {byte}");
    }
    for (length, state) in [(0, "empty"), (1, "damaged"), (39, "damaged")] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(ask(directory.path()), Asked::Silent(state));
    }
    // As older versions wrote it.
    fs::write(&path, &whole[..40]).unwrap();
    assert_eq!(
        ask(directory.path()),
        Asked::Said(Testimony::of(&tally(3), true))
    );
}
