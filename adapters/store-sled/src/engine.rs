//! sled as an engine: one tree of bytes, one writer, readers of versions.

use std::collections::btree_map;
use std::fmt;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use ics_store::OpenError;
use ics_store::engine::{Engine, EngineError, Overlay, ReadKeys, Verdict};
use sled::{Batch, IVec};

use crate::disk::{Disk, SledFiles, contained, engine_error, open_error};
use crate::lost_sync::LostSync;
use crate::reopening::Reopening;
use crate::room::Demand;
use crate::versions::{Layer, Versions};

/// How many keys a scan takes from sled at once, at first and at most.
const FIRST_CHUNK: usize = 8;
const LARGEST_CHUNK: usize = 512;

/// A sled database that is opened again after an error.
pub struct SledEngine {
    path: PathBuf,
    files: SledFiles,
    lost: Arc<LostSync>,
    /// `None` after an error, until it could be opened again.
    disk: RwLock<Option<Disk>>,
    reopening: Reopening,
    versions: Versions,
    writer: Mutex<()>,
    /// A write failed: sled takes no more of them, and what it holds of that one is undecided.
    is_suspect: AtomicBool,
    /// Writes made durable since the engine was opened, each by a sync of its own.
    syncs: AtomicU64,
    #[cfg(test)]
    pub(crate) faults: crate::tests::Faults,
}

impl fmt::Debug for SledEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledEngine")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SledEngine {
    /// Opens the database in `path`; sled begins one where there is none.
    pub(crate) fn open(path: &Path, files: SledFiles) -> Result<Self, OpenError> {
        let lost = Arc::new(LostSync::of(path));
        let disk = Disk::open(path, files.cache_bytes(), &lost).map_err(|e| open_error(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            files,
            lost,
            disk: RwLock::new(Some(disk)),
            reopening: Reopening::default(),
            versions: Versions::default(),
            writer: Mutex::new(()),
            is_suspect: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
            #[cfg(test)]
            faults: crate::tests::Faults::default(),
        })
    }

    fn held(&self) -> RwLockReadGuard<'_, Option<Disk>> {
        self.disk.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another in its place, when the readers of now have ended theirs.
    fn replace(&self, disk: Option<Disk>) -> Option<Disk> {
        let mut held = self.disk.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, disk)
    }

    fn with_disk<T>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, sled::Error>,
    ) -> Result<T, EngineError> {
        let mut disk = self.held();
        if disk.is_none() {
            drop(disk);
            self.reopening.wait();
            disk = self.held();
        }
        let disk = disk.as_ref().ok_or_else(closed)?;
        contained(|| work(disk)).map_err(engine_error)
    }

    /// The keys of now in `from..to`, at most `limit`.
    fn chunk(
        &self,
        (from, to): (&[u8], &[u8]),
        limit: usize,
    ) -> Result<Vec<(IVec, IVec)>, EngineError> {
        self.with_disk(|disk| disk.tree.range(from..to).take(limit).collect())
    }

    /// Hands the keys in `from..to` to `visit`, those of now as `correct` says they were.
    fn scan(
        &self,
        (from, to): (&[u8], &[u8]),
        correct: impl Fn((&[u8], &[u8])) -> Layer,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let mut start = from.to_vec();
        let mut limit = FIRST_CHUNK;
        while start.as_slice() < to {
            let found = self.chunk((&start, to), limit)?;
            let end = match found.last() {
                // The next key that could be there.
                Some((key, _)) if found.len() >= limit => [key, [0].as_slice()].concat(),
                _ => to.to_vec(),
            };
            // After sled was read: whoever changed what was just read has said so before.
            let held = correct((&start, &end));
            if merge(&found, held, &mut visit).is_break() {
                return Ok(());
            }
            start = end;
            limit = limit.saturating_mul(4).min(LARGEST_CHUNK);
        }
        Ok(())
    }

    /// Writes `changes`, with what their keys held put aside first.
    fn commit(&self, changes: Changes) -> Result<(), EngineError> {
        // Refused here, sled goes on as it was.
        self.with_disk(|disk| disk.take_room(demand_of(&changes)))?;
        let mut layer = Layer::new();
        let mut batch = Batch::default();
        for (key, value) in changes {
            let held = self
                .with_disk(|disk| disk.tree.get(&key))
                .inspect_err(|_| self.is_suspect.store(true, Ordering::Release))?;
            layer.insert(key.clone(), held.map(|value| value.to_vec()));
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let version = self.versions.begin_writing(layer);
        let written = self.with_disk(|disk| {
            disk.tree.apply_batch(batch)?;
            #[cfg(test)]
            self.faults.meet()?;
            disk.sync()
        });
        match written {
            Ok(()) => {
                self.versions.end_writing(version);
                self.syncs.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                // Its layer stays: readers see what was before.
                self.is_suspect.store(true, Ordering::Release);
                Err(error)
            }
        }
    }

    /// After an error: closes the database, opens it again and takes back the write that failed,
    /// of which anything may be there. Called by the one writer.
    fn recover(&self) -> Result<(), EngineError> {
        if !self.is_suspect.load(Ordering::Acquire) {
            return Ok(());
        }
        #[cfg(test)]
        self.faults.meet().map_err(engine_error)?;
        // A database that failed can still be read: it is given up only for one that can be
        // written too.
        if self.held().is_some() && !Disk::can_write(&self.path) {
            return Err(full());
        }
        // Not under the lock: who reads meanwhile is not held up by all that follows.
        let _running = self.reopening.begin();
        if let Some(old) = self.replace(None) {
            old.close();
        }
        #[cfg(test)]
        self.faults.linger();
        let opened = Disk::open(&self.path, self.files.cache_bytes(), &self.lost);
        let opened = opened.and_then(|opened| {
            if let Some((_, layer)) = self.versions.unfinished() {
                contained(|| opened.tree.apply_batch(batch_of(&layer)))?;
                opened.sync()?;
            }
            Ok(opened)
        });
        let opened = opened.map_err(|error| {
            let shown: &dyn std::error::Error = &error;
            tracing::error!(path = %self.path.display(), error = shown, "store not reopened");
            engine_error(error)
        })?;
        if let Some((version, _)) = self.versions.unfinished() {
            self.versions.end_writing(version);
        }
        self.replace(Some(opened));
        self.is_suspect.store(false, Ordering::Release);
        tracing::warn!(path = %self.path.display(), "store reopened after an error");
        Ok(())
    }

    /// A reader finds the database closed only when it could not be opened again; then it tries,
    /// unless all files are to be written first: that is for the next write.
    fn try_recovering(&self) -> Result<(), EngineError> {
        if self.held().is_some() {
            return Ok(());
        }
        let is_over = self.reopening.wait();
        if self.held().is_some() {
            return Ok(());
        }
        if !is_over || self.lost.is_noted() {
            return Err(closed());
        }
        let _one = match self.writer.try_lock() {
            Ok(one) => one,
            Err(TryLockError::Poisoned(one)) => one.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(closed()),
        };
        self.recover()
    }
}

