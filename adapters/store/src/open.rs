//! From a directory to a store: begin one, open the one that was begun, and see that it holds
//! what was acknowledged. The same for every embedded engine.

use std::io;
use std::path::{Path, PathBuf};

use crate::embedded::{EmbeddedStore, PrepareError};
use crate::engine::Engine;
use crate::group_commit::BatchLimits;
use crate::integrity::Difference;
use crate::place::{Marker, Place, Work};
use crate::record::Tally;
use crate::witness::{Asked, Testimony, WITNESS, Witness};

/// How an engine keeps its files.
pub trait EngineFiles {
    /// The engine.
    type Engine: Engine;
    /// Its name in configuration, marker and errors: lower-case letters.
    const NAME: &'static str;
    /// Its file or directory within the store's directory: `ics-store.` and its name.
    const DATA: &'static str;
    /// Whether all keys are counted after a stop that was not in order: for engines that recover
    /// from a log.
    const COUNT_AFTER_CRASH: bool;

    /// Begins an empty database at `path`, where nothing is; durable when this returns.
    ///
    /// # Errors
    /// [`OpenError`].
    fn begin(&self, path: &Path) -> Result<Self::Engine, OpenError>;

    /// Opens the database at `path`; never begins one.
    ///
    /// # Errors
    /// [`OpenError`].
    fn open(&self, path: &Path) -> Result<Self::Engine, OpenError>;
}

/// Why a store could not be opened. Each names the file or directory and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error("store `{}` is in use by another process: stop that one first (a running gateway?)", .0.display())]
    InUse(PathBuf),
    /// The file is damaged, or no store at all.
    #[error(
        "store `{}` is damaged: restore it from a backup, `ics-gateway restore --config FILE --from BACKUP --replace`",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A later version of this software, or of the engine, wrote it.
    #[error("store `{}` was written by a later version: run that version, or restore a backup from before it", .path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file system said no.
    #[error("store `{}` cannot be read or written", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another engine began it.
    #[error(
        "store directory `{}` was begun by engine `{found}`, not `{wanted}`: write `engine = \"{found}\"` \
         under [store], or, with that written, move it: `ics-gateway store migrate --config FILE --to {wanted} \
         --directory NEW`",
        .directory.display()
    )]
    OtherEngine {
        /// The store's directory.
        directory: PathBuf,
        /// Whose store it is.
        found: String,
        /// Whose was asked for.
        wanted: &'static str,
    },
    /// A store was begun here, and is gone.
    #[error(
        "store `{}` is missing or empty, though one was begun in this directory: restore it from a backup, \
         `ics-gateway restore --config FILE --from BACKUP --replace`; \
         to begin an empty store, name a new directory",
        .0.display()
    )]
    Missing(PathBuf),
    /// The work that makes a store in this directory was cut off.
    #[error(
        "store directory `{}` holds a store whose making did not end: run `ics-gateway {}` again, it begins anew; \
         what it is made of is as it was",
        .directory.display(), .work.verb()
    )]
    Unfinished {
        /// The store's directory.
        directory: PathBuf,
        /// What was cut off.
        work: Work,
    },
    /// The store does not hold what was acknowledged, or what it counted.
    #[error(
        "store `{}` does not hold what was acknowledged: {difference}; restore it from a backup, \
         `ics-gateway restore --config FILE --from BACKUP --replace`, or look with \
         `ics-gateway store check --config FILE --accept`, which takes it as it is when it is sound",
        .path.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
        /// What differs.
        difference: Loss,
    },
    /// What was last acknowledged is not known.
    #[error(
        "store `{}` holds {transactions} transactions, and the witness of the last one that was acknowledged, `{}`, \
         is {state}: nothing else tells whether the store is an older one; put its witness back, or restore the store \
         from a backup, `ics-gateway restore --config FILE --from BACKUP --replace`, or look with \
         `ics-gateway store check --config FILE --accept`, which takes it as it is when it is sound",
        .path.display(), .witness.display()
    )]
    Unwitnessed {
        /// The file.
        path: PathBuf,
        /// The witness's.
        witness: PathBuf,
        /// How it is.
        state: &'static str,
        /// How many the store holds.
        transactions: u64,
    },
    /// The directory takes no other name: a mount point, or its file system does not swap names.
    #[error(
        "store directory `{}` cannot be moved aside in one step, and is as it was: move what is in it to another \
         directory yourself, all of it, names that begin with `ics-store.` and others, and run this again without --replace",
        .directory.display()
    )]
    Stuck {
        /// The store's directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A copy is wanted where something is.
    #[error("directory `{}` is not empty: name a new one", .0.display())]
    NotEmpty(PathBuf),
}

