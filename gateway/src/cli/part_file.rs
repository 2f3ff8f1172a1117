//! A file that is there whole or not at all: written beside itself, checked, then given its name.
//!
//! Several processes may be asked for one file at once. Whoever holds the lock on what lies at
//! `FILE.part` is the only one that removes or renames it; a lock on what lies there no more is
//! worth nothing, so that is looked at after every locking, and again before the name is given.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use ics_store::sync_directory;
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

/// How often `FILE.part` may be taken away between being made and being locked.
const ATTEMPTS: u32 = 100;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartFileError {
    /// It is there already.
    #[error("`{}` is there already: --force replaces it, once the new one is whole", .0.display())]
    Exists(PathBuf),
    /// What is there is not replaced by anything.
    #[error("`{}` is there and is no regular file: name another", .0.display())]
    NotRegular(PathBuf),
    /// Another process is at it.
    #[error("`{}` is being written by another process", .0.display())]
    Busy(PathBuf),
    /// Somebody removed or replaced what was being written.
    #[error("`{}` was taken away while it was written", .0.display())]
    TakenAway(PathBuf),
    /// The file system said no.
    #[error("cannot write `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How a file is named that cannot be a stream: what is written is read back before it gets its name,
/// and what is read is read twice.
pub(super) fn file_name() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => Err("no standard stream can be named here; for a file of that name: ./-"),
        _ => Ok(path),
    })
}

/// `FILE.part`, mode 0600, on its way to become `FILE`; removed when it does not.
pub(super) struct PartFile {
    path: PathBuf,
    part: PathBuf,
    file: File,
    may_replace: bool,
    /// It has its name: what lies at `FILE.part` from then on is somebody else's.
    is_named: bool,
}

impl PartFile {
    /// Begins it. What a killed process left of an earlier one is removed.
    ///
    /// # Errors
    /// [`PartFileError`].
    pub(super) fn begin(path: &Path, may_replace: bool) -> Result<Self, PartFileError> {
        refuse_existing(path, may_replace)?;
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        for _ in 0..ATTEMPTS {
            if let Some(file) = try_make(&part)? {
                return Ok(Self {
                    path: path.to_owned(),
                    part,
                    file,
                    may_replace,
                    is_named: false,
                });
            }
        }
        Err(PartFileError::Busy(part))
    }

    /// What was written, from its beginning; of the file itself, whatever lies at its path.
    ///
    /// # Errors
    /// [`PartFileError`].
    pub(super) fn read_back(&self) -> Result<File, PartFileError> {
        let rewound = (&self.file).seek(SeekFrom::Start(0));
        rewound
            .and_then(|_| self.file.try_clone())
            .map_err(|source| io_error(&self.part, source))
    }

    /// Where it lies until it is whole.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Gives it its name; durable when this returns.
    ///
    /// # Errors
    /// [`PartFileError`].
    pub(super) fn finish(mut self) -> Result<(), PartFileError> {
        refuse_existing(&self.path, self.may_replace)?;
        let at = |source| io_error(&self.path, source);
        self.file.sync_all().map_err(at)?;
        if !lies_at(&self.file, &self.part) {
            return Err(PartFileError::TakenAway(self.part.clone()));
        }
        if self.may_replace {
            fs::rename(&self.part, &self.path).map_err(at)?;
        } else {
            rename_new(&self.part, &self.path).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => PartFileError::Exists(self.path.clone()),
                _ => at(source),
            })?;
        }
        let parent = self.path.parent();
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
        let synced = sync_directory(parent.unwrap_or_else(|| Path::new("."))).map_err(at);
        self.is_named = true;
        synced
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.is_named && lies_at(&self.file, &self.part) {
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn refuse_existing(path: &Path, may_replace: bool) -> Result<(), PartFileError> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(PartFileError::NotRegular(path.to_owned())),
        Ok(_) if !may_replace => Err(PartFileError::Exists(path.to_owned())),
        _ => Ok(()),
    }
}

/// A new file at `part`, locked; `None` when somebody was at it meanwhile, and it is to be tried
/// anew.
fn try_make(part: &Path) -> Result<Option<File>, PartFileError> {
    // Never through a link that somebody left there.
    let made = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(part);
    match made {
        Ok(file) => claim(file, part),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_left(part)?;
            Ok(None)
        }
        Err(source) => Err(io_error(part, source)),
    }
}

/// Locks a file that was just made, unless another process took it for a left one and removed it.
fn claim(file: File, part: &Path) -> Result<Option<File>, PartFileError> {
    file.lock().map_err(|source| io_error(part, source))?;
    Ok(lies_at(&file, part).then_some(file))
}

/// Removes what was left by a process that is no more, if it still lies there once it is locked.
fn remove_left(part: &Path) -> Result<(), PartFileError> {
    let at = |source| io_error(part, source);
    let found = match part.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(at)?,
    };
    if !found.is_file() {
        return Err(PartFileError::NotRegular(part.to_owned()));
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let left = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(part);
    let left = match left {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        left => left.map_err(at)?,
    };
    match left.try_lock() {
        Ok(()) => remove_claimed(&left, part).map_err(at),
        Err(TryLockError::WouldBlock) => Err(PartFileError::Busy(part.to_owned())),
        Err(TryLockError::Error(source)) => Err(at(source)),
    }
}

/// Removes a file that is locked, if it still lies there.
fn remove_claimed(left: &File, part: &Path) -> io::Result<()> {
    if lies_at(left, part) {
        fs::remove_file(part)?;
    }
    Ok(())
}

/// Whether this very file lies at `path`.
fn lies_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(file), Ok(found)) => (file.dev(), file.ino()) == (found.dev(), found.ino()),
        _ => false,
    }
}

/// Renames, unless something has the name already.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows how to; what is a link to both names is never seen as half.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

fn io_error(path: &Path, source: io::Error) -> PartFileError {
    PartFileError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
