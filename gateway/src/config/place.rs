//! Where the configuration file lies: what its relative paths mean, and whether the files it
//! names are there and kept as they must be.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::fault::Fault;

/// The directory that relative paths start from.
pub(super) struct Place {
    directory: PathBuf,
}

impl Place {
    /// The place of that configuration file.
    pub(super) fn of(file: &Path) -> Self {
        Self {
            directory: file.parent().unwrap_or_else(|| Path::new("")).into(),
        }
    }

    /// Makes the path at `key` absolute, or relative to where the process stands.
    pub(super) fn resolve(&self, path: &mut PathBuf) {
        *path = self.directory.join(&*path);
    }

    /// Resolves the path at `key` and wants a readable file there.
    pub(super) fn file(&self, key: &str, path: &mut PathBuf) -> Result<(), Fault> {
        self.resolve(path);
        std::fs::File::open(&*path).map(drop).map_err(|error| {
            let wrong = format!("cannot read `{}`: {error}", path.display());
            Fault::new(key, wrong, "name a file this user may read")
        })
    }

    /// Resolves the path at `key` and wants a file there that its owner alone may read.
    pub(super) fn secret(&self, key: &str, path: &mut PathBuf) -> Result<(), Fault> {
        self.file(key, path)?;
        let metadata = std::fs::metadata(&*path).map_err(SecretFileError::Unreadable);
        metadata.and_then(|m| check_mode(&m)).map_err(|error| {
            let wrong = format!("`{}`: {error}", path.display());
            Fault::new(key, wrong, format!("chmod 600 {}", path.display()))
        })
    }
}

/// Why a file with a secret was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// Others than its owner may read or change it.
    #[error("others than its owner may use it (mode {0:04o}), so its key may be known already")]
    Exposed(u32),
}

/// Reads a file with a secret, if its owner alone may read and change it.
///
/// # Errors
/// [`SecretFileError`].
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path).map_err(SecretFileError::Unreadable)?;
    // The mode of what was opened, not of whatever the path means a moment later.
    let metadata = file.metadata().map_err(SecretFileError::Unreadable)?;
    check_mode(&metadata)?;
    // Room for all of it at once: a vector that grows leaves copies of the key behind.
    let room = usize::try_from(metadata.len())
        .unwrap_or(0)
        .saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.read_to_end(&mut bytes)
        .map_err(SecretFileError::Unreadable)?;
    Ok(bytes)
}

fn check_mode(metadata: &std::fs::Metadata) -> Result<(), SecretFileError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(SecretFileError::Exposed(mode))
    }
}
