//! sled's files: opened with every panic contained, synced by ourselves.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ics_store::engine::EngineError;
use ics_store::{EngineFiles, OpenError, contain_panics, io_error, sync_directory};

use crate::engine::SledEngine;
use crate::lost_sync::LostSync;
use crate::room::{Demand, Room};
use crate::{DATA_NAME, Options};

/// The file of sled's log within its directory.
const LOG: &str = "db";
/// Where sled puts what is too large for its log.
const BLOBS: &str = "blobs";

/// What must be free before a database that failed is closed: opening it again, and taking back what
/// failed, write a few segments of 512 KiB.
const PROBE: usize = 4 << 20;

/// For how long a database that was just closed may hold its lock: 5 s.
const LOCK_ATTEMPTS: u32 = 250;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How sled is opened.
#[derive(Clone, Copy, Debug)]
pub struct SledFiles {
    options: Options,
}

impl SledFiles {
    /// With these options.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self { options }
    }

    pub(crate) fn cache_bytes(&self) -> usize {
        self.options.cache_bytes
    }
}

impl EngineFiles for SledFiles {
    type Engine = SledEngine;
    const NAME: &'static str = "sled";
    const DATA: &'static str = DATA_NAME;
    const COUNT_AFTER_CRASH: bool = true;

    fn begin(&self, path: &Path) -> Result<SledEngine, OpenError> {
        // Of one that was begun here and removed since.
        LostSync::of(path)
            .forget()
            .map_err(|source| io_error(path, source))?;
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(|source| io_error(path, source))?;
        let engine = SledEngine::open(path, *self)?;
        // The names of its files; what is in them is synced with each commit.
        for directory in [path.join(BLOBS), path.to_owned()] {
            sync_directory(&directory).map_err(|source| io_error(&directory, source))?;
        }
        for name in ["conf", LOG] {
            let file = path.join(name);
            File::open(&file)
                .and_then(|file| file.sync_all())
                .map_err(|source| io_error(&file, source))?;
        }
        Ok(engine)
    }

    fn open(&self, path: &Path) -> Result<SledEngine, OpenError> {
        // sled makes what it misses: a store without its log would be an empty one.
        for name in ["conf", LOG] {
            let file = path.join(name);
            match fs::metadata(&file) {
                Ok(found) if found.len() > 0 => {}
                Ok(_) => return Err(OpenError::Missing(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(OpenError::Missing(file));
                }
                Err(source) => return Err(io_error(&file, source)),
            }
        }
        SledEngine::open(path, *self)
    }
}

/// An open database, and the descriptor that makes it durable.
pub(crate) struct Disk {
    pub(crate) tree: sled::Db,
    path: PathBuf,
    log: File,
    room: Room,
    lost: Arc<LostSync>,
    synced_blobs: Mutex<BTreeSet<std::ffi::OsString>>,
}

impl Disk {
    pub(crate) fn open(
        path: &Path,
        cache_bytes: usize,
        lost: &Arc<LostSync>,
    ) -> Result<Self, sled::Error> {
        // What it keeps in memory is about four times what it is told.
        let told = u64::try_from(cache_bytes / 4).unwrap_or(u64::MAX);
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(told.max(256 * 1024))
            // Every commit flushes; a second flusher would only be in its way.
            .flush_every_ms(None);
        if lost.is_noted() {
            let log = File::options().write(true).open(path.join(LOG))?;
            wait_for_lock(&log)?;
            lost.write_again()?;
        }
        remove_unfinished_snapshots(path)?;
        let tree = open_unlocked(&config).inspect_err(|error| {
            // It syncs while it opens, and does not say what has failed.
            if is_of_the_disk(error) {
                lost.note();
            }
        })?;
        let log = File::options()
            .read(true)
            .write(true)
            .open(path.join(LOG))?;
        // On a full disk it is opened for those who read; the first write is told.
        let room = Room::default();
        if let Err(error) = room.take(&log, Demand::default()) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(path = %path.display(), error, "no room kept for the store");
        }
        Ok(Self {
            tree,
            path: path.to_owned(),
            log,
            room,
            lost: Arc::clone(lost),
            synced_blobs: Mutex::default(),
        })
    }

    /// Takes the room for what is written next.
    pub(crate) fn take_room(&self, demand: Demand) -> Result<(), sled::Error> {
        Ok(self.room.take(&self.log, demand)?)
    }

