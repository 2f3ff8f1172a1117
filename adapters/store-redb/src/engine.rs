//! redb as an engine: one table of bytes.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ics_store::engine::{Engine, EngineError, ReadKeys, Verdict, WriteKeys};
use ics_store::{OpenError, contain_panics, io_error};
use redb::{
    Builder, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable,
    StorageError, Table, TableDefinition,
};

use crate::Options;
use crate::standby;
use crate::watched::{Watch, WatchedFile};

type Bytes = &'static [u8];

/// One keyspace; the tables are told apart by the first byte of the key.
const KEYS: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("ics");

pub(crate) type OpenDatabase = dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync;

/// A redb database that is opened again after an I/O error.
pub struct RedbEngine {
    path: PathBuf,
    open: Box<OpenDatabase>,
    database: RwLock<Held>,
    /// The newest committed state, shared by all readers until the next commit: beginning a read
    /// costs more than the look-up itself.
    newest: RwLock<Option<Arc<ReadOnlyTable<Bytes, Bytes>>>>,
    /// An operation failed: the database may have closed itself.
    is_suspect: AtomicBool,
    /// It was not to be opened again, and what was durable is read meanwhile; the next write tries.
    is_standby: AtomicBool,
    /// What is known of the file since the engine was opened first.
    watch: Arc<Watch>,
}

/// What readers and the writer work with.
enum Held {
    Serving(Database),
    /// The disk takes no writes: this one shows what was durable.
    Standby(Database),
    Nothing,
}

impl Held {
    const fn readable(&self) -> Option<&Database> {
        match self {
            Self::Serving(database) | Self::Standby(database) => Some(database),
            Self::Nothing => None,
        }
    }

    /// redb writes once more when it closes a database, and may panic on what it finds then.
    fn close(&mut self, path: &Path) {
        let old = std::mem::replace(self, Self::Nothing);
        if contain_panics(|| drop(old)).is_err() {
            tracing::error!(path = %path.display(), "redb panicked when it was closed");
        }
    }

    const fn writable(&self) -> Option<&Database> {
        match self {
            Self::Serving(database) => Some(database),
            Self::Standby(_) | Self::Nothing => None,
        }
    }
}

