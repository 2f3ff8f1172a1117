//! The database of a file, closed and opened again after an error; while its disk takes no writes,
//! what was durable (`standby`).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ics_store::contain_panics;
use redb::{Database, DatabaseError};

use crate::standby;
use crate::watched::Watch;

pub(crate) type OpenDatabase = dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync;

/// Which opening of the file something was read from: readers may outlast theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening(u64);

/// What readers and the writer work with.
pub(crate) enum Held {
    Serving(Database),
    /// The disk takes no writes: this one shows what was durable.
    Standby(Database),
    Nothing,
}

impl Held {
    pub(crate) const fn readable(&self) -> Option<&Database> {
        match self {
            Self::Serving(database) | Self::Standby(database) => Some(database),
            Self::Nothing => None,
        }
    }

    pub(crate) const fn writable(&self) -> Option<&Database> {
        match self {
            Self::Serving(database) => Some(database),
            Self::Standby(_) | Self::Nothing => None,
        }
    }

    /// redb writes once more when it closes a database, and may panic on what it finds then.
    fn close(&mut self, path: &Path) {
        let old = std::mem::replace(self, Self::Nothing);
        if contain_panics(|| drop(old)).is_err() {
            tracing::error!(path = %path.display(), "redb panicked when it was closed");
        }
    }
}

/// Who is to open the file again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// Content with a standby.
    Reading,
    Writing,
}

/// The one database of a file, over all its openings.
pub(crate) struct Reopened {
    path: PathBuf,
    open: Box<OpenDatabase>,
    held: RwLock<Held>,
    /// The opening that is held; changes under the lock on it alone.
    current: AtomicU64,
    /// The newest opening of which an operation failed: its database may have closed itself.
    failed: AtomicU64,
    /// The file was not to be opened for writing again; the next write tries.
    is_standby: AtomicBool,
    /// What is known of the file since it was opened first.
    watch: Arc<Watch>,
}

impl Reopened {
    pub(crate) fn new(
        (path, database): (PathBuf, Database),
        open: Box<OpenDatabase>,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            path,
            open,
            held: RwLock::new(Held::Serving(database)),
            current: AtomicU64::new(1),
            failed: AtomicU64::new(0),
            is_standby: AtomicBool::new(false),
            watch,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.watch.syncs()
    }

    /// What is held, and which opening it is; neither changes while the guard lives.
    pub(crate) fn held(&self) -> (RwLockReadGuard<'_, Held>, Opening) {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let opening = Opening(self.current.load(Ordering::Acquire));
        (held, opening)
    }

    /// An operation on this opening failed. One that was given up long ago says nothing of the
    /// database that is held now.
    pub(crate) fn suspect(&self, opening: Opening) {
        self.failed.fetch_max(opening.0, Ordering::AcqRel);
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire) >= self.current.load(Ordering::Acquire)
    }

    fn is_due(&self, whom: For) -> bool {
        let is_standby = whom == For::Writing && self.is_standby.load(Ordering::Acquire);
        is_standby || self.has_failed()
    }

    /// Closes a database that failed and opens it again, once for each failure that was seen.
    /// While that cannot be done, what was durable is read. `forget` drops what readers share.
    pub(crate) fn recover(&self, whom: For, forget: impl Fn()) {
        if !self.is_due(whom) {
            return;
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if !self.is_due(whom) {
            return;
        }
        let has_failed = self.has_failed();
        if has_failed {
            // The lock on the file goes with it, and with whatever still reads.
            forget();
            held.close(&self.path);
        }
        let path = self.path.display();
        match contain_panics(|| (self.open)(&self.path)) {
            Ok(Ok(database)) => {
                forget();
                self.hold(&mut held, Held::Serving(database));
                tracing::warn!(%path, "store reopened after an error");
                return;
            }
            // Told once: each write tries again.
            _ if !has_failed => return,
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(%path, error, "store not reopened");
            }
            Err(_) => tracing::error!(%path, "store not reopened"),
        }
        self.stand_by(&mut held);
    }

    fn stand_by(&self, held: &mut RwLockWriteGuard<'_, Held>) {
        let path = self.path.display();
        let head = self.watch.synced_head();
        match contain_panics(|| standby::open(&self.path, head)) {
            Ok(Ok(standby)) => {
                self.hold(held, Held::Standby(standby));
                tracing::warn!(%path, "store is read as it was at its last sync");
            }
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(%path, error, "store not readable");
            }
            Err(_) => tracing::error!(%path, "store not readable"),
        }
    }

    fn hold(&self, held: &mut RwLockWriteGuard<'_, Held>, database: Held) {
        let is_standby = matches!(database, Held::Standby(_));
        **held = database;
        self.is_standby.store(is_standby, Ordering::Release);
        self.current.fetch_add(1, Ordering::AcqRel);
    }

    /// The end of it.
    pub(crate) fn close(&mut self) {
        let held = self.held.get_mut();
        held.unwrap_or_else(PoisonError::into_inner)
            .close(&self.path);
    }
}
