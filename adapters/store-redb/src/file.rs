//! The file and its directory: made whole and durable before it gets its name, so that a file of
//! that name that is empty or strange is damage, never a new store.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ics_store::{BatchLimits, EmbeddedStore};

use crate::engine::RedbEngine;
use crate::{FILE_NAME, OpenError, Options};

/// The path of the store's file in `directory`, made if there is none.
pub(crate) fn prepare(directory: &Path, options: Options) -> Result<PathBuf, OpenError> {
    let path = directory.join(FILE_NAME);
    let is_there = path
        .try_exists()
        .map_err(|source| io_error(&path, source))?;
    let unfinished = directory.join(format!("{FILE_NAME}.new"));
    if is_there {
        // A second name of the file, or one that was never finished.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&unfinished, error));
            }
            _ => {}
        }
    } else {
        make_directory(directory).map_err(|source| io_error(directory, source))?;
        make_file(&unfinished, &path, options)?;
        fs::remove_file(&unfinished)
            .and_then(|()| sync_directory(directory))
            .map_err(|source| io_error(&unfinished, source))?;
    }
    Ok(path)
}

fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// An empty store under another name first: it is either there, whole, or not at all.
fn make_file(unfinished: &Path, path: &Path, options: Options) -> Result<(), OpenError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(unfinished)
        .map_err(|source| io_error(unfinished, source))?;
    let engine = RedbEngine::begin(unfinished.to_owned(), options)?;
    // Writes format and counters. Held open until the file has its name: a second process that
    // begins at the same time is refused.
    let begun = EmbeddedStore::open(engine, BatchLimits::default()).map_err(|error| {
        OpenError::Damaged {
            path: unfinished.to_owned(),
            source: error.into(),
        }
    })?;
    // A link, not a rename: it never replaces a store that another process just made.
    match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error(path, error));
        }
        _ => {}
    }
    drop(begun);
    Ok(())
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}
