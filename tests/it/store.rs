//! The embedded stores as an operator has them: the story on sled, and `ics-gateway store`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ics_tests::{Domain, Gateway, Mapping, Party, fresh_device, fresh_uuid, wait_for};
use serde_json::json;

use crate::bulk::fill_like;
use crate::engine::Engine;

const SERVICE: &str = "https://shop.example/services";

/// A domain with two parties that agreed, on this engine.
struct World {
    domain: Domain,
    shop: Party,
    acme: Party,
}

impl World {
    fn start(engine: Engine) -> Self {
        let domain = Domain::start(|text| engine.configure(&text));
        let shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": [SERVICE],
            "callbackOrigins": ["https://shop.example"],
        }));
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": ["https://acme.example"],
        }));
        domain.agree(&acme, &shop);
        let subscription = json!({ "notificationDestination": "https://acme.example/pushes" });
        acme.post(
            &acme.path("ics-device-mapping", "subscriptions"),
            &subscription,
        )
        .expect(201);
        Self { domain, shop, acme }
    }

    fn request(&self) -> Mapping {
        let request = json!({
            "serviceUri": format!("{SERVICE}/eggs"),
            "uti": fresh_uuid(),
            "deviceSerialNumber": format!("ACME-{}", fresh_uuid()),
            "notificationDestination": "https://shop.example/results",
            "userConsent": { "consentId": "c-1", "grantedAt": "2026-01-01T00:00:00Z",
                             "purpose": "dpv:RequestedServiceProvision" },
        });
        let answer = self.shop.post_mapping(&request).expect(201);
        self.shop.follow(&self.acme, &request, &answer)
    }

    fn establish(&self, device: &str) -> Mapping {
        let mapping = self.request();
        self.acme.accept(&mapping, device).expect(200);
        mapping
    }

    fn restart(&self) {
        self.domain.serve();
        self.shop.forget_token();
        self.acme.forget_token();
    }

    /// Makes the configuration name another engine and directory.
    fn point_to(&self, engine: &str, directory: &Path) {
        let file = self.domain.configuration();
        let text = fs::read_to_string(&file).expect("a file");
        let lines = text.lines().map(|line| {
            let is = |key: &str| line.trim_start_matches('#').starts_with(key);
            if is("engine = ") {
                format!("engine = \"{engine}\"")
            } else if is("directory = ") {
                format!("directory = \"{}\"", directory.display())
            } else {
                line.to_owned()
            }
        });
        let text: Vec<String> = lines.collect();
        fs::write(&file, text.join("\n")).expect("a writable file");
    }

    fn verb(&self, args: &[&str]) -> Output {
        let file = self.domain.configuration();
        let mut all = vec!["store"];
        all.extend_from_slice(args);
        all.extend(["--config", file.to_str().expect("UTF-8")]);
        Gateway::run(&all)
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a verb said that ended well.
#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    said(output)
}

/// What a verb, or the gateway, complained of.
#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    complained(output)
}

fn digest(said: &str) -> String {
    let digest = said.lines().find_map(|line| line.strip_prefix("digest"));
    digest.expect("a digest").trim().to_owned()
}

#[test]
fn the_story_on_sled_outlives_a_kill_and_a_stop() {
    let world = World::start(Engine::Sled);
    let device = fresh_device();
    let kept = world.establish(&device);
    let ended = world.establish(&fresh_device());
    let pending = world.request();
    world
        .shop
        .demap(
            "USER_AUTHORIZATION_WITHDRAWN",
            &json!({ "mapping": ended.own }),
        )
        .expect(200);
    for how in ["as it is", "killed", "stopped"] {
        match how {
            "killed" => {
                world.domain.kill();
                world.restart();
            }
            "stopped" => {
                assert!(world.domain.stop().success());
                world.restart();
            }
            _ => {}
        }
        let found = world.shop.inquire(&kept.service, &kept.uti).expect(200);
        assert_eq!(found.json()["deviceId"], device, "{how}");
        world.shop.inquire(&ended.service, &ended.uti).expect(404);
        assert_eq!(
            world.acme.inquire_device(&device).expect(200).json()["mappings"]
                .as_array()
                .map(Vec::len),
            Some(1),
            "{how}"
        );
    }
    world.acme.accept(&pending, &fresh_device()).expect(200);
    assert!(world.domain.stop().success());
    let told = done(&world.verb(&["check"]));
    assert!(told.contains("sled") && told.ends_with("sound\n"), "{told}");
    assert!(told.contains("keyring          is the store's"), "{told}");
}

