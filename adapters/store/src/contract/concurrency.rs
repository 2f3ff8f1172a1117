//! Many writers at once: nothing lost, nothing taken twice.

use std::sync::Barrier;
use std::thread;

use ics_core::change::Change;
use ics_core::port::{CommitError, Selection};

use super::sample::{entry, established, pending, third_party};
use super::{Contender, block_on};

const WRITERS: u64 = 16;

/// The others are told that they were overtaken.
pub fn of_many_changes_of_one_row_one_wins(store: &dyn Contender) {
    let row = pending(1);
    block_on(
        store
            .store()
            .commit(Change::default().with_mapping(None, Some(row.clone()))),
    )
    .unwrap();
    let start = Barrier::new(WRITERS.try_into().unwrap());
    let answers: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let (row, start) = (&row, &start);
                scope.spawn(move || {
                    let after = established(row, &format!("d-{n}"));
                    let change = Change::default()
                        .with_mapping(Some(row.clone()), Some(after.clone()))
                        .with_entry(None, Some(entry(&third_party("shop1"), 1, 2)));
                    start.wait();
                    (block_on(store.store().commit(change)), after)
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let won: Vec<_> = answers
        .iter()
        .filter(|(answer, _)| answer.is_ok())
        .collect();
    assert_eq!(won.len(), 1);
    assert!(
        answers
            .iter()
            .all(|(a, _)| matches!(a, Ok(()) | Err(CommitError::Conflict)))
    );
    let stored = block_on(store.store().load(row.id)).unwrap();
    assert_eq!(stored.as_ref(), won.first().map(|(_, after)| after));
    store.assert_sound();
}

/// What was acknowledged is there, whoever wrote beside it.
pub fn all_changes_of_many_writers_are_kept(store: &dyn Contender) {
    const EACH: u64 = 25;
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for n in 0..EACH {
                    let number = writer * EACH + n;
                    let row = pending(number);
                    let change = Change::default()
                        .with_mapping(None, Some(row.clone()))
                        .with_entry(None, Some(entry(&third_party("shop1"), number, 1)));
                    block_on(store.store().commit(change)).unwrap();
                    let seen = block_on(store.store().load_live(&row.key)).unwrap();
                    assert_eq!(seen, Some(row), "a read after the answer sees the change");
                }
            });
        }
    });
    let page = block_on(store.store().walk(&Selection::All, None, usize::MAX)).unwrap();
    assert_eq!(u64::try_from(page.mappings.len()).unwrap(), WRITERS * EACH);
    store.assert_sound();
}
