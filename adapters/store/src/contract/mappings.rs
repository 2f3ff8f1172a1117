//! Rows: uniqueness, indexes, conflicts.

use std::slice::from_ref;

use ics_core::change::Change;
use ics_core::correlation::Correlation;
use ics_core::mapping::Mapping;
use ics_core::port::{CommitError, Selection};

use super::sample::{
    at, deleted, device, entry, established, failed, failing, hash, in_state, new, pending,
    service, sp, third_party, uti,
};
use super::{Contender, block_on, commit};

fn rows(store: &dyn Contender, selection: &Selection) -> Vec<Mapping> {
    block_on(store.store().walk(selection, None, 100))
        .unwrap()
        .mappings
}

fn load(store: &dyn Contender, row: &Mapping) -> Option<Mapping> {
    block_on(store.store().load(row.id)).unwrap()
}

fn load_live(store: &dyn Contender, row: &Mapping) -> Option<Mapping> {
    block_on(store.store().load_live(&row.key)).unwrap()
}

fn step(store: &dyn Contender, before: &Mapping, after: &Mapping) {
    let change = Change::default().with_mapping(Some(before.clone()), Some(after.clone()));
    commit(store, change).unwrap();
}

fn create(store: &dyn Contender, row: &Mapping) {
    commit(
        store,
        Change::default().with_mapping(None, Some(row.clone())),
    )
    .unwrap();
}

/// Every selection that tells rows apart, and whether it holds live rows alone.
fn selections(row: &Mapping) -> [(Selection, bool); 6] {
    [
        (Selection::ThirdPartySp(row.third_party_sp.clone()), false),
        (Selection::All, false),
        (Selection::Due(at(i64::from(u32::MAX))), false),
        (Selection::IotSp(row.iot_sp.clone()), true),
        (Selection::Service(row.key.service_uri.clone()), true),
        (
            Selection::Uti {
                third_party_sp: row.third_party_sp.clone(),
                uti: row.key.uti.clone(),
            },
            true,
        ),
    ]
}

fn of_device(row: &Mapping, id: &str) -> Selection {
    Selection::Device {
        iot_sp: row.iot_sp.clone(),
        device_id: device(id),
    }
}

/// Pending, failing and established rows are found by what they are found by.
pub fn a_row_is_found_by_every_index_of_its_state(store: &dyn Contender) {
    let first = pending(1);
    create(store, &first);
    let second = failing(&first);
    let mut third = established(&second, "d-1");
    third.uti_expiry = Some(at(700));
    for (before, row) in [(&first, &first), (&first, &second), (&second, &third)] {
        if row != before {
            step(store, before, row);
        }
        assert_eq!(load(store, row).as_ref(), Some(row));
        assert_eq!(load_live(store, row).as_ref(), Some(row));
        for (selection, _) in selections(row) {
            assert_eq!(rows(store, &selection), from_ref(row), "{selection:?}");
        }
    }
    assert_eq!(rows(store, &of_device(&third, "d-1")), [third.clone()]);
    assert_eq!(rows(store, &Selection::Due(at(699))), []);
    let mut without_expiry = in_state(&third, third.state.clone());
    without_expiry.uti_expiry = None;
    without_expiry.consent = None;
    step(store, &third, &without_expiry);
    assert_eq!(
        rows(store, &Selection::Due(at(700))),
        [],
        "an established row without an end"
    );
}

/// Y.4462 10.3: an inquiry finds a row by device and by transaction while it is established, with
/// all that decides who may be told, and never before or after.
pub fn only_established_rows_correlate(store: &dyn Contender) {
    let by_key = |row: &Mapping| block_on(store.store().correlate(&row.key)).unwrap();
    let by_device = |row: &Mapping, id: &str, after, limit| {
        let id = device(id);
        block_on(store.store().correlations((&row.iot_sp, &id), after, limit)).unwrap()
    };
    let mut all = Vec::new();
    for n in 1..=5 {
        let row = pending(n);
        create(store, &row);
        assert_eq!(by_key(&row), None);
        let mut established = established(&row, "d-1");
        established.uti_expiry = (n == 2).then_some(at(700));
        step(store, &row, &established);
        let correlation = Correlation::of(&established).unwrap();
        assert_eq!(by_key(&row), Some(correlation.clone()));
        all.push((established, correlation));
    }
    let (row, _) = all.first().unwrap();
    let found: Vec<_> = all.iter().map(|(_, c)| c.clone()).collect();
    assert_eq!(by_device(row, "d-1", None, 9), found);
    assert_eq!(by_device(row, "d-1", None, 2), found.get(..2).unwrap());
    let second = found.get(1).map(|c| c.mapping);
    assert_eq!(by_device(row, "d-1", second, 2), found.get(2..4).unwrap());
    assert_eq!(by_device(row, "d-11", None, 9), []);
    assert_eq!(by_device(row, "d-", None, 9), []);
    // What the row stands on may change while it is established.
    let mut extended = in_state(row, row.state.clone());
    extended.uti_expiry = Some(at(900));
    step(store, row, &extended);
    assert_eq!(by_key(row), Correlation::of(&extended));
    assert_eq!(by_device(row, "d-1", None, 1), [by_key(row).unwrap()]);
    step(store, &extended, &deleted(&extended));
    assert_eq!(by_key(row), None);
    assert_eq!(by_device(row, "d-1", None, 9), found.get(1..).unwrap());
}

