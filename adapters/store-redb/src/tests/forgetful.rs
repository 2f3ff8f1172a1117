//! A disk behind a page cache, as Linux has it: after a sync that failed its pages are clean, whatever
//! of them is on the disk.

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{BackendError, Builder, StorageBackend};

use crate::recovery::OpenDatabase;

const PAGE: usize = 4096;

#[derive(Debug, Default)]
struct Cache {
    /// What is read.
    seen: Vec<u8>,
    /// What a power cut leaves.
    disk: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// The syncs that succeed before some fail; how many fail.
    fault: Option<(usize, usize)>,
    failed: usize,
}

/// The one file on it, over all openings.
#[derive(Clone, Debug, Default)]
pub(super) struct ForgetfulDisk(Arc<Mutex<Cache>>);

impl ForgetfulDisk {
    /// With this file on it.
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        let mut cache = disk.0.lock().unwrap();
        cache.disk.clone_from(&bytes);
        cache.seen = bytes;
        drop(cache);
        disk
    }

    /// Lets the next `well` syncs succeed, and the `ill` after them fail.
    pub(super) fn fail(&self, well: usize, ill: usize) {
        self.0.lock().unwrap().fault = Some((well, ill));
    }

    /// How many syncs have failed.
    pub(super) fn failed(&self) -> usize {
        self.0.lock().unwrap().failed
    }

    /// What is on the disk.
    pub(super) fn cut_power(&self) -> Vec<u8> {
        self.0.lock().unwrap().disk.clone()
    }

    pub(super) fn opener(&self) -> Box<OpenDatabase> {
        let disk = self.clone();
        Box::new(move |_: &Path| {
            let mut verified = Builder::new();
            verified.set_check_integrity_on_open(true);
            verified.create_with_backend(disk.clone())
        })
    }
}

impl StorageBackend for ForgetfulDisk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let cache = self.0.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&cache.seen[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut cache = self.0.lock().unwrap();
        cache.seen.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut cache = self.0.lock().unwrap();
        let dirty = std::mem::take(&mut cache.dirty);
        match cache.fault {
            None | Some((_, 0)) => {}
            Some((0, ill)) => {
                cache.fault = Some((0, ill - 1));
                cache.failed += 1;
                return Err(io::ErrorKind::Other.into());
            }
            Some((well, ill)) => cache.fault = Some((well - 1, ill)),
        }
        let length = cache.seen.len();
        cache.disk.resize(length, 0);
        for page in dirty {
            let part = page * PAGE..length.min((page + 1) * PAGE);
            if !part.is_empty() {
                let seen = cache.seen[part.clone()].to_vec();
                cache.disk[part].copy_from_slice(&seen);
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut cache = self.0.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        let end = offset + data.len();
        if cache.seen.len() < end {
            cache.seen.resize(end, 0);
        }
        cache.seen[offset..end].copy_from_slice(data);
        cache.dirty.extend(offset / PAGE..end.div_ceil(PAGE));
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}