type Changes = std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn demand_of(changes: &Changes) -> Demand {
    let mut demand = Demand::default();
    for (key, value) in changes {
        demand.add(key.len().saturating_add(value.as_ref().map_or(0, Vec::len)));
    }
    demand
}

/// What takes a write back.
fn batch_of(layer: &Layer) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in layer {
        match value {
            Some(value) => batch.insert(key.as_slice(), value.as_slice()),
            None => batch.remove(key.as_slice()),
        }
    }
    batch
}

/// Both in order; where both know a key, what was held.
fn merge(
    found: &[(IVec, IVec)],
    held: Layer,
    visit: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut held = held.into_iter().peekable();
    for (key, value) in found {
        visit_before(&mut held, Some(key), visit)?;
        match held.next_if(|(k, _)| k.as_slice() == key.as_ref()) {
            Some((_, None)) => {}
            Some((key, Some(value))) => visit(&key, &value)?,
            None => visit(key, value)?,
        }
    }
    visit_before(&mut held, None, visit)
}

fn visit_before(
    held: &mut Peekable<btree_map::IntoIter<Vec<u8>, Option<Vec<u8>>>>,
    end: Option<&IVec>,
    visit: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    while let Some((key, value)) =
        held.next_if(|(key, _)| end.is_none_or(|end| key.as_slice() < end.as_ref()))
    {
        if let Some(value) = value {
            visit(&key, &value)?;
        }
    }
    ControlFlow::Continue(())
}

impl Engine for SledEngine {
    type Snapshot<'s> = Snapshot<'s>;
    type Transaction<'t> = Overlay<'t, Newest<'t>>;

    fn snapshot(&self) -> Result<Snapshot<'_>, EngineError> {
        self.try_recovering()?;
        Ok(Snapshot {
            version: self.versions.begin_reading(),
            engine: self,
        })
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    fn write<E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut Self::Transaction<'_>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.recover()?;
        let newest = Newest { engine: self };
        let mut transaction = Overlay::new(&newest);
        match work(&mut transaction)? {
            Verdict::Discard => Ok(()),
            Verdict::Commit => Ok(self.commit(transaction.into_changes())?),
        }
    }
}

/// The keys as of one version. Neither waits for a writer nor holds one up.
#[derive(Debug)]
pub struct Snapshot<'e> {
    version: u64,
    engine: &'e SledEngine,
}

impl ReadKeys for Snapshot<'_> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        let found = self.engine.with_disk(|disk| disk.tree.get(key))?;
        // After sled was read, as in a scan.
        Ok(match self.engine.versions.held(self.version, key) {
            Some(held) => held.as_deref().map(take),
            None => found.as_deref().map(take),
        })
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let correct = |range: (&[u8], &[u8])| self.engine.versions.held_in(self.version, range);
        self.engine.scan((from, to), correct, visit)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        self.engine.versions.end_reading(self.version);
    }
}

/// The keys as they are, for the one writer.
#[derive(Debug)]
pub struct Newest<'e> {
    engine: &'e SledEngine,
}

impl ReadKeys for Newest<'_> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        let found = self.engine.with_disk(|disk| disk.tree.get(key))?;
        Ok(found.as_deref().map(take))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        self.engine.scan((from, to), |_| Layer::new(), visit)
    }
}

impl Drop for SledEngine {
    fn drop(&mut self) {
        let disk = self
            .disk
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(disk) = disk {
            disk.close();
        }
    }
}

fn closed() -> EngineError {
    EngineError::Unavailable("store is closed after an error".into())
}

fn full() -> EngineError {
    EngineError::Unavailable("the disk takes no writes".into())
}
