//! What was acknowledged survives a power cut, on each engine: the store lies on a disk of its own
//! (ext4 on a loop device), the gateway is stopped at a moment nobody chose, and goes on with what
//! had reached the disk. That this can fail is shown in the same run: sled with our fdatasync
//! taken away loses rows.
//!
//! The store alone, without a gateway, is cut off at chosen moments too: just before each sync of a
//! new one.
//!
//! `ICS_POWER_CUTS` says how many cuts (3 when it does not). Root and loop devices are needed.

mod disk;

use ics_tests::{Strace, rounds, skip};

use self::disk::Disk;
use crate::durability::reader::Reader;
use crate::durability::row::Row;
use crate::durability::world::World;
use crate::durability::writer::{Dice, write_until};
use crate::engine::Engine;
use crate::fsync_kills::sweep::{Sweep, check};

const CUTS: &str = "ICS_POWER_CUTS";
const WRITERS: usize = 12;
/// How many cuts the control may take to lose something.
const MOST_OF_CONTROL: u32 = 20;

/// A domain whose store is on a disk of its own. Fields are dropped in this order.
struct Powered {
    world: World,
    disk: Disk,
}

impl Powered {
    fn start(engine: Engine, disk: Disk) -> Self {
        let world = World::create_at(engine, &disk.mount_point().join("store"));
        Self { world, disk }
    }

    /// Writers at work, and the power cut in the middle of it: what was acknowledged. The gateway
    /// is down, and the disk as the cut left it.
    fn write_and_cut(&mut self, round: u32, dice: &mut Dice) -> Vec<Row> {
        let (world, disk) = (&self.world, &self.disk);
        let written = write_until(world, (round, WRITERS), dice, || {
            world.domain.signal("STOP");
            disk.keep_what_reached_it();
            world.domain.kill();
        });
        self.disk.go_back_to_what_was_kept();
        written
    }
}

fn survives_power_cuts(engine: Engine, disk: Disk, cuts: u32) {
    let (mut powered, mut dice) = (Powered::start(engine, disk), Dice::cast());
    let mut rows = Vec::new();
    for round in 0..cuts {
        let mut written = powered.write_and_cut(round, &mut dice);
        let world = &powered.world;
        // Half of the time the gateway itself is the first to open what was left.
        if dice.below(2) == 0 {
            world.check_store();
        }
        world.serve();
        let mut reader = Reader::start(world);
        for row in &mut written {
            reader.check(row);
        }
        rows.append(&mut written);
    }
    let shown = powered.world.settle(&mut rows, WRITERS * cuts as usize);
    println!("{}: {cuts} power cuts: {shown}", engine.name());
}

/// sled as it comes: it flushes, and nothing of ours follows. Rows must be lost, or this way of
/// cutting the power shows nothing.
fn rows_are_lost_without_our_sync(disk: Disk) {
    let (mut powered, mut dice) = (Powered::start(Engine::Sled, disk), Dice::cast());
    for round in 1..=MOST_OF_CONTROL {
        // sled itself never calls it: it has sync_file_range and fsync.
        let strace = Strace::skip(powered.world.domain.pid(), "fdatasync");
        let mut written = powered.write_and_cut(round, &mut dice);
        drop(strace);
        let lost = count_lost(&powered.world, &mut written);
        if lost > 0 {
            println!(
                "sled without our fdatasync: cut {round} lost {lost} of {} acknowledged rows",
                written.len()
            );
            return;
        }
    }
    panic!("{MOST_OF_CONTROL} power cuts lost nothing of what was never synced");
}

/// How many of these rows are not as they were acknowledged. A store that says itself that it
/// lost something has lost them all.
fn count_lost(world: &World, written: &mut [Row]) -> usize {
    if world.domain.try_serve().is_err() {
        let log = world.domain.log();
        let why = "does not hold what was acknowledged";
        assert!(log.contains(why) || log.contains("is damaged"), "{log}");
        return written.len();
    }
    world.forget_tokens();
    let mut reader = Reader::start(world);
    let differences = written.iter_mut().map(|row| reader.difference(row));
    differences.flatten().count()
}

/// Power cut just before sync `n` of a new store: what was not synced by then is gone.
fn survive_a_cut_at_each_sync(engine: Engine) {
    let sweep = Sweep::plan(engine);
    let commits = 2 * rounds(CUTS, 3);
    let one_in = if rounds(CUTS, 0) > 0 { 1 } else { 3 };
    let (mut cuts, mut acknowledged) = (0, 0);
    for n in (1..=sweep.syncs_of_opening() + commits).step_by(one_in) {
        let mut disk = Disk::create().expect("another disk");
        let at = disk.mount_point().join("store");
        let said = sweep.kill_at(&at, n);
        disk.keep_what_reached_it();
        disk.go_back_to_what_was_kept();
        check(engine, &at, &said);
        acknowledged += said.acknowledged.values().sum::<usize>();
        cuts += 1;
    }
    println!(
        "{}: power cut before {cuts} syncs of a new store, {acknowledged} steps acknowledged",
        engine.name()
    );
}

/// Whether this machine lets the power be cut; said where it does not.
fn is_possible() -> bool {
    let tried = Strace::is_usable().and_then(|()| Disk::create().map(drop));
    if let Err(why) = &tried {
        skip("power cuts on a loop device", why, CUTS);
    }
    tried.is_ok()
}

#[test]
fn a_new_store_survives_a_power_cut_before_each_of_its_syncs() {
    if is_possible() {
        survive_a_cut_at_each_sync(Engine::Redb);
        survive_a_cut_at_each_sync(Engine::Sled);
    }
}

#[test]
fn acknowledged_changes_survive_power_cuts_that_sled_alone_does_not() {
    if !is_possible() {
        return;
    }
    let disk = || Disk::create().expect("another one");
    rows_are_lost_without_our_sync(disk());
    let cuts = rounds(CUTS, 3);
    survives_power_cuts(Engine::Redb, disk(), cuts);
    survives_power_cuts(Engine::Sled, disk(), cuts);
}
