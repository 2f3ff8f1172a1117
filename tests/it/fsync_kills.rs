//! A kill at each of the first 200 syncs of a new store, on each engine: what was acknowledged is
//! there, whole, and the store goes on. A few of the same with the whole gateway.
//!
//! `ICS_FSYNC_KILLS` says at how many of them (else at the first 20 and at every ninth of the
//! rest). First come those of the thread that begins the store, as they were recorded before; then,
//! counted from when the store is open, those of the thread that commits.

mod child;
mod gateway;
mod workload;

use std::path::Path;

use ics_tests::strace::{NthCall, calls_of_busiest_thread};
use ics_tests::{Strace, rounds, skip};

use self::child::{Killed, Said};
use self::workload::{Held, WRITERS, commit, count_rows, directory, steps};
use crate::engine::Engine;

const SIZE: &str = "ICS_FSYNC_KILLS";
const SYNCS: u32 = 200;
/// The first so many are all tried, and then one in so many.
const ALL_OF: u32 = 20;
const ONE_IN: usize = 9;
const SIGKILL: i32 = 9;

/// What an engine makes durable with.
const SYNCS_OF_OPENING: &str = "fsync,fdatasync,msync";
/// What each commit ends with.
const SYNC_OF_COMMIT: &str = "fdatasync";
/// What sled has its own threads begin to write with, some eight of them.
const WRITE_OF_SLED: &str = "sync_file_range";

/// Which syncs a process is killed at.
fn chosen() -> Vec<u32> {
    let all = rounds(SIZE, 0);
    if all > 0 {
        return (1..=all).collect();
    }
    (1..=ALL_OF)
        .chain((ALL_OF + 1..=SYNCS).step_by(ONE_IN))
        .collect()
}

/// The syncs that begin a new store.
fn syncs_of_opening(engine: Engine) -> Vec<NthCall> {
    let place = tempfile::tempdir().expect("a directory");
    let record = place.path().join("record");
    let mut child = Killed::start(engine, &place.path().join("store"));
    let strace = Strace::record(child.pid(), SYNCS_OF_OPENING, &record);
    child.open();
    child.end();
    strace.wait();
    calls_of_busiest_thread(&record)
}

/// Kills a process that begins a store at this sync.
fn kill_opening(engine: Engine, at: &Path, sync: &NthCall) -> Said {
    let child = Killed::start(engine, at);
    let _strace = Strace::kill_at(child.pid(), sync);
    let said = child.run_until_dead();
    assert_eq!(said.signal, Some(SIGKILL), "{sync:?}");
    assert!(!said.is_open, "{sync:?} is one of opening");
    said
}

/// Kills a process that writes to a new store at this call.
fn kill_writing(engine: Engine, at: &Path, call: &NthCall) -> Said {
    let mut child = Killed::start(engine, at);
    child.open();
    let _strace = Strace::kill_at(child.pid(), call);
    let said = child.run_until_dead();
    assert_eq!(said.signal, Some(SIGKILL), "{call:?}");
    said
}

/// Looks at what was left, and goes on with it; how many steps are there.
fn check(engine: Engine, at: &Path, said: &Said) -> usize {
    let contender = engine.open(at);
    contender.assert_sound();
    let store = contender.store();
    let (mut total, mut rows) = (0, 0);
    let directory = directory(store);
    for writer in 0..WRITERS {
        // The rows its writer began, and the one it may have begun unheard.
        for number in (writer..).step_by(WRITERS as usize) {
            let acknowledged = said.acknowledged.get(&number).copied().unwrap_or(0);
            let held = Held::find(store, &directory, number);
            let all = steps(number);
            let is_in_flight = held != Held::after(number, acknowledged);
            let count = acknowledged + usize::from(is_in_flight);
            assert!(
                count <= all.len() && held == Held::after(number, count),
                "row {number}, {acknowledged} steps acknowledged: {held:?}"
            );
            total += count;
            rows += usize::from(held.has_mapping());
            if count < all.len() {
                let next = commit(store, &all[count]);
                next.unwrap_or_else(|error| panic!("{error} for row {number}"));
                rows += usize::from(count == 0);
                rows -= usize::from(held.has_mapping() && is_purge(&all[count]));
                let later = number + WRITERS;
                assert!(!said.acknowledged.contains_key(&later), "out of order");
                break;
            }
        }
    }
    assert_eq!(count_rows(store), rows, "rows nobody asked for");
    contender.assert_sound();
    total
}

fn is_purge(change: &ics_core::change::Change) -> bool {
    change.mappings().iter().any(|write| write.after.is_none())
}

fn survives_a_kill_at_each_sync(engine: Engine) {
    if let Err(why) = Strace::is_usable() {
        return skip("a kill at each fsync", &why, SIZE);
    }
    let opening = syncs_of_opening(engine);
    assert!(
        !opening.is_empty(),
        "a new store is synced before it is open"
    );
    let (mut kills, mut while_opening, mut steps, mut acknowledged) = (0, 0, 0, 0);
    for n in chosen() {
        let place = tempfile::tempdir().expect("a directory");
        let at = place.path().join("store");
        let said = match opening.get(n as usize - 1) {
            Some(sync) => kill_opening(engine, &at, sync),
            None => {
                let call = SYNC_OF_COMMIT.to_owned();
                let nth = n - opening.len() as u32;
                kill_writing(engine, &at, &NthCall { call, nth })
            }
        };
        steps += check(engine, &at, &said);
        acknowledged += said.acknowledged.values().sum::<usize>();
        kills += 1;
        while_opening += u32::from(n as usize <= opening.len());
    }
    println!(
        "{}: killed at {kills} syncs, {while_opening} of them while the store was begun; \
         {acknowledged} steps acknowledged, {steps} there, none halved",
        engine.name()
    );
}

#[test]
fn redb_survives_a_kill_at_each_sync_of_a_new_store() {
    survives_a_kill_at_each_sync(Engine::Redb);
}

#[test]
fn sled_survives_a_kill_at_each_sync_of_a_new_store() {
    survives_a_kill_at_each_sync(Engine::Sled);
}

#[test]
fn sled_survives_a_kill_before_its_own_threads_write() {
    if let Err(why) = Strace::is_usable() {
        return skip("a kill before sled's own threads write", &why, SIZE);
    }
    let kills = if rounds(SIZE, 0) > 0 { 20 } else { 3 };
    for nth in 1..=kills {
        let place = tempfile::tempdir().expect("a directory");
        let at = place.path().join("store");
        let call = WRITE_OF_SLED.to_owned();
        let said = kill_writing(Engine::Sled, &at, &NthCall { call, nth });
        check(Engine::Sled, &at, &said);
    }
    println!("sled: killed at {kills} of its own writes");
}

#[test]
#[ignore = "the process that is killed at its syncs"]
fn child_writes_until_killed() {
    child::write_until_killed();
}
