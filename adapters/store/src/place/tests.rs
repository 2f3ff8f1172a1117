use super::{MARKER, Marker, Occupancy, Place, Work, look_into, move_aside};
use crate::OpenError;

fn marker(engine: &str, unfinished: Option<Work>) -> Marker {
    Marker {
        engine: engine.to_owned(),
        unfinished,
    }
}

#[test]
fn a_marker_is_read_as_it_was_written_and_no_other_way() {
    for work in [
        None,
        Some(Work::Migration),
        Some(Work::Restoration),
        Some(Work::Import),
    ] {
        let written = marker("redb", work);
        assert_eq!(Marker::parse(&written.render()), Some(written));
    }
    let older = "engine = sled\nstate = copying";
    assert_eq!(
        Marker::parse(older),
        Some(marker("sled", Some(Work::Migration)))
    );
    for text in [
        "",
        "engine = sled",
        "engine = ../x\nstate = begun",
        "engine = sled\nstate = x",
        "engine = sled\nstate = copying\nby = magic",
    ] {
        assert_eq!(Marker::parse(text), None, "{text}");
    }
}

#[test]
fn a_directory_has_one_user_and_keeps_its_marker() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("deep/store");
    let place = Place::enter(&at, "data").unwrap();
    assert_eq!(place.occupancy().unwrap(), Occupancy::Empty);
    assert!(
        matches!(Place::enter(&at, "data"), Err(OpenError::InUse(path)) if path == at.join("data"))
    );
    place.mark(&marker("sled", Some(Work::Import))).unwrap();
    assert_eq!(
        place.occupancy().unwrap(),
        Occupancy::Unfinished(Work::Import)
    );
    place.mark(&marker("sled", None)).unwrap();
    assert_eq!(place.occupancy().unwrap(), Occupancy::Occupied);
    drop(place);
    let place = Place::enter(&at, "data").unwrap();
    assert_eq!(place.marker().unwrap(), Some(marker("sled", None)));
    std::fs::write(at.join(MARKER), b"\xff\x00").unwrap();
    assert!(matches!(place.marker(), Err(OpenError::Damaged { .. })));
}

#[test]
fn files_of_another_engine_are_told_by_their_name() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::enter(directory.path(), "data").unwrap();
    for name in [
        "ics-store.redb",
        "ics-store.witness",
        "ics-store.sled.new",
        "other",
    ] {
        std::fs::write(directory.path().join(name), b"x").unwrap();
    }
    assert_eq!(place.other_engine("redb").unwrap(), None);
    assert_eq!(place.other_engine("sled").unwrap().as_deref(), Some("redb"));
}

#[test]
fn a_store_is_moved_aside_and_its_place_says_what_is_to_come() {
    let parent = tempfile::tempdir().unwrap();
    let (store, aside) = (parent.path().join("store"), parent.path().join("aside"));
    assert_eq!(look_into(&store).unwrap(), Occupancy::Empty);
    assert!(!store.exists(), "looking makes nothing");
    let place = Place::enter(&store, "data").unwrap();
    place.mark(&marker("sled", None)).unwrap();
    std::fs::write(store.join("data"), b"x").unwrap();
    let move_it = || move_aside(&store, &aside, ("redb", Work::Restoration));
    assert!(matches!(move_it(), Err(OpenError::InUse(_))));
    drop(place);
    assert_eq!(look_into(&store).unwrap(), Occupancy::Occupied);
    move_it().unwrap();
    assert_eq!(std::fs::read(aside.join("data")).unwrap(), b"x");
    assert_eq!(look_into(&aside).unwrap(), Occupancy::Occupied);
    let unfinished = Occupancy::Unfinished(Work::Restoration);
    assert_eq!(look_into(&store).unwrap(), unfinished);
    // Nothing is moved over something.
    assert!(matches!(move_it(), Err(OpenError::NotEmpty(_))));
}
