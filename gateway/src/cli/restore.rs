//! `ics-gateway restore`: a store made of a backup.

use std::fs::File;
use std::io::{self, BufReader, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use ics_core::sealed::Sealed;
use ics_core::time::Timestamp;
use ics_core::timekeeping::ClockMark;
use ics_store::{
    CopyError, Occupancy, OnLoss, OpenError, Restored, Work, look_into, move_aside, restore_backup,
};
use rustix::fs::OFlags;

use super::backup::{FileError, check_backup};
use super::file_hash::FileHash;
use super::owner::refuse_other_user;
use super::part_file::file_name;
use super::progress::CopyProgress;
use super::runtime::{EndWatch, Outcome, say};
use super::store::{keys_of, load_mark};
use crate::ambient::SystemClock;
use crate::compose::{
    StartError, check_canary, check_keyring, open_store, redb_options, sled_options, with_sources,
};
use crate::config::{Config, StoreEngine, StoreSection};
use crate::telemetry::start_log;

/// Make a store of a backup, with the gateway stopped
///
/// The backup is read whole and checked, and the keyring tried on it, before anything is written.
/// That finds damage. A backup that somebody altered is found by --sha256 alone: the SHA-256 that
/// `backup` told, kept where he could not alter it too.
/// The store is made by the engine and in the directory that the configuration names, whatever
/// the backup came from; it is read back and compared before it can be served. Cut off half way,
/// the directory is refused by `serve` and begun anew by the next `restore`.
///
/// What happened after the backup is gone. Mappings that were ended since are back; suspensions
/// and removals of service providers, agreements that were ended and certificates that were
/// revoked since are undone: make them again, before the gateway serves if you can. Notifications
/// may be sent again; receivers know each by its id. Invitations that stood are forgotten, for their
/// codes may have been used since: invite again.
///
/// A backup that is over 30 days old brings a clock with it that the gateway does not leave by
/// itself: nothing expires and nothing is purged until `ics-gateway clock accept`.
///
/// Run it as the user the gateway runs as, who owns the keyring; as anybody else, root too, it is
/// refused, for the gateway could not open the store that is made.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RestoreArguments {
    /// The gateway's configuration file: it names engine, directory and keyring
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// The backup
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    from: PathBuf,

    /// Refuse the backup, before anything is touched, unless this is its SHA-256, as `backup` told
    /// it and `sha256sum` prints it
    #[arg(long, value_name = "HEX", value_parser = FileHash::parse)]
    sha256: Option<FileHash>,

    /// Move a store that is there aside first; where to is told, nothing is deleted
    #[arg(long)]
    replace: bool,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway restore --config gateway.toml --from /backup/ics.backup
  Only if it is the file that was written then:
    ics-gateway restore --config gateway.toml --from /backup/ics.backup \\
      --sha256 8a38c6564dbe3ad0b3e8d5b9bb9ad0f4c1a5e0be1d5a6d7f2c3b4a5968778695
  The store that is there is damaged: keep it beside the new one
    ics-gateway restore --config gateway.toml --from /backup/ics.backup \\
      --replace
  Where the gateway is a service that runs as user ics:
    sudo -u ics ics-gateway restore --config /etc/ics/gateway.toml \\
      --from /backup/ics.backup

Exit status: 0 restored, 1 refused or not whole (what and why is told), 2 usage.";

/// No store was made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    /// There is one.
    #[error(
        "store directory `{}` is not empty: --replace moves it aside and deletes nothing, or name a new directory \
         under [store]",
        .0.display()
    )]
    Occupied(PathBuf),
    /// There is one, and the verb moves none.
    #[error("store directory `{}` is not empty: name a new directory under [store]", .0.display())]
    Taken(PathBuf),
    /// The keyring is not that of the file.
    #[error(
        "keyring `{}` does not open what `{}` holds: name the keyring of that time under [vault]",
        keyring.display(),
        file.display()
    )]
    Keyring { keyring: PathBuf, file: PathBuf },
    /// Something under the store.
    #[error("{0}")]
    Refused(String),
}

