//! kill -9 under sixteen writers: what was acknowledged is there, whole.
//!
//! A test has its own binary run again as the process that is killed: that one calls
//! [`write_until_killed`] in a test that is ignored otherwise.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use ics_core::change::Change;
use ics_core::port::{CommitError, Selection, Store};

use super::sample::{entry, pending, third_party};
use super::{Contender, block_on};

/// Where the process that is killed finds its directory.
const DIRECTORY: &str = "ICS_STORE_TEST_DIRECTORY";
/// How many acknowledged rows each round waits for.
const ROUNDS: [usize; 4] = [1, 40, 150, 77];
const WRITERS: usize = 16;

/// Commits a row of that number, and an outbox entry with it.
///
/// # Errors
/// Those of the store.
pub fn put(store: &impl Store, number: u64) -> Result<(), CommitError> {
    block_on(store.commit(create(number)))
}

/// What makes a row of that number, and an outbox entry with it.
#[must_use]
pub fn create(number: u64) -> Change {
    Change::default()
        .with_mapping(None, Some(pending(number)))
        .with_entry(None, Some(entry(&third_party("shop1"), number, 1)))
}

/// Whether the row of that number is there, and its outbox entry with it.
pub fn is_there(store: &impl Store, number: u64) -> bool {
    let row = block_on(store.load_live(&pending(number).key)).unwrap();
    let told = block_on(store.load_entry(&entry(&third_party("shop1"), number, 1).key)).unwrap();
    assert_eq!(row.is_some(), told.is_some(), "half a change");
    row.is_some()
}

/// Kills the test `child` of this binary in the middle of its writes, again and again, each time
/// in a new directory below `directory`, and looks at what it left.
pub fn acknowledged_rows_survive_kill_9<S: Store + Contender>(
    child: &str,
    directory: &Path,
    reopen: impl Fn(&Path) -> S,
) {
    for (round, acknowledged) in ROUNDS.into_iter().enumerate() {
        let at = directory.join(round.to_string());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child, "--ignored", "--nocapture"])
            .env(DIRECTORY, &at)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut rows = Vec::new();
        let take = |rows: &mut Vec<u64>, line: String| {
            let number = line.strip_prefix("committed ");
            rows.extend(number.and_then(|n| n.parse::<u64>().ok()));
        };
        while rows.len() < acknowledged {
            take(&mut rows, lines.next().unwrap().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines
            .map_while(Result::ok)
            .for_each(|line| take(&mut rows, line));
        let store = reopen(&at);
        store.assert_sound();
        assert!(
            rows.iter().all(|n| is_there(&store, *n)),
            "an acknowledged row is gone"
        );
        let page = block_on(store.walk(&Selection::All, None, usize::MAX)).unwrap();
        assert!(page.mappings.len() >= rows.len());
    }
}

/// The directory of the process that is killed.
#[must_use]
pub fn directory_of_the_killed() -> PathBuf {
    std::env::var_os(DIRECTORY).unwrap().into()
}

/// Writes rows by sixteen threads and says which are acknowledged, until it is killed.
pub fn write_until_killed(store: &impl Store) {
    thread::scope(|scope| {
        for writer in (0_u64..).take(WRITERS) {
            scope.spawn(move || {
                for n in (writer..).step_by(WRITERS) {
                    put(store, n).unwrap();
                    // One write call a line, so that lines of two writers do not mix.
                    std::io::stdout()
                        .write_all(format!("committed {n}\n").as_bytes())
                        .unwrap();
                }
            });
        }
    });
}