/// What is over is found by its owner and its id alone, until it goes.
pub fn a_tombstone_leaves_the_live_indexes_and_stays_until_purged(store: &dyn Contender) {
    let (first, second) = (pending(1), pending(2));
    create(store, &first);
    create(store, &second);
    let alive = established(&first, "d-1");
    step(store, &first, &alive);
    for (before, tombstone) in [(&alive, deleted(&alive)), (&second, failed(&second))] {
        step(store, before, &tombstone);
        assert_eq!(load(store, &tombstone).as_ref(), Some(&tombstone));
        assert_eq!(load_live(store, &tombstone), None);
        for (selection, live) in selections(&tombstone) {
            let found = rows(store, &selection).contains(&tombstone);
            assert_eq!(found, !live, "{selection:?}");
        }
        assert_eq!(rows(store, &of_device(&tombstone, "d-1")), []);
        let purge = Change::default().with_mapping(Some(tombstone.clone()), None);
        commit(store, purge).unwrap();
        assert_eq!(load(store, &tombstone), None);
        assert!(!rows(store, &Selection::All).contains(&tombstone));
    }
    assert_eq!(rows(store, &Selection::All), []);
}

/// Row Y45: one live row per (service URI, UTI).
pub fn live_key_is_unique_and_free_again_after_the_end(store: &dyn Contender) {
    let first = pending(1);
    create(store, &first);
    let mut second = pending(2);
    second.key = first.key.clone();
    let create_second = Change::default().with_mapping(None, Some(second.clone()));
    assert_eq!(
        commit(store, create_second.clone()),
        Err(CommitError::Conflict)
    );
    assert_eq!(load_live(store, &second), Some(first.clone()));
    // The same UTI with another service is another row.
    let mut third = pending(3);
    third.key.uti = first.key.uti.clone();
    third.key.service_uri = service("https://shop.example/milk");
    create(store, &third);
    step(store, &first, &deleted(&first));
    commit(store, create_second).unwrap();
    assert_eq!(load_live(store, &second), Some(second));
}

/// In whichever order the two are written.
pub fn a_row_may_take_over_the_key_of_one_that_dies_in_the_same_change(store: &dyn Contender) {
    let mut first = pending(1);
    create(store, &first);
    for number in 2..4 {
        let mut heir = pending(number);
        heir.key = first.key.clone();
        let over = deleted(&first);
        let change = if number == 2 {
            Change::default()
                .with_mapping(None, Some(heir.clone()))
                .with_mapping(Some(first), Some(over))
        } else {
            Change::default()
                .with_mapping(Some(first), Some(over))
                .with_mapping(None, Some(heir.clone()))
        };
        commit(store, change).unwrap();
        assert_eq!(load_live(store, &heir), Some(heir.clone()));
        first = heir;
    }
}

/// Rows are compared by version, and by being there at all.
pub fn a_change_decided_on_another_version_conflicts(store: &dyn Contender) {
    let first = pending(1);
    let second = established(&first, "d-1");
    let write = |before: Option<&Mapping>, after: Option<&Mapping>| {
        commit(
            store,
            Change::default().with_mapping(before.cloned(), after.cloned()),
        )
    };
    assert_eq!(
        write(Some(&first), Some(&second)),
        Err(CommitError::Conflict),
        "not there yet"
    );
    assert_eq!(
        write(Some(&first), None),
        Err(CommitError::Conflict),
        "not there yet"
    );
    write(None, Some(&first)).unwrap();
    assert_eq!(
        write(None, Some(&first)),
        Err(CommitError::Conflict),
        "already there"
    );
    write(Some(&first), Some(&second)).unwrap();
    assert_eq!(
        write(Some(&first), Some(&deleted(&first))),
        Err(CommitError::Conflict),
        "older"
    );
    assert_eq!(
        write(Some(&first), None),
        Err(CommitError::Conflict),
        "older"
    );
    assert_eq!(load(store, &first), Some(second));
}

/// The other writes of a refused change are not there either.
pub fn a_conflict_leaves_nothing_of_its_change(store: &dyn Contender) {
    let first = pending(1);
    create(store, &first);
    let fresh = pending(2);
    let told = entry(&third_party("shop1"), 2, 1);
    let change = Change::default()
        .with_mapping(None, Some(fresh.clone()))
        .with_uti_record(hash(2), new(Default::default()))
        .with_dead_device(hash(3))
        .with_entry(None, Some(told.clone()))
        .with_mapping(None, Some(first.clone()));
    assert_eq!(commit(store, change), Err(CommitError::Conflict));
    assert_eq!(load(store, &fresh), None);
    assert_eq!(load_live(store, &fresh), None);
    assert_eq!(block_on(store.store().load_uti_record(hash(2))), Ok(None));
    assert_eq!(block_on(store.store().is_device_dead(hash(3))), Ok(false));
    assert_eq!(block_on(store.store().load_entry(&told.key)), Ok(None));
    assert_eq!(rows(store, &Selection::All), [first]);
}

/// `shop1` is not `shop10`, `d-1` not `d-11`, `/eggs` not `/eggs/white`.
pub fn no_id_is_taken_for_another_that_begins_alike(store: &dyn Contender) {
    let row = established(&pending(1), "d-1");
    create(store, &row);
    for n in [16, 0x10_0000] {
        // uti(1) is the beginning of uti(16) in hexadecimal.
        let mut other = established(&pending(n), "d-11");
        other.third_party_sp = sp("shop10");
        other.iot_sp = sp("maker10");
        other.key.service_uri = service("https://shop.example/eggs/white");
        create(store, &other);
    }
    for (selection, live) in selections(&row) {
        if live || matches!(selection, Selection::ThirdPartySp(_)) {
            assert_eq!(rows(store, &selection), from_ref(&row), "{selection:?}");
        }
    }
    assert_eq!(rows(store, &of_device(&row, "d-1")), from_ref(&row));
    assert_eq!(rows(store, &of_device(&row, "d-")), []);
    assert_eq!(
        rows(
            store,
            &Selection::Uti {
                third_party_sp: sp("shop"),
                uti: uti(1)
            }
        ),
        []
    );
}