impl MakeError {
    const fn of_occupied(work: Work, directory: PathBuf) -> Self {
        match work {
            Work::Restoration => Self::Occupied(directory),
            Work::Import | Work::Migration => Self::Taken(directory),
        }
    }
}

/// A store that is to be made of a file.
pub(super) struct Target {
    pub(super) config: Config,
    file: PathBuf,
    work: Work,
}

impl Target {
    /// Sees that a store may be made where `config` says: by this user, and nothing is there, an
    /// unfinished one, or one that may be moved aside.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn look(
        config: Config,
        (file, work): (&Path, Work),
        may_move: bool,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        refuse_other_user(&config)?;
        let directory = &config.store.directory;
        match look_into(directory).map_err(|error| refusal(&error))? {
            Occupancy::Occupied if !may_move => {
                Err(MakeError::of_occupied(work, directory.clone()).into())
            }
            _ => Ok(Self {
                config,
                file: file.to_owned(),
                work,
            }),
        }
    }

    /// Sees that the configured keyring opens what the file holds.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn try_keyring(&self, canary: Option<&Sealed>) -> Outcome {
        match check_canary(&self.config, canary) {
            Ok(_) => Ok(()),
            Err(StartError::Keyring { keyring, .. }) => Err(MakeError::Keyring {
                keyring,
                file: self.file.clone(),
            }
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves what is there aside, if anything whole is, and tells where to.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn clear(&self) -> Outcome {
        let directory = &self.config.store.directory;
        let found = look_into(directory).map_err(|error| refusal(&error))?;
        if found != Occupancy::Occupied {
            return Ok(());
        }
        let suffix = format!(".replaced-{}", compact_time(now()));
        let engine = self.config.store.engine.name();
        let aside = move_aside(directory, &suffix, (engine, self.work));
        let aside = aside.map_err(|error| refusal(&error))?;
        Ok(say(&format!("moved aside      {}", aside.display()))?)
    }

    /// Makes the store, by the configured engine, and sees that its keyring is the configured
    /// one. `redb` and `sled` make it; both are the same function. Returns what it remembers of
    /// time.
    ///
    /// # Errors
    /// Why there is none that can be served.
    pub(super) fn make(
        &self,
        redb: impl FnOnce(&StoreSection, &mut CopyProgress) -> Result<Restored, CopyError>,
        sled: impl FnOnce(&StoreSection, &mut CopyProgress) -> Result<Restored, CopyError>,
    ) -> Result<Option<ClockMark>, Box<dyn std::error::Error>> {
        let section = &self.config.store;
        let mut progress = CopyProgress::new(match self.work {
            Work::Import => "importing",
            _ => "restoring",
        });
        let report = match section.engine {
            StoreEngine::Redb => redb(section, &mut progress),
            StoreEngine::Sled => sled(section, &mut progress),
        };
        drop(progress);
        let Restored {
            report,
            raised,
            forgotten,
        } = report.map_err(|error| match &error {
            CopyError::Open(OpenError::NotEmpty(directory)) => {
                MakeError::of_occupied(self.work, directory.clone())
            }
            CopyError::File(_) => MakeError::Refused(format!(
                "`{}`: {}",
                self.file.display(),
                with_sources(&error)
            )),
            _ => refusal(&error),
        })?;
        let store = open_store(section, OnLoss::Refuse).map_err(|error| refusal(&error))?;
        check_keyring(&self.config, store.as_ref())?;
        let mark = load_mark(store.as_ref())?;
        drop(store);
        say(&format!(
            "{:<16} {}",
            section.engine.name(),
            section.directory.display()
        ))?;
        say(&format!("{:<16} {}", "keys", keys_of(&report)))?;
        say(&format!("{:<16} {:016x}", "digest", report.content))?;
        say("keyring          opens it")?;
        if raised > 0 {
            let what = "owed their documents again, above any version they hold";
            say(&format!("{:<16} {raised}, {what}", "hosted devices"))?;
        }
        if forgotten > 0 {
            let what = "good for nothing any more: `sp invite` again";
            say(&format!("{:<16} {forgotten}, {what}", "invitations"))?;
        }
        Ok(mark)
    }
}

impl RestoreArguments {
    pub(super) fn run(self) -> Outcome {
        let config = Config::load(&self.config)?;
        let _log = start_log(&config.log);
        let file = (self.from.as_path(), Work::Restoration);
        let target = Target::look(config, file, self.replace)?;
        // Opened once: it may lie in the directory that is moved.
        let backup = open_to_read(&self.from)?;
        FileHash::check(self.sha256, (&self.from, &backup))?;
        let read = check_backup(&self.from, backup.try_clone()?, &EndWatch::idle())?;
        let (summary, hash) = read;
        hash.require(self.sha256, &self.from)?;
        tell_file(&self.from, hash)?;
        target.try_keyring(summary.canary.as_ref())?;
        target.clear()?;
        let (open, at) = (|| from_start(&backup), now());
        let mark = target.make(
            |section, progress| {
                let files = ics_store_redb::RedbFiles::new(redb_options(section));
                let place = (&files, section.directory.as_path());
                restore_backup(&mut open()?, (&summary, at), place, &mut |step| {
                    progress.take(step)
                })
            },
            |section, progress| {
                let files = ics_store_sled::SledFiles::new(sled_options(section));
                let place = (&files, section.directory.as_path());
                restore_backup(&mut open()?, (&summary, at), place, &mut |step| {
                    progress.take(step)
                })
            },
        )?;
        tell_meaning("restored", summary.taken, mark)
    }
}

/// A file that a store is to be made of.
///
/// # Errors
/// [`FileError`].
pub(super) fn open_to_read(path: &Path) -> Result<File, FileError> {
    let opened = File::options()
        .read(true)
        // A pipe is not waited for.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .and_then(|file| match file.metadata()?.is_file() {
            true => Ok(file),
            // It is read twice: to see that it is whole, then to make a store of it.
            false => Err(io::Error::other(
                "it is no regular file: it is read twice; write it to one first",
            )),
        });
    opened.map_err(|error| FileError::at(path, error))
}

