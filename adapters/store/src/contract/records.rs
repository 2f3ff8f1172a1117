//! UTI records, dead devices, the directory, and assumptions on them.

use ics_core::change::{Assumption, Change, Write};
use ics_core::directory::DirectoryRecord;
use ics_core::id::AgreementId;
use ics_core::mapping::UtiRecord;
use ics_core::port::CommitError;

use super::sample::{agreement, certificate, hash, new, party, pending, subscription};
use super::{Contender, block_on, commit};

/// One UTI = one device, for ever: two mappings of one UTI must see each other.
pub fn uti_records_are_compared_whole(store: &dyn Contender) {
    let first = UtiRecord {
        device: None,
        serial: Some(hash(2)),
        live: 1,
        dead: false,
    };
    let second = UtiRecord {
        device: Some(hash(3)),
        ..first
    };
    let dead = UtiRecord {
        dead: true,
        live: 0,
        serial: None,
        ..second
    };
    let write = |before: Option<UtiRecord>, after: UtiRecord| {
        let write = Write {
            before,
            after: Some(after),
        };
        commit(store, Change::default().with_uti_record(hash(1), write))
    };
    assert_eq!(
        write(Some(first), second),
        Err(CommitError::Conflict),
        "not there"
    );
    write(None, first).unwrap();
    assert_eq!(
        write(None, first),
        Err(CommitError::Conflict),
        "already there"
    );
    write(Some(first), second).unwrap();
    assert_eq!(
        write(Some(first), dead),
        Err(CommitError::Conflict),
        "device meanwhile"
    );
    write(Some(second), dead).unwrap();
    assert_eq!(
        block_on(store.store().load_uti_record(hash(1))),
        Ok(Some(dead))
    );
    assert_eq!(block_on(store.store().load_uti_record(hash(2))), Ok(None));
}

/// Killing twice is killing once; nothing is established with a dead device.
pub fn dead_devices_stay_dead_and_break_assumptions(store: &dyn Contender) {
    let assume = |number, row| {
        let alive = Assumption::DeviceAlive(hash(number));
        Change::default()
            .with_mapping(None, Some(pending(row)))
            .with_assumption(alive)
    };
    commit(store, assume(1, 1)).unwrap();
    for _ in 0..2 {
        commit(store, Change::default().with_dead_device(hash(1))).unwrap();
        assert_eq!(block_on(store.store().is_device_dead(hash(1))), Ok(true));
    }
    assert_eq!(commit(store, assume(1, 2)), Err(CommitError::Conflict));
    commit(store, assume(2, 2)).unwrap();
    assert_eq!(block_on(store.store().is_device_dead(hash(2))), Ok(false));
}

fn all_kinds() -> [DirectoryRecord; 5] {
    [
        party("shop1", 1),
        party("shop10", 1),
        agreement(1),
        subscription(1),
        certificate(1),
    ]
}

fn put(record: &DirectoryRecord, before: Option<&DirectoryRecord>) -> Change {
    let write = Write {
        before: before.cloned(),
        after: Some(record.clone()),
    };
    Change::default().with_record(record.key(), write)
}

/// All kinds, with every field.
pub fn directory_records_come_back_as_they_were(store: &dyn Contender) {
    assert_eq!(block_on(store.store().load_directory()), Ok(Vec::new()));
    for record in all_kinds() {
        commit(store, put(&record, None)).unwrap();
    }
    let found = block_on(store.store().load_directory()).unwrap();
    assert_eq!(found.len(), 5);
    assert!(all_kinds().iter().all(|record| found.contains(record)));
    let gone = subscription(1);
    let drop_it = Write {
        before: Some(gone.clone()),
        after: None,
    };
    commit(store, Change::default().with_record(gone.key(), drop_it)).unwrap();
    let found = block_on(store.store().load_directory()).unwrap();
    assert_eq!(found.len(), 4);
    assert!(!found.contains(&gone));
}

/// Two operators at one record.
pub fn directory_records_are_compared_by_version(store: &dyn Contender) {
    let (first, second) = (party("shop1", 1), party("shop1", 2));
    let conflict = Err(CommitError::Conflict);
    assert_eq!(
        commit(store, put(&second, Some(&first))),
        conflict,
        "not there"
    );
    commit(store, put(&first, None)).unwrap();
    assert_eq!(commit(store, put(&first, None)), conflict, "already there");
    commit(store, put(&second, Some(&first))).unwrap();
    assert_eq!(commit(store, put(&second, Some(&first))), conflict, "older");
    assert_eq!(block_on(store.store().load_directory()), Ok(vec![second]));
}

/// Ended between the decision and the commit: nothing is established on it.
pub fn an_agreement_changed_meanwhile_breaks_the_assumption(store: &dyn Contender) {
    let assume = |version, row| {
        let id = AgreementId::from_bytes([7; 16]);
        let unchanged = Assumption::AgreementUnchanged { id, version };
        Change::default()
            .with_mapping(None, Some(pending(row)))
            .with_assumption(unchanged)
    };
    assert_eq!(
        commit(store, assume(1, 1)),
        Err(CommitError::Conflict),
        "not there"
    );
    commit(store, put(&agreement(1), None)).unwrap();
    commit(store, assume(1, 1)).unwrap();
    commit(
        store,
        Change::default().with_record(
            agreement(1).key(),
            Write {
                before: Some(agreement(1)),
                after: Some(agreement(2)),
            },
        ),
    )
    .unwrap();
    assert_eq!(commit(store, assume(1, 2)), Err(CommitError::Conflict));
    commit(
        store,
        assume(2, 2).with_uti_record(hash(9), new(UtiRecord::default())),
    )
    .unwrap();
}
