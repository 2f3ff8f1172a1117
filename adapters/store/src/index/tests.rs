use proptest::prelude::*;

use super::{Key, Table, due, entries_of, outbox, row_of_entry};
use crate::contract::sample;

fn framed(parts: &[Vec<u8>]) -> Vec<u8> {
    parts
        .iter()
        .fold(Key::of(Table::Live), |key, part| key.framed(part))
        .into_bytes()
}

fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    // Few values, so that parts begin alike and hold the bytes of the framing.
    let byte = prop_oneof![Just(0_u8), Just(1), Just(0xff), Just(b'a')];
    prop::collection::vec(prop::collection::vec(byte, 0..4), 2)
}

proptest! {
    #[test]
    fn keys_are_in_the_order_of_their_parts(a in parts(), b in parts()) {
        prop_assert_eq!(framed(&a).cmp(&framed(&b)), a.cmp(&b));
    }

    #[test]
    fn no_framed_part_is_the_beginning_of_another(a in parts(), b in parts()) {
        let (short, long) = (framed(&a[..1]), framed(&b));
        prop_assert_eq!(long.starts_with(&short), a[0] == b[0]);
    }

    #[test]
    fn a_prefix_ends_behind_all_keys_that_begin_with_it(a in parts(), tail: Vec<u8>) {
        let prefix = Key(framed(&a));
        let key = prefix.clone().fixed(&tail);
        prop_assert!(key.as_bytes() < prefix.prefix_end().as_slice());
        let mut behind = prefix.prefix_end();
        behind.extend_from_slice(&tail);
        prop_assert!(!behind.starts_with(prefix.as_bytes()));
    }

    #[test]
    fn outbox_keys_are_in_the_order_of_the_names(a in 0..9_u64, b in 0..9_u64, s: u64, t: u64) {
        let name = |n, sequence| {
            let sp = ["shop", "shop1", "shop-1"][usize::try_from(n % 3).unwrap()];
            sample::entry(&sample::third_party(sp), n, sequence).key
        };
        let (left, right) = (name(a, s), name(b, t));
        prop_assert_eq!(outbox(&left).into_bytes().cmp(&outbox(&right).into_bytes()), left.cmp(&right));
    }
}

#[test]
fn instants_are_in_the_order_of_time() {
    let early = due(sample::at(255)).into_bytes();
    assert!(early < due(sample::at(256)).into_bytes());
    assert!(Key::of(Table::Due).into_bytes() < early);
}

#[test]
fn every_entry_names_its_row_and_a_table_of_its_own() {
    let mut row = sample::established(&sample::pending(1), "d-1");
    row.uti_expiry = Some(sample::at(9));
    let entries = entries_of(&row);
    let mut tables: Vec<_> = entries
        .iter()
        .map(|(key, _)| Table::of_key(key.as_bytes()))
        .collect();
    tables.sort();
    tables.dedup();
    assert_eq!(tables.len(), 6);
    assert!(
        entries
            .iter()
            .all(|(key, value)| row_of_entry(key.as_bytes(), value) == Some(row.id))
    );
}

#[test]
fn table_names_and_bytes_are_unique() {
    for (n, table) in Table::ALL.into_iter().enumerate() {
        assert_eq!(table.position(), n);
        assert_eq!(Table::of_key(&[table as u8, 9]), Some(table));
        assert_eq!(
            Table::ALL
                .iter()
                .filter(|t| t.name() == table.name())
                .count(),
            1
        );
    }
}
