//! The embedded store on sled 0.34: a log of its own in a directory of its own, one process at a
//! time.
//!
//! What sled leaves to us: it acknowledges what a power cut removes (no file metadata is synced),
//! so every commit is followed by `fdatasync` on a descriptor of our own before it is
//! acknowledged; it has no snapshots, so readers are shown the keys as they were (see
//! `versions`); it panics on damaged files, so every call is contained; it drops a damaged tail of
//! its log in silence, so what was acknowledged is witnessed outside of it (`ics-store`).

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod disk;
mod engine;
mod lost_sync;
mod reopening;
mod room;
mod versions;

use std::path::Path;

use ics_store::{
    BatchLimits, Copied, CopyError, EmbeddedStore, OnLoss, exchange_store, open_store,
};

pub use disk::SledFiles;
pub use engine::SledEngine;
pub use ics_store::{Compacted, OpenError, Table};

/// sled's directory within the store's.
pub const DATA_NAME: &str = "ics-store.sled";

/// The store on sled. `check` reads it whole; everything else is the core's `Store`.
pub type SledStore = EmbeddedStore<SledEngine>;

/// How to open a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory to use, in bytes. sled is told a quarter: it takes about four times what it is told.
    pub cache_bytes: usize,
    /// How writes are put together.
    pub batch: BatchLimits,
    /// What to do when the store does not hold what was acknowledged.
    pub on_loss: OnLoss,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 1 << 30,
            batch: BatchLimits::default(),
            on_loss: OnLoss::Refuse,
        }
    }
}

/// Opens the store in `directory`, or begins one there (directories 0700).
///
/// # Errors
/// [`OpenError`]. What is there is never replaced. sled itself cuts a damaged tail off its log
/// when it opens it: copy a damaged store before trying again.
pub fn open(directory: &Path, options: Options) -> Result<SledStore, OpenError> {
    let files = SledFiles::new(options);
    open_store(&files, directory, (options.batch, options.on_loss))
}

/// Writes the store in `directory` anew and takes the copy in its place, once it was read back:
/// sled reuses the space in its file and never gives it back. A copy that is not smaller is thrown
/// away. Nobody may have the store open, and
/// the disk must have room for both. Cut off at any moment, the old data or the new is in place.
///
/// # Errors
/// [`CopyError`].
pub fn compact(
    directory: &Path,
    options: Options,
    progress: &mut dyn FnMut(Copied),
) -> Result<Compacted, CopyError> {
    let mut sizes = Compacted {
        before: 0,
        after: 0,
    };
    let smaller = |old: &Path, new: &Path| match (disk::size_of(old), disk::size_of(new)) {
        (Ok(before), Ok(after)) => {
            let after = after.min(before);
            sizes = Compacted { before, after };
            after < before
        }
        _ => false,
    };
    exchange_store(&SledFiles::new(options), directory, smaller, progress)?;
    Ok(sizes)
}

#[cfg(test)]
mod tests;
