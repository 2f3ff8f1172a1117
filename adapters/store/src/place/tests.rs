use std::path::{Path, PathBuf};

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

/// The remedy for a damaged marker is to move the store aside.
#[test]
fn a_marker_that_says_nothing_stands_for_a_store() {
    let parent = tempfile::tempdir().unwrap();
    let store = parent.path().join("store");
    for text in [
        &b""[..],
        b"\xff\x00",
        b"engine = sled\nstate = copying\nby = magic",
    ] {
        std::fs::create_dir_all(&store).unwrap();
        std::fs::write(store.join(MARKER), text).unwrap();
        assert_eq!(look_into(&store).unwrap(), Occupancy::Occupied);
        let aside = move_aside(&store, ".aside", ("redb", Work::Restoration)).unwrap();
        assert_eq!(std::fs::read(aside.join(MARKER)).unwrap(), text);
        let unfinished = Occupancy::Unfinished(Work::Restoration);
        assert_eq!(look_into(&store).unwrap(), unfinished);
        std::fs::remove_dir_all(aside).unwrap();
    }
}

#[test]
fn a_volume_that_nobody_used_is_empty() {
    let volume = tempfile::tempdir().unwrap();
    std::fs::create_dir(volume.path().join("lost+found")).unwrap();
    assert_eq!(look_into(volume.path()).unwrap(), Occupancy::Empty);
    // Cut off in the first step of the work that makes a store.
    std::fs::write(volume.path().join("ics-store.begun.new"), b"eng").unwrap();
    assert_eq!(look_into(volume.path()).unwrap(), Occupancy::Empty);
    std::fs::write(volume.path().join("other"), b"x").unwrap();
    assert_eq!(look_into(volume.path()).unwrap(), Occupancy::Occupied);
}

/// A store in `store`, in a directory of its own.
fn begun() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let store = parent.path().canonicalize().unwrap().join("store");
    let place = Place::enter(&store, "data").unwrap();
    place.mark(&marker("sled", None)).unwrap();
    std::fs::write(store.join("data"), b"x").unwrap();
    (parent, store)
}

#[test]
fn a_store_is_moved_aside_and_its_place_says_what_is_to_come() {
    let (parent, store) = begun();
    let none = parent.path().join("none");
    assert_eq!(look_into(&none).unwrap(), Occupancy::Empty);
    assert!(!none.exists(), "looking makes nothing");
    let place = Place::enter(&store, "data").unwrap();
    let move_it = || move_aside(&store, ".aside", ("redb", Work::Restoration));
    assert!(matches!(move_it(), Err(OpenError::InUse(_))));
    drop(place);
    assert_eq!(look_into(&store).unwrap(), Occupancy::Occupied);
    let aside = move_it().unwrap();
    assert_eq!(std::fs::read(aside.join("data")).unwrap(), b"x");
    assert_eq!(look_into(&aside).unwrap(), Occupancy::Occupied);
    let unfinished = Occupancy::Unfinished(Work::Restoration);
    assert_eq!(look_into(&store).unwrap(), unfinished);
    // Nothing is moved over something.
    assert!(matches!(move_it(), Err(OpenError::NotEmpty(_))));
}

#[test]
fn a_directory_named_by_a_link_or_with_a_slash_is_moved_itself() {
    let (parent, store) = begun();
    let link = parent.path().join("link");
    std::os::unix::fs::symlink(&store, &link).unwrap();
    let slash = PathBuf::from(format!("{}//", store.display()));
    for (number, name) in [link, slash].into_iter().enumerate() {
        let suffix = format!(".{number}");
        let aside = move_aside(&name, &suffix, ("redb", Work::Restoration)).unwrap();
        assert_eq!(
            aside,
            parent
                .path()
                .canonicalize()
                .unwrap()
                .join(format!("store{suffix}"))
        );
        assert_eq!(std::fs::read(aside.join("data")).unwrap(), b"x");
        let unfinished = Occupancy::Unfinished(Work::Restoration);
        assert_eq!(look_into(&name).unwrap(), unfinished);
        std::fs::remove_dir_all(&store).unwrap();
        std::fs::rename(aside, &store).unwrap();
    }
}

/// As a mount point is: the directory cannot get another name, and is left as it was.
#[test]
fn a_directory_that_cannot_be_moved_is_as_it_was_and_the_way_is_told() {
    let stuck = move_aside(
        Path::new("/proc/self"),
        ".aside",
        ("redb", Work::Restoration),
    );
    let Err(error @ OpenError::Stuck { .. }) = stuck else {
        panic!("{stuck:?}");
    };
    let said = error.to_string();
    assert!(
        said.contains("/proc/") && said.contains("yourself"),
        "{said}"
    );
}
