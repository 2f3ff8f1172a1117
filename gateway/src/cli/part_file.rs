//! A file that is there whole or not at all: written beside itself, checked, then given its name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ics_store::sync_directory;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartFileError {
    /// It is there already.
    #[error("`{}` is there already: --force replaces it, once the new one is whole", .0.display())]
    Exists(PathBuf),
    /// Another process is at it.
    #[error("`{}` is being written by another process", .0.display())]
    Busy(PathBuf),
    /// The file system said no.
    #[error("cannot write `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// `FILE.part`, mode 0600, on its way to become `FILE`; removed when it does not.
pub(super) struct PartFile {
    path: PathBuf,
    part: PathBuf,
    file: File,
    may_replace: bool,
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
        let at = |source| PartFileError::Io {
            path: part.clone(),
            source,
        };
        // Never through a link that somebody left there.
        let make = || {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&part)
        };
        let file = match make() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_left(&part)?;
                make().map_err(at)?
            }
            made => made.map_err(at)?,
        };
        file.lock().map_err(at)?;
        Ok(Self {
            path: path.to_owned(),
            part: part.clone(),
            file,
            may_replace,
        })
    }

    /// Where it lies until it is whole.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Gives it its name; durable when this returns.
    ///
    /// # Errors
    /// [`PartFileError`].
    pub(super) fn finish(self) -> Result<(), PartFileError> {
        refuse_existing(&self.path, self.may_replace)?;
        let named = || {
            self.file.sync_all()?;
            fs::rename(&self.part, &self.path)?;
            let parent = self.path.parent();
            let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
            sync_directory(parent.unwrap_or_else(|| Path::new(".")))
        };
        named().map_err(|source| PartFileError::Io {
            path: self.path.clone(),
            source,
        })
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
        // Gone already when it has its name.
        let _ = fs::remove_file(&self.part);
    }
}

fn refuse_existing(path: &Path, may_replace: bool) -> Result<(), PartFileError> {
    if !may_replace && path.symlink_metadata().is_ok() {
        return Err(PartFileError::Exists(path.to_owned()));
    }
    Ok(())
}

/// Removes what was left by a process that is no more.
fn remove_left(part: &Path) -> Result<(), PartFileError> {
    let at = |source| PartFileError::Io {
        path: part.to_owned(),
        source,
    };
    let left = OpenOptions::new().read(true).open(part).map_err(at)?;
    match left.try_lock() {
        Ok(()) => fs::remove_file(part).map_err(at),
        Err(TryLockError::WouldBlock) => Err(PartFileError::Busy(part.to_owned())),
        Err(TryLockError::Error(source)) => Err(at(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut part = PartFile::begin(&path, false).unwrap();
        part.write_all(b"half").unwrap();
        let mode = fs::metadata(part.part()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            PartFile::begin(&path, false),
            Err(PartFileError::Busy(_))
        ));
        drop(part);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        // Left by a process that was killed.
        fs::write(directory.path().join("file.part"), b"left over").unwrap();
        let mut part = PartFile::begin(&path, false).unwrap();
        part.write_all(b"whole").unwrap();
        part.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(matches!(
            PartFile::begin(&path, false),
            Err(PartFileError::Exists(_))
        ));
        let mut part = PartFile::begin(&path, true).unwrap();
        part.write_all(b"newer").unwrap();
        part.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
