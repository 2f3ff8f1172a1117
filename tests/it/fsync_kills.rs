//! A kill at each of the first 200 syncs of a new store, on each engine, and once more while what
//! was left is opened: what was acknowledged is there, whole, and the store goes on. A few of the
//! same with the whole gateway.
//!
//! `ICS_FSYNC_KILLS` says at how many of them (else at the first 20 and at every ninth of the
//! rest).

mod child;
mod gateway;
pub(crate) mod sweep;
mod upkeep;
mod workload;

use ics_tests::{Strace, rounds, skip};

use self::sweep::{Sweep, check};
use crate::engine::Engine;

const SIZE: &str = "ICS_FSYNC_KILLS";
const SYNCS: u32 = 200;
/// The first so many are all tried, and then one in so many.
const ALL_OF: u32 = 20;
const ONE_IN: usize = 9;
const SIGKILL: i32 = 9;

/// Which syncs a process is killed at.
fn chosen() -> Vec<u32> {
    let all = rounds(SIZE, 0);
    if all > 0 {
        return (1..=all).collect();
    }
    let rest = (ALL_OF + 1..=SYNCS).step_by(ONE_IN);
    (1..=ALL_OF).chain(rest).collect()
}

fn survives_a_kill_at_each_sync(engine: Engine) {
    if let Err(why) = Strace::is_usable() {
        return skip("a kill at each fsync", &why, SIZE);
    }
    let sweep = Sweep::plan(engine);
    let (mut kills, mut while_begun, mut steps, mut acknowledged) = (0, 0, 0, 0);
    for n in chosen() {
        let place = tempfile::tempdir().expect("a directory");
        let at = place.path().join("store");
        let said = sweep.kill_at(&at, n);
        kills += 1;
        if n <= sweep.syncs_of_opening() {
            while_begun += 1;
        } else {
            sweep.kill_reopening(&at, n);
        }
        steps += check(engine, &at, &said);
        acknowledged += said.acknowledged.values().sum::<usize>();
    }
    println!(
        "{}: killed at {kills} syncs, {while_begun} of them while the store was begun, and at the \
         others once more while it was opened; {acknowledged} steps acknowledged, {steps} there, \
         none halved",
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
    let sweep = Sweep::plan(Engine::Sled);
    for n in 1..=kills {
        let place = tempfile::tempdir().expect("a directory");
        let at = place.path().join("store");
        let said = sweep.kill_at_write_of_sled(&at, n);
        check(Engine::Sled, &at, &said);
    }
    println!("sled: killed at {kills} of its own writes");
}

#[test]
#[ignore = "the process that is killed at its syncs"]
fn child_writes_until_killed() {
    child::write_until_killed();
}
