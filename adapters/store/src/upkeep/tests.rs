use std::ops::ControlFlow;

use ics_core::change::Change;
use ics_core::port::Store as _;
use ics_core::sealed::Sealed;

use super::Upkeep;
use crate::contract::{Contender, block_on, sample};
use crate::{MemoryStore, Table};

#[test]
fn a_canary_is_kept_replaced_and_counted_nowhere() {
    let store = MemoryStore::in_memory().unwrap();
    assert_eq!(store.canary().unwrap(), None);
    for kept in [vec![1, 2, 3], vec![4]] {
        let sealed = Sealed::from_bytes(kept);
        store.keep_canary(&sealed).unwrap();
        assert_eq!(store.canary().unwrap(), Some(sealed));
    }
    assert_eq!(store.total().unwrap(), 0);
    store.assert_sound();
}

#[test]
fn everything_is_visited_in_order_and_the_visit_ends_when_told() {
    let store = MemoryStore::in_memory().unwrap();
    for number in 0..3 {
        let change = Change::default().with_mapping(None, Some(sample::pending(number)));
        block_on(store.commit(change)).unwrap();
    }
    let visit = |limit: usize| {
        let mut keys = Vec::new();
        store
            .visit(&Table::ALL, &mut |key, _| {
                keys.push(key.to_vec());
                if keys.len() < limit {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
            .unwrap();
        keys
    };
    let all = visit(usize::MAX);
    assert!(all.is_sorted() && all.len() > 3 * 3);
    assert_eq!(visit(2), all[..2]);
    let told = store.count_of(Table::Mapping).unwrap();
    assert_eq!(told, 3);
}

#[test]
fn equal_contents_have_equal_digests_whatever_the_order_of_writes() {
    let digest = |numbers: &[u64]| {
        let store = MemoryStore::in_memory().unwrap();
        for number in numbers {
            let change = Change::default().with_mapping(None, Some(sample::pending(*number)));
            block_on(store.commit(change)).unwrap();
        }
        let mut seen = 0;
        let report = store.inspect(&mut || seen += 1).unwrap();
        assert_eq!(
            seen,
            store.total().unwrap(),
            "progress is told of every key once"
        );
        report.content
    };
    assert_eq!(digest(&[1, 2, 3]), digest(&[3, 1, 2]));
    assert_ne!(digest(&[1, 2, 3]), digest(&[1, 2]));
}
