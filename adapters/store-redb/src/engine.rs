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
use crate::recovery::{For, OpenDatabase, Opening, Reopened};
use crate::watched::{Watch, WatchedFile};

type Bytes = &'static [u8];

/// One keyspace; the tables are told apart by the first byte of the key.
const KEYS: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("ics");

type BytesTable = ReadOnlyTable<Bytes, Bytes>;

/// A redb database that is opened again after an I/O error.
pub struct RedbEngine {
    database: Reopened,
    /// The newest committed state, shared by all readers until the next commit: beginning a read
    /// costs more than the look-up itself. With the opening it was read from.
    newest: RwLock<Option<(Arc<BytesTable>, Opening)>>,
}

impl fmt::Debug for RedbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbEngine")
            .field("path", &self.database.path())
            .finish_non_exhaustive()
    }
}

impl RedbEngine {
    /// Opens the database that is at `path`.
    pub(crate) fn open(path: PathBuf, options: Options) -> Result<Self, OpenError> {
        let watch = Arc::<Watch>::default();
        let watching = Arc::clone(&watch);
        // Once: who opens it again after an error has readers waiting.
        let verify = AtomicBool::new(options.verify);
        let opener = move |path: &Path| {
            let verify = verify.swap(false, Ordering::Relaxed);
            let options = Options { verify, ..options };
            open_file(path, (options, IfEmpty::Refuse), &watching)
        };
        Self::open_by(path, Box::new(opener), watch)
    }

    /// Begins a database at `path`, or goes on with one begun there.
    pub(crate) fn begin(path: PathBuf, options: Options) -> Result<Self, OpenError> {
        let watch = Arc::<Watch>::default();
        let watching = Arc::clone(&watch);
        let opener = move |path: &Path| open_file(path, (options, IfEmpty::Begin), &watching);
        let engine = Self::open_by(path, Box::new(opener), watch)?;
        engine.create_table().map_err(|error| OpenError::Damaged {
            path: engine.database.path().to_owned(),
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
        Ok(Self {
            database: Reopened::new((path, database), open, watch),
            newest: RwLock::new(None),
        })
    }

    fn create_table(&self) -> Result<(), EngineError> {
        self.write(|_| Ok::<_, EngineError>(Verdict::Commit))
    }

    fn recover(&self, whom: For) {
        self.database.recover(whom, || self.forget_newest());
    }

    fn forget_newest(&self) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The state of now, for this reader and those after it until the next commit.
    fn read_newest(&self) -> Result<(Arc<BytesTable>, Opening), EngineError> {
        let (held, opening) = self.database.held();
        let database = held.readable().ok_or_else(closed)?;
        // Under the lock: a commit that comes meanwhile forgets what is put here.
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        let reading = database
            .begin_read()
            .map_err(|e| self.suspect(opening, e))?;
        let table = reading
            .open_table(KEYS)
            .map_err(|e| self.suspect(opening, e))?;
        let table = Arc::new(table);
        *newest = Some((Arc::clone(&table), opening));
        Ok((table, opening))
    }

    fn suspect(&self, opening: Opening, error: impl Into<redb::Error>) -> EngineError {
        self.database.suspect(opening);
        engine_error(error)
    }

    fn write_to<E: From<EngineError>>(
        &self,
        (database, opening): (&Database, Opening),
        work: impl FnOnce(&mut Transaction<'_>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        let suspect = |error: redb::Error| self.suspect(opening, error);
        let mut transaction = database.begin_write().map_err(|e| suspect(e.into()))?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|e| suspect(e.into()))?;
        transaction.set_quick_repair(true);
        let table = transaction
            .open_table(KEYS)
            .map_err(|e| suspect(e.into()))?;
        let mut writing = Transaction {
            table,
            engine: self,
            opening,
        };
        let verdict = work(&mut writing);
        drop(writing);
        match verdict {
            Ok(Verdict::Commit) => Ok(transaction.commit().map_err(|e| suspect(e.into()))?),
            Ok(Verdict::Discard) => Ok(transaction.abort().map_err(|e| suspect(e.into()))?),
            Err(error) => {
                transaction.abort().map_err(|e| suspect(e.into()))?;
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
        self.recover(For::Reading);
        let newest = self
            .newest
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (table, opening) = match newest {
            Some(newest) => newest,
            None => self.read_newest()?,
        };
        Ok(Snapshot {
            table,
            engine: self,
            opening,
        })
    }

    fn syncs(&self) -> u64 {
        self.database.syncs()
    }

    fn write<E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        self.recover(For::Writing);
        let (held, opening) = self.database.held();
        let database = held.writable().ok_or_else(closed)?;
        let written = contain_panics(|| self.write_to((database, opening), work))
            .unwrap_or_else(|_| Err(self.suspect(opening, panicked()).into()));
        // Before anybody is told that it is committed.
        self.forget_newest();
        drop(held);
        // Reads go on: they need not wait for the next one that fails.
        self.recover(For::Reading);
        written
    }
}

impl Drop for RedbEngine {
    fn drop(&mut self) {
        self.forget_newest();
        self.database.close();
    }
}

/// The keys as of one instant. Neither waits for a writer nor holds one up.
pub struct Snapshot<'e> {
    table: Arc<BytesTable>,
    engine: &'e RedbEngine,
    opening: Opening,
}

impl ReadKeys for Snapshot<'_> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        read(&*self.table, key, take).map_err(|e| self.engine.suspect(self.opening, e))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        scan(&*self.table, from, to, visit).map_err(|e| self.engine.suspect(self.opening, e))
    }
}

/// A write in the making.
pub struct Transaction<'t> {
    table: Table<'t, Bytes, Bytes>,
    engine: &'t RedbEngine,
    opening: Opening,
}

impl ReadKeys for Transaction<'_> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        read(&self.table, key, take).map_err(|e| self.engine.suspect(self.opening, e))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        scan(&self.table, from, to, visit).map_err(|e| self.engine.suspect(self.opening, e))
    }
}

impl WriteKeys for Transaction<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.table
            .insert(key, value)
            .map(drop)
            .map_err(|e| self.engine.suspect(self.opening, e))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.table
            .remove(key)
            .map(drop)
            .map_err(|e| self.engine.suspect(self.opening, e))
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
