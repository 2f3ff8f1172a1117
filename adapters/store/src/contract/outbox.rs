//! The outbox: what is due to whom, and in which order.

use ics_core::change::Change;
use ics_core::outbox::{Addressee, DeadReason, OutboxEntry};
use ics_core::port::{CommitError, DueEntries, DuePlace};
use ics_core::reference_point::Role;
use ics_core::time::Timestamp;

use super::sample::{at, entry, sp, third_party};
use super::{Contender, block_on, commit};

fn due(store: &dyn Contender, addressee: &Addressee, now: Timestamp, limit: usize) -> DueEntries {
    block_on(store.store().due_entries(addressee, (None, now), limit)).unwrap()
}

fn tell(store: &dyn Contender, entries: &[&OutboxEntry]) {
    let change = entries.iter().fold(Change::default(), |change, entry| {
        change.with_entry(None, Some((*entry).clone()))
    });
    commit(store, change).unwrap();
}

fn replace(store: &dyn Contender, before: &OutboxEntry, after: Option<&OutboxEntry>) {
    commit(
        store,
        Change::default().with_entry(Some(before.clone()), after.cloned()),
    )
    .unwrap();
}

fn nothing_more(entries: &[&OutboxEntry]) -> DueEntries {
    DueEntries {
        entries: entries.iter().map(|e| (*e).clone()).collect(),
        next: None,
    }
}

/// Order within a row is kept: the second is not due before the first is settled.
pub fn only_the_first_entry_of_a_subject_is_due(store: &dyn Contender) {
    let shop = third_party("shop1");
    let (first, second, third) = (entry(&shop, 1, 1), entry(&shop, 1, 2), entry(&shop, 1, 3));
    tell(store, &[&second]);
    assert_eq!(due(store, &shop, at(10), 9), nothing_more(&[&second]));
    // An earlier one steps before it.
    tell(store, &[&third, &first]);
    for (now, next) in [
        (&first, Some(&second)),
        (&second, Some(&third)),
        (&third, None),
    ] {
        assert_eq!(due(store, &shop, at(10), 9), nothing_more(&[now]));
        replace(store, now, None);
        assert_eq!(block_on(store.store().load_entry(&now.key)), Ok(None));
        assert_eq!(due(store, &shop, at(10), 9).entries.first(), next);
    }
}

/// A dead letter is kept, is never due, and stands in nobody's way.
pub fn the_next_entry_is_promoted_when_the_first_dies(store: &dyn Contender) {
    let shop = third_party("shop1");
    let (first, second) = (entry(&shop, 1, 1), entry(&shop, 1, 2));
    tell(store, &[&first, &second]);
    let mut dead = first.clone();
    dead.attempts = 5;
    dead.dead = Some(DeadReason::DeadlinePassed);
    replace(store, &first, Some(&dead));
    assert_eq!(due(store, &shop, at(10), 9), nothing_more(&[&second]));
    replace(store, &second, None);
    assert_eq!(due(store, &shop, at(10), 9), DueEntries::default());
    assert_eq!(
        block_on(store.store().walk_outbox(None, 9)),
        Ok(vec![dead.clone()])
    );
    // The operator has it tried again.
    let mut again = dead.clone();
    again.dead = None;
    again.attempts = 6;
    replace(store, &dead, Some(&again));
    assert_eq!(due(store, &shop, at(10), 9), nothing_more(&[&again]));
}

/// Not before its time, and the caller knows when that is.
pub fn a_retry_moves_the_entry_and_tells_when_to_look_again(store: &dyn Contender) {
    let shop = third_party("shop1");
    let (first, other) = (entry(&shop, 1, 1), entry(&shop, 2, 1));
    tell(store, &[&first, &other]);
    let mut later = first.clone();
    later.attempts = 1;
    later.next_attempt = at(500);
    replace(store, &first, Some(&later));
    let found = due(store, &shop, at(499), 9);
    assert_eq!(
        (found.entries, found.next),
        (vec![other.clone()], Some(at(500)))
    );
    assert_eq!(
        due(store, &shop, at(500), 9),
        nothing_more(&[&other, &later])
    );
    assert_eq!(due(store, &shop, at(-1), 9).next, Some(at(2)));
}

