//! The file of the decision log: appended to, never rewritten; its owner's alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::FILE_NAME;

/// Why the decision log cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecisionFileError {
    /// It cannot be opened or made.
    #[error("decision log `{}`: {source}", path.display())]
    Unusable {
        /// File or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may use it.
    #[error(
        "decision log `{}`: others than its owner may use it (mode {mode:04o}); chmod {} {}",
        path.display(),
        if *directory { "700" } else { "600" },
        path.display()
    )]
    Exposed {
        /// File or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Whether it is the directory.
        directory: bool,
    },
}

/// Whether the directory of the log, where it is there, is its owner's alone.
///
/// # Errors
/// [`DecisionFileError`].
pub(crate) fn check_directory(directory: &Path) -> Result<(), DecisionFileError> {
    match std::fs::metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => check_mode(directory, found, true)?,
    }
    let path = directory.join(FILE_NAME);
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        found => check_mode(&path, found, false),
    }
}

fn check_mode(
    path: &Path,
    found: io::Result<std::fs::Metadata>,
    directory: bool,
) -> Result<(), DecisionFileError> {
    let path = path.to_owned();
    let metadata = match found {
        Ok(metadata) => metadata,
        Err(source) => return Err(DecisionFileError::Unusable { path, source }),
    };
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(DecisionFileError::Exposed {
        path,
        mode,
        directory,
    })
}

/// What became of the file under its name, which others may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there, with all that was written.
    Kept,
    /// Another is there, or none, and it has another name, as whoever rotates it gives it.
    Moved,
    /// It is there, and shorter than it was.
    Shortened,
    /// It has no name any more: its lines go when it is closed.
    Deleted,
}

/// The open file.
pub(super) struct DecisionFile {
    path: PathBuf,
    file: File,
    dirty: bool,
    /// Its length after what was appended to it last.
    length: u64,
    /// Its length when it was synced last.
    synced: u64,
    /// A sync failed: what was written since the one before may be in memory alone, whatever the
    /// next one says.
    in_doubt: bool,
}

impl DecisionFile {
    /// Opens the file in `directory`; both are made where they are not there.
    pub(super) fn open(directory: &Path) -> Result<Self, DecisionFileError> {
        let unusable = |source| DecisionFileError::Unusable {
            path: directory.into(),
            source,
        };
        make_directory(directory).map_err(unusable)?;
        check_directory(directory)?;
        let path = directory.join(FILE_NAME);
        let file = append_to(&path).map_err(|source| DecisionFileError::Unusable {
            path: path.clone(),
            source,
        })?;
        check_mode(&path, file.metadata(), false)?;
        Self::over(file, path.clone())
            .map_err(|source| DecisionFileError::Unusable { path, source })
    }

    fn over(file: File, path: PathBuf) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self {
            length,
            synced: length,
            path,
            file,
            dirty: false,
            in_doubt: false,
        })
    }

    /// Opens whatever is there, for tests with devices.
    #[cfg(test)]
    pub(super) fn open_unchecked(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE_NAME);
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        Self::over(file, path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something was written that was not synced.
    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Appends `bytes`; tells how many went in, of a failure too.
    pub(super) fn append(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0_usize;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    self.dirty = true;
                    self.length = self.length.saturating_add(n as u64);
                    written = written.saturating_add(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// Has everything on the disk.
    ///
    /// Linux calls pages clean that a failed sync did not bring there, so after one they are
    /// written once more: another sync alone would be a success that nothing stands behind.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        if self.in_doubt {
            write_again(&self.file, self.synced..end)?;
        }
        self.in_doubt = true;
        self.file.sync_data()?;
        self.in_doubt = false;
        self.dirty = false;
        self.synced = end;
        Ok(())
    }

    /// What became of it. What cannot be looked at counts as kept: it can be written.
    pub(super) fn fate(&self) -> Fate {
        let Ok(open) = self.file.metadata() else {
            return Fate::Kept;
        };
        if open.nlink() == 0 {
            return Fate::Deleted;
        }
        match std::fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) != (open.dev(), open.ino()) => Fate::Moved,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Fate::Moved,
            _ if open.is_file() && open.len() < self.length => Fate::Shortened,
            _ => Fate::Kept,
        }
    }

    /// Takes the length it has for that of what was written.
    pub(super) fn accept_length(&mut self) -> io::Result<()> {
        self.length = self.file.metadata()?.len();
        self.synced = self.synced.min(self.length);
        Ok(())
    }

    /// Opens what lies under the name now, made where nothing does; the old file is kept when that
    /// fails.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), make_directory)?;
        let file = append_to(&self.path)?;
        if self.dirty {
            self.sync()?;
        }
        *self = Self::over(file, std::mem::take(&mut self.path))?;
        Ok(())
    }
}

/// Writes what the file has in `range` over itself.
fn write_again(file: &File, range: std::ops::Range<u64>) -> io::Result<()> {
    let flags = fcntl_getfl(file)?;
    // What is open to append to is appended to, wherever it is told to write.
    fcntl_setfl(file, flags - OFlags::APPEND)?;
    let mut piece = vec![0; 64 << 10];
    let mut at = range.start;
    let written = loop {
        let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let length = left.min(piece.len());
        let Some(piece) = piece.get_mut(..length).filter(|piece| !piece.is_empty()) else {
            break Ok(());
        };
        let copied = file
            .read_exact_at(piece, at)
            .and_then(|()| file.write_all_at(piece, at));
        if let Err(error) = copied {
            break Err(error);
        }
        at = at.saturating_add(length as u64);
    };
    fcntl_setfl(file, flags)?;
    written
}

fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Opens the file to append to it. A line that a crash cut off gets its end.
fn append_to(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        // A pipe is not waited for.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    // What goes into a pipe or a device is kept by nobody, and cannot be synced.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file: remove it"));
    }
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
