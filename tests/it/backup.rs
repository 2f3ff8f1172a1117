//! Backup and restore, export and import, as an operator does them: with the gateway's own binary,
//! while it serves and while it does not.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ics_tests::{Domain, Gateway, Mapping, fresh_device, wait_for};
use serde_json::Value;

use self::world::{World, done, fact, processor_time, refused, size, text};
use crate::engine::Engine;

/// Takes a backup; answers what was told, and by how much `count` grew while the file did.
fn back_up_watched(world: &World, file: &Path, count: impl Fn() -> usize) -> (String, usize) {
    let part = PathBuf::from(format!("{}.part", file.display()));
    let mut verb = world.command(&["backup", "--to", text(file)]);
    let verb = verb.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut verb = verb.spawn().expect("it starts");
    let (mut seen, mut counts) = (0, Vec::new());
    wait_for("a backup", || {
        let now = size(&part);
        if now > seen {
            seen = now;
            counts.push(count());
        }
        verb.try_wait().expect("a child")
    });
    let told = done(&verb.wait_with_output().expect("it ran"));
    let grown = counts
        .last()
        .zip(counts.first())
        .map(|(last, first)| last - first);
    (told, grown.unwrap_or(0))
}

#[test]
fn a_backup_under_sixteen_writers_holds_what_was_acknowledged_before_it() {
    for engine in [Engine::Redb, Engine::Sled] {
        let world = World::start(engine);
        let first = world.establish(&fresh_device());
        world.stop_with_many(&first);
        world.restart();
        let file = world.file("online.backup");
        let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
        let stop = AtomicBool::new(false);
        let (known, meanwhile) = thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let device = fresh_device();
                        let mapping = world.establish(&device);
                        acknowledged.lock().unwrap().insert(device, mapping);
                    }
                });
            }
            wait_for("acknowledged mappings", || {
                (acknowledged.lock().unwrap().len() > 32).then_some(())
            });
            let known = acknowledged.lock().unwrap().clone();
            let (told, grown) =
                back_up_watched(&world, &file, || acknowledged.lock().unwrap().len());
            stop.store(true, Ordering::Relaxed);
            assert!(
                fact(&told, "from").contains("the gateway at https://127.0.0.1"),
                "{told}"
            );
            (known, (grown, told))
        });
        let (grown, told) = meanwhile;
        assert!(grown > 0, "all waited for the backup");
        let everything = acknowledged.lock().unwrap().clone();
        assert!(everything.len() > known.len());
        assert!(world.domain.stop().success());
        // Restored by the other engine, beside the old store.
        let restored = world.file("restored");
        world.point_to(engine.other(), &restored);
        let said = done(&world.run(&["restore", "--from", text(&file)]));
        assert_eq!(fact(&said, "digest"), fact(&told, "digest"));
        assert!(said.contains("revoked certificates are undone"), "{said}");
        assert_eq!(world.digest(), fact(&told, "digest"));
        world.restart();
        for (device, mapping) in &known {
            let found = world
                .shop
                .inquire(&mapping.service, &mapping.uti)
                .expect(200);
            assert_eq!(found.json()["deviceId"], *device);
        }
        // And it serves on.
        world.establish(&fresh_device());
    }
}

