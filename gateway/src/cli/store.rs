//! `ics-gateway store`: what is done to a store while no gateway has it open.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ics_core::port::StoreError;
use ics_core::timekeeping::ClockMark;
use ics_store::{
    Compacted, CopyError, Finding, FindingKind, IntegrityReport, Occupancy, OnLoss, Table, Upkeep,
    look_into,
};
use indicatif::ProgressBar;

use super::owner::refuse_other_user;
use super::progress::{CopyProgress, count_bar};
use super::runtime::{Outcome, block_on, say};
use crate::compose::{check_keyring, open_store, redb_options, sled_options, with_sources};
use crate::config::{Config, StoreEngine, StoreSection};
use crate::telemetry::{Log, start_log};

/// Check, compact or move the store, with the gateway stopped
///
/// The store is where the gateway keeps its rows: a directory that the configuration names under
/// `[store]`, begun by one engine (redb or sled) and kept by it. One process at a time may have it
/// open; a running gateway is told by name, and nothing is done. Only the user the gateway runs as
/// may open it here, for files that another user makes, root too, the gateway could not open.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StoreArguments {
    #[command(subcommand)]
    verb: StoreVerb,
}

const EXAMPLES: &str = "\
Examples:
  Is all there, and does it hold together?
    ics-gateway store check --config gateway.toml
  After many rows were deleted:
    ics-gateway store compact --config gateway.toml
  From redb to sled, then serve from there:
    ics-gateway store migrate --config gateway.toml --to sled \\
      --directory ./store-sled

Exit status: 0 done, 1 refused or not sound (what and why is told), 2 usage.";

#[derive(Debug, Subcommand)]
enum StoreVerb {
    /// Read everything and compare records, indexes, counters and keyring
    ///
    /// Tells how many keys each table holds and a digest of everything: stores with equal digests
    /// hold the same. What is wrong is told by table and mapping id; nothing is repaired. Where the
    /// engine cannot read its file it reads on behind that, and tells how much of which table it
    /// found. A store that is not sound: restore it from a backup (`ics-gateway restore --replace`).
    Check(CheckArguments),
    /// Give back the disk space that deleted rows left
    ///
    /// The store is read and checked first; one that is not sound is left as it is.
    /// redb moves its pages together and cuts its file, in steps: cut off, it is as it was after
    /// the last step. sled never gives space back, so the store is written anew beside itself
    /// (the disk must have room for both), read back, and takes the old one's place when it is
    /// smaller: cut off, either the old or the new is there, whole.
    Compact(CompactArguments),
    /// Copy everything into a new store of this or the other engine
    ///
    /// The old store is read and checked, not changed. The copy is read back and its digest
    /// compared before it can be served; cut off half way, the new directory is refused by
    /// `serve` and begun anew by the next `migrate`. Afterwards write engine and directory of
    /// the copy into the configuration, as the last lines say, and remove the old directory once
    /// the gateway serves: from then on the two differ.
    Migrate(MigrateArguments),
}

#[derive(Debug, Args)]
struct CheckArguments {
    /// The gateway's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Take the store as it is, although it holds less than was acknowledged
    ///
    /// For a store that `serve` refuses because its last transactions are gone, because its
    /// witness is, or because it was put back from a copy by hand: when it is sound, the gateway
    /// serves it from now on. What is missing stays missing, and what was revoked or suspended
    /// since is not.
    #[arg(long)]
    accept: bool,
}

#[derive(Debug, Args)]
struct CompactArguments {
    /// The gateway's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct MigrateArguments {
    /// The gateway's configuration file: it names the store to copy
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// The engine of the copy
    #[arg(long, value_name = "ENGINE")]
    to: StoreEngine,

    /// Where the copy goes: a directory that is not there, or empty
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
}

/// A store verb did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
enum StoreVerbError {
    /// The store, or its copy.
    #[error("{0}")]
    Refused(String),
    /// There is nothing to check.
    #[error("there is no store in `{}` yet: the gateway begins one when it starts", .0.display())]
    Nothing(PathBuf),
    /// The copy would be its own original.
    #[error("`{}` is the store that is to be copied, or within it: name another directory", .0.display())]
    OwnPlace(PathBuf),
    /// What was found is told.
    #[error(
        "store `{}` is not sound ({findings} findings, `ics-gateway store check --config FILE` tells them): restore it \
         from a backup, `ics-gateway restore --config FILE --from BACKUP --replace`; `serve` may work with it, \
         what is wrong fails when it is asked for",
        path.display()
    )]
    NotSound {
        /// The store's file or directory.
        path: PathBuf,
        /// How much is wrong.
        findings: u64,
    },
    /// The engine found damage while it read.
    #[error(
        "store `{}` is damaged, and cannot be read to its end: `ics-gateway store check --config FILE` tells \
         what can be read; restore it from a backup, `ics-gateway restore --config FILE --from BACKUP --replace`",
        .0.display()
    )]
    Damaged(PathBuf),
    /// Its disk does not work.
    #[error("store `{}` cannot be read now: the log tells what its disk said; ask again once it works", .0.display())]
    Unavailable(PathBuf),
}

