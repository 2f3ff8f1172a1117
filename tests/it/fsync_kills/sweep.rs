//! A process killed at a chosen sync of a new store, and a look at what it left.

use std::path::Path;

use ics_tests::Strace;
use ics_tests::strace::{NthCall, calls_of_busiest_thread};

use super::SIGKILL;
use super::child::{Killed, Said};
use super::workload::{Held, WRITERS, commit, count_rows, directory, steps};
use crate::engine::Engine;

/// What an engine makes durable with.
pub(super) const SYNCS_OF_OPENING: &str = "fsync,fdatasync,msync";
/// What each commit ends with.
const SYNC_OF_COMMIT: &str = "fdatasync";
/// What sled has its own threads begin to write with, some eight of them.
const WRITE_OF_SLED: &str = "sync_file_range";
/// Every opening of a store makes this call twice at least: its witness, and that one's name.
const SYNC_OF_WITNESS: &str = "fsync";

/// The syncs of a new store, in order: those that begin it, then those of its commits.
pub(crate) struct Sweep {
    engine: Engine,
    opening: Vec<NthCall>,
}

impl Sweep {
    /// Has a store begun once, to know the syncs that begin one.
    pub(crate) fn plan(engine: Engine) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let record = place.path().join("record");
        let mut child = Killed::start(engine, &place.path().join("store"));
        let strace = Strace::record(child.pid(), SYNCS_OF_OPENING, &record);
        child.open();
        child.end();
        strace.wait();
        let opening = calls_of_busiest_thread(&record);
        assert!(!opening.is_empty(), "nothing is synced before it is open");
        Self { engine, opening }
    }

    /// How many syncs begin a store.
    pub(crate) fn syncs_of_opening(&self) -> u32 {
        self.opening.len() as u32
    }

    /// Kills a process just before it makes sync `n`, from 1, of the new store in `at`.
    pub(crate) fn kill_at(&self, at: &Path, n: u32) -> Said {
        match self.opening.get(n as usize - 1) {
            Some(sync) => self.kill_opening(at, sync),
            None => self.kill_writing(at, &nth(SYNC_OF_COMMIT, n - self.syncs_of_opening())),
        }
    }

    /// Kills a process just before one of sled's threads makes its `n`th write.
    pub(super) fn kill_at_write_of_sled(&self, at: &Path, n: u32) -> Said {
        self.kill_writing(at, &nth(WRITE_OF_SLED, n))
    }

    /// Kills a process while it opens the store that another left in `at`.
    pub(super) fn kill_reopening(&self, at: &Path, n: u32) {
        let said = self.kill_opening(at, &nth(SYNC_OF_WITNESS, 1 + n % 2));
        assert!(said.acknowledged.is_empty());
    }

    fn kill_opening(&self, at: &Path, sync: &NthCall) -> Said {
        let child = Killed::start(self.engine, at);
        let _strace = Strace::kill_at(child.pid(), sync);
        let said = child.run_until_dead();
        assert_eq!(said.signal, Some(SIGKILL), "{sync:?}");
        assert!(!said.is_open, "{sync:?} is one of opening");
        said
    }

    fn kill_writing(&self, at: &Path, call: &NthCall) -> Said {
        let mut child = Killed::start(self.engine, at);
        child.open();
        let _strace = Strace::kill_at(child.pid(), call);
        let said = child.run_until_dead();
        assert_eq!(said.signal, Some(SIGKILL), "{call:?}");
        said
    }
}

pub(super) fn nth_commit(nth: u32) -> NthCall {
    self::nth(SYNC_OF_COMMIT, nth)
}

fn nth(call: &str, nth: u32) -> NthCall {
    let call = call.to_owned();
    NthCall { call, nth }
}

/// Looks at what was left, and goes on with it; how many steps are there.
pub(crate) fn check(engine: Engine, at: &Path, said: &Said) -> usize {
    let contender = engine.open(at);
    contender.assert_sound();
    let store = contender.store();
    let (mut total, mut rows) = (0, 0);
    let directory = directory(store);
    for writer in 0..WRITERS {
        // The rows its writer began, and the one it may have begun unheard.
        for number in (writer..).step_by(WRITERS as usize) {
            let acknowledged = said.acknowledged.get(&number).copied().unwrap_or(0);
            let held = Held::find(store, &directory, number);
            let all = steps(number);
            let is_in_flight = held != Held::after(number, acknowledged);
            let count = acknowledged + usize::from(is_in_flight);
            assert!(
                count <= all.len() && held == Held::after(number, count),
                "row {number}, {acknowledged} steps acknowledged: {held:?}"
            );
            total += count;
            rows += usize::from(held.has_mapping());
            if count < all.len() {
                let next = commit(store, &all[count]);
                next.unwrap_or_else(|error| panic!("{error} for row {number}"));
                rows += usize::from(count == 0);
                rows -= usize::from(held.has_mapping() && is_purge(&all[count]));
                let later = number + WRITERS;
                assert!(!said.acknowledged.contains_key(&later), "out of order");
                break;
            }
        }
    }
    assert_eq!(count_rows(store), rows, "rows nobody asked for");
    contender.assert_sound();
    total
}

fn is_purge(change: &ics_core::change::Change) -> bool {
    change.mappings().iter().any(|write| write.after.is_none())
}
