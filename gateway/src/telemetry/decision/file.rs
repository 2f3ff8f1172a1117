//! The file of the decision log: appended to, never rewritten; its owner's alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

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

/// The open file.
pub(super) struct DecisionFile {
    path: PathBuf,
    file: File,
    dirty: bool,
}

impl DecisionFile {
    /// Opens the file in `directory`; both are made where they are not there.
    pub(super) fn open(directory: &Path) -> Result<Self, DecisionFileError> {
        let unusable = |source| DecisionFileError::Unusable {
            path: directory.into(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(unusable)?;
        check_directory(directory)?;
        let path = directory.join(FILE_NAME);
        let file = append_to(&path).map_err(|source| DecisionFileError::Unusable {
            path: path.clone(),
            source,
        })?;
        check_mode(&path, file.metadata(), false)?;
        Ok(Self {
            path,
            file,
            dirty: false,
        })
    }

    /// Opens whatever is there, for tests with devices.
    #[cfg(test)]
    pub(super) fn open_unchecked(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE_NAME);
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok(Self {
            path,
            file,
            dirty: false,
        })
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
                    written = written.saturating_add(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.dirty = false;
        Ok(())
    }

    /// Opens what lies under the name now; the old file is kept when that fails.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let file = append_to(&self.path)?;
        if self.dirty {
            self.file.sync_data()?;
        }
        self.file = file;
        self.dirty = false;
        Ok(())
    }
}

/// Opens the file to append to it. A line that a crash cut off gets its end.
fn append_to(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
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