impl StoreArguments {
    pub(super) fn run(self) -> Outcome {
        match self.verb {
            StoreVerb::Check(arguments) => arguments.run(),
            StoreVerb::Compact(arguments) => arguments.run(),
            StoreVerb::Migrate(arguments) => arguments.run(),
        }
    }
}

impl CheckArguments {
    fn run(self) -> Outcome {
        let (config, _log) = load(&self.config)?;
        let section = &config.store;
        // Read as it is, so that of a damaged one it can be told what is left.
        let as_it_is = StoreSection {
            verify: false,
            ..section.clone()
        };
        let refused = self.accept && open_store(&as_it_is, OnLoss::Refuse).is_err();
        // Opened as it is only to look: a store that is not sound must be refused again.
        let on_loss = if refused {
            OnLoss::Look
        } else {
            OnLoss::Refuse
        };
        // Verified before: an engine that closes a store writes, and what was damaged may be gone then.
        let verified = verify(section, on_loss);
        let store = open_store(&as_it_is, on_loss).map_err(|error| refusal(&error))?;
        let report = inspect(section, store.as_ref())?;
        tell(section, &report)?;
        let keyring = check_keyring(&config, store.as_ref());
        say(&match &keyring {
            Ok(true) => "keyring          is the store's".to_owned(),
            Ok(false) => "keyring          nothing sealed yet".to_owned(),
            Err(error) => format!("keyring          {error}"),
        })?;
        judge(section, &report)?;
        keyring?;
        drop(store);
        verified?;
        if refused {
            verify(section, OnLoss::Accept)?;
            say("accepted: `serve` takes the store as it is")?;
        }
        Ok(say("sound")?)
    }
}

/// Opens the store as `serve` does that trusts no page; damage may hide where no key leads.
fn verify(section: &StoreSection, on_loss: OnLoss) -> Result<(), StoreVerbError> {
    let verified = StoreSection {
        verify: true,
        ..section.clone()
    };
    let opened = open_store(&verified, on_loss).map(drop);
    opened.map_err(|error| refusal(&error))
}

impl CompactArguments {
    fn run(self) -> Outcome {
        let (config, _log) = load(&self.config)?;
        let section = &config.store;
        let directory = &section.directory;
        let Compacted { before, after } = match section.engine {
            StoreEngine::Redb => {
                // redb moves pages as they are, and would not notice what is in them.
                let store = open_store(section, OnLoss::Refuse).map_err(|error| refusal(&error))?;
                judge(section, &inspect(section, store.as_ref())?)?;
                drop(store);
                let bar = ProgressBar::new_spinner().with_message("compacting");
                bar.enable_steady_tick(std::time::Duration::from_millis(100));
                let compacted = ics_store_redb::compact(directory, redb_options(section))
                    .map_err(|error| refusal(&error))?;
                bar.finish_and_clear();
                compacted
            }
            StoreEngine::Sled => {
                let mut progress = CopyProgress::new("copying");
                ics_store_sled::compact(directory, sled_options(section), &mut |step| {
                    progress.take(step);
                })
                .map_err(|error| not_copied(section, &error))?
            }
        };
        Ok(say(&format!("{before} bytes before, {after} bytes after"))?)
    }
}

impl MigrateArguments {
    fn run(self) -> Outcome {
        let (config, _log) = load(&self.config)?;
        let from = &config.store;
        let directory = std::path::absolute(&self.directory)?;
        refuse_own_place(&from.directory, &directory)?;
        let store = open_store(from, OnLoss::Refuse).map_err(|error| refusal(&error))?;
        let before = inspect(from, store.as_ref())?;
        judge(from, &before)?;
        let to = StoreSection {
            engine: self.to,
            directory,
            ..from.clone()
        };
        let after = copy(store.as_ref(), &to, before.content)?;
        for (section, report) in [(from, &before), (&to, &after)] {
            say(&format!(
                "digest {:016x}  {} keys  {}  {}",
                report.content,
                keys_of(report),
                section.engine.name(),
                section.directory.display()
            ))?;
        }
        say("copied and read back; write under [store] in the configuration:")?;
        say(&format!("engine = \"{}\"", to.engine.name()))?;
        Ok(say(&format!("directory = {:?}", to.directory))?)
    }
}

/// Refuses to copy a store into itself, however its directory is called.
fn refuse_own_place(store: &Path, copy: &Path) -> Result<(), StoreVerbError> {
    let Ok(store) = store.canonicalize() else {
        return Ok(());
    };
    // What is not there yet lies where the first directory above it does that is.
    let place = copy.ancestors().find_map(|above| above.canonicalize().ok());
    match place {
        Some(place) if place.starts_with(&store) => Err(StoreVerbError::OwnPlace(copy.to_owned())),
        _ => Ok(()),
    }
}

