//! The files that `backup` and `export` write, and who may make a store of them: what is left when
//! a verb is cut off, what is not overwritten, whose a store is, and which time it brings along.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ics_tests::{Domain, Gateway, MovableClock, wait_for};

/// A user that nobody here is.
const OTHER: u32 = 54_321;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn command(domain: &Domain, args: &[&str]) -> Command {
    let mut command = Command::new(Gateway::binary());
    command
        .args(args)
        .arg("--config")
        .arg(domain.configuration());
    command.stdin(Stdio::null());
    command
}

fn run(domain: &Domain, args: &[&str]) -> Output {
    command(domain, args).output().expect("it runs")
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asks a verb to end as soon as it has begun its file.
fn cut_off(domain: &Domain, args: &[&str], signal: &str) {
    let (file, part) = (
        domain.scratch().join("file"),
        domain.scratch().join("file.part"),
    );
    wait_for("a verb that was not through", || {
        let mut verb = command(domain, &[args, &[text(&file)]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        while !part.exists() && verb.try_wait().expect("a child").is_none() {
            std::thread::yield_now();
        }
        let asked = Command::new("kill")
            .args([format!("-{signal}"), verb.id().to_string()])
            .status();
        // It may have ended first; it was not waited for, so its id is nobody else's.
        asked.expect("kill");
        let output = verb.wait_with_output().expect("it ends");
        assert!(!part.exists(), "{args:?} {signal}: {output:?}");
        if output.status.success() {
            fs::remove_file(&file).expect("it was through");
            return None;
        }
        let why = refused(&output);
        assert!(why.contains("cut off by a signal"), "{args:?}: {why}");
        assert!(!file.exists(), "{args:?} {signal}");
        Some(())
    });
}

#[test]
fn a_verb_that_is_asked_to_end_leaves_nothing() {
    let domain = Domain::start(|text| text);
    for serves in [true, false] {
        if !serves {
            assert!(domain.stop().success());
        }
        for signal in ["TERM", "INT"] {
            for args in [
                &["backup", "--to"],
                &["export", "--state"],
                &["export", "--table"],
            ] {
                cut_off(&domain, args, signal);
            }
        }
    }
}

#[test]
fn what_is_no_regular_file_is_not_replaced_by_force() {
    let domain = Domain::start(|text| text);
    let pipe = domain.scratch().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    for args in [["backup", "--to"], ["export", "--state"]] {
        let why = refused(&run(&domain, &[args[0], args[1], text(&pipe), "--force"]));
        assert!(
            why.contains(text(&pipe)) && why.contains("no regular file"),
            "{why}"
        );
        let found = pipe.symlink_metadata().expect("it is still there");
        assert!(found.file_type().is_fifo());
    }
    assert!(!domain.scratch().join("pipe.part").exists());
}

/// Gives a file to somebody else; whether that could be done.
fn give_away(path: &Path) -> bool {
    match chown(path, Some(OTHER), None) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("SKIPPED: only root has files of two users");
            false
        }
        given => {
            given.expect("a file");
            true
        }
    }
}

#[test]
fn a_store_is_opened_and_made_by_its_owner_alone() {
    let domain = Domain::start(|text| text);
    let backup = domain.scratch().join("x.backup");
    let state = domain.scratch().join("x.ndjson");
    done(&run(&domain, &["backup", "--to", text(&backup)]));
    done(&run(&domain, &["export", "--state", text(&state)]));
    assert!(domain.stop().success());
    let (store, keyring) = (domain.file("store"), domain.file("keys/keyring"));
    let me = keyring.metadata().expect("a keyring").uid();
    let inode = |path: &Path| path.metadata().expect("it is there").ino();
    let before = inode(&store);
    if !give_away(&store) {
        return;
    }
    let elsewhere = domain.scratch().join("elsewhere");
    for args in [
        &["restore", "--from", text(&backup), "--replace"][..],
        &["backup", "--to", text(&elsewhere)],
        &["export", "--table", "-"],
        &["store", "check"],
        &["store", "compact"],
        &[
            "store",
            "migrate",
            "--to",
            "sled",
            "--directory",
            text(&elsewhere),
        ],
    ] {
        let why = refused(&run(&domain, args));
        assert!(
            why.contains(text(&store)) && why.contains("sudo -u '#54321' ics-gateway"),
            "{args:?}: {why}"
        );
        assert!(inode(&store) == before && !elsewhere.exists(), "{args:?}");
    }
    // Before there is a store, the keyring tells whose it will be.
    let aside = domain.file("aside");
    fs::rename(&store, &aside).expect("a writable directory");
    assert!(give_away(&keyring));
    let restore = ["restore", "--from", text(&backup)];
    for args in [restore, ["import", "--state", text(&state)]] {
        let why = refused(&run(&domain, &args));
        assert!(
            why.contains(text(&keyring)) && why.contains("sudo -u '#54321' ics-gateway"),
            "{args:?}: {why}"
        );
        assert!(!store.exists(), "{args:?}");
    }
    chown(&keyring, Some(me), None).expect("a file");
    done(&run(&domain, &restore));
    domain.serve();
}

#[test]
fn a_restore_tells_when_the_clock_will_not_be_believed() {
    let domain = Domain::start(|text| text);
    let backup = domain.scratch().join("old.backup");
    let state = domain.scratch().join("old.ndjson");
    // Stopped once, so that the time was remembered.
    assert!(domain.stop().success());
    done(&run(&domain, &["backup", "--to", text(&backup)]));
    done(&run(&domain, &["export", "--state", text(&state)]));
    let clock = MovableClock::new(domain.scratch().join("clock"));
    let restore = ["restore", "--from", text(&backup), "--replace"];
    for (offset, believed) in [("+29d", true), ("+31d", false)] {
        clock.set(offset);
        let mut verb = command(&domain, &restore);
        let said = done(&verb.envs(clock.environment()).output().expect("it runs"));
        assert_eq!(
            !said.contains("ics-gateway clock accept"),
            believed,
            "{offset}: {said}"
        );
    }
    fs::rename(domain.file("store"), domain.file("aside")).expect("a writable directory");
    let mut verb = command(&domain, &["import", "--state", text(&state)]);
    let said = done(&verb.envs(clock.environment()).output().expect("it runs"));
    assert!(said.contains("ics-gateway clock accept"), "{said}");
}
