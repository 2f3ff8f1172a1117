//! The decision log: one JSON line for every access and every attempt, allowed or denied. The
//! audit's first form (rows X6, O10; security.md 7).
//!
//! A request first reserves room for its line, and is refused when there is none: nothing is
//! answered that leaves no line. Lines are handed over in memory before the answer leaves; a
//! thread writes them together, within milliseconds, and syncs them once a second.
//!
//! Never an identifier: no UTI, device ID, serial number, service URI, token.

mod file;
mod line;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ics_core::port::Clock;

use crate::config::{DecisionsSection, OnFailure};

pub(crate) use file::{DecisionFileError, check_directory};
pub(super) use line::{
    DeviceEntry, Entry, Verdict, render_bulk_end, render_device, render_request, render_unanswered,
};
pub(crate) use line::{HandshakeRefusal, render_handshake};

use file::{DecisionFile, Fate};

/// The file within the directory.
pub(crate) const FILE_NAME: &str = "decisions.jsonl";

/// What is reserved for a line until it is known.
pub(crate) const LINE_ROOM: usize = 512;
/// What the operator's listener may have beyond the queue: who mends must be served.
const OPERATOR_ROOM: usize = 1 << 20;
/// How long the writer gathers lines before it writes them together.
const GATHER: Duration = Duration::from_millis(5);
/// How often written lines are synced.
const SYNC: Duration = Duration::from_secs(1);
/// How many lines of what was refused before it was a request are kept each second.
const REFUSALS: u32 = 100;
/// How often a failing file is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// What a request is up to, as far as the log must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Reads, or gets a token to do so.
    Read,
    /// Changes rows, devices, grants.
    Change,
    /// Comes from the operator, whatever it does.
    Operator,
}

/// How the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DecisionLogHealth {
    /// The last attempt to write failed.
    pub(crate) failing: bool,
    /// Bytes reserved or waiting.
    pub(crate) waiting_bytes: usize,
    /// Lines written since the start.
    pub(crate) written: u64,
    /// Lines that were not kept since the start: those of requests with `on_failure = "continue"`
    /// alone, those of handshakes that failed whenever there was no room.
    pub(crate) lost: u64,
    /// Requests refused since the start for want of room.
    pub(crate) refused: u64,
    /// How often since the start the file was found deleted, or shortened: its lines are gone.
    pub(crate) taken_away: u64,
}

/// Where lines are handed over; cheap to clone.
#[derive(Clone)]
pub(crate) struct DecisionLog(Arc<Shared>);

/// The thread that writes. Dropping it writes what waits, and ends the log.
pub(crate) struct DecisionWriter {
    log: DecisionLog,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    used: AtomicUsize,
    capacity: usize,
    on_failure: OnFailure,
    failing: AtomicBool,
    written: AtomicU64,
    lost: AtomicU64,
    /// Of the lost ones, those that a line tells of.
    confessed: AtomicU64,
    refused: AtomicU64,
    taken_away: AtomicU64,
    refusals: Refusals,
    clock: Arc<dyn Clock>,
}

/// When the second that counts began, and the lines told in it.
#[derive(Default)]
struct Refusals(Mutex<Option<(Instant, u32)>>);

impl Refusals {
    fn is_too_fast(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (began, lines) = told
            .filter(|(began, _)| now.duration_since(*began) < Duration::from_secs(1))
            .unwrap_or((now, 0));
        *told = Some((began, lines.saturating_add(1)));
        lines >= REFUSALS
    }
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    lines: u64,
    reopen: bool,
    ended: bool,
}

impl DecisionLog {
    /// Opens the file, made where it is not there, and starts the thread.
    ///
    /// # Errors
    /// [`DecisionFileError`] when the file cannot be opened, or others may read it.
    pub(crate) fn open(
        section: &DecisionsSection,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, DecisionWriter), DecisionFileError> {
        Self::start(DecisionFile::open(&section.directory)?, section, clock)
    }

