//! A disk that is full, and one that fails to sync: changes are refused, reads go on, nothing is
//! called done that is not there afterwards, and service resumes by itself.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ics_tests::{Gateway, SmallDisk, Strace, eventually, skip};
use serde_json::Value;

use super::pair::Pair;
use crate::durability::reader::Reader;
use crate::durability::world::World;
use crate::engine::Engine;

/// Asked for by a number, a missing means is a failure.
const WANTED: &str = "ICS_FAULTS";

impl Pair {
    fn counts(&self) -> [u32; 3] {
        [&self.done, &self.unavailable, &self.read].map(|count| count.load(Ordering::SeqCst))
    }

    /// Waits until so many more changes were done, refused, and rows read.
    pub(crate) fn wait_for(&self, what: &str, more: [u32; 3]) {
        let before = self.counts();
        eventually(what, || {
            self.assert_at_work();
            let now = self.counts();
            (0..3).all(|n| now[n] >= before[n] + more[n])
        });
    }
}

/// What the gateway says of itself.
fn readiness(world: &World) -> Value {
    let ready = world
        .domain
        .operator("GET", "/operator/v1/health/ready", None);
    ready.expect(200).json()
}

/// Status, doctor and metrics tell that the store fails. Each tells of the last transaction, and on
/// a disk that is all but full a small one may go through between others.
fn assert_told(world: &World) {
    eventually("health to tell", || {
        let ready = readiness(world);
        ready["status"] == "degraded" && ready["store"] == "FAILING"
    });
    eventually("metrics to tell", || {
        let metrics = world.domain.operator("GET", "/operator/v1/metrics", None);
        metrics.expect(200).body.contains("ics_store_failing 1")
    });
    let file = world.domain.configuration();
    let config = file.to_str().expect("UTF-8");
    eventually("doctor to tell", || {
        let doctor = Gateway::run(&["doctor", "--json", "--config", config]);
        let findings: Value = serde_json::from_slice(&doctor.stdout).expect("findings");
        let findings = findings.as_array().expect("a list");
        let is_red = |finding: &Value| finding["light"] == "red" && finding["area"] == "store";
        doctor.status.code() == Some(2) && findings.iter().any(is_red)
    });
}

/// Every acknowledged row is there, by the gateway that goes on and by the next one; what was
/// refused is there as a whole or not at all.
fn settle(world: &World, pair: &Pair) -> String {
    let refused = pair.refused.lock().unwrap().len();
    world.domain.kill();
    world.check_store();
    world.serve();
    let mut rows = std::mem::take(&mut *pair.rows.lock().unwrap());
    // What was answered 503 is settled by what is found.
    let mut reader = Reader::start(world);
    rows.iter_mut().for_each(|row| reader.check(row));
    drop(reader);
    let shown = world.settle(&mut rows, refused);
    let [done, unavailable, read] = pair.counts();
    format!("{done} changes done, {unavailable} refused, {read} reads meanwhile; {shown}")
}

fn a_full_disk(engine: Engine) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let disk = match SmallDisk::mount(&place.path().join("disk"), 48 << 20) {
        Ok(disk) => disk,
        Err(why) => return skip("a store on a full disk", &why, WANTED),
    };
    let world = World::create_at(engine, &disk.path().join("store"));
    let pair = Pair::default();
    pair.work(&world, || {
        pair.wait_for("rows", [200, 0, 50]);
        assert_eq!(readiness(&world)["store"], "WRITING");
        disk.take_all_but(512 << 10);
        pair.wait_for("the disk to be full", [0, 1, 0]);
        pair.wait_for("refusals and reads", [0, 50, 200]);
        assert_told(&world);
        let log = world.domain.log();
        assert!(log.contains("No space left"), "{log}");
        pair.wait_for("refusals and reads", [0, 20, 100]);
        disk.give_back();
        pair.wait_for("changes to be taken again", [100, 0, 100]);
    });
    assert_eq!(readiness(&world)["status"], "ready");
    println!(
        "{} on a full disk: {}",
        engine.name(),
        settle(&world, &pair)
    );
    start_without_space(&world, &disk);
}

/// Whatever comes of starts on a disk without a byte to spare, the store is there once it has some.
fn start_without_space(world: &World, disk: &SmallDisk) {
    disk.take_all_but(0);
    let file = world.domain.configuration();
    let config = file.to_str().expect("UTF-8");
    for _ in 0..2 {
        let said = Gateway::run(&["store", "check", "--config", config]);
        let words = String::from_utf8_lossy(&said.stderr);
        assert!(
            said.status.success() || words.contains("No space left"),
            "{words}"
        );
    }
    disk.give_back();
    world.check_store();
    world.serve();
}

#[test]
fn on_a_full_disk_changes_are_refused_reads_go_on_and_service_resumes_with_space() {
    a_full_disk(Engine::Redb);
}

#[test]
fn on_a_full_disk_changes_are_refused_reads_go_on_and_service_resumes_with_space_on_sled() {
    a_full_disk(Engine::Sled);
}

const SYNCS: &str = "fsync,fdatasync";

/// The file whose syncs make a commit durable.
fn synced_file(engine: Engine, store: &Path) -> PathBuf {
    match engine {
        Engine::Redb => store.join("ics-store.redb"),
        Engine::Sled => store.join("ics-store.sled/db"),
    }
}

fn failing_syncs(engine: Engine) {
    if let Err(why) = Strace::is_usable() {
        return skip("a disk that fails to sync", &why, WANTED);
    }
    let world = World::create(engine);
    let pair = Pair::default();
    let file = synced_file(engine, &world.domain.file("store"));
    pair.work(&world, || {
        pair.wait_for("rows", [200, 0, 50]);
        for round in 0..3 {
            // The disk of the store, then that of everything: the decision log is synced too.
            let only = (round < 2).then_some(file.as_path());
            let strace = Strace::fail(world.domain.pid(), SYNCS, "EIO", only);
            pair.wait_for("the first refusal", [0, 1, 0]);
            pair.wait_for("refusals and reads", [0, 20, 200]);
            let done = pair.counts()[0];
            pair.wait_for("refusals and reads", [0, 20, 200]);
            assert_eq!(pair.counts()[0], done, "called done by a disk that fails");
            if only.is_some() {
                assert_told(&world);
            }
            drop(strace);
            pair.wait_for("changes to be taken again", [50, 0, 50]);
        }
    });
    let log = world.domain.log();
    assert!(log.contains("Input/output error"), "{log}");
    assert_eq!(readiness(&world)["status"], "ready");
    println!(
        "{} with failing syncs: {}",
        engine.name(),
        settle(&world, &pair)
    );
}

#[test]
fn while_syncs_fail_nothing_is_called_done_reads_go_on_and_service_resumes() {
    failing_syncs(Engine::Redb);
}

#[test]
fn while_syncs_fail_nothing_is_called_done_reads_go_on_and_service_resumes_on_sled() {
    failing_syncs(Engine::Sled);
}