#[test]
fn a_store_is_moved_to_the_other_engine_and_back_with_equal_digests() {
    let world = World::start(Engine::Redb);
    let device = fresh_device();
    let mapping = world.establish(&device);
    // While the gateway runs, nothing is done.
    for verb in [&["check"][..], &["compact"]] {
        let why = refused(&world.verb(verb));
        assert!(why.contains("in use") && why.contains("stop"), "{why}");
    }
    assert!(world.domain.stop().success());
    let before = digest(&done(&world.verb(&["check"])));
    let (old, on_sled) = (
        world.domain.file("store"),
        world.domain.scratch().join("on-sled"),
    );
    let to = |engine: &'static str, directory: &PathBuf| {
        let directory = directory.to_str().expect("UTF-8").to_owned();
        world.verb(&["migrate", "--to", engine, "--directory", &directory])
    };
    let told = done(&to("sled", &on_sled));
    let digests: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("digest"))
        .collect();
    assert!(
        digests.len() == 2 && digests.iter().all(|line| line.contains(&before)),
        "{told}"
    );
    assert!(
        told.contains("engine = \"sled\"") && told.contains("on-sled"),
        "{told}"
    );
    // Neither over itself, nor over what is there.
    assert!(refused(&to("sled", &on_sled)).contains("not empty"));
    assert!(refused(&to("redb", &old)).contains(old.to_str().expect("UTF-8")));
    // The configured engine does not fit the directory: told with the way out.
    world.point_to("sled", &old);
    let file = world.domain.configuration();
    let why = refused(&Gateway::run(&[
        "serve",
        "--config",
        file.to_str().expect("UTF-8"),
    ]));
    assert!(
        why.contains("begun by engine `redb`, not `sled`") && why.contains("store migrate"),
        "{why}"
    );
    world.point_to("sled", &on_sled);
    world.restart();
    let found = world
        .shop
        .inquire(&mapping.service, &mapping.uti)
        .expect(200);
    assert_eq!(found.json()["deviceId"], device);
    assert!(world.domain.stop().success());
    // Served meanwhile, it went on: notifications were tried again.
    let before = digest(&done(&world.verb(&["check"])));
    for _ in 0..2 {
        assert!(done(&world.verb(&["compact"])).contains("bytes after"));
    }
    let back = world.domain.scratch().join("back");
    assert!(done(&to("redb", &back)).contains(&before));
    world.point_to("redb", &back);
    assert!(done(&world.verb(&["compact"])).contains("bytes after"));
    assert_eq!(digest(&done(&world.verb(&["check"]))), before);
    world.restart();
    world
        .shop
        .inquire(&mapping.service, &mapping.uti)
        .expect(200);
}

#[test]
fn a_migration_that_is_killed_leaves_the_old_store_and_begins_anew() {
    a_killed_migration_begins_anew(Engine::Redb);
}

#[test]
fn a_migration_from_sled_that_is_killed_leaves_the_old_store_and_begins_anew() {
    a_killed_migration_begins_anew(Engine::Sled);
}

