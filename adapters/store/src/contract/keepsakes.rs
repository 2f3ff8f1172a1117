//! Keepsakes: put, replaced, taken out, walked.

use ics_core::change::Change;
use ics_core::keepsake::{Keeping, Keepsake, Shelf};
use ics_core::port::CommitError;

use super::sample::{established, keeping, pending};
use super::{Contender, block_on, commit};

fn gone(key: &[u8]) -> Keeping {
    Keeping {
        value: None,
        ..keeping(key, &[])
    }
}

fn keep(store: &dyn Contender, writes: impl IntoIterator<Item = Keeping>) {
    let writes = writes.into_iter();
    commit(store, writes.fold(Change::default(), Change::with_keeping)).unwrap();
}

/// Key and value of all, read `limit` at a time.
fn kept(store: &dyn Contender, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    loop {
        let after = found.last().map(|(key, _)| key.clone());
        let walk = store.store();
        let page = walk.walk_keepsakes(Shelf::OneM2m, after.as_deref(), limit);
        let page: Vec<Keepsake> = block_on(page).unwrap();
        assert!(page.len() <= limit);
        if page.is_empty() {
            return found;
        }
        assert!(page.iter().all(|found| found.shelf == Shelf::OneM2m));
        found.extend(page.into_iter().map(|found| (found.key, found.value)));
    }
}

/// Whatever is there: one adapter writes them. All of a change or nothing.
pub fn keepsakes_are_put_replaced_and_taken_out_unseen(store: &dyn Contender) {
    let pair = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(kept(store, 9), []);
    keep(store, [keeping(b"a", b"1"), keeping(b"b", b""), gone(b"c")]);
    assert_eq!(kept(store, 9), [pair(b"a", b"1"), pair(b"b", b"")]);
    keep(store, [keeping(b"a", b"2"), gone(b"b"), keeping(b"", b"3")]);
    assert_eq!(kept(store, 9), [pair(b"", b"3"), pair(b"a", b"2")]);
    // Of one key, the last write holds.
    keep(
        store,
        [
            gone(b"a"),
            keeping(b"a", b"4"),
            keeping(b"", b"5"),
            gone(b""),
        ],
    );
    assert_eq!(kept(store, 9), [pair(b"a", b"4")]);
    let row = pending(1);
    let overtaken = Change::default()
        .with_keeping(gone(b"a"))
        .with_mapping(Some(row.clone()), Some(established(&row, "d-1")));
    assert_eq!(commit(store, overtaken), Err(CommitError::Conflict));
    assert_eq!(kept(store, 9), [pair(b"a", b"4")]);
}

/// Page by page, keys that begin alike and hold zeros included.
pub fn keepsakes_are_walked_in_the_order_of_their_keys(store: &dyn Contender) {
    let bytes = [0_u8, 1, 0xfe, 0xff];
    let pairs = bytes.iter().flat_map(|a| bytes.map(|b| vec![*a, b]));
    let mut keys: Vec<Vec<u8>> = bytes.iter().map(|a| vec![*a]).chain(pairs).collect();
    keep(store, keys.iter().rev().map(|key| keeping(key, key)));
    keys.sort();
    for limit in [1, 3, 99] {
        let found = kept(store, limit);
        assert!(found.iter().all(|(key, value)| key == value));
        assert!(found.iter().map(|(key, _)| key).eq(&keys), "{limit}");
    }
}
