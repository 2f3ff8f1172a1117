//! After a sync that failed: what is in the page cache may not be on the disk.
//!
//! Linux calls pages clean once it has tried to write them, whether or not that went well, and tells
//! the error once. sled opened again reads its log from those pages; the next sync has nothing to do
//! and succeeds, and the hole in the log shows after the next power cut, in front of changes that were
//! acknowledged meanwhile. So before the files are used again all of them are written once more, as
//! they are read, and synced: the disk has then what sled reads. (`posix_fadvise(DONTNEED)` would drop
//! the pages, but only asks for it.)
//!
//! A mark beside the data carries this over an end of the process; while it lasts it needs no mark, for
//! a disk that fails may not take one. The mark need not be durable: what ends the page cache ends the
//! difference with it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ics_store::sync_directory;

/// Bytes written at once.
const PART: usize = 1 << 20;
/// Bytes that are written and synced first: a disk that still fails is found out early.
const PROBE: u64 = 64 << 10;

/// What is known of failed syncs of the data in one place, over all its openings.
#[derive(Debug)]
pub(crate) struct LostSync {
    path: PathBuf,
    /// For a disk that does not even take the mark.
    is_noted: AtomicBool,
}

impl LostSync {
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            is_noted: AtomicBool::new(false),
        }
    }

    /// A sync has failed.
    pub(crate) fn note(&self) {
        self.is_noted.store(true, Ordering::Release);
        if let Err(error) = File::create(mark_of(&self.path)) {
            let error: &dyn std::error::Error = &error;
            tracing::error!(path = %self.path.display(), error, "failed sync not marked");
        }
    }

    /// Whether a sync has failed, and the data was not written again since.
    pub(crate) fn is_noted(&self) -> bool {
        self.is_noted.load(Ordering::Acquire) || mark_of(&self.path).exists()
    }

    /// Writes all files again and syncs them. Nobody else may write to them meanwhile.
    ///
    /// # Errors
    /// Of the file system; it is to be tried again then, before the data is used.
    pub(crate) fn write_again(&self) -> io::Result<()> {
        let mut directories = vec![self.path.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                if entry.metadata()?.is_dir() {
                    directories.push(entry.path());
                } else {
                    rewrite(&File::options().read(true).write(true).open(entry.path())?)?;
                }
            }
            sync_directory(&directory)?;
        }
        self.forget()?;
        tracing::warn!(path = %self.path.display(), "written again after a failed sync");
        Ok(())
    }

    /// Nothing is to be written again: it was, or the data is gone.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn forget(&self) -> io::Result<()> {
        match fs::remove_file(mark_of(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.is_noted.store(false, Ordering::Release);
        Ok(())
    }
}

fn rewrite(file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut part = vec![0; PART];
    let mut copy = |from: u64, to: u64| {
        let mut at = from;
        while at < to {
            let left = usize::try_from(to.saturating_sub(at)).unwrap_or(PART);
            let part = part.get_mut(..left.min(PART)).unwrap_or_default();
            file.read_exact_at(part, at)?;
            file.write_all_at(part, at)?;
            at = at.saturating_add(part.len() as u64);
        }
        file.sync_all()
    };
    let probe = length.min(PROBE);
    copy(0, probe)?;
    copy(probe, length)
}

fn mark_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".unsynced");
    name.into()
}
