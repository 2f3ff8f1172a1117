//! The database's file, watched: its syncs are counted, and what its head said at the last of them
//! is known.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// The bytes at the beginning of the file that say which commit is the newest; redb needs 320.
const HEAD: usize = 512;

/// The head of the file.
pub(crate) type Head = Vec<u8>;

/// What is known of a file, over all openings of it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    syncs: AtomicU64,
    head: Mutex<Heads>,
}

#[derive(Debug, Default)]
struct Heads {
    written: Option<Head>,
    synced: Option<Head>,
}

impl Watch {
    /// How often it was synced.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// The head as it is on the disk, whatever was written since; `None` when it was not written
    /// since the file was opened first.
    pub(crate) fn synced_head(&self) -> Option<Head> {
        let heads = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        heads.synced.clone()
    }

    fn note_write(&self, offset: u64, data: &[u8]) {
        if offset == 0 {
            let head = data.iter().take(HEAD).copied().collect();
            let mut heads = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            heads.written = Some(head);
        }
    }

    fn note_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let mut heads = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(written) = heads.written.clone() {
            heads.synced = Some(written);
        }
    }
}

/// redb's own way to a file, watched.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    inner: FileBackend,
    watch: Arc<Watch>,
}

impl WatchedFile {
    pub(crate) fn new(file: File, watch: Arc<Watch>) -> Result<Self, DatabaseError> {
        Ok(Self {
            inner: FileBackend::new(file)?,
            watch,
        })
    }
}

impl StorageBackend for WatchedFile {
    fn sync_data(&self) -> Result<(), io::Error> {
        self.inner.sync_data()?;
        self.watch.note_sync();
        Ok(())
    }

    fn len(&self) -> Result<u64, io::Error> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.inner.set_len(len)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.watch.note_write(offset, data);
        self.inner.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
