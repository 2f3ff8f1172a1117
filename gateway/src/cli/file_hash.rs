//! The SHA-256 of a whole file, as `sha256sum` prints it: written down elsewhere, it tells the file
//! from any other that somebody made, which nothing within the file does.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use ics_store::hex;

use super::backup::FileError;
use super::progress::byte_bar;
use super::runtime::{EndWatch, Watched};

/// SHA-256 of all bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHash([u8; 32]);

/// A file is not the one whose SHA-256 was given.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` is not the file that was named by its SHA-256: it has {found}; nothing was touched",
    path.display()
)]
pub(super) struct OtherFile {
    path: PathBuf,
    found: FileHash,
}

impl FileHash {
    /// As `sha256sum` prints it, in either case.
    ///
    /// # Errors
    /// What is wanted.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "64 hexadecimal digits are wanted, as sha256sum prints them".to_owned();
        let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return Err(wanted());
        }
        let mut hash = [0; 32];
        let digits = text.as_bytes().chunks_exact(2);
        for (byte, pair) in hash.iter_mut().zip(digits) {
            let pair = str::from_utf8(pair).map_err(|_| wanted())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wanted())?;
        }
        Ok(Self(hash))
    }

    /// That of a file, from where it stands.
    ///
    /// # Errors
    /// [`FileError`], which names `path`.
    pub(super) fn of(path: &Path, file: File, ending: &EndWatch) -> Result<Self, FileError> {
        let length = file.metadata().map_or(0, |found| found.len());
        let bar = byte_bar("hashing", length);
        let mut input = Hashed::new(Watched {
            input: bar.wrap_read(file),
            ending,
        });
        let read = io::copy(&mut input, &mut io::sink());
        bar.finish_and_clear();
        read.map_err(|error| FileError::at(path, error))?;
        Ok(input.hash())
    }

    /// Sees that `file` is the one that is meant, where one is, and leaves it at its beginning.
    ///
    /// # Errors
    /// [`OtherFile`], or that it cannot be read.
    pub(super) fn check(
        meant: Option<Self>,
        (path, mut file): (&Path, &File),
    ) -> Result<(), Box<dyn std::error::Error>> {
        let Some(meant) = meant else {
            return Ok(());
        };
        let at = |error| FileError::at(path, error);
        let found = Self::of(path, file.try_clone().map_err(at)?, &EndWatch::idle())?;
        file.rewind().map_err(at)?;
        found.require(Some(meant), path)?;
        Ok(())
    }

    /// Refuses a file of this hash where another is meant.
    ///
    /// # Errors
    /// [`OtherFile`].
    pub(super) fn require(self, meant: Option<Self>, path: &Path) -> Result<(), OtherFile> {
        match meant {
            Some(meant) if meant != self => Err(OtherFile {
                path: path.to_owned(),
                found: self,
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Hashes what is read through it.
pub(super) struct Hashed<R> {
    input: R,
    context: Context,
}

impl<R> Hashed<R> {
    pub(super) fn new(input: R) -> Self {
        let context = Context::new(&SHA256);
        Self { input, context }
    }

    /// The hash of what was read so far.
    pub(super) fn hash(self) -> FileHash {
        let mut hash = [0; 32];
        // Both are 32 bytes.
        let _ = hash.as_mut_slice().write(self.context.finish().as_ref());
        FileHash(hash)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.context.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `abc` (FIPS 180-4, example).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_hash_is_read_as_it_is_printed_and_in_capitals() {
        let mut input = Hashed::new(&b"abc"[..]);
        io::copy(&mut input, &mut io::sink()).unwrap();
        let hash = input.hash();
        assert_eq!(hash.to_string(), ABC);
        assert_eq!(FileHash::parse(ABC), Ok(hash));
        assert_eq!(FileHash::parse(&ABC.to_uppercase()), Ok(hash));
    }

    #[test]
    fn what_is_no_sha_256_is_refused() {
        let short = ABC.get(1..).unwrap();
        for wrong in [
            "",
            short,
            &format!("{short}g"),
            &format!("+{short}"),
            &format!("{ABC} "),
        ] {
            assert!(FileHash::parse(wrong).is_err(), "{wrong}");
        }
    }
}
