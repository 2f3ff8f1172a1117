//! `ics-gateway export`: the mapping table for reading, or the whole state for another gateway.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use ics_operator::Extract;
use ics_store::{StateSummary, read_state};
use serde_json::json;

use super::backup::FileError;
use super::extract::{Meter, Origin};
use super::file_hash::{FileHash, Hashed};
use super::part_file::PartFile;
use super::progress::byte_bar;
use super::runtime::{EndWatch, Outcome, Watched};

/// Write the mapping table as CSV, or the whole state as lines of JSON
///
/// The table is Table 1 of Y.4462 (device ID, service URI, UTI), for reading: established mappings
/// that are told to nobody any more are not in it. Cells stand as they are; a UTI may begin with
/// `-` or `=`, so tell a spreadsheet to take all columns for text.
///
/// The state is everything but what is derived from it, one JSON object a line, between a header
/// and a trailer; `import` makes an equal store of it. Serial numbers and other sealed values stay
/// sealed: only the keyring opens them, and it is not in the file.
///
/// Both show the store as of one instant, while the gateway serves. FILE is whole or not there;
/// asked to end (Ctrl-C, SIGTERM), what is written so far is removed. The SHA-256 that is told is
/// that of FILE, as `sha256sum` prints it; `import --sha256` takes no other.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    what: What,

    /// Replace FILE if it is there, a regular file, once the new one is whole
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    origin: Origin,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Write the mapping table as CSV into FILE, mode 0600; `-` is standard output
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,

    /// Write the state as NDJSON into FILE, mode 0600; `-` is standard output
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway export --table mappings.csv --config gateway.toml
    ics-gateway export --state state.ndjson --config gateway.toml
  How many mappings each IoT service provider has:
    ics-gateway export --state - --config gateway.toml |
      jq -r 'select(.record == \"mapping\") | .iotSpId' | sort | uniq -c

Exit status: 0 written whole, 1 refused or cut off, 2 usage, 3 gateway not reachable.";

impl ExportArguments {
    pub(super) fn run(self) -> Outcome {
        let (extract, path) = match (&self.what.table, &self.what.state) {
            (Some(path), _) => (Extract::Table, path),
            (None, Some(path)) => (Extract::State, path),
            (None, None) => return Err("name --table or --state".into()),
        };
        if path == Path::new("-") {
            // Nothing to clear away, and whoever reads may have stopped to.
            let mut out = io::stdout().lock();
            let (_, meter) = self.origin.extract(extract, &mut out, &EndWatch::idle())?;
            return warn_of_formulas(&meter);
        }
        let ending = EndWatch::begin()?;
        ending.judge(self.write((extract, path), &ending))
    }

    fn write(&self, (extract, path): (Extract, &Path), ending: &EndWatch) -> Outcome {
        let mut file = PartFile::begin(path, self.force)?;
        let (from, meter) = self.origin.extract(extract, &mut file, ending)?;
        let mut facts = vec![
            ("file", path.display().to_string()),
            ("from", from.to_string()),
        ];
        match &meter {
            Meter::Table(meter) => {
                let hash = FileHash::of(file.part(), file.read_back()?, ending)?;
                facts.push(("mappings", meter.lines.saturating_sub(1).to_string()));
                facts.push(("sha256", hash.to_string()));
            }
            _ => {
                let (state, hash) = check_state(file.part(), file.read_back()?, ending)?;
                facts.extend(facts_of(&state));
                facts.push(("sha256", hash.to_string()));
            }
        }
        file.finish()?;
        let told = facts.iter().map(|(name, value)| (*name, json!(value)));
        let told: serde_json::Map<_, _> =
            told.map(|(name, value)| (name.to_owned(), value)).collect();
        self.origin.access.tell(&told, &facts)?;
        warn_of_formulas(&meter)
    }
}

/// What is told of a state.
fn facts_of(state: &StateSummary) -> [(&'static str, String); 4] {
    [
        ("taken", state.taken.to_rfc3339()),
        ("records", state.records.to_string()),
        ("bytes", state.bytes.to_string()),
        ("digest", format!("{:016x}", state.digest)),
    ]
}

/// Reads a state whole, with a progress bar; its summary, and the hash of the file.
///
/// # Errors
/// [`FileError`], which names `path`.
pub(super) fn check_state(
    path: &Path,
    file: File,
    ending: &EndWatch,
) -> Result<(StateSummary, FileHash), FileError> {
    let length = file.metadata().map_or(0, |found| found.len());
    let bar = byte_bar("checking", length);
    let input = bar.wrap_read(file);
    let mut input = BufReader::new(Hashed::new(Watched { input, ending }));
    let read = read_state(&mut input, &mut || ());
    bar.finish_and_clear();
    let summary = read.map_err(|fault| FileError::at(path, fault))?;
    // It was read to its end, or it would be none.
    Ok((summary, input.into_inner().hash()))
}

fn warn_of_formulas(meter: &Meter) -> Outcome {
    if let Meter::Table(meter) = meter
        && meter.formula_like > 0
    {
        let cells = meter.formula_like;
        writeln!(
            io::stderr().lock(),
            "{cells} cells begin as formulas do: tell a spreadsheet to take all columns for text"
        )?;
    }
    Ok(())
}
