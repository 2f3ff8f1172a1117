//! What an import answers: a line for each of the table, written as it comes, for its secrets are
//! told once. A file of its own, mode 0600, never overwritten.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::operator::UsageError;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A JSON object a line
    Ndjson,
    /// CSV with a header line; certificates and keys are cells of several lines
    Csv,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Fate {
    /// Its device is hosted now.
    Registered,
    /// A device of its serial number was hosted already.
    AlreadyRegistered,
    /// It was not taken.
    Refused,
}

/// The answer to a line.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineAnswer {
    /// Where it begins in the table.
    pub(super) line: usize,
    /// As it stands there.
    pub(super) device_serial_number: String,
    /// What became of it; always there.
    pub(super) result: Option<Fate>,
    /// Its device ID, and user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_id: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
    /// What it names in a DTLS handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) psk_identity: Option<String>,
    /// The key that goes with it, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) psk: Option<String>,
    /// Its certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<String>,
    /// The key of the certificate, PEM, if it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_key: Option<String>,
    /// When the first of its credentials ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_after: Option<String>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

const HEADER: &str = "line,deviceSerialNumber,result,deviceId,password,pskIdentity,psk,\
                      certificate,privateKey,notAfter,error\n";
/// Answers between two syncs.
const SYNC_EVERY: u32 = 100;

/// The file of answers.
pub(super) struct Answers {
    file: File,
    path: PathBuf,
    format: Format,
    unsynced: u32,
}

/// An answer was not kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}", path.display())]
pub(super) struct NotKept {
    path: PathBuf,
    source: io::Error,
}

impl Answers {
    /// Begins the file; by default the format is what its name says.
    pub(super) fn begin(path: &Path, format: Option<Format>) -> Result<Self, UsageError> {
        let is_csv = path.extension().is_some_and(|end| end == "csv");
        let by_name = if is_csv { Format::Csv } else { Format::Ndjson };
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = opened.map_err(|error| {
            let wrong = match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    "is there already, perhaps with secrets: name another".to_owned()
                }
                _ => error.to_string(),
            };
            UsageError(format!("`{}`: {wrong}", path.display()))
        })?;
        let mut answers = Self {
            file,
            path: path.to_owned(),
            format: format.unwrap_or(by_name),
            unsynced: 0,
        };
        if answers.format == Format::Csv {
            let header = answers.write(HEADER.as_bytes());
            header.map_err(|error| UsageError(error.to_string()))?;
        }
        Ok(answers)
    }

    /// Writes an answer.
    pub(super) fn take(&mut self, answer: &LineAnswer) -> Result<(), NotKept> {
        let text = match self.format {
            Format::Csv => render_cells(answer),
            Format::Ndjson => {
                serde_json::to_string(answer).map_err(|error| self.not_kept(error.into()))?
            }
        };
        self.write(format!("{text}\n").as_bytes())?;
        self.unsynced = self.unsynced.saturating_add(1);
        if self.unsynced >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// What was written outlives the machine when this returns.
    pub(super) fn sync(&mut self) -> Result<(), NotKept> {
        self.unsynced = 0;
        self.file.sync_data().map_err(|error| self.not_kept(error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), NotKept> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.not_kept(error))
    }

    fn not_kept(&self, source: io::Error) -> NotKept {
        NotKept {
            path: self.path.clone(),
            source,
        }
    }
}

fn render_cells(answer: &LineAnswer) -> String {
    let line = answer.line.to_string();
    let result = answer.result.map(|fate| super::name_of(&fate));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        line,
        answer.device_serial_number.clone(),
        text(&result),
        text(&answer.device_id),
        text(&answer.password),
        text(&answer.psk_identity),
        text(&answer.psk),
        text(&answer.certificate),
        text(&answer.private_key),
        text(&answer.not_after),
        text(&answer.error),
    ];
    cells.map(|cell| quote(&cell)).join(",")
}

/// RFC 4180 2.
fn quote(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests;