impl fmt::Debug for RedbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbEngine")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl RedbEngine {
    /// Opens the database that is at `path`.
    pub(crate) fn open(path: PathBuf, options: Options) -> Result<Self, OpenError> {
        let watch = Arc::<Watch>::default();
        let watching = Arc::clone(&watch);
        let opener = move |path: &Path| open_file(path, (options, IfEmpty::Refuse), &watching);
        Self::open_by(path, Box::new(opener), watch)
    }

    /// Begins a database at `path`, or goes on with one begun there.
    pub(crate) fn begin(path: PathBuf, options: Options) -> Result<Self, OpenError> {
        let watch = Arc::<Watch>::default();
        let watching = Arc::clone(&watch);
        let opener = move |path: &Path| open_file(path, (options, IfEmpty::Begin), &watching);
        let engine = Self::open_by(path, Box::new(opener), watch)?;
        engine.create_table().map_err(|error| OpenError::Damaged {
            path: engine.path.clone(),
            source: error.into(),
        })?;
        Ok(engine)
    }

    pub(crate) fn open_by(
        path: PathBuf,
        open: Box<OpenDatabase>,
        watch: Arc<Watch>,
    ) -> Result<Self, OpenError> {
        // redb may panic on a file that was damaged behind its back.
        let database = contain_panics(|| open(&path))
            .unwrap_or_else(|_| Err(panicked().into()))
            .map_err(|error| open_error(&path, error))?;
        let database = RwLock::new(Held::Serving(database));
        Ok(Self {
            path,
            open,
            database,
            newest: RwLock::new(None),
            is_suspect: AtomicBool::new(false),
            is_standby: AtomicBool::new(false),
            watch,
        })
    }

    fn create_table(&self) -> Result<(), EngineError> {
        self.write(|_| Ok::<_, EngineError>(Verdict::Commit))
    }

    /// Closes a database that failed and opens it again, once for each failure that was seen. While
    /// that cannot be done, what was durable is read.
    fn recover(&self) {
        if !self.is_suspect.load(Ordering::Acquire) {
            return;
        }
        let mut held = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.is_suspect.load(Ordering::Acquire) {
            return;
        }
        let is_standby = self.is_standby.load(Ordering::Acquire);
        if !is_standby {
            // The lock on the file goes with it, and with whatever still reads.
            self.forget_newest();
            held.close(&self.path);
        }
        let path = self.path.display();
        match contain_panics(|| (self.open)(&self.path)) {
            Ok(Ok(reopened)) => {
                self.forget_newest();
                *held = Held::Serving(reopened);
                self.is_standby.store(false, Ordering::Release);
                self.is_suspect.store(false, Ordering::Release);
                tracing::warn!(%path, "store reopened after an error");
                return;
            }
            // Told once: each write tries again.
            _ if is_standby => return,
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(%path, error, "store not reopened");
            }
            Err(_) => tracing::error!(%path, "store not reopened"),
        }
        let head = self.watch.synced_head();
        match contain_panics(|| standby::open(&self.path, head)) {
            Ok(Ok(standby)) => {
                *held = Held::Standby(standby);
                self.is_standby.store(true, Ordering::Release);
                tracing::warn!(%path, "store is read as it was at its last sync");
            }
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(%path, error, "store not readable");
            }
            Err(_) => tracing::error!(%path, "store not readable"),
        }
    }

    fn forget_newest(&self) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The state of now, for this reader and those after it until the next commit.
    fn read_newest(&self) -> Result<Arc<ReadOnlyTable<Bytes, Bytes>>, EngineError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.readable().ok_or_else(closed)?;
        // Under the lock: a commit that comes meanwhile forgets what is put here.
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        let reading = database.begin_read().map_err(|e| self.suspect(e))?;
        let table = Arc::new(reading.open_table(KEYS).map_err(|e| self.suspect(e))?);
        *newest = Some(Arc::clone(&table));
        Ok(table)
    }

    fn suspect(&self, error: impl Into<redb::Error>) -> EngineError {
        self.is_standby.store(false, Ordering::Release);
        self.is_suspect.store(true, Ordering::Release);
        engine_error(error)
    }

    fn write_to<E: From<EngineError>>(
        &self,
        database: &Database,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        let mut transaction = database.begin_write().map_err(|e| self.suspect(e))?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|e| self.suspect(e))?;
        transaction.set_quick_repair(true);
        let table = transaction.open_table(KEYS).map_err(|e| self.suspect(e))?;
        let mut writing = Transaction {
            table,
            engine: self,
        };
        let verdict = work(&mut writing);
        drop(writing);
        match verdict {
            Ok(Verdict::Commit) => Ok(transaction.commit().map_err(|e| self.suspect(e))?),
            Ok(Verdict::Discard) => Ok(transaction.abort().map_err(|e| self.suspect(e))?),
            Err(error) => {
                transaction.abort().map_err(|e| self.suspect(e))?;
                Err(error)
            }
        }
    }
}

/// Moves pages to the front of the file and cuts off what is free then.
pub(crate) fn compact_file(path: &Path, options: Options) -> Result<(), OpenError> {
    let damaged = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Damaged {
        path: path.to_owned(),
        source,
    };
    let compacted = contain_panics(|| {
        let mut database = builder(options)
            .open(path)
            .map_err(|error| open_error(path, error))?;
        // One pass moves what fits; the next may find more.
        while database.compact().map_err(|e| damaged(e.into()))? {}
        Ok(())
    });
    compacted.unwrap_or_else(|_| Err(damaged(panicked().into())))
}

/// What to do with a file that has nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfEmpty {
    Begin,
    Refuse,
}

/// Opens the database in the file at `path`, which is there.
fn open_file(
    path: &Path,
    (options, if_empty): (Options, IfEmpty),
    watch: &Arc<Watch>,
) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if if_empty == IfEmpty::Refuse && file.metadata()?.len() == 0 {
        let empty = io::Error::new(io::ErrorKind::InvalidData, "the file is empty");
        return Err(StorageError::from(empty).into());
    }
    builder(options).create_with_backend(WatchedFile::new(file, Arc::clone(watch))?)
}

