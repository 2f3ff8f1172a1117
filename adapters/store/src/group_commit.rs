//! One thread writes for all: whatever waits goes into one transaction with one sync.
//!
//! Each change is checked against the store and the changes before it in the batch; one that
//! conflicts is answered so and leaves nothing in the transaction. Nobody is answered before the
//! batch is durable. A batch that fails fails for all in it, and the next one is tried.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::{fmt, io, thread};

use ics_core::change::Change;
use ics_core::port::{CommitError, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::apply::{Refusal, apply};
use crate::engine::{Engine, Overlay, Verdict, WriteKeys};
use crate::fault::Fault;
use crate::index::{self, Table};
use crate::panics::contain_panics;
use crate::record::{Tally, encode};
use crate::walk::load;
use crate::witness::Witness;

/// How much waits, and how much goes into one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Changes that may wait before callers do.
    pub queue: usize,
    /// Changes in one transaction.
    pub changes: usize,
    /// Bytes of keys and values in one transaction; the change that passes it is the last.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            queue: 1024,
            changes: 512,
            bytes: 4 << 20,
        }
    }
}

/// Told of transactions as they begin and end, by the writer's thread, and of damage: for metrics.
pub trait CommitWatch: fmt::Debug + Send + Sync {
    /// A transaction begins.
    fn begin(&self);
    /// It ended with so many changes taken; `durable`: they are kept.
    fn end(&self, changes: usize, durable: bool);
    /// A read or a change met what contradicts itself or cannot be read, or the engine fell over it;
    /// told by whoever met it, before anybody is answered.
    fn note_damage(&self);
}

/// Who watches, once somebody does.
pub(crate) type Watch = Arc<OnceLock<Arc<dyn CommitWatch>>>;

/// Who has to do with a transaction: those who wait, who remembers it, who watches.
type Parties<'p> = (
    &'p mut mpsc::Receiver<Job>,
    Option<&'p mut Witness>,
    Option<&'p Arc<dyn CommitWatch>>,
);

type Waiter = oneshot::Sender<Result<(), CommitError>>;

/// A change and who waits for it.
#[derive(Debug)]
struct Job {
    change: Change,
    answer: Waiter,
}

/// The queue and the thread behind it. Dropping it writes what waits, then ends the thread.
#[derive(Debug)]
pub(crate) struct GroupCommitter {
    queue: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    watch: Watch,
}

impl GroupCommitter {
    /// Starts the thread. The witness learns of each transaction before anybody else does, and
    /// that the store was closed when the queue is.
    pub(crate) fn start<E: Engine>(
        engine: Arc<E>,
        limits: BatchLimits,
        mut witness: Option<Witness>,
    ) -> io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel(limits.queue.max(1));
        let watch = Watch::default();
        let watching = Arc::clone(&watch);
        let writer = thread::Builder::new()
            .name("ics-store".to_owned())
            .spawn(move || {
                while let Some(first) = waiting.blocking_recv() {
                    let watch = watching.get();
                    if let Some(watch) = watch {
                        watch.begin();
                    }
                    let parties = (&mut waiting, witness.as_mut(), watch);
                    let ended = Batch::write(&*engine, first, parties, limits);
                    if let Some(watch) = watch {
                        watch.end(ended.0, ended.1);
                    }
                }
                if let Some(witness) = witness {
                    witness.close();
                }
            })?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(writer),
            watch,
        })
    }

    /// From now on `watch` is told of transactions; the first one stays.
    pub(crate) fn watch(&self, watch: Arc<dyn CommitWatch>) {
        let _ = self.watch.set(watch);
    }

    /// Tells whoever watches that the store is damaged.
    pub(crate) fn note_damage(&self) {
        if let Some(watch) = self.watch.get() {
            watch.note_damage();
        }
    }

    /// Hands a change to the thread and waits until it is durable or refused. A caller that stops
    /// waiting does not take its change back.
    pub(crate) async fn commit(&self, change: Change) -> Result<(), CommitError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Unavailable)?;
        let (answer, answered) = oneshot::channel();
        queue
            .send(Job { change, answer })
            .await
            .map_err(|_| StoreError::Unavailable)?;
        answered.await.map_err(|_| StoreError::Unavailable)?
    }

    /// [`Self::commit`] for who has no runtime and is in none.
    pub(crate) fn commit_blocking(&self, change: Change) -> Result<(), CommitError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Unavailable)?;
        let (answer, answered) = oneshot::channel();
        queue
            .blocking_send(Job { change, answer })
            .map_err(|_| StoreError::Unavailable)?;
        answered
            .blocking_recv()
            .map_err(|_| StoreError::Unavailable)?
    }
}