fn a_killed_migration_begins_anew(from: Engine) {
    let (old, new) = (from.name(), from.other().name());
    let world = World::start(from);
    let mapping = world.establish(&fresh_device());
    assert!(world.domain.stop().success());
    // Enough of them that the copy is under way for a while.
    let store = world.domain.file("store");
    fill_like(from.open(&store).store(), mapping.id(), 20_000);
    let before = digest(&done(&world.verb(&["check"])));
    let target = world.domain.scratch().join("half");
    let (file, directory) = (
        world.domain.configuration(),
        target.to_str().expect("UTF-8"),
    );
    let migrate = ["migrate", "--to", new, "--directory", directory];
    let mut child = Command::new(Gateway::binary())
        .arg("store")
        .args(migrate)
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // Killed as soon as it says that something is begun there.
    wait_for("a marker", || {
        target.join("ics-store.begun").exists().then_some(())
    });
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let marker = fs::read_to_string(target.join("ics-store.begun")).expect("a marker");
    assert!(marker.contains("copying"), "it ended first: more rows");
    world.point_to(new, &target);
    let why = refused(&world.verb(&["check"]));
    assert!(
        why.contains("did not end") && why.contains("store migrate"),
        "{why}"
    );
    world.point_to(old, &store);
    assert!(done(&world.verb(&migrate)).contains(&before));
    let still = digest(&done(&world.verb(&["check"])));
    assert_eq!(still, before, "the old store");
    world.point_to(new, &target);
    world.restart();
    world
        .shop
        .inquire(&mapping.service, &mapping.uti)
        .expect(200);
}

#[test]
fn a_keyring_of_another_domain_is_refused_at_start() {
    for engine in [Engine::Redb, Engine::Sled] {
        let world = World::start(engine);
        world.establish(&fresh_device());
        assert!(world.domain.stop().success());
        let other = Domain::create(|text| text);
        let (own, foreign) = (
            world.domain.file("keys/keyring"),
            other.file("keys/keyring"),
        );
        let kept = fs::read(&own).expect("a keyring");
        fs::write(&own, fs::read(foreign).expect("a keyring")).expect("a writable file");
        let file = world.domain.configuration();
        let served = Gateway::run(&["serve", "--config", file.to_str().expect("UTF-8")]);
        for why in [refused(&served), refused(&world.verb(&["check"]))] {
            assert!(
                why.contains("keys/keyring") && why.contains("does not belong to store"),
                "{why}"
            );
        }
        fs::write(&own, kept).expect("a writable file");
        world.restart();
        world.establish(&fresh_device());
    }
}

#[test]
fn a_store_that_is_gone_or_lost_its_end_is_refused_by_name() {
    for (engine, data) in [
        (Engine::Redb, "ics-store.redb"),
        (Engine::Sled, "ics-store.sled"),
    ] {
        let world = World::start(engine);
        let kept = world.establish(&fresh_device());
        assert!(world.domain.stop().success());
        let (store, aside) = (
            world.domain.file("store"),
            world.domain.scratch().join("aside"),
        );
        let copy = |from: &Path, to: &Path| {
            let copied = Command::new("cp").arg("-r").args([from, to]).status();
            assert!(copied.expect("cp").success());
        };
        copy(&store.join(data), &aside);
        world.restart();
        let lost = world.establish(&fresh_device());
        assert!(world.domain.stop().success());
        let file = world.domain.configuration();
        let serve = || Gateway::run(&["serve", "--config", file.to_str().expect("UTF-8")]);
        // Gone: never an empty store in its place.
        Command::new("rm")
            .arg("-r")
            .arg(store.join(data))
            .status()
            .expect("rm");
        let why = refused(&serve());
        assert!(
            why.contains(data) && why.contains("missing or empty"),
            "{why}"
        );
        // As it was before the last transactions.
        copy(&aside, &store.join(data));
        let why = refused(&serve());
        assert!(
            why.contains(data) && why.contains("does not hold what was acknowledged"),
            "{why}"
        );
        assert!(refused(&world.verb(&["check"])).contains("--accept"));
        let told = done(&world.verb(&["check", "--accept"]));
        assert!(told.contains("accepted"), "{told}");
        world.restart();
        world.shop.inquire(&kept.service, &kept.uti).expect(200);
        world.shop.inquire(&lost.service, &lost.uti).expect(404);
    }
}

fn copy_directory(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("cp").success());
}

/// The engine's own file, or directory.
fn data_of(store: &Path, engine: Engine) -> PathBuf {
    store.join(format!("ics-store.{}", engine.name()))
}