    /// Makes everything written so far durable: sled's buffers go to its file, the file and what
    /// it needs of its metadata to the disk.
    pub(crate) fn sync(&self) -> Result<(), sled::Error> {
        let flushed = contained(|| self.tree.flush().map(drop));
        let blobs = self.sync_blobs();
        // Asked even if sled has failed: only a descriptor that was open before is told of pages
        // that did not reach the disk.
        let synced = self.log.sync_data();
        if blobs.is_err() || synced.is_err() {
            self.lost.note();
        }
        flushed?;
        blobs?;
        Ok(synced?)
    }

    /// sled writes and syncs once more when it is closed, and may panic on what it finds then.
    pub(crate) fn close(self) {
        let Self {
            tree,
            path,
            log,
            lost,
            ..
        } = self;
        if contain_panics(|| drop(tree)).is_err() {
            tracing::error!(path = %path.display(), "sled panicked when it was closed");
        }
        // Also what an earlier sync of its own was told, and did not tell us.
        if log.sync_data().is_err() {
            lost.note();
        }
    }

    /// sled does not sync what it puts beside its log (values over 128 KiB or so: none of ours,
    /// but a page of long keys may be).
    fn sync_blobs(&self) -> io::Result<()> {
        let directory = self.path.join(BLOBS);
        let mut synced = self
            .synced_blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut is_new = false;
        for entry in fs::read_dir(&directory)? {
            let name = entry?.file_name();
            if synced.contains(&name) {
                continue;
            }
            match File::open(directory.join(&name)) {
                Ok(file) => file.sync_all()?,
                // Collected meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            synced.insert(name);
            is_new = true;
        }
        if is_new {
            sync_directory(&directory)?;
        }
        Ok(())
    }

    /// Whether the disk takes writes at all: closing a database that failed is only worth it when
    /// it can be opened again.
    pub(crate) fn can_write(path: &Path) -> bool {
        let log = File::options().write(true).open(path.join(LOG));
        if log.and_then(|log| log.sync_data()).is_err() {
            return false;
        }
        let probe = path.join("ics-probe");
        let written = File::create(&probe).and_then(|mut file| {
            file.write_all(&vec![0; PROBE])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&probe);
        written.is_ok() && removed.is_ok()
    }
}

/// The lock of a database that was just closed is its threads' until they have ended: what they
/// write is not to be overwritten.
fn wait_for_lock(log: &File) -> io::Result<()> {
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        match log.try_lock() {
            Err(TryLockError::WouldBlock) if attempts > 0 => {
                attempts = attempts.saturating_sub(1);
                thread::sleep(LOCK_PAUSE);
            }
            locked => return Ok(locked?),
        }
    }
}

/// A snapshot that sled could not write to its end, on a full disk, it takes for the newest one at
/// its next start, and for damaged. It is nothing: the log is whole, and the snapshot before it there.
fn remove_unfinished_snapshots(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_unfinished = name
            .to_str()
            .is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating"));
        if is_unfinished {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens the database. Its lock can only be our own here (the directory is): of a database that
/// was just closed and whose threads have not ended yet.
fn open_unlocked(config: &sled::Config) -> Result<sled::Db, sled::Error> {
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        match contained(|| config.open()) {
            Err(sled::Error::Io(error))
                if attempts > 0 && error.to_string().contains("acquire lock") =>
            {
                attempts = attempts.saturating_sub(1);
                thread::sleep(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
}

/// The size of all files below `directory`.
pub(crate) fn size_of(directory: &Path) -> io::Result<u64> {
    let mut size = 0_u64;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let found = entry.metadata()?;
        size = size.saturating_add(if found.is_dir() {
            size_of(&entry.path())?
        } else {
            found.len()
        });
    }
    Ok(size)
}

/// Runs a call of sled; a panic of it is an error.
pub(crate) fn contained<T>(
    work: impl FnOnce() -> Result<T, sled::Error>,
) -> Result<T, sled::Error> {
    contain_panics(work)
        .unwrap_or_else(|_| Err(sled::Error::ReportableBug("sled panicked".to_owned())))
}

pub(crate) fn engine_error(error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(_) => EngineError::Unavailable(error.into()),
        _ => EngineError::Damaged(error.into()),
    }
}

/// An I/O error, and not how sled calls what is in a file that is none of its own, or cut off.
fn is_of_the_disk(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(source) if !matches!(
        source.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other
    ))
}

pub(crate) fn open_error(path: &Path, error: sled::Error) -> OpenError {
    let path = path.to_owned();
    let is_of_the_disk = is_of_the_disk(&error);
    match error {
        sled::Error::Io(source) if is_of_the_disk => io_error(&path, source),
        sled::Error::Unsupported(text) if text.contains("version") => OpenError::OtherVersion {
            path,
            source: text.into(),
        },
        _ => OpenError::Damaged {
            path,
            source: error.into(),
        },
    }
}
