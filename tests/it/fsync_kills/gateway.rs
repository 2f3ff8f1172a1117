//! The same with the whole gateway: killed at the syncs of its first start, and at those of its
//! writes, outbox and all.

use std::os::unix::process::ExitStatusExt as _;

use ics_tests::strace::{NthCall, calls_of_busiest_thread};
use ics_tests::{Domain, Strace, rounds, skip};

use super::sweep::{SYNCS_OF_OPENING, nth_commit};
use super::{SIGKILL, SIZE};
use crate::durability::reader::Reader;
use crate::durability::world::World;
use crate::durability::writer::{Dice, write_until};
use crate::engine::Engine;

const WRITERS: usize = 8;
/// At how many syncs the gateway is killed before a release; in every run at one in five.
const KILLS: u32 = 30;
const ONE_IN: usize = 5;

/// Of this many, those that are tried.
fn chosen(most: u32) -> impl Iterator<Item = u32> {
    let one_in = if rounds(SIZE, 0) > 0 { 1 } else { ONE_IN };
    (1..=most).step_by(one_in)
}

/// The syncs of the thread that opens the store, in the first start of a domain.
fn syncs_of_start(engine: Engine) -> Vec<NthCall> {
    let domain = World::prepare(engine, None);
    let record = domain.scratch().join("record");
    let strace = domain.serve_traced(|pid| Strace::record(pid, SYNCS_OF_OPENING, &record));
    let strace = strace.expect("it serves");
    domain.kill();
    strace.wait();
    calls_of_busiest_thread(&record)
}

/// A gateway killed at this sync of its first start.
fn killed_at_start(engine: Engine, sync: &NthCall) -> Domain {
    let domain = World::prepare(engine, None);
    let ended = domain.serve_traced(|pid| Strace::kill_at(pid, sync));
    let Err(status) = ended else {
        panic!("{sync:?} was never made");
    };
    assert_eq!(status.signal(), Some(SIGKILL), "{}", domain.log());
    domain
}

fn survives_kills(engine: Engine) {
    if let Err(why) = Strace::is_usable() {
        return skip("a kill at syncs of the gateway", &why, SIZE);
    }
    let starts = syncs_of_start(engine);
    let (mut left, mut killed) = (None, 0);
    for n in chosen(KILLS.min(starts.len() as u32)) {
        let domain = killed_at_start(engine, &starts[n as usize - 1]);
        killed += 1;
        // Nothing was acknowledged: the next start begins it, or goes on with it.
        domain.serve();
        left = Some(domain);
    }
    let world = World::people(engine, left.expect("a start"));
    let (mut dice, mut rows, mut kills) = (Dice::cast(), Vec::new(), 0);
    for nth in chosen(KILLS) {
        let strace = Strace::kill_at(world.domain.pid(), &nth_commit(nth));
        kills += 1;
        let mut written = write_until(&world, (nth, WRITERS), &mut dice, || {
            let status = world.domain.wait();
            assert_eq!(status.signal(), Some(SIGKILL), "{}", world.domain.log());
        });
        drop(strace);
        world.serve();
        let mut reader = Reader::start(&world);
        for row in &mut written {
            reader.check(row);
        }
        rows.append(&mut written);
    }
    let shown = world.settle(&mut rows, WRITERS * kills);
    println!(
        "{}: gateway killed at {killed} syncs of a first start and {kills} of its writes: {shown}",
        engine.name()
    );
}

#[test]
fn a_gateway_on_redb_survives_kills_at_its_syncs() {
    survives_kills(Engine::Redb);
}

#[test]
fn a_gateway_on_sled_survives_kills_at_its_syncs() {
    survives_kills(Engine::Sled);
}
