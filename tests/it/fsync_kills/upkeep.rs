//! `store migrate` and `store compact`, killed just before each of their syncs: the store is as it
//! was, and the verb, asked for again, comes to its end.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

use ics_core::change::Change;
use ics_tests::strace::{NthCall, calls_of_busiest_thread};
use ics_tests::{Domain, Gateway, Strace, rounds, skip};

use super::sweep::SYNCS_OF_OPENING;
use super::workload::{commit, steps};
use super::{SIGKILL, SIZE};
use crate::durability::world::World;
use crate::engine::Engine;

const ROWS: u64 = 600;
/// How many of the syncs are tried in every run: one in so many.
const ONE_IN: usize = 5;

/// A domain that is not served, with rows in its store and room that deleted rows left.
struct Stopped {
    domain: Domain,
}

impl Stopped {
    fn create(engine: Engine) -> Self {
        let domain = World::prepare(engine, None);
        domain.serve();
        assert!(domain.stop().success());
        let contender = engine.open(&domain.file("store"));
        let rows: Vec<_> = (0..ROWS).map(steps).collect();
        let longest = rows.iter().map(Vec::len).max().expect("rows");
        for step in 0..longest {
            let changes = rows.iter().filter_map(|row| row.get(step).cloned());
            let change = changes.fold(Change::default(), Change::join);
            commit(contender.store(), &change).expect("it is written");
        }
        drop(contender);
        let stopped = Self { domain };
        stopped.copy("store", "as-it-was");
        stopped
    }

    /// Puts the store back as it was.
    fn put_back(&self) {
        std::fs::remove_dir_all(self.domain.file("store")).expect("a store");
        self.copy("as-it-was", "store");
    }

    fn copy(&self, from: &str, to: &str) {
        let copied = Command::new("cp")
            .arg("-r")
            .args([self.domain.file(from), self.domain.file(to)])
            .status();
        assert!(copied.expect("cp").success());
    }

    /// `store` and these words, for this domain.
    fn arguments(&self, verb: &[String]) -> Vec<String> {
        let file = self.domain.configuration();
        let config = ["--config", file.to_str().expect("UTF-8")];
        let mut all = vec!["store".to_owned()];
        all.extend_from_slice(verb);
        all.extend(config.map(str::to_owned));
        all
    }

    fn run(&self, verb: &[String]) -> Output {
        let arguments = self.arguments(verb);
        Gateway::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What a whole store says of its content.
    fn digest(&self) -> String {
        let checked = self.run(&["check".to_owned()]);
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{checked:?}");
        let digest = said.lines().find(|line| line.starts_with("digest"));
        digest.expect("a digest").to_owned()
    }

    /// The syncs of a verb, on a store that is put back afterwards.
    fn syncs_of(&self, verb: &[String]) -> Vec<NthCall> {
        let record = self.domain.scratch().join("record");
        let ended = Gateway::run_traced(&self.arguments(verb), |pid| {
            Strace::record(pid, SYNCS_OF_OPENING, &record)
        });
        assert!(ended.status.success(), "{ended:?}");
        self.put_back();
        calls_of_busiest_thread(&record)
    }

    fn kill_at(&self, verb: &[String], sync: &NthCall) {
        let ended = Gateway::run_traced(&self.arguments(verb), |pid| Strace::kill_at(pid, sync));
        assert_eq!(ended.status.signal(), Some(SIGKILL), "{sync:?}: {ended:?}");
    }
}

fn chosen(syncs: &[NthCall]) -> impl Iterator<Item = &NthCall> {
    let one_in = if rounds(SIZE, 0) > 0 { 1 } else { ONE_IN };
    syncs.iter().step_by(one_in)
}

fn is_possible() -> bool {
    let usable = Strace::is_usable();
    if let Err(why) = &usable {
        skip("a kill at each sync of `store`", why, SIZE);
    }
    usable.is_ok()
}

fn a_migration_survives_kills(from: Engine) {
    let stopped = Stopped::create(from);
    let before = stopped.digest();
    let target = |name: &str| stopped.domain.scratch().join(name);
    let to = from.other().name();
    let verb = |at: &Path| {
        ["migrate", "--to", to, "--directory"]
            .map(str::to_owned)
            .into_iter()
            .chain([at.to_str().expect("UTF-8").to_owned()])
            .collect::<Vec<_>>()
    };
    let syncs = stopped.syncs_of(&verb(&target("whole")));
    let mut kills = 0;
    for (number, sync) in chosen(&syncs).enumerate() {
        let at = target(&format!("target-{number}"));
        stopped.kill_at(&verb(&at), sync);
        kills += 1;
        assert_eq!(stopped.digest(), before, "{sync:?}");
        let again = stopped.run(&verb(&at));
        // All of it was there already, and known to be.
        let is_whole = String::from_utf8_lossy(&again.stderr).contains("is not empty");
        assert!(again.status.success() || is_whole, "{sync:?}: {again:?}");
        from.other().open(&at).assert_sound();
        // sled writes a snapshot when it is opened, but not each time.
        stopped.put_back();
    }
    let all = syncs.len();
    println!(
        "from {}: migration killed at {kills} of {all} syncs",
        from.name()
    );
}

fn compaction_survives_kills(engine: Engine) {
    let stopped = Stopped::create(engine);
    let before = stopped.digest();
    let verb = ["compact".to_owned()];
    let syncs = stopped.syncs_of(&verb);
    let mut kills = 0;
    for sync in chosen(&syncs) {
        stopped.kill_at(&verb, sync);
        kills += 1;
        assert_eq!(stopped.digest(), before, "{sync:?}");
        let again = stopped.run(&verb);
        assert!(again.status.success(), "{sync:?}: {again:?}");
        assert_eq!(stopped.digest(), before, "{sync:?}");
        stopped.put_back();
    }
    let all = syncs.len();
    println!(
        "{}: compaction killed at {kills} of {all} syncs",
        engine.name()
    );
}

#[test]
fn a_migration_from_redb_survives_a_kill_at_each_of_its_syncs() {
    if is_possible() {
        a_migration_survives_kills(Engine::Redb);
    }
}

#[test]
fn a_migration_from_sled_survives_a_kill_at_each_of_its_syncs() {
    if is_possible() {
        a_migration_survives_kills(Engine::Sled);
    }
}

#[test]
fn compaction_survives_a_kill_at_each_of_its_syncs() {
    if is_possible() {
        compaction_survives_kills(Engine::Redb);
        compaction_survives_kills(Engine::Sled);
    }
}