/// What is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The last transactions.
    #[error("its last transaction is number {found}, number {acknowledged} was acknowledged")]
    Transactions {
        /// The last acknowledged.
        acknowledged: u64,
        /// The last there.
        found: u64,
    },
    /// The counters are not those that were acknowledged.
    #[error("its counters are not those after transaction {0}")]
    Counters(u64),
    /// What is there is not what was counted.
    #[error(transparent)]
    Content(#[from] Difference),
}

/// What to do when a store does not hold what was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Refuse to open it.
    #[default]
    Refuse,
    /// Open it as it is, to look: the next opening refuses it again.
    Look,
    /// Open it as it is, and take that for what was acknowledged; the caller has checked it whole.
    Accept,
}

/// Opens the store in `directory`, or begins one there (directory 0700).
///
/// # Errors
/// [`OpenError`]. What is there is never replaced, whatever is in it.
pub fn open_store<F: EngineFiles>(
    files: &F,
    directory: &Path,
    (limits, on_loss): (BatchLimits, OnLoss),
) -> Result<EmbeddedStore<F::Engine>, OpenError> {
    let place = Place::enter(directory, F::DATA)?;
    let marker = place.marker()?;
    let found = match &marker {
        Some(marker) => (marker.engine != F::NAME).then(|| marker.engine.clone()),
        None => place.other_engine(F::NAME)?,
    };
    if let Some(found) = found {
        return Err(OpenError::OtherEngine {
            directory: directory.to_owned(),
            found,
            wanted: F::NAME,
        });
    }
    if let Some(work) = marker.as_ref().and_then(|marker| marker.unfinished) {
        return Err(OpenError::Unfinished {
            directory: directory.to_owned(),
            work,
        });
    }
    settle_exchange::<F>(&place)?;
    match (&marker, place.holds(F::DATA)?) {
        (Some(_), true) => {}
        (Some(_), false) => return Err(OpenError::Missing(place.path(F::DATA))),
        // Begun, and cut off before it was marked; or from before there were markers.
        (None, true) => mark::<F>(&place, None)?,
        (None, false) => {
            begin::<F>(files, &place)?;
            mark::<F>(&place, None)?;
            tracing::warn!(
                directory = %directory.display(),
                "began a new, empty store: if there was one, stop now; its directory was moved, or its volume is not mounted"
            );
        }
    }
    finish_opening(files, place, (limits, on_loss))
}

/// Opens what lies in `place` and looks whether it is what was acknowledged.
pub(crate) fn finish_opening<F: EngineFiles>(
    files: &F,
    place: Place,
    (limits, on_loss): (BatchLimits, OnLoss),
) -> Result<EmbeddedStore<F::Engine>, OpenError> {
    let path = place.path(F::DATA);
    let witness = place.path(WITNESS);
    let of_witness = |source| crate::io_error(&witness, source);
    let asked = Witness::ask(place.directory()).map_err(of_witness)?;
    let engine = files.open(&path)?;
    let refuse = |error| prepare_error(&path, error);
    let tally = EmbeddedStore::<F::Engine>::prepare(&engine).map_err(refuse)?;
    let refused = match (
        look_for_loss::<F>(&engine, &tally, asked).map_err(refuse)?,
        asked,
    ) {
        (Some(difference), _) => Some(OpenError::Differs {
            path: path.clone(),
            difference,
        }),
        // One without transactions was cut off before there was a witness: it lies there, durable,
        // before the first of them.
        (None, Asked::Silent(state)) if tally.commits > 0 => Some(OpenError::Unwitnessed {
            path: path.clone(),
            witness: witness.clone(),
            state,
            transactions: tally.commits,
        }),
        (None, _) => None,
    };
    match (refused, on_loss) {
        (Some(refused), OnLoss::Refuse) => return Err(refused),
        (Some(_), OnLoss::Look) => {
            return EmbeddedStore::start(engine, limits, (None, Some(place))).map_err(refuse);
        }
        (Some(refused), OnLoss::Accept) => {
            let refused: &dyn std::error::Error = &refused;
            tracing::warn!(refused, "store taken as it is");
        }
        (None, _) => {}
    }
    start_witnessed::<F>(engine, place, (limits, &tally))
}

