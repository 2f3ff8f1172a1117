use super::{Testimony, WITNESS, Witness};
use crate::record::Tally;

#[test]
fn it_says_what_it_saw_last_and_whether_the_store_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(Witness::ask(directory.path()).unwrap(), None);
    let mut tally = Tally::default();
    let mut witness = Witness::begin(directory.path(), &tally).unwrap();
    let said = Witness::ask(directory.path()).unwrap().unwrap();
    assert!(!said.is_closed && said.commits == 0);
    (tally.commits, tally.digest) = (7, 9);
    witness.note(&tally);
    let said = Witness::ask(directory.path()).unwrap().unwrap();
    assert_eq!(said, Testimony::of(&tally, false));
    witness.close();
    let said = Witness::ask(directory.path()).unwrap().unwrap();
    assert_eq!(said, Testimony::of(&tally, true));
    tally.digest = 8;
    assert_ne!(said.counters, Testimony::of(&tally, true).counters);
}

#[test]
fn a_torn_witness_says_nothing() {
    let directory = tempfile::tempdir().unwrap();
    Witness::begin(directory.path(), &Tally::default())
        .unwrap()
        .close();
    let path = directory.path().join(WITNESS);
    let whole = std::fs::read(&path).unwrap();
    for (at, _) in whole.iter().enumerate() {
        let mut torn = whole.clone();
        torn[at] ^= 1;
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(Witness::ask(directory.path()).unwrap(), None, "byte {at}");
    }
    std::fs::write(&path, &whole[..20]).unwrap();
    assert_eq!(Witness::ask(directory.path()).unwrap(), None);
}
