//! The fifteen minutes of each reader, as README tells them, line by line.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use ics_tests::{Acme, Gateway, Sandbox};

/// The shell blocks of README between two marks.
fn blocks(readme: &str, from: &str, to: &str) -> String {
    let (_, rest) = readme
        .split_once(&format!("<!-- ci: {from} -->"))
        .expect("the first mark");
    let (part, _) = rest
        .split_once(&format!("<!-- ci: {to} -->"))
        .expect("the second mark");
    let mut script = String::new();
    let mut rest = part;
    while let Some((_, block)) = rest.split_once("```sh\n") {
        let (block, after) = block.split_once("```").expect("a block that ends");
        script.push_str(block);
        rest = after;
    }
    script
}

/// Runs lines of README in a directory of their own, and what was started to its end.
fn walk(background: &str, steps: &str) {
    let script = format!(
        r#"set -euo pipefail
shopt -s expand_aliases
# The binaries are built; `cargo run --release -- ARGS` is ARGS to the gateway. In the background it
# takes the place of its subshell, so that the job is the program itself.
cargo() {{
    test "$1 $2" = "run --release"
    local binary=$ICS_GATEWAY
    shift 2
    if [ "$1" = -p ]; then
        test "$2 $3" = "ics-examples --bin"
        binary=$(dirname "$ICS_GATEWAY")/$4
        shift 4
    fi
    test "$1" = --
    if [ "$BASHPID" = $$ ]; then "$binary" "${{@:2}}"; else exec "$binary" "${{@:2}}"; fi
}}
trap 'kill $(jobs -p); wait' EXIT
{background}
{steps}
echo "whole path walked"
"#
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    symlink(tests.join("../examples"), dir.path().join("examples")).expect("a link");
    // What its readers install with pip lies here.
    let path = std::env::var("PATH").expect("a path");
    let own = tests.display();
    let path = format!("{own}/.venv/bin:{own}/.acme-venv/bin:{path}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(dir.path())
        .env("ICS_GATEWAY", Gateway::binary())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("whole path walked"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn readme() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join("README.md")).expect("README.md")
}

#[test]
fn every_line_of_the_third_party_path_runs() {
    let readme = readme();
    walk(
        &blocks(&readme, "sandbox", "steps"),
        &blocks(&readme, "steps", "end"),
    );
}

#[test]
fn every_line_of_the_firmware_developer_s_path_runs() {
    let readme = readme();
    walk(
        &blocks(&readme, "sandbox", "steps"),
        &blocks(&readme, "firmware", "firmware end"),
    );
}

#[test]
fn every_line_of_the_firmware_developer_s_path_over_coap_runs() {
    let readme = readme();
    let steps = [
        blocks(&readme, "coap", "coap waits"),
        blocks(&readme, "service asks", "service asked"),
        blocks(&readme, "coap goes on", "coap end"),
    ];
    walk(&blocks(&readme, "sandbox", "steps"), &steps.concat());
}

#[test]
fn every_line_of_the_platform_owner_s_path_runs() {
    let steps = blocks(&readme(), "platform", "platform end");
    walk("", &with_free_ports(&steps, ["18080", "18081", "18082"]));
}

#[test]
fn every_line_from_nothing_to_an_established_mapping_runs() {
    let readme = readme();
    walk(
        &blocks(&readme, "sandbox", "steps"),
        &blocks(&readme, "enrol", "enrol end"),
    );
}

/// The same, in Python, with a platform and a gateway of its own.
#[test]
fn the_walk_through_a_platform_in_python_runs() {
    let acme = Acme::options().admitting("/id-ics").start();
    let sandbox = Sandbox::start_joined(&acme.url());
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(tests.join(".venv/bin/python3"))
        .arg(tests.join("../examples/onem2m/walkthrough.py"))
        .arg(acme.url())
        .arg(sandbox.dir().join("sandbox.env"))
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("8. "),
        "{output:?}"
    );
}

/// Ports that are free on this machine instead of those a reader sees.
fn with_free_ports<const N: usize>(steps: &str, shown: [&str; N]) -> String {
    let free = ics_tests::domain::free_ports::<N>();
    let pairs = shown.iter().zip(free);
    pairs.fold(steps.to_owned(), |steps, (shown, port)| {
        steps.replace(shown, &port.to_string())
    })
}

#[test]
fn every_line_of_the_operator_s_path_runs() {
    let readme = readme();
    let steps = blocks(&readme, "operator", "operator end");
    let shown = ["18443", "18444", "18883", "15684"];
    walk("", &with_free_ports(&steps, shown));
}

#[test]
fn readme_names_the_two_commands_of_a_fresh_machine() {
    let readme = readme();
    for command in ["cargo run --release -- demo", "tests/run"] {
        assert!(readme.lines().any(|line| line == command), "{command}");
    }
}
