//! UTI records, dead devices, the directory, and assumptions on them.

use std::sync::Arc;

use ics_core::change::{Assumption, Change, Write};
use ics_core::directory::DirectoryRecord;
use ics_core::id::{AeId, AgreementId, JobId};
use ics_core::mapping::UtiRecord;
use ics_core::party::{Party, PartyStatus};
use ics_core::port::CommitError;
use ics_core::time::Timestamp;
use ics_core::timekeeping::ClockMark;

use super::sample::{
    agreement, certificate, fence, hash, job, new, party, pending, sp, speaking, subscription,
};
use super::{Contender, block_on, commit};

/// A clock set back over a restart shows by it.
pub fn the_last_clock_mark_is_kept(store: &dyn Contender) {
    let kept = || block_on(store.store().load_clock_mark()).unwrap();
    assert_eq!(kept(), None);
    for (millis, trusted) in [(2_000, true), (1_000, false)] {
        let mark = ClockMark {
            seen: Timestamp::from_millis(millis),
            trusted,
        };
        commit(store, Change::default().with_clock_mark(mark)).unwrap();
        assert_eq!(kept(), Some(mark), "whichever came last");
    }
}

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

fn all_kinds() -> [DirectoryRecord; 11] {
    [
        party("shop1", 1),
        speaking("shop10", 1, "Cshop"),
        agreement(1),
        subscription(1),
        certificate(1),
        fence(0),
        fence(1),
        fence(2),
        fence(3),
        job(1, 1),
        job(2, 1),
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
    assert_eq!(found.len(), 11);
    assert!(all_kinds().iter().all(|record| found.contains(record)));
    let gone = subscription(1);
    let drop_it = Write {
        before: Some(gone.clone()),
        after: None,
    };
    commit(store, Change::default().with_record(gone.key(), drop_it)).unwrap();
    let found = block_on(store.store().load_directory()).unwrap();
    assert_eq!(found.len(), 10);
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

/// Two operators onboard at once: an AE speaks for one party, until that is removed.
pub fn an_ae_taken_meanwhile_breaks_the_assumption(store: &dyn Contender) {
    let assume = |id: &str, stem: &str, change: Change| {
        let (ae, sp) = (AeId::parse(&format!("/id-in/{stem}")).unwrap(), sp(id));
        change.with_assumption(Assumption::AeUntaken { ae, sp })
    };
    let first = speaking("shop1", 1, "Cshop");
    commit(store, assume("shop1", "Cshop", put(&first, None))).unwrap();
    let rival = || put(&party("shop2", 1), None);
    assert_eq!(
        commit(store, assume("shop2", "Cshop", rival())),
        Err(CommitError::Conflict)
    );
    commit(store, assume("shop2", "Cother", rival())).unwrap();
    let second = speaking("shop1", 2, "Cshop");
    commit(store, assume("shop1", "Cshop", put(&second, Some(&first)))).unwrap();
    let DirectoryRecord::Party(party_of) = speaking("shop1", 3, "Cshop") else {
        return;
    };
    let removed = DirectoryRecord::Party(Arc::new(Party {
        status: PartyStatus::Removed,
        ..Party::clone(&party_of)
    }));
    commit(store, put(&removed, Some(&second))).unwrap();
    let successor = put(&party("shop3", 1), None);
    commit(store, assume("shop3", "Cshop", successor)).unwrap();
}

/// No row is made by a decision that did not know of a fence, in the order of commits; one that
/// went meanwhile hurts nobody.
pub fn a_fence_breaks_the_assumption_of_who_does_not_know_it(store: &dyn Contender) {
    let make = |known: &[u8], number| {
        let known = known.iter().map(|n| JobId::from_bytes([*n; 16])).collect();
        Change::default()
            .with_mapping(None, Some(pending(number)))
            .with_assumption(Assumption::FencesKnown(known))
    };
    commit(store, make(&[], 1)).unwrap();
    commit(store, put(&job(1, 1), None)).unwrap();
    commit(store, make(&[], 2)).unwrap();
    commit(store, put(&fence(1), None)).unwrap();
    commit(store, put(&fence(2), None)).unwrap();
    for unknown in [&[][..], &[1], &[2], &[3]] {
        assert_eq!(commit(store, make(unknown, 3)), Err(CommitError::Conflict));
    }
    commit(store, make(&[1, 2], 3)).unwrap();
    let gone = fence(2);
    let write = Write {
        before: Some(gone.clone()),
        after: None,
    };
    commit(store, Change::default().with_record(gone.key(), write)).unwrap();
    commit(store, make(&[1, 2], 4)).unwrap();
    commit(store, make(&[1], 5)).unwrap();
    assert_eq!(commit(store, make(&[2], 6)), Err(CommitError::Conflict));
    let found = block_on(store.store().load_directory()).unwrap();
    assert_eq!(found, [fence(1), job(1, 1)]);
}