/// An older file of the store has active what was suspended since: the witness is what tells, so one
/// that is gone or spoiled is no reason to serve.
#[test]
fn an_older_store_file_without_its_witness_is_refused_until_it_is_accepted() {
    for engine in [Engine::Redb, Engine::Sled] {
        let world = World::start(engine);
        let kept = world.establish(&fresh_device());
        assert!(world.domain.stop().success());
        let (store, older) = (
            world.domain.file("store"),
            world.domain.scratch().join("older"),
        );
        copy_directory(&store, &older);
        world.restart();
        let lost = world.establish(&fresh_device());
        assert!(world.domain.stop().success());
        let data = data_of(&store, engine);
        let _ = fs::remove_file(&data);
        copy_directory(&data_of(&older, engine), &data);
        let witness = store.join("ics-store.witness");
        let file = world.domain.configuration();
        let serve = || Gateway::run(&["serve", "--config", file.to_str().expect("UTF-8")]);
        for (state, spoil) in [
            ("missing", None),
            ("empty", Some(Vec::new())),
            ("damaged", Some(vec![0x5a; 40])),
        ] {
            match spoil {
                None => fs::remove_file(&witness).expect("a witness"),
                Some(bytes) => fs::write(&witness, bytes).expect("a writable file"),
            }
            for why in [refused(&serve()), refused(&world.verb(&["check"]))] {
                for word in [
                    data.to_str().expect("UTF-8"),
                    witness.to_str().expect("UTF-8"),
                    state,
                    "restore",
                    "--accept",
                ] {
                    assert!(why.contains(word), "{word}: {why}");
                }
            }
        }
        assert!(done(&world.verb(&["check", "--accept"])).contains("accepted"));
        world.restart();
        world.shop.inquire(&kept.service, &kept.uti).expect(200);
        world.shop.inquire(&lost.service, &lost.uti).expect(404);
    }
}

/// A directory put back as a whole cannot be told from the newest by anything in it; the log says
/// what was opened, and when one was begun.
#[test]
fn the_log_tells_what_store_was_opened_and_when_one_was_begun() {
    let world = World::start(Engine::Redb);
    let begun = "began a new, empty store";
    let opened = |log: &str, what: &str| {
        let lines: Vec<_> = log.lines().filter(|l| l.contains("store opened")).collect();
        assert!(
            lines.last().is_some_and(|line| line.contains(what)),
            "{what}: {lines:?}"
        );
    };
    // The log is written beside: a gateway may serve before its lines are there.
    let log_from = |seen: usize| {
        wait_for("the line of the store", || {
            let log = world.domain.log()[seen..].to_owned();
            log.contains("store opened").then_some(log)
        })
    };
    let log = log_from(0);
    assert!(log.contains(begun), "{log}");
    opened(
        &log,
        "mappings=0 records=0 transactions=0 last_served=\"never\"",
    );
    world.establish(&fresh_device());
    assert!(world.domain.stop().success());
    let seen = world.domain.log().len();
    world.restart();
    let log = log_from(seen);
    assert!(!log.contains(begun), "{log}");
    opened(&log, "mappings=1 ");
    let year = "last_served=\"20";
    opened(&log, year);
    // The volume is not mounted.
    assert!(world.domain.stop().success());
    let store = world.domain.file("store");
    fs::rename(&store, world.domain.scratch().join("volume")).expect("a directory");
    fs::create_dir(&store).expect("a mount point");
    let seen = world.domain.log().len();
    world.domain.serve();
    let log = log_from(seen);
    let line = log.lines().find(|line| line.contains(begun));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains("WARN") && line.contains(store.to_str().expect("UTF-8")),
        "{line}"
    );
    opened(&log, "mappings=0 ");
}

