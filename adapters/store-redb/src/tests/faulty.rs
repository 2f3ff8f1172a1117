//! A disk that is full, or does not sync, when it is told to.

use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};

#[derive(Debug, Default)]
struct Faults {
    writes: AtomicBool,
    syncs: AtomicBool,
}

/// Its faults hold for every file opened through it.
#[derive(Debug, Default)]
pub(super) struct FaultyDisk(Arc<Faults>);

impl FaultyDisk {
    /// While `on`, syncs fail (`syncs`), or writes that would need more space do.
    pub(super) fn fail(&self, on: bool, syncs: bool) {
        self.0.writes.store(on && !syncs, Ordering::SeqCst);
        self.0.syncs.store(on && syncs, Ordering::SeqCst);
    }

    pub(super) fn opener(
        &self,
    ) -> Box<dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync> {
        let faults = Arc::clone(&self.0);
        Box::new(move |path| {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let disk = File {
                inner: FileBackend::new(file)?,
                faults: Arc::clone(&faults),
            };
            Builder::new().create_with_backend(disk)
        })
    }
}

#[derive(Debug)]
struct File {
    inner: FileBackend,
    faults: Arc<Faults>,
}

impl StorageBackend for File {
    fn len(&self) -> Result<u64, io::Error> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        if self.faults.syncs.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Other.into());
        }
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        if self.faults.writes.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }
}