impl Drop for GroupCommitter {
    fn drop(&mut self) {
        // The thread ends when the queue is closed and empty.
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

/// One transaction's worth of changes, with what each of them will be answered.
#[derive(Debug, Default)]
struct Batch {
    answers: Vec<(Waiter, Result<(), CommitError>)>,
    accepted: usize,
    bytes: usize,
    /// The counters after it.
    tally: Option<Tally>,
}

impl Batch {
    /// Answers how many changes were taken, and whether they are durable.
    fn write<E: Engine>(
        engine: &E,
        first: Job,
        (waiting, witness, watch): Parties<'_>,
        limits: BatchLimits,
    ) -> (usize, bool) {
        let mut batch = Self::default();
        let mut next = Some(first);
        // An engine that panics must not take the writer with it.
        let written = contain_panics(|| {
            engine.write(|transaction| batch.fill(transaction, &mut next, waiting, limits))
        })
        .unwrap_or(Err(Fault::Panicked));
        if let (Ok(()), Some(tally), Some(witness)) = (&written, &batch.tally, witness) {
            witness.note(tally);
        }
        let failed = written.err().map(|fault| CommitError::Store(fault.tell()));
        if let (Some(job), Some(error)) = (next, failed) {
            batch.answers.push((job.answer, Err(error)));
        }
        if let Some(watch) = watch
            && batch.met_damage(failed)
        {
            watch.note_damage();
        }
        for (waiter, answer) in batch.answers {
            // Who no longer waits does not mind.
            let _ = waiter.send(failed.map_or(answer, Err));
        }
        (batch.accepted, failed.is_none())
    }

    fn met_damage(&self, failed: Option<CommitError>) -> bool {
        let damage = CommitError::Store(StoreError::Inconsistent);
        let mut refused = self.answers.iter().filter_map(|(_, answer)| answer.err());
        failed == Some(damage) || refused.any(|error| error == damage)
    }

    fn fill<T: WriteKeys>(
        &mut self,
        transaction: &mut T,
        next: &mut Option<Job>,
        waiting: &mut mpsc::Receiver<Job>,
        limits: BatchLimits,
    ) -> Result<Verdict, Fault> {
        let key = index::tally();
        let mut tally =
            load::<Tally, _>(transaction, Table::Meta, &key)?.ok_or(Fault::Layout(Table::Meta))?;
        while let Some(job) = next.take() {
            let tried = self.take(transaction, &mut tally, &job.change);
            let (answer, stop) = match tried {
                Ok(()) => (Ok(()), None),
                Err(Refusal::Conflict) => (Err(CommitError::Conflict), None),
                Err(Refusal::Fault(fault @ Fault::Engine(_))) => (Ok(()), Some(fault)),
                Err(Refusal::Fault(fault)) => (Err(CommitError::Store(fault.tell())), None),
            };
            self.answers.push((job.answer, answer));
            if let Some(fault) = stop {
                return Err(fault);
            }
            if self.answers.len() < limits.changes && self.bytes < limits.bytes {
                *next = waiting.try_recv().ok();
            }
        }
        if self.accepted == 0 {
            return Ok(Verdict::Discard);
        }
        tally.commits = tally.commits.wrapping_add(1);
        transaction.put(key.as_bytes(), &encode(key.as_bytes(), &tally))?;
        self.tally = Some(tally);
        Ok(Verdict::Commit)
    }

    /// Takes one change into the transaction, or leaves transaction and tally as they were.
    fn take<T: WriteKeys>(
        &mut self,
        transaction: &mut T,
        tally: &mut Tally,
        change: &Change,
    ) -> Result<(), Refusal> {
        let mut view = Overlay::new(&*transaction);
        let mut counted = *tally;
        apply(&mut view, &mut counted, change)?;
        for (key, value) in view.into_changes() {
            self.bytes = self.bytes.saturating_add(key.len());
            match value {
                Some(value) => {
                    self.bytes = self.bytes.saturating_add(value.len());
                    transaction.put(&key, &value)?;
                }
                None => transaction.delete(&key)?,
            }
        }
        *tally = counted;
        self.accepted = self.accepted.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
