//! Files of a domain in the making: beside their place, with their modes, synced, then moved.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::InitError;

/// A directory that becomes the domain, or goes away when dropped before.
pub(super) struct Staging {
    root: PathBuf,
}

impl Staging {
    /// An empty one beside `target`, which must not exist or be empty.
    pub(super) fn beside(target: &Path) -> Result<Self, InitError> {
        match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Err(InitError::NotEmpty(target.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(target)(error)),
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or(target.as_os_str()));
        name.push(format!(".{}", std::process::id()));
        let root = target.with_file_name(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(fault(&root))?;
        Ok(Self { root })
    }

    /// Makes a directory.
    pub(super) fn directory(&self, path: &str) -> Result<(), InitError> {
        let path = self.root.join(path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(fault(&path))
    }

    /// Writes a file that may be shown (its directory is closed all the same).
    pub(super) fn public(&self, path: &str, text: &str) -> Result<(), InitError> {
        self.write(path, text, 0o644)
    }

    /// Writes a file that its owner alone may read.
    pub(super) fn secret(&self, path: &str, text: &str) -> Result<(), InitError> {
        self.write(path, text, 0o600)
    }

    fn write(&self, path: &str, text: &str, mode: u32) -> Result<(), InitError> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(fault(parent))?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(fault(&path))
    }

    /// Moves everything to `target` at once.
    pub(super) fn publish(self, target: &Path) -> Result<(), InitError> {
        // rename(2) replaces an empty directory and refuses any other.
        fs::rename(&self.root, target).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => InitError::NotEmpty(target.into()),
            _ => fault(target)(error),
        })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Gone already when it was published.
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> InitError {
    let path = path.to_owned();
    |source| InitError::Write { path, source }
}
