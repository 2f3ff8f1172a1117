//! A disk that is full, or does not sync, when it is told to.

use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, StorageBackend};

use crate::recovery::OpenDatabase;

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Blocks in use can be written, no others.
    NoSpace,
    /// Nothing can be written.
    NoWrite,
    /// Nothing can be synced.
    NoSync,
}

#[derive(Debug, Default)]
struct State {
    fault: Fault,
    /// The end of the blocks in use, when there was space last.
    used: u64,
    openings: u32,
}

/// Its faults hold for every file opened through it.
#[derive(Debug, Default)]
pub(super) struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    /// From now on.
    pub(super) fn fail(&self, fault: Fault) {
        self.0.lock().unwrap().fault = fault;
    }

    /// How often a file was opened through it.
    pub(super) fn openings(&self) -> u32 {
        self.0.lock().unwrap().openings
    }

    pub(super) fn opener(&self) -> Box<OpenDatabase> {
        let state = Arc::clone(&self.0);
        Box::new(move |path| {
            state.lock().unwrap().openings += 1;
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let disk = File {
                inner: FileBackend::new(file)?,
                state: Arc::clone(&state),
            };
            // What is read is read from the file.
            Builder::new().set_cache_size(0).create_with_backend(disk)
        })
    }
}

#[derive(Debug)]
struct File {
    inner: FileBackend,
    state: Arc<Mutex<State>>,
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
        if self.state.lock().unwrap().fault == Fault::NoSync {
            return Err(io::ErrorKind::Other.into());
        }
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut state = self.state.lock().unwrap();
        let end = offset + u64::try_from(data.len()).unwrap();
        match state.fault {
            Fault::NoWrite => return Err(io::ErrorKind::Other.into()),
            Fault::NoSpace if end > state.used => return Err(io::ErrorKind::StorageFull.into()),
            _ => state.used = state.used.max(end),
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
