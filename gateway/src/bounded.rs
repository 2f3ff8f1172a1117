//! Files that are read to a limit: what is named may be a pipe, or not what its reader takes it for.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The text of a file of at most so many MiB.
///
/// # Errors
/// [`io::Error`] of the file, that it is no text, or longer.
pub(crate) fn read_bounded(file: &Path, mebibytes: u64) -> io::Result<String> {
    let mut text = String::new();
    let largest = mebibytes << 20;
    let length = File::open(file)?
        .take(largest.saturating_add(1))
        .read_to_string(&mut text)?;
    if length as u64 > largest {
        return Err(io::Error::other(format!(
            "it has more than {mebibytes} MiB"
        )));
    }
    Ok(text)
}
