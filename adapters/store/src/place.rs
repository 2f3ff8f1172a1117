//! The directory of an embedded store: who may use it, which engine began a store in it, and
//! whether that was ever finished.
//!
//! One process at a time holds the directory (a lock on the directory itself). A small text file
//! says that a store was begun here and by which engine: where it says so and the engine's file
//! is gone or empty, that is an error and never a reason to begin a new store.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::OpenError;

/// How often a lock is tried before the directory counts as in use, and how long between: a
/// process being started elsewhere in ours holds copies of all descriptors for a moment.
const LOCK_ATTEMPTS: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The file that says what was begun here.
const MARKER: &str = "ics-store.begun";
/// The same while it is written.
const MARKER_IN_MAKING: &str = "ics-store.begun.new";
/// What lies in a volume that nobody has used yet.
const OF_A_NEW_VOLUME: &str = "lost+found";
/// What the names of all engines' files begin with.
const PREFIX: &str = "ics-store.";

/// What a directory says of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Who began it.
    pub(crate) engine: String,
    /// The store was not finished by the work that begins it.
    pub(crate) unfinished: Option<Work>,
}

/// What makes a store out of another one, or out of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `store migrate`.
    Migration,
    /// `restore`.
    Restoration,
    /// `import`.
    Import,
}

impl Work {
    const ALL: [Self; 3] = [Self::Migration, Self::Restoration, Self::Import];

    /// The verb of the command line.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Migration => "store migrate",
            Self::Restoration => "restore",
            Self::Import => "import",
        }
    }
}

/// What a directory holds, for who wants to make a store in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// Nothing.
    Empty,
    /// A store that was never finished: the work begins anew.
    Unfinished(Work),
    /// A store, or something else.
    Occupied,
}

/// What `directory` holds. It need not be there.
///
/// # Errors
/// [`OpenError`], also when another process uses it.
pub fn look_into(directory: &Path) -> Result<Occupancy, OpenError> {
    if !directory
        .try_exists()
        .map_err(|source| io_error(directory, source))?
    {
        return Ok(Occupancy::Empty);
    }
    Place::enter(directory, "")?.occupancy()
}

/// Gives the directory of a store another name beside it, which ends with `suffix`, and leaves one in
/// its place that says that `work` is to make a store of `engine` there: at no moment could a gateway
/// that starts take it for a directory in which nothing was begun. Nobody else has it open. Answers
/// the new name; where `directory` is a link, it still leads to the store's place.
///
/// # Errors
/// [`OpenError`]; the store is where it was then.
pub fn move_aside(
    directory: &Path,
    suffix: &str,
    (engine, work): (&str, Work),
) -> Result<PathBuf, OpenError> {
    // Without links and slashes at its end: beside it is not within it.
    let directory = fs::canonicalize(directory).map_err(|source| io_error(directory, source))?;
    let _old = Place::enter(&directory, "")?;
    let mut aside = directory.as_os_str().to_owned();
    aside.push(suffix);
    let aside = PathBuf::from(aside);
    if aside.symlink_metadata().is_ok() {
        return Err(OpenError::NotEmpty(aside));
    }
    let marker = Marker {
        engine: engine.to_owned(),
        unfinished: Some(work),
    };
    let fresh = Place::enter(&aside, "").and_then(|fresh| fresh.mark(&marker).map(|()| fresh));
    let moved = fresh
        .map_err(io::Error::other)
        .and_then(|_fresh| exchange(&directory, &aside));
    if let Err(source) = moved {
        // Nothing but the marker is in it, if it is there.
        let _ = fs::remove_dir_all(&aside);
        return Err(OpenError::Stuck { directory, source });
    }
    let parent = directory.parent().unwrap_or(Path::new("/"));
    sync_directory(parent).map_err(|source| io_error(parent, source))?;
    Ok(aside)
}

/// Swaps two directories in one step. A mount point cannot be swapped, and some file systems
/// cannot do it at all: in several steps there would be a moment with no directory.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// A directory that this process alone uses.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    // Held: the lock goes with it.
    _lock: File,
}

impl Place {
    /// Takes the directory for this process, made (0700) if it is not there. `data` is what the
    /// error names when somebody else has it.
    pub(crate) fn enter(directory: &Path, data: &str) -> Result<Self, OpenError> {
        make_directory(directory).map_err(|source| io_error(directory, source))?;
        let lock = File::open(directory).map_err(|source| io_error(directory, source))?;
        for wait in 0..=LOCK_ATTEMPTS {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if wait < LOCK_ATTEMPTS => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse(directory.join(data)));
                }
                Err(TryLockError::Error(source)) => return Err(io_error(directory, source)),
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn holds(&self, name: &str) -> Result<bool, OpenError> {
        let path = self.path(name);
        path.try_exists().map_err(|source| io_error(&path, source))
    }

