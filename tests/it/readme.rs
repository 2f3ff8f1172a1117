//! The fifteen minutes of each reader, as README tells them, line by line.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use ics_tests::Gateway;

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
    let path = format!("{}/.venv/bin:{path}", tests.display());
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
fn every_line_of_the_operator_s_path_runs() {
    let readme = readme();
    let steps = blocks(&readme, "operator", "operator end");
    // Ports that are free on this machine instead of those a reader sees.
    let [t8, operator, mqtt, coap] = ics_tests::domain::free_ports();
    let steps = steps
        .replace("18443", &t8.to_string())
        .replace("18444", &operator.to_string())
        .replace("18883", &mqtt.to_string())
        .replace("15684", &coap.to_string());
    walk("", &steps);
}

#[test]
fn readme_names_the_two_commands_of_a_fresh_machine() {
    let readme = readme();
    for command in ["cargo run --release -- demo", "tests/run"] {
        assert!(readme.lines().any(|line| line == command), "{command}");
    }
}