/// Which file it was: as its keeper wrote down, or can.
pub(super) fn tell_file(path: &Path, hash: FileHash) -> Outcome {
    say(&format!("{:<16} {}", "file", path.display()))?;
    Ok(say(&format!("{:<16} {hash}", "sha256"))?)
}

/// What it means that a store is as it was.
pub(super) fn tell_meaning(done: &str, taken: Timestamp, mark: Option<ClockMark>) -> Outcome {
    let taken = taken.to_rfc3339();
    say(&format!("{done}: the store is as it was at {taken}"))?;
    for line in [
        "what happened since is gone: mappings that were ended are back; suspensions, removals, ended",
        "agreements and revoked certificates are undone, make them again; notifications may be sent",
        "again, receivers know each by its id; codes of `sp invite` are good for nothing any more",
    ] {
        say(line)?;
    }
    // As the gateway that will serve it will judge.
    if !SystemClock::since(mark).look().standing().is_trusted() {
        for line in [
            "the clock will not be believed, for the store knows of another time: nothing expires and nothing",
            "is purged until, once the gateway serves and `date -u` was seen to tell the right time:",
            "  ics-gateway clock accept --config FILE",
        ] {
            say(line)?;
        }
    }
    Ok(())
}

/// The file once more, as it was checked.
pub(super) fn from_start(mut file: &File) -> Result<BufReader<&File>, CopyError> {
    file.rewind()
        .map_err(|error| CopyError::File(error.into()))?;
    Ok(BufReader::new(file))
}

fn refusal(error: &dyn std::error::Error) -> MakeError {
    MakeError::Refused(with_sources(error))
}

pub(super) fn now() -> Timestamp {
    use ics_core::port::Clock as _;
    SystemClock::new().now()
}

/// An instant as it may stand in a file's name: `20261122T070500Z`.
fn compact_time(instant: Timestamp) -> String {
    let text = instant.to_rfc3339();
    let seconds = text.split('.').next().unwrap_or(&text);
    let digits = seconds.chars().filter(|c| !matches!(c, '-' | ':'));
    digits.chain(['Z']).collect()
}