    /// What the directory says; from before there were markers, what lies in it.
    pub(crate) fn marker(&self) -> Result<Option<Marker>, OpenError> {
        let path = self.path(MARKER);
        match fs::read_to_string(&path) {
            Ok(text) => Marker::parse(&text)
                .map(Some)
                .ok_or_else(|| OpenError::Damaged {
                    path,
                    source: "it does not say which engine began the store".into(),
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(OpenError::Damaged {
                path,
                source: error.into(),
            }),
            Err(source) => Err(io_error(&path, source)),
        }
    }

    /// An engine other than `own` whose files lie here, though no marker says so.
    pub(crate) fn other_engine(&self, own: &str) -> Result<Option<String>, OpenError> {
        let mut names = Vec::new();
        let entries = fs::read_dir(&self.directory).map_err(|e| io_error(&self.directory, e))?;
        for entry in entries {
            let entry = entry.map_err(|source| io_error(&self.directory, source))?;
            names.extend(entry.file_name().into_string());
        }
        Ok(names.into_iter().find_map(|name| {
            let engine = name.strip_prefix(PREFIX)?;
            let is_engine = !matches!(engine, "begun" | "witness") && !engine.contains('.');
            (is_engine && engine != own).then(|| engine.to_owned())
        }))
    }

    /// What is in it.
    pub(crate) fn occupancy(&self) -> Result<Occupancy, OpenError> {
        match self.marker() {
            Ok(None) => {}
            Ok(Some(marker)) => {
                return Ok(marker
                    .unfinished
                    .map_or(Occupancy::Occupied, Occupancy::Unfinished));
            }
            // Damaged, or a later version's: something is here, and may be moved aside.
            Err(OpenError::Damaged { .. }) => return Ok(Occupancy::Occupied),
            Err(error) => return Err(error),
        }
        let entries =
            fs::read_dir(&self.directory).map_err(|source| io_error(&self.directory, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| io_error(&self.directory, source))?;
            let name = entry.file_name();
            // A marker that never got its name: nothing was begun before it, or its files are here.
            if name != OF_A_NEW_VOLUME && name != MARKER_IN_MAKING {
                return Ok(Occupancy::Occupied);
            }
        }
        Ok(Occupancy::Empty)
    }

    /// Removes what an unfinished work left; what is here stays said until other work says more.
    pub(crate) fn clear(&self) -> Result<(), OpenError> {
        if let Some(marker) = self.marker()?
            && marker.unfinished.is_some()
        {
            self.remove(&format!("{PREFIX}{}", marker.engine))?;
            self.remove(crate::witness::WITNESS)?;
        }
        Ok(())
    }

    /// Says what is here from now on; durable when this returns.
    pub(crate) fn mark(&self, marker: &Marker) -> Result<(), OpenError> {
        let (path, made) = (self.path(MARKER), self.path(MARKER_IN_MAKING));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&made)?;
            file.write_all(marker.render().as_bytes())?;
            file.sync_all()?;
            fs::rename(&made, &path)
        };
        write().map_err(|source| io_error(&path, source))?;
        self.sync()
    }

    /// Gives what lies under `from` the name `to`; durable when this returns.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), OpenError> {
        let to = self.path(to);
        fs::rename(self.path(from), &to).map_err(|source| io_error(&to, source))?;
        self.sync()
    }

    /// Removes a file or directory, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), OpenError> {
        let path = self.path(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path, error)),
            _ => self.sync(),
        }
    }

    fn sync(&self) -> Result<(), OpenError> {
        sync_directory(&self.directory).map_err(|source| io_error(&self.directory, source))
    }
}

impl Marker {
    fn render(&self) -> String {
        let state = match self.unfinished {
            Some(work) => format!("copying\nby = {}", work.verb()),
            None => "begun".to_owned(),
        };
        format!(
            "# An ICS gateway keeps its store here. Do not edit or remove.\nengine = {}\nstate = {state}\n",
            self.engine
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
            Some(value.trim())
        };
        let unfinished = match (value("state")?, value("by")) {
            ("begun", _) => None,
            // From before it was said by what.
            ("copying", None) => Some(Work::Migration),
            ("copying", Some(verb)) => Some(Work::ALL.into_iter().find(|w| w.verb() == verb)?),
            _ => return None,
        };
        let engine = value("engine")?;
        let is_name = !engine.is_empty() && engine.bytes().all(|b| b.is_ascii_lowercase());
        is_name.then(|| Self {
            engine: engine.to_owned(),
            unfinished,
        })
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// [`io::Error`].
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// What the file system said of `path`.
#[must_use]
pub fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
