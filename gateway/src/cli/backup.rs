//! `ics-gateway backup`: everything the store holds, in one file, while the gateway serves.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use ics_operator::Extract;
use ics_store::{BackupSummary, FileFault, read_backup};
use serde::Serialize;

use super::extract::Origin;
use super::file_hash::{FileHash, Hashed};
use super::part_file::{PartFile, file_name};
use super::progress::byte_bar;
use super::runtime::{EndWatch, Outcome, Watched};
use crate::compose::with_sources;

/// Write everything the store holds into one file, while the gateway serves
///
/// The file shows the store as of one instant: what was acknowledged before is in it. It is
/// checked before it gets its name, so FILE is whole or not there; asked to end (Ctrl-C, SIGTERM),
/// it removes what it has written. It can be restored into a store of either engine.
///
/// The SHA-256 that is told is that of FILE, as `sha256sum` prints it. Keep it in another place:
/// nothing within FILE tells one that somebody altered and completed again; `restore --sha256` does.
///
/// The keyring is NOT in it, and without the keyring a restored store cannot be read: keep a copy
/// of the file named under `[vault]`, in another place than the backups. Nor are configuration,
/// certificates and decision log.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupArguments {
    /// The file to write, mode 0600
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    to: PathBuf,

    /// Replace FILE if it is there, a regular file, once the new one is whole
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    origin: Origin,
}

const EXAMPLES: &str = "\
Examples:
  From the gateway that serves, or from its store when none does:
    ics-gateway backup --config gateway.toml --to /backup/ics-2026-11-22.backup
  Every night, by a timer, as JSON for whoever watches:
    ics-gateway backup --config gateway.toml --to /backup/ics.backup \\
      --force --json

Exit status: 0 written and checked, 1 refused or not whole, 2 usage, 3 gateway not reachable.";

/// What was written, for programs.
#[derive(Serialize)]
struct Told<'t> {
    file: &'t Path,
    from: String,
    taken: String,
    keys: u64,
    bytes: u64,
    digest: String,
    sha256: String,
}

impl BackupArguments {
    pub(super) fn run(self) -> Outcome {
        let ending = EndWatch::begin()?;
        ending.judge(self.write(&ending))
    }

    fn write(&self, ending: &EndWatch) -> Outcome {
        let mut file = PartFile::begin(&self.to, self.force)?;
        let (from, _) = self.origin.extract(Extract::Backup, &mut file, ending)?;
        let (summary, hash) = check_backup(file.part(), file.read_back()?, ending)?;
        file.finish()?;
        let told = Told {
            file: &self.to,
            from: from.to_string(),
            taken: summary.taken.to_rfc3339(),
            keys: summary.keys,
            bytes: summary.bytes,
            digest: format!("{:016x}", summary.digest),
            sha256: hash.to_string(),
        };
        let facts = [
            ("file", self.to.display().to_string()),
            ("from", told.from.clone()),
            ("taken", told.taken.clone()),
            ("keys", told.keys.to_string()),
            ("bytes", told.bytes.to_string()),
            ("digest", told.digest.clone()),
            ("sha256", told.sha256.clone()),
        ];
        self.origin.access.tell(&told, &facts)
    }
}

/// A file is not what a store can be made of.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {}", path.display(), with_sources(fault))]
pub(super) struct FileError {
    pub(super) path: PathBuf,
    pub(super) fault: FileFault,
}

impl FileError {
    pub(super) fn at(path: &Path, fault: impl Into<FileFault>) -> Self {
        Self {
            path: path.to_owned(),
            fault: fault.into(),
        }
    }
}

/// Reads a backup whole, with a progress bar; its summary, and the hash of the file.
///
/// # Errors
/// [`FileError`], which names `path`.
pub(super) fn check_backup(
    path: &Path,
    file: File,
    ending: &EndWatch,
) -> Result<(BackupSummary, FileHash), FileError> {
    let length = file.metadata().map_or(0, |found| found.len());
    let bar = byte_bar("checking", length);
    let input = bar.wrap_read(file);
    let mut input = BufReader::new(Hashed::new(Watched { input, ending }));
    let read = read_backup(&mut input, &mut |_, _| ControlFlow::Continue(()));
    bar.finish_and_clear();
    let summary = read.map_err(|fault| FileError::at(path, fault))?;
    // It was read to its end, or it would be none.
    Ok((summary, input.into_inner().hash()))
}