/// Opens a copy that was just written into `place`: it has no witness yet.
pub(crate) fn open_copy<F: EngineFiles>(
    files: &F,
    place: Place,
) -> Result<EmbeddedStore<F::Engine>, OpenError> {
    let path = place.path(F::DATA);
    let engine = files.open(&path)?;
    let refuse = |error| prepare_error(&path, error);
    let tally = EmbeddedStore::<F::Engine>::prepare(&engine).map_err(refuse)?;
    if let Some(difference) = EmbeddedStore::<F::Engine>::recount(&engine).map_err(refuse)? {
        let difference = difference.into();
        return Err(OpenError::Differs { path, difference });
    }
    start_witnessed::<F>(engine, place, (BatchLimits::default(), &tally))
}

fn start_witnessed<F: EngineFiles>(
    engine: F::Engine,
    place: Place,
    (limits, tally): (BatchLimits, &Tally),
) -> Result<EmbeddedStore<F::Engine>, OpenError> {
    let path = place.path(F::DATA);
    let witness = Witness::begin(place.directory(), tally)
        .map_err(|source| crate::io_error(&place.path(WITNESS), source))?;
    EmbeddedStore::start(engine, limits, (Some(witness), Some(place)))
        .map_err(|error| prepare_error(&path, error))
}

/// What the store does not hold of what was acknowledged, or of what it counted.
fn look_for_loss<F: EngineFiles>(
    engine: &F::Engine,
    tally: &Tally,
    asked: Asked,
) -> Result<Option<Loss>, PrepareError> {
    let said = match asked {
        Asked::Said(said) => Some(said),
        Asked::Silent(_) => None,
    };
    if let Some(loss) = said.and_then(|said| loss(said, Testimony::of(tally, false))) {
        return Ok(Some(loss));
    }
    let is_known = said == Some(Testimony::of(tally, true));
    // After a stop in order the counters are enough; without a witness nothing is.
    if is_known || (said.is_some() && !F::COUNT_AFTER_CRASH) {
        return Ok(None);
    }
    let difference = EmbeddedStore::<F::Engine>::recount(engine)?;
    Ok(difference.map(Loss::Content))
}

/// What was acknowledged and is not there. More than was acknowledged is no loss: a witness is
/// written after the commit.
fn loss(said: Testimony, found: Testimony) -> Option<Loss> {
    if found.commits < said.commits {
        Some(Loss::Transactions {
            acknowledged: said.commits,
            found: found.commits,
        })
    } else if found.commits == said.commits && found.counters != said.counters {
        Some(Loss::Counters(said.commits))
    } else {
        None
    }
}

/// Made whole under another name: under its own it is there, whole, or not at all.
fn begin<F: EngineFiles>(files: &F, place: &Place) -> Result<(), OpenError> {
    let unfinished = unfinished::<F>();
    place.remove(&unfinished)?;
    let path = place.path(&unfinished);
    let engine = files.begin(&path)?;
    EmbeddedStore::<F::Engine>::begin(&engine).map_err(|error| prepare_error(&path, error))?;
    drop(engine);
    place.rename(&unfinished, F::DATA)
}

pub(crate) fn mark<F: EngineFiles>(
    place: &Place,
    unfinished: Option<Work>,
) -> Result<(), OpenError> {
    place.mark(&Marker {
        engine: F::NAME.to_owned(),
        unfinished,
    })
}

pub(crate) fn unfinished<F: EngineFiles>() -> String {
    format!("{}.new", F::DATA)
}

pub(crate) fn replaced<F: EngineFiles>() -> String {
    format!("{}.old", F::DATA)
}

/// Ends an exchange of the data that was cut off: either the new is in its place or the old is.
fn settle_exchange<F: EngineFiles>(place: &Place) -> Result<(), OpenError> {
    let (old, new) = (replaced::<F>(), unfinished::<F>());
    if place.holds(&old)? && !place.holds(F::DATA)? {
        place.rename(&old, F::DATA)?;
    }
    if place.holds(F::DATA)? {
        for left in [old, new] {
            if place.holds(&left)? {
                place.remove(&left)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn prepare_error(path: &Path, error: PrepareError) -> OpenError {
    let path = path.to_owned();
    match error {
        PrepareError::NewerFormat { .. } | PrepareError::NewerRecord { .. } => {
            OpenError::OtherVersion {
                path,
                source: error.into(),
            }
        }
        PrepareError::Thread(source) => OpenError::Io { path, source },
        PrepareError::Engine(crate::engine::EngineError::Unavailable(source)) => OpenError::Io {
            path,
            source: io::Error::other(source),
        },
        PrepareError::Empty => OpenError::Missing(path),
        _ => OpenError::Damaged {
            path,
            source: error.into(),
        },
    }
}
