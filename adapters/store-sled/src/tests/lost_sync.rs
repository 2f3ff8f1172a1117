use std::collections::HashMap;
use std::process::Command;

use ics_store::contract::block_on;
use ics_store::contract::kill::create;
use ics_store::{Copied, MemoryStore, copy_store};

use super::*;
use crate::{compact, lost_sync};

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

/// What the disk may not have got: all that was written since the last good sync is written again
/// before anything is acknowledged once more.
#[test]
fn what_a_failed_sync_may_have_lost_is_written_again_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let (at, log) = (
        directory.path().join("store"),
        directory.path().join("calls"),
    );
    let inject = format!("inject=fdatasync:error=EIO:when={FAILING}");
    let output = Command::new("strace")
        .args(["-f", "-qqq", "-y", "-s", "0", "-o"])
        .arg(&log)
        .args(["-e", "trace=pwrite64,fdatasync,write", "-e", &inject])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::lost_sync::child_writes_over_a_failed_sync",
        ])
        .args(["--ignored", "--nocapture"])
        .env(DIRECTORY, &at)
        .output()
        .expect("strace");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let acknowledged: Vec<u64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("kept ")?.parse().ok())
        .collect();
    let kept = acknowledged.len() as u64;
    assert!((ROWS / 2..ROWS).contains(&kept), "{kept} rows kept: {said}");

    let calls = fs::read_to_string(&log).unwrap();
    let (mut unsynced, mut lost) = (Vec::new(), Vec::new());
    let mut failures = 0;
    for call in read_calls(&calls) {
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
    assert!(failures > 0, "no sync failed:\n{calls}");
    assert_eq!(lost, [], "never written again");
    let store = reopen(&at);
    assert!(acknowledged.iter().all(|n| is_there(&store, *n)));
    store.assert_sound();
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
    lost_sync::note(&at.join(format!("{DATA_NAME}.new")));
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
            lost_sync::note(&copy.join(DATA_NAME));
            fs::remove_file(copy.join(DATA_NAME).join("db")).unwrap();
        }
    });
    assert!(failed.is_err());
    assert!(lost_sync::is_noted(&copy.join(DATA_NAME)));
    copy_store(&original, target, content, &mut |_| ()).unwrap();
    assert!(is_there(&reopen(&copy), 1));
    // And a compaction, which begins beside the store.
    lost_sync::note(&at.join(format!("{DATA_NAME}.new")));
    compact(at, options(), &mut |_| ()).unwrap();
    assert!(is_there(&reopen(at), 1));
}