/// An SP with both roles has two addressees; `shop1` is not `shop10`.
pub fn due_entries_are_limited_and_apart_for_each_addressee(store: &dyn Contender) {
    let (shop, alike) = (third_party("shop1"), third_party("shop10"));
    let maker = Addressee {
        role: Role::IotSp,
        sp: sp("shop1"),
    };
    let mine: Vec<_> = (0..5).map(|n| entry(&shop, n, 1)).collect();
    tell(store, &mine.iter().collect::<Vec<_>>());
    tell(store, &[&entry(&alike, 1, 1), &entry(&maker, 1, 1)]);
    let found = due(store, &shop, at(100), 2);
    assert_eq!(
        found.entries,
        mine.iter().take(2).cloned().collect::<Vec<_>>()
    );
    assert_eq!(found.next, Some(at(2)), "the first one left over");
    assert_eq!(
        due(store, &shop, at(100), 9),
        nothing_more(&mine.iter().collect::<Vec<_>>())
    );
    assert_eq!(
        due(store, &maker, at(100), 9).entries,
        [entry(&maker, 1, 1)]
    );
    assert_eq!(
        due(store, &alike, at(100), 9).entries,
        [entry(&alike, 1, 1)]
    );
    assert_eq!(
        due(store, &third_party("shop2"), at(100), 9),
        DueEntries::default()
    );
}

/// Those behind a place, whether or not an entry is there still; nobody else's.
pub fn due_entries_are_found_behind_a_place(store: &dyn Contender) {
    let shop = third_party("shop1");
    let mut entries: Vec<_> = (0..4).map(|n| entry(&shop, n, 1)).collect();
    // Two at one instant: the subject tells them apart.
    let instant = entries.first().map(|e| e.next_attempt).unwrap();
    if let Some(second) = entries.get_mut(1) {
        second.next_attempt = instant;
    }
    tell(store, &entries.iter().collect::<Vec<_>>());
    tell(store, &[&entry(&third_party("shop10"), 9, 1)]);
    let all = due(store, &shop, at(100), 9).entries;
    assert_eq!(all.len(), 4);
    let behind = |place, limit| {
        let range = (Some(place), at(100));
        block_on(store.store().due_entries(&shop, range, limit)).unwrap()
    };
    for (n, entry) in all.iter().enumerate() {
        let found = behind(DuePlace::of(entry), 9);
        assert_eq!(
            found.entries,
            all.iter().skip(n + 1).cloned().collect::<Vec<_>>()
        );
        assert_eq!(found.next, None);
    }
    let first = all.first().unwrap();
    let one = behind(DuePlace::of(first), 1);
    assert_eq!(one.entries.as_slice(), all.get(1..2).unwrap());
    assert_eq!(one.next, all.get(2).map(|e| e.next_attempt));
    replace(store, first, None);
    assert_eq!(behind(DuePlace::of(first), 9).entries.len(), 3);
}

/// Everything once, dead letters too, by any size of page.
pub fn the_outbox_is_walked_in_the_order_of_its_names(store: &dyn Contender) {
    let mut all = Vec::new();
    for addressee in [
        third_party("shop1"),
        third_party("shop10"),
        third_party("shop2"),
    ] {
        for number in [3, 1, 2] {
            all.extend([300, 2, 1].map(|sequence| entry(&addressee, number, sequence)));
        }
    }
    all.push(entry(
        &Addressee {
            role: Role::IotSp,
            sp: sp("shop1"),
        },
        1,
        1,
    ));
    tell(store, &all.iter().collect::<Vec<_>>());
    all.sort_by(|a, b| a.key.cmp(&b.key));
    for limit in [1, 4, 100] {
        let mut found: Vec<OutboxEntry> = Vec::new();
        loop {
            let after = found.last().map(|e| e.key.clone());
            let page = block_on(store.store().walk_outbox(after.as_ref(), limit)).unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, all);
    }
}

/// Two deliverers of one entry: one of them is told so.
pub fn an_entry_decided_on_other_attempts_conflicts(store: &dyn Contender) {
    let shop = third_party("shop1");
    let first = entry(&shop, 1, 1);
    let mut second = first.clone();
    second.attempts = 1;
    let write = |before: Option<&OutboxEntry>, after: Option<&OutboxEntry>| {
        commit(
            store,
            Change::default().with_entry(before.cloned(), after.cloned()),
        )
    };
    assert_eq!(
        write(Some(&first), None),
        Err(CommitError::Conflict),
        "not there"
    );
    write(None, Some(&first)).unwrap();
    assert_eq!(
        write(None, Some(&first)),
        Err(CommitError::Conflict),
        "already there"
    );
    write(Some(&first), Some(&second)).unwrap();
    assert_eq!(
        write(Some(&first), None),
        Err(CommitError::Conflict),
        "tried meanwhile"
    );
    assert_eq!(
        block_on(store.store().load_entry(&first.key)),
        Ok(Some(second))
    );
}
