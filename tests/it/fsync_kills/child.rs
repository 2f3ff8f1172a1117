//! The process that is killed: this test binary once more, at a test that is ignored otherwise.
//!
//! It says on its standard output how far it is and waits to be told to go on, so that strace is
//! attached at a known moment.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use super::workload::{WRITERS, commit, steps};
use crate::engine::Engine;

const DIRECTORY: &str = "ICS_FSYNC_TEST_DIRECTORY";
const ENGINE: &str = "ICS_FSYNC_TEST_ENGINE";
/// What its lines begin with; the test harness writes lines of its own.
const MARK: &str = "@ ";
/// Enough that it does not come to its end before it is killed.
const ROWS: u64 = 4_000;

/// Opens a store and writes to it until it is killed.
pub(super) fn write_until_killed() {
    let engine = match std::env::var(ENGINE).expect("an engine").as_str() {
        "redb" => Engine::Redb,
        _ => Engine::Sled,
    };
    let directory = std::env::var_os(DIRECTORY).expect("a directory");
    say("ready");
    wait_for_word();
    let store = engine.open(Path::new(&directory));
    say("open");
    wait_for_word();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = store.store();
            scope.spawn(move || {
                for number in (writer..ROWS).step_by(WRITERS as usize) {
                    for (step, change) in steps(number).iter().enumerate() {
                        commit(store, change).expect("it is written");
                        say(&format!("done {number} {}", step + 1));
                    }
                }
            });
        }
    });
    say("end");
}

/// One write call a line: lines of two writers do not mix, and none is lost with the process.
fn say(text: &str) {
    let line = format!("\n{MARK}{text}\n");
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).expect("standard output");
    out.flush().expect("standard output");
}

fn wait_for_word() {
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).expect("a word");
}

/// Such a process.
pub(super) struct Killed {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What it said before its end.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(super) is_open: bool,
    /// By row, how many of its steps were acknowledged.
    pub(crate) acknowledged: BTreeMap<u64, usize>,
    /// The signal it died of.
    pub(super) signal: Option<i32>,
}

impl Killed {
    /// Starts one that is about to open the store in `directory`.
    pub(super) fn start(engine: Engine, directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a binary"))
            .args(["--exact", "fsync_kills::child_writes_until_killed"])
            .args(["--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(ENGINE, engine.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut killed = Self { child, lines };
        killed.wait_for("ready");
        killed
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it open the store, and waits until it has.
    pub(super) fn open(&mut self) {
        self.go_on();
        self.wait_for("open");
    }

    fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().expect("piped");
        // It may be dead already.
        let _ = input.write_all(b"go on\n");
    }

    fn next_word(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.expect("UTF-8");
            if let Some(text) = line.strip_prefix(MARK) {
                return Some(text.to_owned());
            }
        }
    }

    fn wait_for(&mut self, word: &str) {
        assert_eq!(self.next_word().as_deref(), Some(word));
    }

    /// Ends one that has said nothing of interest.
    pub(super) fn end(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Lets it go on until it is dead.
    pub(super) fn run_until_dead(mut self) -> Said {
        let mut said = Said::default();
        self.go_on();
        while let Some(word) = self.next_word() {
            match word.split(' ').collect::<Vec<_>>()[..] {
                ["open"] => {
                    said.is_open = true;
                    self.go_on();
                }
                ["done", number, step] => {
                    let (number, step) = (number.parse(), step.parse());
                    let number = number.expect("a number");
                    said.acknowledged
                        .insert(number, step.expect("a number of steps"));
                }
                _ => panic!("it came to its end alive: {word}"),
            }
        }
        said.signal = self.child.wait().expect("it ends").signal();
        said
    }
}
