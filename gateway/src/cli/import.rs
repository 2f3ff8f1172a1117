//! `ics-gateway import`: a store made of an exported state.

use std::path::PathBuf;

use clap::Args;
use ics_store::{Objections, Work, import_state};

use super::export::check_state;
use super::file_hash::FileHash;
use super::part_file::file_name;
use super::restore::{Target, from_start, now, open_to_read, tell_file, tell_meaning};
use super::runtime::{EndWatch, Outcome, say};
use crate::compose::{redb_options, sled_options};
use crate::config::Config;
use crate::telemetry::start_log;

/// Make a store of an exported state, with the gateway stopped
///
/// The file is read whole and checked first: a line that is not as `export --state` writes it is
/// told by its number and field, never with its value. Indexes and counters are made anew, as in
/// service; the store is read back and its digest compared before it can be served. Cut off half
/// way, the directory is refused by `serve` and begun anew by the next `import`. Run it as the user
/// the gateway runs as; as anybody else it is refused. After a state that is over 30 days old
/// nothing expires until `ics-gateway clock accept`.
///
/// The table that `export --table` writes is for reading and cannot be imported: a mapping needs
/// its parties, its agreement and its consent.
///
/// The file is text that anybody could have written. A state that names a service provider of which
/// it has no record is refused, and so is one with an identifier that a request could not bring,
/// unless --accept-identifiers says that an older version took it; then it is told how many lines
/// have one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportArguments {
    /// The gateway's configuration file: it names engine, directory and keyring
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// The exported state
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    state: PathBuf,

    /// Refuse the state, before anything is touched, unless this is its SHA-256, as `export` told
    /// it and `sha256sum` prints it
    #[arg(long, value_name = "HEX", value_parser = FileHash::parse)]
    sha256: Option<FileHash>,

    /// Take identifiers that a request could not bring, such as an IMSI for a UTI: an older version
    /// may have taken them
    #[arg(long)]
    accept_identifiers: bool,
}

const EXAMPLES: &str = "\
Example:
    ics-gateway import --config gateway.toml --state state.ndjson

Exit status: 0 imported, 1 refused or not whole (what and why is told), 2 usage.";

impl ImportArguments {
    pub(super) fn run(self) -> Outcome {
        let config = Config::load(&self.config)?;
        let _log = start_log(&config.log);
        let target = Target::look(config, (&self.state, Work::Import), false)?;
        let state = open_to_read(&self.state)?;
        FileHash::check(self.sha256, (&self.state, &state))?;
        let (summary, hash) = check_state(&self.state, state.try_clone()?, &EndWatch::idle())?;
        hash.require(self.sha256, &self.state)?;
        tell_file(&self.state, hash)?;
        self.judge(&summary.objections)?;
        target.try_keyring(summary.canary.as_ref())?;
        let (open, at) = (|| from_start(&state), now());
        let mark = target.make(
            |section, progress| {
                let files = ics_store_redb::RedbFiles::new(redb_options(section));
                let place = (&files, section.directory.as_path());
                import_state(&mut open()?, (&summary, at), place, &mut |step| {
                    progress.take(step)
                })
            },
            |section, progress| {
                let files = ics_store_sled::SledFiles::new(sled_options(section));
                let place = (&files, section.directory.as_path());
                import_state(&mut open()?, (&summary, at), place, &mut |step| {
                    progress.take(step)
                })
            },
        )?;
        tell_meaning("imported", summary.taken, mark)
    }

    /// Whether the state is one that a gateway could have come to.
    fn judge(&self, objections: &Objections) -> Outcome {
        let refused = |line, why| {
            Err(NotAdmitted {
                file: self.state.clone(),
                line,
                why,
            }
            .into())
        };
        if let Some(line) = objections.orphan {
            return refused(line, Why::Orphan);
        }
        match &objections.first {
            Some((line, field)) if !self.accept_identifiers => {
                let field = field.clone();
                let lines = objections.identifiers;
                refused(*line, Why::Identifier { field, lines })
            }
            Some(_) => {
                let lines = objections.identifiers;
                let text = format!(
                    "{lines} lines hold one that no request could bring: taken as they are"
                );
                Ok(say(&format!("identifiers      {text}"))?)
            }
            None => Ok(()),
        }
    }
}

/// A state that is whole, and none that a gateway came to by itself.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: line {line}: {why}", file.display())]
struct NotAdmitted {
    file: PathBuf,
    line: u64,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(
        "names a service provider of which the file has no record: it was not written by `export --state`"
    )]
    Orphan,
    #[error(
        "field `{field}` holds an identifier that no request could bring, such as an IMSI, and so do {lines} lines in \
         all; if an older version took them, --accept-identifiers takes them again"
    )]
    Identifier { field: String, lines: u64 },
}
