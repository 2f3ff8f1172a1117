//! What is refused at once, in words, and leaves others as they are: a second sandbox, a clock that
//! was never set, a state that no gateway came to, files that are none.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ics_tests::{Domain, Gateway, MovableClock, Sandbox, fresh_device};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Runs the gateway's binary to its end, which must come soon.
fn run(args: &[&str], environment: &[(String, String)]) -> Output {
    let mut child = Command::new(Gateway::binary())
        .args(args)
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let began = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().expect("our own child");
            let output = child.wait_with_output().expect("it was killed");
            panic!("{args:?} goes on and on: {output:?}");
        }
        std::thread::yield_now();
    }
    child.wait_with_output().expect("it ended")
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_second_sandbox_in_a_directory_is_refused_and_leaves_the_first_as_it_is() {
    let sandbox = Sandbox::start();
    let env = sandbox.dir().join("sandbox.env");
    let before = fs::read(&env).expect("a file");
    let why = refused(&run(&["sandbox", "--dir", text(sandbox.dir())], &[]));
    assert!(why.contains("in use by a sandbox that runs"), "{why}");
    assert_eq!(fs::read(&env).expect("it is still there"), before);
    sandbox
        .operator("GET", "/operator/v1/status", None)
        .expect(200);
    // After a kill it can be had again.
    sandbox.kill();
    sandbox.spawn();
    assert!(env.exists());
}

#[test]
fn a_gateway_is_not_started_by_a_clock_before_1970() {
    let domain = Domain::create(|text| text);
    let clock = MovableClock::new(domain.scratch().join("clock"));
    clock.set("-25000d");
    let configuration = domain.configuration();
    let serve = ["serve", "--config", text(&configuration)];
    let why = refused(&run(&serve, &clock.environment()));
    assert!(why.contains("before 1970"), "{why}");
    domain.serve();
}

/// The state with `from` as `to` wherever it stands, completed as whoever altered it would.
fn altered(state: &str, from: &str, to: &str) -> String {
    assert!(state.contains(from));
    let state = state.replace(from, to);
    let (body, trailer) = state.trim_end().rsplit_once('\n').expect("many lines");
    let body = format!("{body}\n");
    let scratch = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(scratch.path(), &body).expect("a writable file");
    let sum = Command::new("sha256sum").arg(scratch.path()).output();
    let sum = String::from_utf8(sum.expect("coreutils").stdout).expect("UTF-8");
    let old = trailer.find("\"sha256\":\"").expect("a hash") + 10;
    let trailer = trailer.replace(&trailer[old..old + 64], &sum[..64]);
    format!("{body}{trailer}\n")
}

#[test]
fn a_state_that_no_gateway_came_to_is_not_imported() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let row = shop.establish(&acme, "eggs", &fresh_device());
    assert!(sandbox.stop().success());
    let config = sandbox.env("ICS_CONFIG").to_owned();
    let state = sandbox.dir().join("state.ndjson");
    let exported = run(
        &["export", "--state", text(&state), "--config", &config],
        &[],
    );
    assert!(exported.status.success(), "{exported:?}");
    let whole = fs::read_to_string(&state).expect("a text");
    let line_of = |text: &str, what: &str| {
        let found = text.lines().position(|line| line.contains(what));
        found.expect("a line") + 1
    };

    let elsewhere = Path::new(&config).with_file_name("elsewhere.toml");
    let other = fs::read_to_string(&config).expect("a configuration");
    let other = other.replace("directory = \"store\"", "directory = \"elsewhere\"");
    fs::write(&elsewhere, other).expect("a writable directory");
    let store = elsewhere.with_file_name("elsewhere");
    let import = |text_of: &str, more: &[&str]| {
        fs::write(&state, text_of).expect("a writable file");
        let args = ["import", "--state", text(&state), "--config"];
        run(&[args.as_slice(), &[text(&elsewhere)], more].concat(), &[])
    };

    let uti = format!("\"uti\":\"{}\"", row.uti);
    let imsi = altered(&whole, &uti, "\"uti\":\"310150123456789\"");
    let why = refused(&import(&imsi, &[]));
    let line = format!("line {}: field `", line_of(&imsi, "310150123456789"));
    assert!(
        why.contains(&line) && why.contains("--accept-identifiers"),
        "{why}"
    );
    assert!(!why.contains("310150123456789"), "no value is told: {why}");

    let named = format!("\"thirdPartySpId\":\"{}\"", shop.id);
    let orphan = altered(&whole, &named, "\"thirdPartySpId\":\"nobody\"");
    let why = refused(&import(&orphan, &["--accept-identifiers"]));
    let line = format!("line {}: names", line_of(&orphan, "\"nobody\""));
    assert!(why.contains(&line) && why.contains("no record"), "{why}");
    assert!(!store.exists(), "nothing was begun");

    // What an older version took is taken on demand; this one was altered, and so is no copy.
    let why = refused(&import(&imsi, &["--accept-identifiers"]));
    assert!(why.contains("digest"), "{why}");
    let _ = fs::remove_dir_all(&store);
    let imported = import(&whole, &[]);
    assert!(imported.status.success(), "{imported:?}");
    let said = String::from_utf8_lossy(&imported.stdout).into_owned();
    assert!(!said.contains("identifiers"), "{said}");
}

#[test]
fn what_is_no_file_is_not_waited_for_and_what_has_no_end_is_not_read() {
    let domain = Domain::create(|text| text);
    let configuration = domain.configuration();
    let pipe = domain.scratch().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("coreutils").success());
    for args in [["restore", "--from"], ["import", "--state"]] {
        let args = [args[0], args[1], text(&pipe), "--config"];
        let why = refused(&run(
            &[args.as_slice(), &[text(&configuration)]].concat(),
            &[],
        ));
        assert!(why.contains("no regular file"), "{why}");
    }
    let why = refused(&run(&["serve", "--config", "/dev/zero"], &[]));
    assert!(why.contains("1 MiB"), "{why}");
    let checked = run(&["config", "check", "--config", "/dev/zero"], &[]);
    assert_eq!(checked.status.code(), Some(1));
    let faults = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(faults.contains("1 MiB"), "{faults}");
}
