use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use ics_core::reference_point::ReferencePoint;

use super::*;
use crate::ambient::SystemClock;

fn section(directory: &Path, on_failure: OnFailure, queue: usize) -> DecisionsSection {
    DecisionsSection {
        directory: directory.into(),
        on_failure,
        queue,
    }
}

fn open(section: &DecisionsSection) -> (DecisionLog, DecisionWriter) {
    DecisionLog::open(section, Arc::new(SystemClock::new())).unwrap()
}

fn until(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain");
        std::thread::yield_now();
    }
}

fn text(directory: &Path) -> String {
    std::fs::read_to_string(directory.join(FILE_NAME)).unwrap()
}

#[test]
fn lines_are_written_in_order_and_all_of_them_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 1 << 20));
    for n in 0..1000 {
        let room = log.reserve(Act::Change).unwrap();
        room.write(format!("{{\"n\":{n}}}\n").as_bytes());
    }
    drop(writer);
    let lines: Vec<_> = (0..1000).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert_eq!(text(&place).lines().collect::<Vec<_>>(), lines);
    assert_eq!(log.health().waiting_bytes, 0);
    assert_eq!(log.health().written, 1000);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place), mode(&place.join(FILE_NAME))), (0o700, 0o600));
}

#[test]
fn a_directory_or_file_that_others_may_use_is_refused_with_its_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let settings = section(&place, OnFailure::Refuse, 1 << 20);
    drop(open(&settings));
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let error = || {
        DecisionLog::open(&settings, Arc::new(SystemClock::new()))
            .err()
            .unwrap()
            .to_string()
    };
    set(&place, 0o750);
    assert!(error().contains(&format!("chmod 700 {}", place.display())));
    set(&place, 0o700);
    let file = place.join(FILE_NAME);
    set(&file, 0o644);
    assert!(error().contains(&format!("chmod 600 {}", file.display())));
}

#[test]
fn a_moved_file_is_left_alone_after_reopening_and_a_torn_line_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 1 << 20));
    log.reserve(Act::Read).unwrap().write(b"one\n");
    until(|| log.health().written == 1);
    let (file, old) = (place.join(FILE_NAME), place.join("old"));
    std::fs::rename(&file, &old).unwrap();
    log.reopen();
    until(|| file.exists());
    log.reserve(Act::Read).unwrap().write(b"two\n");
    drop(writer);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\n");
    assert_eq!(text(&place), "two\n");

    std::fs::write(&file, "{\"torn").unwrap();
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 1 << 20));
    log.reserve(Act::Read).unwrap().write(b"three\n");
    drop(writer);
    assert_eq!(text(&place), "{\"torn\nthree\n");
}

/// A log whose file takes nothing: every write to it says that the disk is full.
fn full(on_failure: OnFailure, queue: usize) -> (tempfile::TempDir, DecisionLog, DecisionWriter) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    DirBuilder::new().mode(0o700).create(&place).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.join(FILE_NAME)).unwrap();
    let file = DecisionFile::open_unchecked(&place).unwrap();
    let (log, writer) = DecisionLog::start(
        file,
        &section(&place, on_failure, queue),
        Arc::new(SystemClock::new()),
    )
    .unwrap();
    (directory, log, writer)
}

#[test]
fn a_full_disk_refuses_changes_at_once_and_reads_when_the_queue_is_full() {
    let (_directory, log, _writer) = full(OnFailure::Refuse, 64 << 10);
    log.reserve(Act::Change).unwrap().write(b"line\n");
    until(|| log.health().failing);
    assert!(log.reserve(Act::Change).is_none());
    let mut rooms = Vec::new();
    while let Some(room) = log.reserve(Act::Read) {
        rooms.push(room);
        assert!(rooms.len() < 200, "bounded");
    }
    assert!(rooms.len() > 100);
    assert!(log.reserve(Act::Operator).is_some(), "who mends is served");
    assert_eq!(log.health().lost, 0);
    assert_eq!(log.health().refused, 2);
    drop(rooms);
    assert!(log.reserve(Act::Read).is_some(), "room comes back");
}

#[test]
fn a_full_disk_loses_counted_lines_when_service_goes_on() {
    let (_directory, log, _writer) = full(OnFailure::Continue, 64 << 10);
    log.reserve(Act::Change).unwrap().write(b"line\n");
    until(|| log.health().failing);
    for _ in 0..1000 {
        let line = [b'x'; 400];
        log.reserve(Act::Change).unwrap().write(&line);
    }
    let lost = log.health().lost;
    assert!((800..1000).contains(&lost), "{lost}");
    assert_eq!(log.health().refused, 0);
}

#[test]
fn a_line_says_who_did_what_with_which_outcome() {
    let line = render_request(&Entry {
        time: "2026-11-20T10:00:00.000Z",
        request_id: "1-2",
        listener: "t8",
        who: Some("shop"),
        proof: Some("signature"),
        via: Some("id-in"),
        point: Some(ReferencePoint::Ics7),
        method: "POST",
        route: "/ics-inquiry/v1/retrieve-by-transaction",
        status: 404,
        cause: Some("MAPPING_NOT_FOUND"),
        verdict: Some(0x2a),
        object: None,
    });
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["who"], "shop");
    assert_eq!(
        (&read["proof"], &read["via"]),
        (&"signature".into(), &"id-in".into())
    );
    assert_eq!(read["reference_point"], "ICS-7");
    assert_eq!(read["decision"], "denied");
    assert_eq!(read["cause"], "MAPPING_NOT_FOUND");
    assert_eq!(read["verdict"], "000000000000002a");
    assert_eq!(
        read["operation"],
        "POST /ics-inquiry/v1/retrieve-by-transaction"
    );
}

