use alloc::vec;
use core::time::Duration;

use super::*;

fn row(n: u8) -> MappingId {
    MappingId::from_bytes([n; 16])
}

fn acknowledged(version: u64) -> Acknowledgement {
    Acknowledgement {
        version,
        refused: Vec::new(),
    }
}

#[test]
fn a_version_rises_with_every_change_of_rows_and_with_nothing_else() {
    let empty = DocumentState::default();
    let one = empty.changed(&[row(2)], &[]);
    assert_eq!((one.version, one.rows.clone()), (1, vec![row(2)]));
    assert_eq!(one.changed(&[row(2)], &[]), one);
    assert_eq!(one.changed(&[], &[row(1)]), one);
    let two = one.changed(&[row(1)], &[]);
    assert_eq!((two.version, two.rows.clone()), (2, vec![row(1), row(2)]));
    let gone = two.changed(&[], &[row(1), row(2)]);
    assert_eq!((gone.version, gone.rows.len()), (3, 0));
}

#[test]
fn only_the_newest_version_counts_as_held_and_none_above_it() {
    let state = DocumentState {
        version: 7,
        acknowledged: 3,
        rows: Vec::new(),
    };
    assert_eq!(
        state.meaning_of(&acknowledged(6)),
        AcknowledgementMeaning::Stale
    );
    assert_eq!(
        state.meaning_of(&acknowledged(7)),
        AcknowledgementMeaning::Current
    );
    assert_eq!(
        state.meaning_of(&acknowledged(8)),
        AcknowledgementMeaning::NeverOffered
    );
}

#[test]
fn a_device_that_is_registered_anew_or_restored_soon_and_again_is_sent_newer_versions() {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let later = |minutes: u64| at.plus(Duration::from_secs(minutes * 60));
    let changed = |state: DocumentState| {
        (1..=9).fold(state, |state, n| state.changed(&[row(n)], &[row(n - 1)]))
    };
    let first = changed(DocumentState::beginning(at));
    assert!(first.acknowledged < first.version);
    let again = DocumentState::beginning(later(1));
    assert_eq!(again.acknowledged, again.version);
    assert!(again.version > first.version);
    let restored = changed(first.after_restore(later(10)));
    assert!(restored.version > first.version);
    assert!(first.after_restore(later(11)).version > restored.version);
}

#[test]
fn after_a_restore_the_next_version_is_newer_than_any_a_device_may_hold() {
    let backed_up = DocumentState::default().changed(&[row(1)], &[]);
    let mut lost = backed_up.clone();
    for n in 2..=9 {
        lost = lost.changed(&[row(n)], &[]);
    }
    let at = Timestamp::from_millis(1_700_000_000_000);
    let restored = backed_up.after_restore(at);
    assert!(restored.version > lost.version);
    assert_eq!(restored.rows, backed_up.rows);
    // The device goes on from there; then the same file is restored once more, a second later.
    let mut gone_on = restored;
    for n in 2..=9 {
        gone_on = gone_on.changed(&[row(n)], &[]);
    }
    let again = backed_up.after_restore(at.plus(Duration::from_secs(1)));
    assert!(again.version > gone_on.version);
    // A clock that stands before the year 1970 plus some hours takes nothing away.
    let early = backed_up.after_restore(Timestamp::from_millis(0));
    assert!(early.version >= backed_up.version + DocumentState::STEP_AFTER_RESTORE);
    let last = DocumentState {
        version: DocumentState::HIGHEST_VERSION,
        ..backed_up
    };
    assert_eq!(
        last.after_restore(at).version,
        DocumentState::HIGHEST_VERSION
    );
}

#[test]
fn a_full_document_has_no_room() {
    let rows: Vec<_> = (0..16).map(row).collect();
    let full = DocumentState::default().changed(&rows, &[]);
    assert!(!full.has_room());
    assert!(full.holds(&row(15)) && !full.holds(&row(16)));
    assert!(full.changed(&[], &[row(3)]).has_room());
}
