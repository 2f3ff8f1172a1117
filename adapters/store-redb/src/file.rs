//! redb's one file: begun, opened, made smaller.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ics_store::{Compacted, EngineFiles, OpenError, io_error};

use crate::engine::{RedbEngine, compact_file};
use crate::{FILE_NAME, Options, open};

/// How redb is opened.
#[derive(Clone, Copy, Debug)]
pub struct RedbFiles {
    options: Options,
}

impl RedbFiles {
    /// With these options.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self { options }
    }
}

impl EngineFiles for RedbFiles {
    type Engine = RedbEngine;
    const NAME: &'static str = "redb";
    const DATA: &'static str = FILE_NAME;
    // A commit is there, whole, or the file is refused.
    const COUNT_AFTER_CRASH: bool = false;

    fn begin(&self, path: &Path) -> Result<RedbEngine, OpenError> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| io_error(path, source))?;
        RedbEngine::begin(path.to_owned(), self.options)
    }

    fn open(&self, path: &Path) -> Result<RedbEngine, OpenError> {
        match fs::metadata(path) {
            Ok(found) if found.len() == 0 => Err(OpenError::Missing(path.to_owned())),
            Ok(_) => RedbEngine::open(path.to_owned(), self.options),
            Err(source) => Err(io_error(path, source)),
        }
    }
}

/// Gives back the space that deleted rows left in the file of the store in `directory`; nobody
/// may have it open. Cut off at any moment, the store is as it was before or after a step of it.
///
/// # Errors
/// [`OpenError`].
pub fn compact(directory: &Path, options: Options) -> Result<Compacted, OpenError> {
    // Holds what was acknowledged? Closed again: redb compacts what nobody reads.
    drop(open(directory, options)?);
    let path = directory.join(FILE_NAME);
    let size = || {
        let found = fs::metadata(&path).map_err(|source| io_error(&path, source))?;
        Ok(found.len())
    };
    let before = size()?;
    let verified = Options {
        verify: false,
        ..options
    };
    compact_file(&path, verified)?;
    Ok(Compacted {
        before,
        after: size()?,
    })
}
