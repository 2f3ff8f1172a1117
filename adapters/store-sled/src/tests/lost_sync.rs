use std::collections::HashMap;
use std::process::Command;

use ics_store::contract::block_on;
use ics_store::contract::kill::create;
use ics_store::{Copied, MemoryStore, copy_store};

use super::*;
use crate::compact;
use crate::lost_sync::LostSync;

/// Which sync of each thread fails.
const FAILING: &str = "7";
const ROWS: u64 = 30;
const DIRECTORY: &str = "ICS_SLED_TEST_DIRECTORY";

/// One system call on sled's log.
#[derive(Debug)]
enum Call {
    Write {
        from: u64,
        to: u64,
    },
    DataSync {
        succeeded: bool,
    },
    /// Not on the log: the process says that a row is kept.
    Acknowledgement,
}

/// Calls as they ended. `7 pwrite64(9</tmp/x/sled/db>, ""..., 4096, 8192) = 4096`, in two lines if
/// another thread's came between.
fn read_calls(log: &str) -> Vec<Call> {
    let mut begun = HashMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let (thread, call) = line.trim().split_once(' ').unwrap();
        if let Some(head) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread.to_owned(), head.to_owned());
        } else if let Some((_, tail)) = call.split_once(" resumed>") {
            let head = begun.remove(thread).unwrap_or_default();
            calls.extend(parse(&format!("{head}{tail}")));
        } else {
            calls.extend(parse(call));
        }
    }
    calls
}

fn parse(call: &str) -> Option<Call> {
    let (call, outcome) = call.rsplit_once(" = ")?;
    let call = call.trim();
    if call.starts_with("write(1<") {
        return Some(Call::Acknowledgement);
    }
    if !call.contains(&format!("/{DATA_NAME}/db>")) {
        return None;
    }
    if call.starts_with("fdatasync(") {
        let succeeded = outcome.trim() == "0";
        return Some(Call::DataSync { succeeded });
    }
    let mut numbers = call.strip_suffix(')')?.rsplit(", ");
    let from: u64 = numbers.next()?.parse().ok()?;
    let length: u64 = numbers.next()?.parse().ok()?;
    let to = from + length;
    Some(Call::Write { from, to })
}

/// Writes rows in a process of its own, of whose syncs some fail if `failing`: all that the disk may
/// not have got, `lost` from the beginning, is written again before anything is acknowledged.
/// Answers how many syncs failed.
fn write_over_failed_syncs(at: &Path, mut lost: Vec<(u64, u64)>, failing: bool) -> u32 {
    let calls = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qqq", "-y", "-s", "0", "-o"])
        .arg(calls.path())
        .args(["-e", "trace=pwrite64,fdatasync,write"]);
    if failing {
        let inject = format!("inject=fdatasync:error=EIO:when={FAILING}");
        command.args(["-e", &inject]);
    }
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::lost_sync::child_writes_over_a_failed_sync",
        ])
        .args(["--ignored", "--nocapture"])
        .env(DIRECTORY, at)
        .output()
        .expect("strace");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let acknowledged: Vec<u64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("kept ")?.parse().ok())
        .collect();
    let kept = acknowledged.len() as u64;
    assert!((ROWS / 2..=ROWS).contains(&kept), "{kept} kept: {said}");

    let calls = fs::read_to_string(calls.path()).unwrap();
    let mut unsynced = Vec::new();
    let mut failures = 0;
    // What is written before is the head of the report of tests.
    let in_use = read_calls(&calls).into_iter();
    for call in in_use.skip_while(|call| matches!(call, Call::Acknowledgement)) {
        match call {
            Call::Write { from, to } => {
                unsynced.push((from, to));
                lost.retain(|(start, end)| !(from <= *start && *end <= to));
            }
            Call::DataSync { succeeded: false } => {
                failures += 1;
                lost.append(&mut unsynced);
            }
            Call::DataSync { succeeded: true } => unsynced.clear(),
            Call::Acknowledgement => {
                assert_eq!(lost, [], "acknowledged before it was written again");
            }
        }
    }
    assert_eq!(lost, [], "never written again");
    let store = reopen(at);
    assert!(acknowledged.iter().all(|n| is_there(&store, *n)));
    store.assert_sound();
    failures
}

#[test]
fn what_a_failed_sync_may_have_lost_is_written_again_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("store");
    assert!(write_over_failed_syncs(&at, Vec::new(), true) > 0);
}

/// The mark is on the disk that fails.
#[test]
fn it_is_written_again_though_the_disk_does_not_take_the_mark() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("store");
    drop(reopen(&at));
    let data = at.join(DATA_NAME);
    let mark = at.join(format!("{DATA_NAME}.unsynced"));
    std::os::unix::fs::symlink("nowhere/to/be", &mark).unwrap();
    LostSync::of(&data).note();
    assert!(!LostSync::of(&data).is_noted(), "it was marked");
    assert!(write_over_failed_syncs(&at, Vec::new(), true) > 0);
}

#[test]
fn it_is_written_again_by_the_next_process_if_not_by_this() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("store");
    let store = reopen(&at);
    (100..200).for_each(|n| put(&store, n).unwrap());
    drop(store);
    let log = at.join(DATA_NAME).join("db");
    let size = fs::metadata(log).unwrap().len();
    LostSync::of(&at.join(DATA_NAME)).note();
    let lost = (0..size / 4096).map(|page| (page * 4096, (page + 1) * 4096));
    assert_eq!(write_over_failed_syncs(&at, lost.collect(), false), 0);
    assert!(!LostSync::of(&at.join(DATA_NAME)).is_noted());
}

#[test]
#[ignore = "the process whose syncs fail, of the test above"]
fn child_writes_over_a_failed_sync() {
    let at = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let store = reopen(&at);
    for n in 0..ROWS {
        if put(&store, n).is_ok() {
            println!("kept {n}");
        }
    }
}

/// A mark is beside the data: whoever removes an unfinished store may leave it.
#[test]
fn the_mark_of_a_store_that_was_given_up_does_not_keep_the_next_from_being_begun() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    // A first start that ended in a failed sync.
    fs::create_dir(at.join(format!("{DATA_NAME}.new"))).unwrap();
    LostSync::of(&at.join(format!("{DATA_NAME}.new"))).note();
    put(&reopen(at), 1).unwrap();
    // A copy that did.
    let copy = at.join("copy");
    let original = MemoryStore::in_memory().unwrap();
    block_on(original.commit(create(1))).unwrap();
    let content = original.check().unwrap().content;
    let target = (&SledFiles::new(options()), copy.as_path());
    let failed = copy_store(&original, target, content, &mut |step| {
        if step == Copied::Key {
            // What it is written to is gone with it.
            LostSync::of(&copy.join(DATA_NAME)).note();
            fs::remove_file(copy.join(DATA_NAME).join("db")).unwrap();
        }
    });
    assert!(failed.is_err());
    assert!(LostSync::of(&copy.join(DATA_NAME)).is_noted());
    copy_store(&original, target, content, &mut |_| ()).unwrap();
    assert!(is_there(&reopen(&copy), 1));
    // And a compaction, which begins beside the store.
    LostSync::of(&at.join(format!("{DATA_NAME}.new"))).note();
    compact(at, options(), &mut |_| ()).unwrap();
    assert!(is_there(&reopen(at), 1));
}
