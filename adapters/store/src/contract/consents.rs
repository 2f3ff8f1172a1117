//! Consents: by id, by when they are due, and with the rows that stand on them; rows by owner.

use std::slice::from_ref;

use ics_core::change::{Assumption, Change};
use ics_core::consent::ConsentRecord;
use ics_core::id::{AgreementId, ConsentId};
use ics_core::mapping::Mapping;
use ics_core::port::{CommitError, Selection};

use super::sample::{
    asserted, at, deleted, ended, established, given, hash, in_state, owned, pending, used,
};
use super::{Contender, block_on, commit};

fn put(
    store: &dyn Contender,
    before: Option<&ConsentRecord>,
    after: Option<&ConsentRecord>,
) -> Result<(), CommitError> {
    let change = Change::default().with_consent(before.cloned(), after.cloned());
    commit(store, change)
}

fn load(store: &dyn Contender, id: ConsentId) -> Option<ConsentRecord> {
    block_on(store.store().load_consent(id)).unwrap()
}

/// In every state.
pub fn a_consent_comes_back_as_it_was_and_goes(store: &dyn Contender) {
    let first = given(1);
    assert_eq!(load(store, first.id), None);
    put(store, None, Some(&first)).unwrap();
    assert_eq!(load(store, first.id).as_ref(), Some(&first));
    let second = used(&first);
    put(store, Some(&first), Some(&second)).unwrap();
    assert_eq!(load(store, first.id).as_ref(), Some(&second));
    let third = ended(&second);
    put(store, Some(&second), Some(&third)).unwrap();
    assert_eq!(load(store, first.id).as_ref(), Some(&third));
    let other = asserted(2);
    put(store, None, Some(&other)).unwrap();
    put(store, Some(&third), None).unwrap();
    assert_eq!(load(store, first.id), None);
    assert_eq!(load(store, other.id), Some(other));
}

/// Two who use a consent at once, one who uses it while it is taken back.
pub fn consents_are_compared_by_version(store: &dyn Contender) {
    let (first, conflict) = (given(1), Err(CommitError::Conflict));
    let second = used(&first);
    assert_eq!(put(store, Some(&first), Some(&second)), conflict);
    put(store, None, Some(&first)).unwrap();
    assert_eq!(put(store, None, Some(&first)), conflict, "already there");
    put(store, Some(&first), Some(&second)).unwrap();
    assert_eq!(put(store, Some(&first), Some(&second)), conflict);
    assert_eq!(put(store, Some(&first), None), conflict);
    assert_eq!(load(store, first.id), Some(second));
}

/// At their instant and not before; where that moves they move along.
pub fn consents_fall_due_most_overdue_first(store: &dyn Contender) {
    let of = |number, millis| ConsentRecord {
        due: at(millis),
        ..given(number)
    };
    let [late, early, never] = [of(1, 500), of(2, 300), of(3, 900)];
    for record in [&late, &early, &never] {
        put(store, None, Some(record)).unwrap();
    }
    let due = |millis, limit| {
        let page = block_on(store.store().due_consents(at(millis), limit)).unwrap();
        page.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(due(299, 9), []);
    assert_eq!(due(500, 9), [early.id, late.id]);
    assert_eq!(due(500, 1), [early.id]);
    assert_eq!(due(500, 0), []);
    let moved = ConsentRecord {
        due: at(700),
        ..used(&early)
    };
    put(store, Some(&early), Some(&moved)).unwrap();
    assert_eq!(due(699, 9), [late.id]);
    assert_eq!(due(900, 9), [late.id, early.id, never.id]);
    put(store, Some(&late), None).unwrap();
    assert_eq!(due(900, 9), [early.id, never.id]);
}

/// A consent makes one row: of two that use it, one is nowhere afterwards.
pub fn a_consent_and_the_row_that_uses_it_are_one_change(store: &dyn Contender) {
    let record = given(1);
    put(store, None, Some(&record)).unwrap();
    let using = |number| {
        Change::default()
            .with_mapping(None, Some(pending(number)))
            .with_consent(Some(record.clone()), Some(used(&record)))
    };
    let stale = Assumption::AgreementUnchanged {
        id: AgreementId::from_bytes([9; 16]),
        version: 1,
    };
    let refused = commit(store, using(1).with_assumption(stale));
    assert_eq!(refused, Err(CommitError::Conflict));
    assert_eq!(load(store, record.id).as_ref(), Some(&record), "not burnt");
    commit(store, using(1)).unwrap();
    assert_eq!(commit(store, using(2)), Err(CommitError::Conflict));
    let row = |number| block_on(store.store().load(pending(number).id)).unwrap();
    assert_eq!((row(1), row(2)), (Some(pending(1)), None));
    assert_eq!(load(store, record.id), Some(used(&record)));
}

/// Of one owner and of no other, under whoever it is now, until they end.
pub fn the_rows_of_an_owner_are_found_while_they_live(store: &dyn Contender) {
    let rows = |owner| {
        let selection = Selection::Owner(hash(owner));
        let page = block_on(store.store().walk(&selection, None, 9)).unwrap();
        page.mappings
    };
    let step = |before: Option<&Mapping>, after: &Mapping| {
        let change = Change::default().with_mapping(before.cloned(), Some(after.clone()));
        commit(store, change).unwrap();
    };
    step(None, &pending(1));
    let mut first = owned(&pending(2));
    first.owner = Some(hash(70));
    step(None, &first);
    assert_eq!(rows(70), from_ref(&first));
    let second = established(&first, "d-1");
    step(Some(&first), &second);
    assert_eq!(rows(70), from_ref(&second));
    let mut moved = in_state(&second, second.state.clone());
    moved.owner = Some(hash(71));
    step(Some(&second), &moved);
    assert_eq!((rows(70), rows(71)), (Vec::new(), vec![moved.clone()]));
    let over = deleted(&moved);
    step(Some(&moved), &over);
    assert_eq!(over.owner, Some(hash(71)));
    assert_eq!(rows(71), []);
}
