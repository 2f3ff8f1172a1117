use std::os::unix::fs::FileExt;

use super::*;

fn held(file: &File) -> u64 {
    file.metadata().unwrap().blocks() * BLOCK
}

#[test]
fn what_is_taken_is_the_files_and_its_length_is_what_it_was() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&[1; 5000], 0).unwrap();
    take(&file, 1 << 20).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5000);
    assert!(held(&file) >= 5000 + (1 << 20), "{}", held(&file));
    // While it lasts no more is taken.
    let before = held(&file);
    take(&file, 1 << 20).unwrap();
    assert_eq!(held(&file), before);
}

#[test]
fn holes_are_filled() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&[1], (16 << 20) - 1).unwrap();
    take(&file, 1 << 20).unwrap();
    assert!(held(&file) >= 17 << 20, "{}", held(&file));
}

#[test]
fn more_than_there_is_is_refused_and_nothing_is_taken() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&[1; 5000], 0).unwrap();
    let before = held(&file);
    let refused = take(&file, 1 << 50).unwrap_err();
    let is_told = matches!(
        refused.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge
    );
    assert!(is_told, "{refused}");
    assert_eq!(held(&file), before);
    assert!(find(&file, u64::MAX).is_err() && find(&file, 1).is_ok());
}

#[test]
fn a_commit_asks_for_more_than_it_brings() {
    let mut demand = Demand::default();
    assert_eq!(demand.room(), HEADROOM);
    demand.add(1000);
    assert!(demand.room() > HEADROOM + 1000);
}

#[test]
fn after_a_refusal_a_commit_needs_more_than_it_did() {
    let file = tempfile::tempfile().unwrap();
    let room = Room::default();
    let mut large = Demand::default();
    large.add(1 << 50);
    room.take(&file, Demand::default()).unwrap();
    let before = held(&file);
    assert!((HEADROOM..=HEADROOM + MORE + (1 << 20)).contains(&before));
    room.take(&file, large).unwrap_err();
    assert_eq!(held(&file), before);
    file.write_all_at(&[1], HEADROOM).unwrap();
    let needed = file.metadata().unwrap().len() + 2 * HEADROOM;
    assert!(held(&file) < needed);
    room.take(&file, Demand::default()).unwrap();
    assert!(held(&file) >= needed);
}
