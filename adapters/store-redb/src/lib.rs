//! The embedded store on redb: one file in a directory of its own, one process at a time.
//!
//! Every commit is synced before it is acknowledged, in two phases and with the allocator state,
//! so that reopening after a kill takes milliseconds. redb closes itself after an I/O error; the
//! engine here opens it again, so that service resumes when space is back.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod engine;
mod file;

use std::io;
use std::path::{Path, PathBuf};

use ics_store::{BatchLimits, EmbeddedStore};

pub use engine::RedbEngine;
pub use ics_store::Table;

/// The file within the directory.
pub const FILE_NAME: &str = "ics-store.redb";

/// The store on redb. `check` reads it whole; everything else is the core's `Store`.
pub type RedbStore = EmbeddedStore<RedbEngine>;

/// How to open a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory for cached pages, in bytes.
    pub cache_bytes: usize,
    /// Verify the checksum of every page before serving: reads the whole file.
    pub verify: bool,
    /// How writes are put together.
    pub batch: BatchLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 1 << 30,
            verify: false,
            batch: BatchLimits::default(),
        }
    }
}

/// Why a store could not be opened. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error("store `{}` is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file is damaged, or no store at all. Nothing was changed.
    #[error("store `{}` is damaged: restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A later version of this software, or of redb, wrote it.
    #[error("store `{}` was written by a version this software does not know", .path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file system said no.
    #[error("store `{}` cannot be read or written", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Opens the store in `directory`, or begins one there (directory 0700, file 0600).
///
/// # Errors
/// [`OpenError`]. A file that is there is never replaced, whatever is in it.
pub fn open(directory: &Path, options: Options) -> Result<RedbStore, OpenError> {
    let path = file::prepare(directory, options)?;
    let engine = RedbEngine::open(path.clone(), options)?;
    EmbeddedStore::open(engine, options.batch).map_err(|error| match error {
        ics_store::OpenError::NewerFormat { .. } => OpenError::OtherVersion {
            path,
            source: error.into(),
        },
        ics_store::OpenError::Thread(source) => OpenError::Io { path, source },
        _ => OpenError::Damaged {
            path,
            source: error.into(),
        },
    })
}

#[cfg(test)]
mod tests;
