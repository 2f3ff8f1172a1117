//! `store migrate`, `store compact`, `restore` and `import`, killed just before each of their syncs:
//! what the store is made of is as it was, and the verb, asked for again, comes to its end.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

use ics_core::change::Change;
use ics_store::contract::sample;
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
        // An import takes no rows of nobody.
        let parties = ["shop1", "maker1"].map(|id| sample::party(id, 1));
        let onboarded = parties
            .into_iter()
            .fold(Change::default(), |change, party| {
                change.with_record(party.key(), sample::new(party))
            });
        commit(contender.store(), &onboarded).expect("it is written");
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

    fn remove(&self) {
        let store = self.domain.file("store");
        if store.exists() {
            std::fs::remove_dir_all(store).expect("a directory");
        }
    }

    fn copy(&self, from: &str, to: &str) {
        let copied = Command::new("cp")
            .arg("-r")
            .args([self.domain.file(from), self.domain.file(to)])
            .status();
        assert!(copied.expect("cp").success());
    }

    /// These words, for a domain that is configured so.
    fn arguments(verb: &[String], file: &Path) -> Vec<String> {
        let config = ["--config", file.to_str().expect("UTF-8")];
        let mut all = verb.to_vec();
        all.extend(config.map(str::to_owned));
        all
    }

    fn run(&self, verb: &[String]) -> Output {
        Self::run_by(&self.domain.configuration(), verb)
    }

    fn run_by(configuration: &Path, verb: &[String]) -> Output {
        let arguments = Self::arguments(verb, configuration);
        Gateway::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What a whole store says of its content.
    fn digest(&self) -> String {
        Self::digest_by(&self.domain.configuration())
    }

    fn digest_by(configuration: &Path) -> String {
        let checked = Self::run_by(configuration, &words(&["store", "check"]));
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{checked:?}");
        let digest = said.lines().find(|line| line.starts_with("digest"));
        digest.expect("a digest").to_owned()
    }

    /// What that store, of the other engine, says of its content.
    fn digest_at(&self, (engine, at): (Engine, &Path)) -> String {
        let own = self.domain.configuration();
        let text = std::fs::read_to_string(&own).expect("a file");
        let engines = [engine.other(), engine].map(|e| format!("engine = \"{}\"", e.name()));
        let directory = format!("directory = \"{}\"", at.display());
        let changed = text.replacen(&engines[0], &engines[1], 1).replacen(
            "directory = \"store\"",
            &directory,
            1,
        );
        assert!(changed.contains(&engines[1]) && changed.contains(&directory));
        let other = own.with_file_name("other.toml");
        std::fs::write(&other, changed).expect("a writable directory");
        Self::digest_by(&other)
    }

    fn traced(&self, verb: &[String]) -> Vec<String> {
        Self::arguments(verb, &self.domain.configuration())
    }

    /// The syncs of a verb, on a store that is put back afterwards.
    fn syncs_of(&self, verb: &[String]) -> Vec<NthCall> {
        let record = self.domain.scratch().join("record");
        let ended = Gateway::run_traced(&self.traced(verb), |pid| {
            Strace::record(pid, SYNCS_OF_OPENING, &record)
        });
        assert!(ended.status.success(), "{ended:?}");
        self.put_back();
        calls_of_busiest_thread(&record)
    }

    fn kill_at(&self, verb: &[String], sync: &NthCall) {
        let ended = Gateway::run_traced(&self.traced(verb), |pid| Strace::kill_at(pid, sync));
        assert_eq!(ended.status.signal(), Some(SIGKILL), "{sync:?}: {ended:?}");
    }
}

fn words(verb: &[&str]) -> Vec<String> {
    verb.iter().map(|word| (*word).to_owned()).collect()
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
        let at = at.to_str().expect("UTF-8");
        words(&["store", "migrate", "--to", to, "--directory", at])
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
        assert_eq!(stopped.digest_at((from.other(), &at)), before, "{sync:?}");
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
    let verb = words(&["store", "compact"]);
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

/// A store made of a file: what is written by `out`, and taken by `into`.
fn a_making_survives_kills(engine: Engine, (out, into): (&[&str], &[&str])) {
    let stopped = Stopped::create(engine);
    let before = stopped.digest();
    let file = stopped.domain.scratch().join("made-of");
    let file = file.to_str().expect("UTF-8");
    let written = stopped.run(&words(&[out, &[file, "--offline"]].concat()));
    assert!(written.status.success(), "{written:?}");
    let verb = words(&[into, &[file]].concat());
    stopped.remove();
    let syncs = stopped.syncs_of(&verb);
    let (mut kills, mut unfinished) = (0, 0);
    for sync in chosen(&syncs) {
        stopped.remove();
        stopped.kill_at(&verb, sync);
        kills += 1;
        if stopped.domain.file("store").exists() {
            let checked = stopped.run(&words(&["store", "check"]));
            let said = String::from_utf8_lossy(&checked.stderr);
            let is_refused = said.contains("did not end") || said.contains("no store");
            unfinished += u32::from(is_refused);
            assert!(is_refused || checked.status.success(), "{sync:?}: {said}");
        }
        let again = stopped.run(&verb);
        let is_whole = String::from_utf8_lossy(&again.stderr).contains("is not empty");
        assert!(again.status.success() || is_whole, "{sync:?}: {again:?}");
        assert_eq!(stopped.digest(), before, "{sync:?}");
    }
    assert!(unfinished > 0, "none was cut off");
    let all = syncs.len();
    println!(
        "{}: {} killed at {kills} of {all} syncs, {unfinished} of them half way",
        engine.name(),
        into[0]
    );
}

#[test]
fn a_restore_survives_a_kill_at_each_of_its_syncs() {
    if is_possible() {
        let verbs = (&["backup", "--to"][..], &["restore", "--from"][..]);
        a_making_survives_kills(Engine::Redb, verbs);
        a_making_survives_kills(Engine::Sled, verbs);
    }
}

#[test]
fn an_import_survives_a_kill_at_each_of_its_syncs() {
    if is_possible() {
        let verbs = (&["export", "--state"][..], &["import", "--state"][..]);
        a_making_survives_kills(Engine::Redb, verbs);
        a_making_survives_kills(Engine::Sled, verbs);
    }
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
