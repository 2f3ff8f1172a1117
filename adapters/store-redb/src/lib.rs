//! The embedded store on redb: one file in a directory of its own, one process at a time.
//!
//! Every commit is synced before it is acknowledged, in two phases and with the allocator state,
//! so that reopening takes milliseconds, after a kill too; what takes longer is the verification of
//! every page at start. redb closes itself after an I/O error; the engine here opens it again, so
//! that service resumes when space is back, and reads what was durable until then.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod engine;
mod file;
mod recovery;
mod standby;
mod watched;

use std::path::Path;

use ics_store::{BatchLimits, EmbeddedStore, OnLoss, open_store};

pub use engine::RedbEngine;
pub use file::{RedbFiles, compact};
pub use ics_store::{Compacted, OpenError, Table};

/// The file within the directory.
pub const FILE_NAME: &str = "ics-store.redb";

/// The store on redb. `check` reads it whole; everything else is the core's `Store`.
pub type RedbStore = EmbeddedStore<RedbEngine>;

/// How to open a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory for cached pages, in bytes.
    pub cache_bytes: usize,
    /// Verify the checksum of every page before serving: reads the whole file. redb looks at none
    /// while it reads, and a damaged key leads past what is there, as if it were not.
    pub verify: bool,
    /// How writes are put together.
    pub batch: BatchLimits,
    /// What to do when the store does not hold what was acknowledged.
    pub on_loss: OnLoss,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 1 << 30,
            verify: true,
            batch: BatchLimits::default(),
            on_loss: OnLoss::Refuse,
        }
    }
}

/// Opens the store in `directory`, or begins one there (directory 0700, file 0600).
///
/// # Errors
/// [`OpenError`]. A file that is there is never replaced, whatever is in it.
pub fn open(directory: &Path, options: Options) -> Result<RedbStore, OpenError> {
    let files = RedbFiles::new(options);
    open_store(&files, directory, (options.batch, options.on_loss))
}

#[cfg(test)]
mod tests;