#[test]
fn what_was_refused_without_room_for_its_line_is_counted_and_confessed() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 64 << 10));
    let rooms: Vec<_> = std::iter::from_fn(|| log.reserve(Act::Read)).collect();
    log.tell(Act::Read, b"{\"refused\":1}\n");
    assert_eq!(log.health().lost, 1);
    drop(rooms);
    log.tell(Act::Read, b"{\"refused\":2}\n");
    until(|| text(&place).contains("LINES_LOST"));
    drop(writer);
    let text = text(&place);
    assert!(
        !text.contains("\"refused\":1") && text.contains("\"refused\":2"),
        "{text}"
    );
    assert_eq!(text.matches("LINES_LOST").count(), 1, "{text}");
}

#[test]
fn what_is_refused_takes_a_quarter_of_the_room_at_most() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, _writer) = open(&section(&place, OnFailure::Refuse, 4 * LINE_ROOM));
    let _first = log.reserve(Act::Read).unwrap();
    log.tell(Act::Read, b"{\"refused\":1}\n");
    assert_eq!(log.health().lost, 1);
    assert!(log.reserve(Act::Read).is_some());
}

#[test]
fn a_flood_of_refusals_writes_no_flood_of_lines() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 16 << 20));
    let (mut told, began) = (0_u64, Instant::now());
    while log.health().lost < 1_000 {
        log.tell(Act::Read, b"{\"refused\":1}\n");
        told += 1;
    }
    let seconds = began.elapsed().as_secs() + 1;
    assert!(told - 1_000 <= seconds * u64::from(REFUSALS));
    drop(writer);
    assert!(text(&place).contains("LINES_LOST"));
}

/// The lines of the log, but for what it says of itself.
fn lines(directory: &Path) -> Vec<String> {
    let text = text(directory);
    let lines = text.lines().filter(|line| !line.contains("\"event\""));
    lines.map(ToOwned::to_owned).collect()
}

/// A line, once it is written.
fn write((log, place): (&DecisionLog, &Path), line: &str) {
    let room = log.reserve(Act::Read).unwrap();
    room.write(format!("{line}\n").as_bytes());
    let file = place.join(FILE_NAME);
    until(|| std::fs::read_to_string(&file).is_ok_and(|text| text.contains(line)));
}

#[test]
fn a_file_that_is_deleted_under_the_log_is_made_anew_and_the_log_tells_it() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 1 << 20));
    write((&log, &place), "one");
    assert_eq!(log.health().taken_away, 0);
    std::fs::remove_file(place.join(FILE_NAME)).unwrap();
    write((&log, &place), "two");
    assert_eq!(log.health().taken_away, 1);
    // Its directory too, and another file put where it was.
    std::fs::remove_dir_all(&place).unwrap();
    write((&log, &place), "three");
    assert_eq!(lines(&place), ["three"]);
    std::fs::remove_file(place.join(FILE_NAME)).unwrap();
    std::fs::write(place.join(FILE_NAME), "foreign\n").unwrap();
    write((&log, &place), "four");
    write((&log, &place), "five");
    assert_eq!(lines(&place), ["foreign", "four", "five"]);
    drop(writer);
    let told = text(&place);
    assert!(told.contains("\"event\":\"LINES_TAKEN_AWAY\",\"since_start\":3"));
    let mode = std::fs::metadata(place.join(FILE_NAME)).unwrap();
    assert!(mode.permissions().mode() & 0o200 != 0);
    assert_eq!(log.health().lost, 0);
}

#[test]
fn a_file_that_is_moved_away_is_no_loss_and_one_that_is_shortened_is() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 1 << 20));
    let (file, old) = (place.join(FILE_NAME), place.join("old"));
    write((&log, &place), "one");
    std::fs::rename(&file, &old).unwrap();
    write((&log, &place), "two");
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\n");
    assert_eq!(lines(&place), ["two"]);
    assert_eq!(log.health().taken_away, 0);
    File::options()
        .write(true)
        .truncate(true)
        .open(&file)
        .unwrap();
    write((&log, &place), "three");
    write((&log, &place), "four");
    assert_eq!(lines(&place), ["three", "four"]);
    assert_eq!(log.health().taken_away, 1);
    drop(writer);
}

#[test]
fn what_is_no_file_is_not_written_to_and_once_it_is_gone_the_log_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let (log, writer) = open(&section(&place, OnFailure::Refuse, 1 << 20));
    let (file, old) = (place.join(FILE_NAME), place.join("old"));
    write((&log, &place), "one");
    for make in [make_pipe, make_directory] {
        std::fs::rename(&file, &old).unwrap();
        make(&file);
        log.reopen();
        until(|| log.health().failing);
        // As when the disk is full: it waits, and what changes something is refused.
        assert!(log.reserve(Act::Change).is_none());
        let waits = log.reserve(Act::Read).unwrap();
        waits.write(b"two\n");
        remove(&file);
        until(|| !log.health().failing);
        write((&log, &place), "three");
        assert_eq!(lines(&place), ["two", "three"]);
        assert_eq!(log.health().lost, 0);
    }
    assert_eq!(log.health().taken_away, 0);
    drop(writer);
}

fn make_pipe(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
}

fn make_directory(path: &Path) {
    DirBuilder::new().mode(0o700).create(path).unwrap();
}

fn remove(path: &Path) {
    std::fs::remove_file(path)
        .or_else(|_| std::fs::remove_dir(path))
        .unwrap();
}
