//! Paging: everything once, in order, and never beyond the selection.

use ics_core::change::Change;
use ics_core::mapping::{Mapping, State};
use ics_core::port::{Cursor, Selection};

use super::sample::{at, device, established, hash, pending, service, sp, uti};
use super::{Contender, block_on, commit};

/// Forty rows of two services, two of each kind of SP and two devices, in one change.
fn fill(store: &dyn Contender) -> Vec<Mapping> {
    let mut change = Change::default();
    let mut all = Vec::new();
    for n in 0..40_u64 {
        let mut row = pending(n);
        if n % 2 == 1 {
            row.third_party_sp = sp("shop10");
            row.key.service_uri = service("https://shop.example/eggs/white");
        }
        if n % 4 > 1 {
            row.iot_sp = sp("maker10");
        }
        // Some rows of one UTI and one serial number.
        row.serial_index = hash(n % 8);
        row.owner = (n % 4 != 1).then(|| hash(n % 4));
        if n % 5 == 0 && n % 2 == 0 {
            row.key.uti = uti(5000);
            row.key.service_uri = service(&format!("https://shop.example/eggs/{n}"));
        }
        if n % 3 == 0 {
            row = established(&row, if n % 2 == 0 { "d-1" } else { "d-11" });
            row.uti_expiry = Some(at(i64::try_from(1000 - n).unwrap()));
        }
        change = change.with_mapping(None, Some(row.clone()));
        all.push(row);
    }
    commit(store, change).unwrap();
    all
}

fn selections() -> Vec<Selection> {
    let mut selections = vec![
        Selection::All,
        Selection::Due(at(990)),
        Selection::Due(at(10_000_000)),
        Selection::Uti {
            third_party_sp: sp("shop1"),
            uti: uti(5000),
        },
        Selection::Owner(hash(0)),
        Selection::Owner(hash(2)),
        Selection::Service(service("https://shop.example/eggs")),
        Selection::Service(service("https://shop.example/eggs/white")),
    ];
    for (id, serial) in [("maker1", 0), ("maker1", 1), ("maker10", 2)] {
        selections.push(Selection::Serial {
            iot_sp: sp(id),
            serial: hash(serial),
        });
    }
    for id in ["shop1", "shop10"] {
        selections.push(Selection::ThirdPartySp(sp(id)));
    }
    for id in ["maker1", "maker10"] {
        selections.push(Selection::IotSp(sp(id)));
        for device_id in ["d-1", "d-11"] {
            let device_id = device(device_id);
            selections.push(Selection::Device {
                iot_sp: sp(id),
                device_id,
            });
        }
    }
    selections
}

fn belongs(row: &Mapping, selection: &Selection) -> bool {
    match selection {
        Selection::ThirdPartySp(sp) => row.third_party_sp == *sp,
        Selection::IotSp(sp) => row.is_live() && row.iot_sp == *sp,
        Selection::Device { iot_sp, device_id } => {
            row.iot_sp == *iot_sp && row.device_id() == Some(device_id)
        }
        Selection::Uti {
            third_party_sp,
            uti,
        } => row.is_live() && row.third_party_sp == *third_party_sp && row.key.uti == *uti,
        Selection::Serial { iot_sp, serial } => {
            row.is_live() && row.iot_sp == *iot_sp && row.serial_index == *serial
        }
        Selection::Owner(owner) => row.is_live() && row.owner == Some(*owner),
        Selection::Service(uri) => row.is_live() && row.key.service_uri == *uri,
        Selection::Due(now) => row.due().is_some_and(|due| due <= *now),
        Selection::All => true,
    }
}

fn walk_whole(store: &dyn Contender, selection: &Selection, limit: usize) -> Vec<Mapping> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = block_on(store.store().walk(selection, after.as_ref(), limit)).unwrap();
        assert!(page.mappings.len() <= limit);
        assert!(
            page.next.is_none() || page.mappings.len() == limit,
            "a short page is the last"
        );
        found.extend(page.mappings);
        assert!(found.len() <= 40, "the walk turns in circles");
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

/// Whatever the size of the pages.
pub fn pages_cover_a_selection_once_and_in_order(store: &dyn Contender) {
    let all = fill(store);
    for selection in selections() {
        let whole = walk_whole(store, &selection, 100);
        let mut wanted: Vec<_> = all.iter().filter(|row| belongs(row, &selection)).collect();
        assert!(wanted.len() > 1, "{selection:?} tells nothing");
        if matches!(selection, Selection::All | Selection::ThirdPartySp(_)) {
            assert_eq!(whole.iter().collect::<Vec<_>>(), wanted, "oldest first");
        }
        let mut found: Vec<_> = whole.iter().collect();
        found.sort_by_key(|row| row.id);
        wanted.sort_by_key(|row| row.id);
        assert_eq!(found, wanted, "{selection:?}");
        for limit in [1, 2, 3, whole.len(), whole.len() + 1] {
            assert_eq!(
                walk_whole(store, &selection, limit),
                whole,
                "{selection:?} by {limit}"
            );
        }
    }
}

/// Most overdue first.
pub fn due_rows_come_most_overdue_first_and_none_too_early(store: &dyn Contender) {
    let all = fill(store);
    let due = walk_whole(store, &Selection::Due(at(985)), 2);
    let expected = all
        .iter()
        .filter(|row| row.due().is_some_and(|d| d <= at(985)))
        .count();
    assert_eq!(due.len(), expected);
    assert!(
        due.iter()
            .all(|row| matches!(row.state, State::Established { .. }))
    );
    assert!(due.is_sorted_by_key(Mapping::due));
}

/// Cursors come back from outside: altered, of another selection, made up.
pub fn no_cursor_leaves_its_selection(store: &dyn Contender) {
    let all = fill(store);
    let mut cursors: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xff; 64], vec![0; 64], vec![1]];
    for selection in selections() {
        let page = block_on(store.store().walk(&selection, None, 1)).unwrap();
        cursors.push(page.next.unwrap().0);
    }
    for row in &all {
        cursors.push(row.id.as_bytes().to_vec());
    }
    for cursor in cursors.clone() {
        for at in 0..cursor.len() {
            let mut altered = cursor.clone();
            altered
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|b| *b = b.wrapping_add(1));
            cursors.push(altered);
            cursors.push(cursor.iter().take(at).copied().collect());
        }
    }
    for selection in selections() {
        for cursor in &cursors {
            let after = Cursor(cursor.clone());
            let page = block_on(store.store().walk(&selection, Some(&after), 100)).unwrap();
            assert!(
                page.mappings.iter().all(|row| belongs(row, &selection)),
                "{selection:?} left by {cursor:?}"
            );
        }
    }
}

/// A cursor may go to a peer, and into its log.
pub fn cursors_tell_no_identifier(store: &dyn Contender) {
    fill(store);
    for selection in selections() {
        let page = block_on(store.store().walk(&selection, None, 1)).unwrap();
        let (row, cursor) = (
            page.mappings.first().cloned().unwrap(),
            page.next.unwrap().0,
        );
        let device = row.device_id().map_or("no device", |d| d.as_str());
        for secret in [
            row.key.uti.as_str().as_bytes(),
            row.key.service_uri.as_str().as_bytes(),
            device.as_bytes(),
            row.serial_index.as_bytes(),
            row.owner
                .map_or(*hash(99).as_bytes(), |owner| *owner.as_bytes())
                .as_slice(),
        ] {
            let told = cursor.windows(secret.len()).any(|part| part == secret);
            assert!(!told, "{selection:?}");
        }
    }
}