fn builder(options: Options) -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(options.cache_bytes)
        .set_check_integrity_on_open(options.verify);
    builder
}

impl Engine for RedbEngine {
    type Snapshot<'s> = Snapshot<'s>;
    type Transaction<'t> = Transaction<'t>;

    fn snapshot(&self) -> Result<Snapshot<'_>, EngineError> {
        if !self.is_standby.load(Ordering::Acquire) {
            self.recover();
        }
        let newest = self
            .newest
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let table = match newest {
            Some(table) => table,
            None => self.read_newest()?,
        };
        Ok(Snapshot {
            table,
            engine: self,
        })
    }

    fn syncs(&self) -> u64 {
        self.watch.syncs()
    }

    fn write<E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        self.recover();
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let open = database.writable().ok_or_else(closed)?;
        let written = contain_panics(|| self.write_to(open, work))
            .unwrap_or_else(|_| Err(self.suspect(panicked()).into()));
        // Before anybody is told that it is committed.
        self.forget_newest();
        drop(database);
        // Reads go on: they need not wait for the next one that fails.
        self.recover();
        written
    }
}

impl Drop for RedbEngine {
    fn drop(&mut self) {
        self.forget_newest();
        let held = self.database.get_mut();
        held.unwrap_or_else(PoisonError::into_inner)
            .close(&self.path);
    }
}

/// The keys as of one instant. Neither waits for a writer nor holds one up.
pub struct Snapshot<'e> {
    table: Arc<ReadOnlyTable<Bytes, Bytes>>,
    engine: &'e RedbEngine,
}

impl ReadKeys for Snapshot<'_> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        read(&*self.table, key, take).map_err(|e| self.engine.suspect(e))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        scan(&*self.table, from, to, visit).map_err(|e| self.engine.suspect(e))
    }
}

/// A write in the making.
pub struct Transaction<'t> {
    table: Table<'t, Bytes, Bytes>,
    engine: &'t RedbEngine,
}

impl ReadKeys for Transaction<'_> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        read(&self.table, key, take).map_err(|e| self.engine.suspect(e))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        scan(&self.table, from, to, visit).map_err(|e| self.engine.suspect(e))
    }
}

impl WriteKeys for Transaction<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.table
            .insert(key, value)
            .map(drop)
            .map_err(|e| self.engine.suspect(e))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.table
            .remove(key)
            .map(drop)
            .map_err(|e| self.engine.suspect(e))
    }
}

fn read<T>(
    table: &impl ReadableTable<Bytes, Bytes>,
    key: &[u8],
    take: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, StorageError> {
    Ok(table.get(key)?.map(|found| take(found.value())))
}

fn scan(
    table: &impl ReadableTable<Bytes, Bytes>,
    from: &[u8],
    to: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    if from < to {
        for found in table.range::<&[u8]>(from..to)? {
            let (key, value) = found?;
            if visit(key.value(), value.value()).is_break() {
                break;
            }
        }
    }
    Ok(())
}

fn panicked() -> StorageError {
    StorageError::Corrupted("redb panicked".to_owned())
}

fn closed() -> EngineError {
    EngineError::Unavailable("store takes no writes after an error".into())
}

fn engine_error(error: impl Into<redb::Error>) -> EngineError {
    let error = error.into();
    match error {
        redb::Error::Corrupted(_) | redb::Error::LockPoisoned(_) => {
            EngineError::Damaged(error.into())
        }
        _ => EngineError::Unavailable(error.into()),
    }
}

fn open_error(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse(path)
        }
        DatabaseError::UpgradeRequired(_) => OpenError::OtherVersion {
            path,
            source: error.into(),
        },
        // What redb calls invalid data is a file that is none of its own.
        DatabaseError::Storage(StorageError::Io(source))
            if !matches!(
                source.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            io_error(&path, source)
        }
        _ => OpenError::Damaged {
            path,
            source: error.into(),
        },
    }
}