/// Damage that shows only when it is read: `check` tells how much of what can be read, and no verb
/// goes on with less, or leaves the operator with two words. On redb: sled finds most damage of a closed
/// file when it opens it, so its part is tried where it is damaged while open (`ics_store_sled`).
#[test]
fn of_a_store_that_is_damaged_within_it_is_told_what_can_be_read_and_what_to_do() {
    let engine = Engine::Redb;
    let world = World::start(engine);
    let mapping = world.establish(&fresh_device());
    assert!(world.domain.stop().success());
    let store = world.domain.file("store");
    fill_like(engine.open(&store).store(), mapping.id(), 1_000);
    let whole = world.domain.scratch().join("whole");
    copy_directory(&store, &whole);
    let log = store.join(engine.data());
    let length = fs::metadata(&log).expect("a file").len() as usize;
    let spoil = |place: usize| {
        copy_directory(&whole, &store);
        let mut bytes = fs::read(&log).expect("a file");
        bytes[place..(place + 64).min(length)].fill(0);
        fs::write(&log, bytes).expect("a writable file");
    };
    // Something that is read, but not when the store is opened.
    let (place, told) = (1..400)
        .map(|part| length * part / 400)
        .find_map(|place| {
            spoil(place);
            let output = world.verb(&["check"]);
            let told = format!("{}{}", said(&output), complained(&output));
            let is_partly = told.contains(" could be read, of ");
            is_partly.then_some((place, told))
        })
        .expect("a place that is read later");
    let data = data_of(&store, engine);
    let names = |why: &str| why.contains(store.to_str().expect("UTF-8"));
    let remedy = |why: &str| why.contains("restore --config") && why.contains("--from BACKUP");
    assert!(told.contains("none: not all could be read"), "{told}");
    assert!(told.contains("wrong: table `"), "{told}");
    assert!(told.contains(data.to_str().expect("UTF-8")), "{told}");
    assert!(told.contains("is not sound") && remedy(&told), "{told}");
    // Of what lies elsewhere, everything.
    let is_whole = |line: &&str| line.ends_with(" 1000") && !line.contains("could");
    assert!(told.lines().any(|line| is_whole(&line)), "{told}");
    let target = world.domain.scratch().join("other");
    let target = target.to_str().expect("UTF-8");
    for verb in [
        &["compact"][..],
        &[
            "migrate",
            "--to",
            engine.other().name(),
            "--directory",
            target,
        ],
    ] {
        spoil(place);
        let why = refused(&world.verb(verb));
        assert!(names(&why) && remedy(&why), "{verb:?}: {why}");
    }
    let (file, to) = (
        world.domain.configuration(),
        world.domain.scratch().join("b"),
    );
    spoil(place);
    let why = refused(&Gateway::run(&[
        "backup",
        "--offline",
        "--to",
        to.to_str().expect("UTF-8"),
        "--config",
        file.to_str().expect("UTF-8"),
    ]));
    assert!(names(&why) && why.contains("restore"), "backup: {why}");
    assert!(!to.exists(), "a backup that is not whole");
}

#[test]
fn a_damaged_store_is_refused_or_reported_and_no_process_dies_of_it() {
    for (engine, log) in [
        (Engine::Redb, "ics-store.redb"),
        (Engine::Sled, "ics-store.sled/db"),
    ] {
        let world = World::start(engine);
        for _ in 0..3 {
            world.establish(&fresh_device());
        }
        assert!(world.domain.stop().success());
        let path = world.domain.file("store").join(log);
        let whole = fs::read(&path).expect("a file");
        let spoiled = |from: usize, to: usize, with: fn(u8) -> u8| {
            let mut bytes = whole.clone();
            bytes[from..to].iter_mut().for_each(|b| *b = with(*b));
            bytes
        };
        let end = whole.len();
        let damages = [
            ("zeroed", spoiled(0, end, |_| 0)),
            ("head zeroed", spoiled(0, 4096.min(end), |_| 0)),
            // A small store fills little of what sled takes beforehand.
            ("cut", whole[..1024.min(end)].to_vec()),
            ("flipped", spoiled(0, end, |b| b ^ 4)),
        ];
        for (what, bytes) in damages {
            fs::write(&path, bytes).expect("a writable file");
            let output = world.verb(&["check"]);
            let told = format!("{}{}", said(&output), complained(&output));
            // An exit status of its own, not that of a signal or a panic (101).
            assert_eq!(
                output.status.code(),
                Some(1),
                "{engine:?} {what}: {output:?}"
            );
            assert!(
                told.contains("store") && told.contains("backup"),
                "{what}: {told}"
            );
        }
    }
}