#[test]
fn a_backup_without_a_gateway_comes_from_the_store_and_goes_back_into_its_place() {
    let world = World::start(Engine::Redb);
    let (kept, device) = world.populate();
    assert!(world.domain.stop().success());
    let before = world.digest();
    let file = world.file("offline.backup");
    let args = ["backup", "--to", text(&file)];
    let told = done(&world.run(&args));
    assert!(fact(&told, "from").starts_with("the store in"), "{told}");
    assert_eq!(fact(&told, "digest"), before);
    assert_eq!(size(&file), fact(&told, "bytes").parse::<u64>().unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Never over a file without a word.
    let why = refused(&world.run(&args));
    assert!(
        why.contains(text(&file)) && why.contains("--force"),
        "{why}"
    );
    let again = world.run(&[
        "backup",
        "--to",
        text(&file),
        "--force",
        "--offline",
        "--json",
    ]);
    let again: Value = serde_json::from_str(&done(&again)).expect("JSON");
    assert_eq!(again["digest"], before);
    assert!(!world.file("offline.backup.part").exists());
    // Never over a store without a word, and never by deleting it.
    world.restart();
    let later = world.establish(&fresh_device());
    let restore = ["restore", "--from", text(&file)];
    let why = refused(&world.run(&restore));
    assert!(why.contains("in use") && why.contains("stop"), "{why}");
    assert!(world.domain.stop().success());
    let why = refused(&world.run(&restore));
    assert!(why.contains("--replace"), "{why}");
    let said = done(&world.run(&["restore", "--from", text(&file), "--replace"]));
    assert_eq!(fact(&said, "digest"), before);
    let aside = PathBuf::from(fact(&said, "moved aside"));
    assert!(aside.join("ics-store.redb").exists());
    world.restart();
    let found = world.shop.inquire(&kept.service, &kept.uti).expect(200);
    assert_eq!(found.json()["deviceId"], device);
    world.shop.inquire(&later.service, &later.uti).expect(404);
    assert!(world.domain.stop().success());
    world.point_to(Engine::Redb, &aside);
    world.restart();
    world.shop.inquire(&later.service, &later.uti).expect(200);
}

#[test]
fn a_gateway_that_does_not_answer_but_holds_its_store_is_told_apart_from_none() {
    let world = World::start(Engine::Redb);
    let file = world.file("x.backup");
    // It serves, but elsewhere than the configuration says by now.
    let configuration = world.domain.configuration();
    let said = fs::read_to_string(&configuration).expect("a file");
    let [operator] = ics_tests::domain::free_ports();
    let moved = said.replace(
        &world.domain.operator_address(),
        &format!("127.0.0.1:{operator}"),
    );
    assert_ne!(said, moved);
    fs::write(&configuration, moved).expect("a writable file");
    let why = refused(&world.run(&["backup", "--to", text(&file)]));
    assert!(
        why.contains("no answer from") && why.contains("in use"),
        "{why}"
    );
    assert!(!file.exists() && !world.file("x.backup.part").exists());
}

#[test]
fn an_exported_state_makes_an_equal_store_of_either_engine() {
    for engine in [Engine::Redb, Engine::Sled] {
        let world = World::start(engine);
        let (kept, device) = world.populate();
        let (online, offline) = (world.file("online.ndjson"), world.file("offline.ndjson"));
        done(&world.run(&["export", "--state", text(&online)]));
        assert!(world.domain.stop().success());
        let before = world.digest();
        let told = done(&world.run(&["export", "--state", text(&offline)]));
        assert_eq!(fact(&told, "digest"), before);
        for file in [&online, &offline] {
            let lines = fs::read_to_string(file).expect("UTF-8");
            let kinds: BTreeSet<String> = lines
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
                .map(|line| line["record"].as_str().expect("a kind").to_owned())
                .collect();
            for kind in [
                "header",
                "mapping",
                "UTI record",
                "outbox entry",
                "directory record",
                "trailer",
            ] {
                assert!(kinds.contains(kind), "{kind}");
            }
            // Serial numbers stay sealed.
            assert!(!lines.contains("ACME-0") && !lines.contains("deviceSerialNumber"));
        }
        let streamed = done(&world.run(&["export", "--state", "-"]));
        assert!(streamed.starts_with("{\"record\":\"header\"") && streamed.ends_with("\"}\n"));
        let imported = world.file("imported-store");
        world.point_to(engine.other(), &imported);
        let said = done(&world.run(&["import", "--state", text(&offline)]));
        assert_eq!(fact(&said, "digest"), before);
        assert_eq!(world.digest(), before);
        let why = refused(&world.run(&["import", "--state", text(&offline)]));
        assert!(
            why.contains("not empty") && !why.contains("--replace"),
            "{why}"
        );
        world.restart();
        let found = world.shop.inquire(&kept.service, &kept.uti).expect(200);
        assert_eq!(found.json()["deviceId"], device);
        // What waited is still tried: the outbox came along, indexes and all.
        let outbox = world.domain.operator("GET", "/operator/v1/outbox", None);
        assert!(
            !outbox.expect(200).json()["items"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        world.establish(&fresh_device());
    }
}

#[test]
fn the_exported_table_is_the_established_rows() {
    let world = World::start(Engine::Redb);
    let (kept, device) = world.populate();
    let other = fresh_device();
    let second = world.establish(&other);
    let line =
        |device: &str, mapping: &Mapping| format!("{device},{},{}", mapping.service, mapping.uti);
    let mut expected = vec![line(&device, &kept), line(&other, &second)];
    expected.sort();
    let file = world.file("table.csv");
    let read = |bytes: &str| {
        let rows = bytes
            .strip_prefix("deviceId,serviceUri,uti\r\n")
            .expect("a header");
        let mut rows: Vec<_> = rows.split_terminator("\r\n").map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let told = done(&world.run(&["export", "--table", text(&file)]));
    assert_eq!(fact(&told, "mappings"), "2");
    assert_eq!(read(&fs::read_to_string(&file).expect("UTF-8")), expected);
    assert!(world.domain.stop().success());
    assert_eq!(
        read(&done(&world.run(&["export", "--table", "-"]))),
        expected
    );
    // For reading, and no other way round.
    world.point_to(Engine::Redb, &world.file("empty-store"));
    let why = refused(&world.run(&["import", "--state", text(&file)]));
    assert!(
        why.contains("for reading") && why.contains(text(&file)),
        "{why}"
    );
    assert!(!world.file("empty-store").exists());
}

#[test]
fn a_gateway_killed_half_way_leaves_no_file_that_looks_whole() {
    let world = World::start(Engine::Redb);
    let first = world.establish(&fresh_device());
    world.stop_with_many(&first);
    world.restart();
    for (args, name) in [
        (["backup", "--to"], "killed.backup"),
        (["export", "--state"], "killed.ndjson"),
        (["export", "--table"], "killed.csv"),
    ] {
        let (file, part) = (world.file(name), world.file(&format!("{name}.part")));
        // A table is short: it may be through before anybody looks.
        let mut verb = wait_for("a gateway that is not through", || {
            let mut verb = world.command(&[args[0], args[1], text(&file), "--force"]);
            let mut verb = verb.stderr(Stdio::null()).spawn().expect("it starts");
            while size(&part) == 0 && verb.try_wait().expect("a child").is_none() {
                thread::yield_now();
            }
            world.domain.signal("STOP");
            // What it had sent by then is written now, and if that was all, the verb ends.
            let has_ended = wait_for("a verb that ends or waits", || {
                let before = (size(&part), processor_time(verb.id()));
                thread::sleep(Duration::from_millis(100));
                let has_ended = verb.try_wait().expect("a child").is_some();
                let is_idle = (size(&part), processor_time(verb.id())) == before;
                (has_ended || is_idle).then_some(has_ended)
            });
            if has_ended {
                world.domain.signal("CONT");
                return None;
            }
            Some(verb)
        });
        let _ = fs::remove_file(&file);
        world.domain.kill();
        let status = verb.wait().expect("it ends");
        assert_eq!(status.code(), Some(1));
        assert!(!file.exists() && !part.exists(), "{name}");
        world.restart();
    }
}

#[test]
fn a_verb_killed_half_way_begins_anew() {
    let world = World::start(Engine::Redb);
    let first = world.establish(&fresh_device());
    world.stop_with_many(&first);
    let before = world.digest();
    let (backup, state) = (world.file("many.backup"), world.file("many.ndjson"));
    for (args, file) in [
        (["backup", "--to"], &backup),
        (["export", "--state"], &state),
    ] {
        let part = PathBuf::from(format!("{}.part", file.display()));
        let args = [args[0], args[1], text(file)];
        world.kill_when(&args, "a file half way", || size(&part) > 100_000);
        assert!(!file.exists() && part.exists());
        assert_eq!(fact(&done(&world.run(&args)), "digest"), before);
        assert!(!part.exists());
    }
    for (verb, flag, file) in [
        ("restore", "--from", &backup),
        ("import", "--state", &state),
    ] {
        for engine in [Engine::Redb, Engine::Sled] {
            let target = world.file(&format!("{verb}-{}-store", engine.name()));
            world.point_to(engine, &target);
            let args = [verb, flag, text(file)];
            let marker = target.join("ics-store.begun");
            // Of what is to be there, so much is; then it is read back.
            let part = size(file) / 4;
            world.kill_when(&args, "a store half way", || {
                marker.exists() && size(&target.join(engine.data())) > part
            });
            let marker = fs::read_to_string(marker).expect("a marker");
            assert!(marker.contains("copying"), "it ended first: more rows");
            // Neither served nor looked at, and told which verb begins it anew.
            for refused_verb in [&["serve"][..], &["store", "check"]] {
                let why = refused(&world.run(refused_verb));
                assert!(
                    why.contains("did not end") && why.contains(&format!("ics-gateway {verb}")),
                    "{why}"
                );
            }
            assert_eq!(fact(&done(&world.run(&args)), "digest"), before);
            assert_eq!(world.digest(), before);
        }
    }
    world.restart();
    world.shop.inquire(&first.service, &first.uti).expect(200);
    assert!(world.domain.stop().success());
    // The one that was asked stays as it was.
    world.point_to(Engine::Redb, &world.domain.file("store"));
    assert_eq!(world.digest(), before);
}

#[test]
fn a_restore_that_replaces_and_is_killed_never_leaves_room_for_an_empty_store() {
    let world = World::start(Engine::Redb);
    let first = world.establish(&fresh_device());
    world.stop_with_many(&first);
    let (before, file) = (world.digest(), world.file("many.backup"));
    done(&world.run(&["backup", "--to", text(&file)]));
    let args = ["restore", "--from", text(&file), "--replace"];
    let store = world.domain.file("store");
    let marker = store.join("ics-store.begun");
    let part = size(&file) / 4;
    world.kill_when(&args, "a store half way", || {
        let is_begun = fs::read_to_string(&marker).is_ok_and(|marker| marker.contains("copying"));
        is_begun && size(&store.join(Engine::Redb.data())) > part
    });
    let why = refused(&world.run(&["serve"]));
    assert!(why.contains("ics-gateway restore"), "{why}");
    let aside = |name: &str| name.starts_with("store.replaced-");
    let count = || {
        let entries = fs::read_dir(world.domain.dir()).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| aside(&name.to_string_lossy())).count()
    };
    assert_eq!(count(), 1);
    assert_eq!(fact(&done(&world.run(&args)), "digest"), before);
    assert_eq!(count(), 1, "an unfinished store is not kept");
}

#[test]
fn files_that_are_cut_off_damaged_or_foreign_are_refused_by_name() {
    let world = World::start(Engine::Redb);
    world.populate();
    assert!(world.domain.stop().success());
    let (backup, state) = (world.file("b.backup"), world.file("s.ndjson"));
    done(&world.run(&["backup", "--to", text(&backup)]));
    done(&world.run(&["export", "--state", text(&state)]));
    let target = world.file("target-store");
    world.point_to(Engine::Redb, &target);
    for (verb, flag, file) in [
        ("restore", "--from", &backup),
        ("import", "--state", &state),
    ] {
        let whole = fs::read(file).expect("a file");
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            bytes
        };
        let longer = [whole.as_slice(), b"more"].concat();
        for (what, bytes) in [
            ("cut off", whole[..whole.len() - 1].to_vec()),
            ("half", whole[..whole.len() / 2].to_vec()),
            ("empty", Vec::new()),
            ("flipped", flipped(whole.len() / 2)),
            ("flipped at its end", flipped(whole.len() - 10)),
            ("longer", longer),
            ("foreign", b"PK\x03\x04 something else".to_vec()),
        ] {
            let spoiled = world.file("spoiled");
            fs::write(&spoiled, bytes).expect("a writable file");
            let why = refused(&world.run(&[verb, flag, text(&spoiled)]));
            assert!(why.contains(text(&spoiled)), "{verb} {what}: {why}");
            assert!(!target.exists(), "{verb} {what}: nothing was begun");
        }
    }
    // Nor one for the other.
    assert!(refused(&world.run(&["restore", "--from", text(&state)])).contains("no backup"));
    assert!(
        refused(&world.run(&["import", "--state", text(&backup)])).contains("no exported state")
    );
    // Nor with another keyring, before anything is begun.
    let other = Domain::create(|text| text);
    let keyring = world.domain.file("keys/keyring");
    fs::copy(other.file("keys/keyring"), &keyring).expect("a copy");
    for (verb, flag, file) in [
        ("restore", "--from", &backup),
        ("import", "--state", &state),
    ] {
        let why = refused(&world.run(&[verb, flag, text(file)]));
        assert!(
            why.contains("keys/keyring") && why.contains(text(file)),
            "{why}"
        );
        assert!(!target.exists());
    }
}

#[test]
fn a_disk_that_is_full_leaves_no_backup() {
    let world = World::start(Engine::Redb);
    world.populate();
    // A limit of file sizes is to whoever writes what a full disk is.
    let file = world.file("big.backup");
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec {:?} backup --to {:?} --config {:?}",
        Gateway::binary(),
        file,
        world.domain.configuration()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .output()
        .expect("bash");
    let why = refused(&output);
    assert!(
        why.contains("big.backup") || why.contains("File too large"),
        "{why}"
    );
    assert!(!file.exists() && !world.file("big.backup.part").exists());
    world.establish(&fresh_device());
}

#[test]
fn a_store_that_is_gone_or_damaged_is_restored_as_its_refusal_says() {
    for engine in [Engine::Redb, Engine::Sled] {
        let world = World::start(engine);
        let (kept, device) = world.populate();
        let file = world.file("nightly.backup");
        done(&world.run(&["backup", "--to", text(&file)]));
        assert!(world.domain.stop().success());
        let data = world.domain.file("store").join(engine.data());
        fs::write(data, vec![0; 8192]).expect("a writable file");
        let why = refused(&world.run(&["serve"]));
        let way = "ics-gateway restore --config FILE --from BACKUP --replace";
        assert!(why.contains(way), "{why}");
        // Wherever it lies, for where it lies is moved.
        let within = world.domain.file("store").join("nightly.backup");
        fs::rename(&file, &within).expect("the same disk");
        done(&world.run(&["restore", "--from", text(&within), "--replace"]));
        world.restart();
        let found = world.shop.inquire(&kept.service, &kept.uti).expect(200);
        assert_eq!(found.json()["deviceId"], device);
    }
}

/// What `sha256sum` says of a file.
fn sha256sum(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output();
    let said = done(&output.expect("sha256sum"));
    said.split_whitespace().next().expect("a hash").to_owned()
}

/// A backup that somebody altered and completed again: another instant, and a trailer that fits.
fn alter(backup: &Path, altered: &Path) {
    let mut bytes = fs::read(backup).expect("a file");
    bytes[16] ^= 1;
    let content = bytes.len() - 32;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes[..content]);
    bytes[content..].copy_from_slice(hash.as_ref());
    fs::write(altered, bytes).expect("a writable file");
}

#[test]
fn the_sha_256_that_is_told_is_that_of_the_file_and_keeps_any_other_out() {
    let world = World::start(Engine::Redb);
    world.populate();
    let (backup, state, table) = (
        world.file("b.backup"),
        world.file("s.ndjson"),
        world.file("t.csv"),
    );
    for (verb, flag, file) in [
        ("backup", "--to", &backup),
        ("export", "--state", &state),
        ("export", "--table", &table),
    ] {
        let told = fact(&done(&world.run(&[verb, flag, text(file)])), "sha256");
        assert_eq!(told, sha256sum(file), "{verb} {flag}");
    }
    assert!(world.domain.stop().success());
    let (altered, cut) = (world.file("altered.backup"), world.file("cut.ndjson"));
    alter(&backup, &altered);
    let lines = fs::read(&state).expect("a file");
    fs::write(&cut, &lines[..lines.len() - 1]).expect("a writable file");
    let store = world.domain.file("store");
    let before = fs::read_dir(world.domain.dir())
        .expect("a directory")
        .count();
    for (args, other, own) in [
        (["restore", "--replace", "--from"], &altered, &backup),
        (["restore", "--replace", "--from"], &state, &backup),
    ] {
        let hash = sha256sum(own);
        let named = [&args[..], &[text(other), "--sha256", &hash]].concat();
        let why = refused(&world.run(&named));
        assert!(
            why.contains(text(other)) && why.contains(&sha256sum(other)),
            "{why}"
        );
        let after = fs::read_dir(world.domain.dir())
            .expect("a directory")
            .count();
        assert!(store.exists() && after == before, "nothing is moved");
    }
    // Nothing within it tells it from one of ours.
    let target = world.file("altered-store");
    world.point_to(Engine::Redb, &target);
    let said = done(&world.run(&["restore", "--from", text(&altered)]));
    assert_eq!(fact(&said, "sha256"), sha256sum(&altered));
    for (args, other, own) in [
        (["restore", "--from"], &altered, &backup),
        (["import", "--state"], &cut, &state),
    ] {
        let target = world.file(&format!("{}-store", args[0]));
        world.point_to(Engine::Redb, &target);
        let verb = |file: &Path| {
            let hash = sha256sum(own).to_uppercase();
            world.run(&[args[0], args[1], text(file), "--sha256", &hash])
        };
        let why = refused(&verb(other));
        assert!(why.contains("SHA-256") && !target.exists(), "{why}");
        assert_eq!(fact(&done(&verb(own)), "sha256"), sha256sum(own));
    }
}

/// What a verb says of a damaged store: that it is, and what to do.
#[track_caller]
fn tells_of_damage(output: &Output, file: &Path) -> String {
    let why = refused(output);
    assert!(why.contains("damaged"), "{why}");
    for way in [
        "ics-gateway store check",
        "ics-gateway restore",
        "--replace",
    ] {
        assert!(why.contains(way), "{why}");
    }
    assert!(
        !why.contains("docs.rs") && !why.contains("close_notify"),
        "{why}"
    );
    let part = PathBuf::from(format!("{}.part", text(file)));
    assert!(!file.exists() && !part.exists(), "it is not kept");
    why
}

#[test]
fn what_of_a_damaged_store_cannot_be_written_out_is_told_as_damage_with_the_way_out() {
    for (engine, is_large) in [
        (Engine::Redb, false),
        (Engine::Sled, false),
        (Engine::Redb, true),
    ] {
        let world = World::start(engine);
        let first = world.establish(&fresh_device());
        if is_large {
            // Some of it is out before the damage is met.
            world.stop_with_many(&first);
        } else {
            assert!(world.domain.stop().success());
        }
        world.spoil_newest_row();
        let verbs = [
            (["backup", "--to"], "d.backup"),
            (["export", "--state"], "d.ndjson"),
            (["export", "--table"], "d.csv"),
        ];
        for serves in [true, false] {
            if serves {
                world.restart();
            } else {
                assert!(world.domain.stop().success());
            }
            for (args, name) in verbs {
                let file = world.file(name);
                let output = world.run(&[args[0], args[1], text(&file)]);
                let why = tells_of_damage(&output, &file);
                let store = world.domain.file("store");
                assert_eq!(why.contains(text(&store)), !serves, "{why}");
            }
        }
    }
}

#[test]
fn damage_that_a_request_meets_is_told_by_metrics_health_status_and_doctor() {
    for engine in [Engine::Redb, Engine::Sled] {
        let world = World::start(engine);
        let kept = world.establish(&fresh_device());
        let hit = world.establish(&fresh_device());
        let read = |path: &str| world.domain.operator("GET", path, None);
        let of_store = || read("/operator/v1/health/ready").expect(200).json()["store"].clone();
        let doctor = || {
            let output = world.run(&["doctor", "--json"]);
            let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
            let of_damage = |f: &&Value| f["text"].as_str().unwrap_or("").contains("damaged");
            let found = findings.iter().find(of_damage).cloned();
            (found, output)
        };
        let metric = || {
            let said = world.domain.operator("GET", "/operator/v1/metrics", None);
            let said = said.expect(200).body;
            let line = said
                .lines()
                .find_map(|l| l.strip_prefix("ics_store_damage_total "));
            line.expect("the metric").parse::<u64>().expect("a number")
        };
        assert_eq!((of_store(), metric()), ("WRITING".into(), 0));
        assert_eq!(doctor().0, None);
        assert!(world.domain.stop().success());
        world.spoil_newest_row();
        world.restart();
        world.shop.get(&hit.own).expect(500);
        assert!(metric() > 0);
        assert_eq!(of_store(), "DAMAGED");
        let ready = read("/operator/v1/health/ready").expect(200).json();
        assert_eq!(ready["status"], "degraded");
        assert_eq!(
            read("/operator/v1/status").expect(200).json()["store"],
            "DAMAGED"
        );
        assert!(fact(&done(&world.run(&["status"])), "store").starts_with("DAMAGED"));
        let (found, output) = doctor();
        let found = found.expect("a finding");
        assert_eq!(
            (&found["light"], output.status.code()),
            (&"red".into(), Some(2))
        );
        let fix = found["fix"].as_str().expect("a command");
        assert!(
            fix.contains("store check") && fix.contains("restore"),
            "{fix}"
        );
        // What is whole is served.
        world.shop.inquire(&kept.service, &kept.uti).expect(200);
    }
}
