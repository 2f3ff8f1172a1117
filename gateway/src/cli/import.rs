//! `ics-gateway import`: a store made of an exported state.

use std::path::PathBuf;

use clap::Args;
use ics_store::{Work, import_state};

use super::export::check_state;
use super::file_hash::FileHash;
use super::part_file::file_name;
use super::restore::{Target, from_start, open_to_read, tell_file, tell_meaning};
use super::runtime::{EndWatch, Outcome};
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
        target.try_keyring(summary.canary.as_ref())?;
        let open = || from_start(&state);
        let mark = target.make(
            |section, progress| {
                let files = ics_store_redb::RedbFiles::new(redb_options(section));
                let place = (&files, section.directory.as_path());
                import_state(&mut open()?, &summary, place, &mut |step| {
                    progress.take(step)
                })
            },
            |section, progress| {
                let files = ics_store_sled::SledFiles::new(sled_options(section));
                let place = (&files, section.directory.as_path());
                import_state(&mut open()?, &summary, place, &mut |step| {
                    progress.take(step)
                })
            },
        )?;
        tell_meaning("imported", summary.taken, mark)
    }
}