fn copy(
    from: &dyn Upkeep,
    to: &StoreSection,
    original: u64,
) -> Result<IntegrityReport, StoreVerbError> {
    let mut progress = CopyProgress::new("copying");
    let mut step = |step| progress.take(step);
    let copied = match to.engine {
        StoreEngine::Redb => {
            let files = ics_store_redb::RedbFiles::new(redb_options(to));
            ics_store::copy_store(from, (&files, &to.directory), original, &mut step)
        }
        StoreEngine::Sled => {
            let files = ics_store_sled::SledFiles::new(sled_options(to));
            ics_store::copy_store(from, (&files, &to.directory), original, &mut step)
        }
    };
    copied.map_err(|error| refusal(&error))
}

/// The configuration, and the log that causes go to. A store is not begun by looking at it, nor
/// opened by anybody but its owner.
pub(super) fn load(file: &Path) -> Result<(Config, Log), Box<dyn std::error::Error>> {
    let config = Config::load(file)?;
    let log = start_log(&config.log);
    refuse_other_user(&config)?;
    let directory = &config.store.directory;
    if matches!(look_into(directory), Ok(Occupancy::Empty)) {
        return Err(StoreVerbError::Nothing(directory.clone()).into());
    }
    Ok((config, log))
}

/// What a store remembers of time.
///
/// # Errors
/// The store's.
pub(super) fn load_mark(
    store: &dyn Upkeep,
) -> Result<Option<ClockMark>, Box<dyn std::error::Error>> {
    let mut mark = None;
    block_on(async {
        mark = store.load_clock_mark().await?;
        Ok(())
    })?;
    Ok(mark)
}

fn refusal(error: &dyn std::error::Error) -> StoreVerbError {
    StoreVerbError::Refused(with_sources(error))
}

/// A copy of the store itself was not made.
fn not_copied(section: &StoreSection, error: &CopyError) -> StoreVerbError {
    match error {
        CopyError::Read(error) => unreadable(section, *error),
        CopyError::NotSound(findings) => StoreVerbError::NotSound {
            path: data_of(section),
            findings: *findings,
        },
        error => refusal(error),
    }
}

/// What to say of a store that was opened and could not be read.
fn unreadable(section: &StoreSection, error: StoreError) -> StoreVerbError {
    let path = data_of(section);
    match error {
        StoreError::Unavailable => StoreVerbError::Unavailable(path),
        StoreError::Inconsistent => StoreVerbError::Damaged(path),
    }
}

/// The engine's own file, or directory.
fn data_of(section: &StoreSection) -> PathBuf {
    section.directory.join(match section.engine {
        StoreEngine::Redb => ics_store_redb::FILE_NAME,
        StoreEngine::Sled => ics_store_sled::DATA_NAME,
    })
}

fn inspect(section: &StoreSection, store: &dyn Upkeep) -> Result<IntegrityReport, StoreVerbError> {
    let bar = count_bar("checking");
    // Only for the bar: counters that cannot be read are found out below.
    bar.set_length(store.total().unwrap_or(0));
    let report = store.inspect(&mut || bar.inc(1));
    bar.finish_and_clear();
    report.map_err(|error| unreadable(section, error))
}

fn tell(section: &StoreSection, report: &IntegrityReport) -> Outcome {
    let path = data_of(section);
    say(&format!("{:<16} {}", section.engine.name(), path.display()))?;
    for (table, count) in &report.counts {
        let of = match report.counted.get(table) {
            _ if !report.damaged.contains(table) => String::new(),
            Some(counted) => format!(" could be read, of {counted}"),
            None => " could be read".to_owned(),
        };
        say(&format!("{table:<16} {count}{of}"))?;
    }
    if report.is_whole() {
        say(&format!("{:<16} {:016x}", "digest", report.content))?;
    } else {
        say(&format!("{:<16} none: not all could be read", "digest"))?;
    }
    for finding in &report.findings {
        say(&describe(finding))?;
    }
    Ok(())
}

fn judge(section: &StoreSection, report: &IntegrityReport) -> Result<(), StoreVerbError> {
    if report.is_sound() {
        Ok(())
    } else {
        Err(StoreVerbError::NotSound {
            path: data_of(section),
            findings: report.finding_count,
        })
    }
}

fn describe(finding: &Finding) -> String {
    let what = match finding.kind {
        FindingKind::Damaged => "the file is damaged, not all could be read",
        FindingKind::Unreadable => "a record cannot be read",
        FindingKind::Misplaced => "a record lies under a key that is not its own",
        FindingKind::EntryMissing => "an index entry is missing or says something else",
        FindingKind::EntryDangling => "an index entry has no record",
        FindingKind::CountDiffers => "holds more, less or other than was counted",
    };
    let of = finding
        .mapping
        .map_or_else(String::new, |id| format!(", mapping {id}"));
    format!("wrong: table `{}`{of}: {what}", finding.table)
}

/// All keys but those in which the store speaks of itself, as in the digest.
pub(super) fn keys_of(report: &IntegrityReport) -> u64 {
    let own = Table::Meta.name();
    let counts = report.counts.iter().filter(|(table, _)| **table != own);
    counts.map(|(_, count)| count).sum()
}