    fn start(
        file: DecisionFile,
        section: &DecisionsSection,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, DecisionWriter), DecisionFileError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            used: AtomicUsize::new(0),
            capacity: section.queue,
            on_failure: section.on_failure,
            failing: AtomicBool::new(false),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            confessed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            taken_away: AtomicU64::new(0),
            refusals: Refusals::default(),
            clock,
        });
        let writing = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("decisions".into())
            .spawn(move || writing.write_all(file))
            .map_err(|source| DecisionFileError::Unusable {
                path: PathBuf::from("writer thread"),
                source,
            })?;
        let log = Self(shared);
        let writer = DecisionWriter {
            log: log.clone(),
            thread: Some(thread),
        };
        Ok((log, writer))
    }

    /// Room for the line of what is about to happen; `None`: it must not happen.
    pub(crate) fn reserve(&self, act: Act) -> Option<Room> {
        let shared = &self.0;
        let failing = shared.failing.load(Ordering::Relaxed);
        let goes_on = shared.on_failure == OnFailure::Continue;
        if failing && !goes_on && act == Act::Change {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if let Some(room) = self.take_room(act) {
            return Some(room);
        }
        if failing && goes_on {
            return Some(Room::new(self, 0));
        }
        shared.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn take_room(&self, act: Act) -> Option<Room> {
        self.take_room_below(match act {
            Act::Operator => self.0.capacity.saturating_add(OPERATOR_ROOM),
            Act::Read | Act::Change => self.0.capacity,
        })
    }

    fn take_room_below(&self, limit: usize) -> Option<Room> {
        let shared = &self.0;
        let before = shared.used.fetch_add(LINE_ROOM, Ordering::Relaxed);
        if before.saturating_add(LINE_ROOM) <= limit {
            return Some(Room::new(self, LINE_ROOM));
        }
        shared.used.fetch_sub(LINE_ROOM, Ordering::Relaxed);
        None
    }

    /// Hands over the line of what was refused already, such as a handshake. Strangers who are
    /// refused neither take the room of requests nor fill the disk: beyond a quarter of the room,
    /// or [`REFUSALS`] a second, lines are lost, and counted.
    pub(crate) fn tell(&self, act: Act, line: &[u8]) {
        let room = match act {
            Act::Operator => self.take_room(act),
            Act::Read | Act::Change if self.0.refusals.is_too_fast() => None,
            Act::Read | Act::Change => self.take_room_below(self.0.capacity / 4),
        };
        match room {
            Some(room) => room.write(line),
            None => {
                self.0.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Has the file opened anew, under its name: whoever rotates it has moved the old one away.
    pub(crate) fn reopen(&self) {
        self.0.lock().reopen = true;
        self.0.changed.notify_all();
    }

    /// How the log is.
    pub(crate) fn health(&self) -> DecisionLogHealth {
        let shared = &self.0;
        DecisionLogHealth {
            failing: shared.failing.load(Ordering::Relaxed),
            waiting_bytes: shared.used.load(Ordering::Relaxed),
            written: shared.written.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            refused: shared.refused.load(Ordering::Relaxed),
            taken_away: shared.taken_away.load(Ordering::Relaxed),
        }
    }
}

/// Room for one line. Dropped without a line, it is given back.
pub(crate) struct Room {
    log: DecisionLog,
    bytes: usize,
}

impl Room {
    fn new(log: &DecisionLog, bytes: usize) -> Self {
        Self {
            log: log.clone(),
            bytes,
        }
    }

    /// Hands a whole line over, its end included.
    pub(crate) fn write(mut self, line: &[u8]) {
        let shared = Arc::clone(&self.log.0);
        if self.bytes == 0 {
            shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let reserved = std::mem::take(&mut self.bytes);
        if line.len() <= reserved {
            let unused = reserved.saturating_sub(line.len());
            shared.used.fetch_sub(unused, Ordering::Relaxed);
        } else {
            let more = line.len().saturating_sub(reserved);
            shared.used.fetch_add(more, Ordering::Relaxed);
        }
        let mut state = shared.lock();
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.lines = state.lines.saturating_add(1);
        drop(state);
        if was_empty {
            shared.changed.notify_one();
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.log.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for DecisionWriter {
    fn drop(&mut self) {
        self.log.0.lock().ended = true;
        self.log.0.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread has taken and not yet written.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    written: usize,
    lines: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut file: DecisionFile) {
        let mut taken = Taken::default();
        let mut synced = Instant::now();
        // What was asked for or failed is done before the log is called well again.
        let (mut reopen, mut unsynced) = (false, false);
        let mut confessed = None::<Instant>;
        loop {
            let again = reopen || unsynced || self.unconfessed().is_some();
            let (asked, ended) = self.take(&mut taken, &file, again);
            reopen |= asked;
            let mut outcome = self.follow(&taken, &mut file);
            if outcome.is_ok() {
                outcome = self.write(&mut taken, &mut file);
            }
            let due = ended || unsynced || synced.elapsed() >= SYNC;
            if outcome.is_ok() && file.is_dirty() && due {
                outcome = file.sync();
                unsynced = outcome.is_err();
                synced = Instant::now();
            }
            if reopen {
                let reopened = file.reopen();
                reopen = reopened.is_err();
                outcome = outcome.and(reopened);
            }
            let is_well = outcome.is_ok();
            self.note(outcome, &file);
            let may_confess = ended || confessed.is_none_or(|at| at.elapsed() >= SYNC);
            if let Some(lost) = self.unconfessed().filter(|_| is_well && may_confess) {
                self.confess(lost);
                confessed = Some(Instant::now());
            }
            if ended {
                if is_well && !self.lock().waiting.is_empty() {
                    continue;
                }
                self.tell_left(taken.lines);
                return;
            }
        }
    }

    /// Says what could not be written before the end.
    fn tell_left(&self, taken: u64) {
        let left = taken.saturating_add(self.lock().lines);
        if left > 0 {
            self.lost.fetch_add(left, Ordering::Relaxed);
            tracing::error!(
                left,
                "the decision log ends with lines that were not written"
            );
        }
    }

    /// Waits for something to do, and takes what waits unless older lines could not be written.
    /// `again`: something else is to be tried soon.
    fn take(&self, taken: &mut Taken, file: &DecisionFile, again: bool) -> (bool, bool) {
        let wait = |state, span, more: bool| {
            let nothing = |s: &mut State| !s.ended && !s.reopen && (!more || s.waiting.is_empty());
            let waited = self.changed.wait_timeout_while(state, span, nothing);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        let mut state = self.lock();
        if taken.bytes.is_empty() {
            // Something to sync, or nothing at all to do for as long as it takes.
            let span = match (again, file.is_dirty()) {
                (true, _) => RETRY,
                (false, true) => SYNC,
                (false, false) => Duration::MAX,
            };
            state = wait(state, span, true);
            state = wait(state, GATHER, false);
            std::mem::swap(&mut taken.bytes, &mut state.waiting);
            taken.lines = std::mem::take(&mut state.lines);
        } else {
            state = wait(state, RETRY, false);
        }
        (std::mem::take(&mut state.reopen), state.ended)
    }

    /// Before something is written: goes on under the name, where the file was moved away from it or
    /// deleted and nobody said so. That lines were taken away is told, and stands in the log.
    fn follow(&self, taken: &Taken, file: &mut DecisionFile) -> std::io::Result<()> {
        if taken.bytes.is_empty() {
            return Ok(());
        }
        let fate = file.fate();
        match fate {
            Fate::Kept => return Ok(()),
            Fate::Moved | Fate::Deleted => file.reopen()?,
            Fate::Shortened => file.accept_length()?,
        }
        let path = file.path().display();
        if fate == Fate::Moved {
            tracing::info!(%path, "the decision log was moved: it is opened anew");
            return Ok(());
        }
        self.taken_away.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%path, ?fate, "lines of the decision log were taken away: it is gone on with");
        self.add_event("LINES_TAKEN_AWAY", self.taken_away.load(Ordering::Relaxed));
        Ok(())
    }

    fn write(&self, taken: &mut Taken, file: &mut DecisionFile) -> std::io::Result<()> {
        let rest = taken.bytes.get(taken.written..).unwrap_or_default();
        let (written, outcome) = file.append(rest);
        taken.written = taken.written.saturating_add(written);
        outcome?;
        self.used.fetch_sub(taken.bytes.len(), Ordering::Relaxed);
        self.written.fetch_add(taken.lines, Ordering::Relaxed);
        taken.bytes.clear();
        taken.written = 0;
        taken.lines = 0;
        Ok(())
    }

    /// Says once that the log fails, and once that it is written again, with what was lost.
    fn note(&self, outcome: std::io::Result<()>, file: &DecisionFile) {
        let failed = self.failing.load(Ordering::Relaxed);
        match outcome {
            Err(error) if !failed => {
                self.failing.store(true, Ordering::Relaxed);
                let path = file.path().display();
                tracing::error!(%error, %path, "the decision log cannot be written");
            }
            Ok(()) => {
                let lost = self.lost.load(Ordering::Relaxed);
                if failed {
                    self.failing.store(false, Ordering::Relaxed);
                    tracing::warn!(lost, "the decision log is written again");
                }
            }
            Err(_) => {}
        }
    }

    /// How many lines were lost, when no line tells of the last of them.
    fn unconfessed(&self) -> Option<u64> {
        let lost = self.lost.load(Ordering::Relaxed);
        (lost > self.confessed.load(Ordering::Relaxed)).then_some(lost)
    }

    /// A line about lines that are not there.
    fn confess(&self, lost: u64) {
        self.confessed.store(lost, Ordering::Relaxed);
        self.add_event("LINES_LOST", lost);
    }

    /// A line of the log about itself.
    fn add_event(&self, event: &str, since_start: u64) {
        let now = self.clock.now();
        let line =
            format!("{{\"time\":\"{now}\",\"event\":\"{event}\",\"since_start\":{since_start}}}\n");
        let mut state = self.lock();
        self.used.fetch_add(line.len(), Ordering::Relaxed);
        state.waiting.extend_from_slice(line.as_bytes());
        state.lines = state.lines.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
