//! A store's contents into files of its own: begun in an empty place, written in transactions of
//! some megabytes, read back from the disk, and called a store only then.

use std::ops::ControlFlow;
use std::path::Path;

use ics_core::port::{CommitError, StoreError};
use ics_core::time::Timestamp;

use crate::embedded::EmbeddedStore;
use crate::engine::{Engine, EngineError, Verdict, WriteKeys};
use crate::file_fault::FileFault;
use crate::group_commit::BatchLimits;
use crate::index::Table;
use crate::integrity::IntegrityReport;
use crate::open::{EngineFiles, OnLoss, OpenError, mark, open_copy, replaced, unfinished};
use crate::place::{Occupancy, Place, Work};
use crate::restore::Restored;
use crate::upkeep::Upkeep;

/// Bytes of one transaction of a copy.
const COPY_BATCH: usize = 4 << 20;

/// Why there is no copy. What was to be copied is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The copy's directory or files.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is to be copied cannot be read, or the copy cannot be read back.
    #[error("cannot read the store")]
    Read(#[source] StoreError),
    /// The file it is made of is not as it should be.
    #[error(transparent)]
    File(#[from] FileFault),
    /// What is to be put in does not fit together.
    #[error("what it is made of does not fit together")]
    Content(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is to be copied does not hold together, or cannot be read whole: so many findings.
    #[error("the store is not sound ({0} findings)")]
    NotSound(u64),
    /// The copy cannot be written.
    #[error("cannot write the copy")]
    Write(#[source] EngineError),
    /// The documents of hosted devices cannot be raised, or invitations not be forgotten.
    #[error("cannot raise the documents of hosted devices, or forget invitations")]
    Raise(#[source] CommitError),
    /// The copy does not hold what the original holds.
    #[error(
        "the copy is not like the original: digest {copy:016x} instead of {original:016x}, {findings} findings"
    )]
    Differs {
        /// Digest of the original.
        original: u64,
        /// Digest of the copy.
        copy: u64,
        /// What is wrong with the copy otherwise.
        findings: u64,
    },
}

/// What compacting changed, in bytes on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The size of the data before.
    pub before: u64,
    /// The size of the data now.
    pub after: u64,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// So many keys are to be written, and then to be read back.
    Begun(u64),
    /// A key was written.
    Key,
    /// A key of the copy was read back.
    ReadBack,
}

/// Copies everything that `from` holds into a new store in `directory` and reads it back.
/// `original` is the digest of what it holds, `progress` is told of each key.
///
/// # Errors
/// [`CopyError`].
pub fn copy_store<F: EngineFiles>(
    from: &dyn Upkeep,
    target: (&F, &Path),
    original: u64,
    progress: &mut dyn FnMut(Copied),
) -> Result<IntegrityReport, CopyError> {
    progress(Copied::Begun(from.total().map_err(CopyError::Read)?));
    let made = fill_store(Work::Migration, target, progress, |engine, progress| {
        fill(from, engine, progress)?;
        Ok((Some(original), None))
    })?;
    Ok(made.report)
}

/// Begins a store in `directory`, has it filled, and reads it back; `fill` answers the digest it
/// must have then, if that is known, and the instant when it was put back to an earlier state, if
/// it was: then the documents of hosted devices are raised and invitations forgotten.
///
/// Until it has ended well the directory says that it holds a store that was not finished, and by
/// what work: that is refused by [`crate::open_store`], and begun anew by this.
///
/// # Errors
/// [`CopyError`].
pub(crate) fn fill_store<F: EngineFiles>(
    work: Work,
    (files, directory): (&F, &Path),
    progress: &mut dyn FnMut(Copied),
    fill: impl FnOnce(
        &F::Engine,
        &mut dyn FnMut(Copied),
    ) -> Result<(Option<u64>, Option<Timestamp>), CopyError>,
) -> Result<Restored, CopyError> {
    let place = Place::enter(directory, F::DATA)?;
    match place.occupancy()? {
        Occupancy::Unfinished(_) => place.clear()?,
        Occupancy::Empty => {}
        Occupancy::Occupied => return Err(OpenError::NotEmpty(directory.to_owned()).into()),
    }
    mark::<F>(&place, Some(work))?;
    let engine = files.begin(&place.path(F::DATA))?;
    let (original, restored) = fill(&engine, progress)?;
    // Closed and opened anew: what is read back comes from the disk.
    drop(engine);
    let copy = open_copy(files, place)?;
    let report = read_back(&copy, original, progress)?;
    let changed = match restored {
        Some(now) => copy
            .raise_documents(now)
            .and_then(|raised| Ok((raised, copy.forget_invitations()?))),
        None => Ok((0, 0)),
    };
    let (raised, forgotten) = changed.map_err(CopyError::Raise)?;
    drop(copy);
    mark::<F>(&Place::enter(directory, F::DATA)?, None)?;
    Ok(Restored {
        report,
        raised,
        forgotten,
    })
}

/// Replaces the data of the store in `directory` by a copy of itself, for engines that do not
/// give space back; the copy is thrown away when `is_better`, told the paths of old and new,
/// says no. Cut off at any moment, the old data or the new is in place.
///
/// # Errors
/// [`CopyError`].
pub fn exchange_store<F: EngineFiles>(
    files: &F,
    directory: &Path,
    is_better: impl FnOnce(&Path, &Path) -> bool,
    progress: &mut dyn FnMut(Copied),
) -> Result<(), CopyError> {
    let limits = BatchLimits::default();
    let store = crate::open_store(files, directory, (limits, OnLoss::Refuse))?;
    let report = store.check().map_err(CopyError::Read)?;
    if !report.is_sound() {
        let findings = report.finding_count;
        return Err(CopyError::NotSound(findings));
    }
    let original = report.content;
    let path = directory.join(unfinished::<F>());
    progress(Copied::Begun(store.total().map_err(CopyError::Read)?));
    // Closed: what is read back comes from the disk.
    fill(&store, &files.begin(&path)?, progress)?;
    let engine = files.open(&path)?;
    let copy = EmbeddedStore::start(engine, limits, (None, None))
        .map_err(|error| crate::open::prepare_error(&path, error))?;
    read_back(&copy, Some(original), progress)?;
    drop(copy);
    let Some(place) = store.into_place() else {
        return Ok(());
    };
    if is_better(&place.path(F::DATA), &path) {
        place.rename(F::DATA, &replaced::<F>())?;
        place.rename(&unfinished::<F>(), F::DATA)?;
        place.remove(&replaced::<F>())?;
    } else {
        place.remove(&unfinished::<F>())?;
    }
    Ok(())
}

fn fill<E: Engine>(
    from: &dyn Upkeep,
    engine: &E,
    progress: &mut dyn FnMut(Copied),
) -> Result<(), CopyError> {
    let mut batch = Batch::default();
    let mut written = Ok(());
    from.visit(&Table::ALL, &mut |key, value| {
        batch.add(key, value);
        if Table::of_key(key) != Some(Table::Meta) {
            progress(Copied::Key);
        }
        if batch.is_full() {
            written = batch.write(engine);
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })
    .map_err(CopyError::Read)?;
    written
        .and_then(|()| batch.write(engine))
        .map_err(CopyError::Write)
}

fn read_back<E: Engine>(
    copy: &EmbeddedStore<E>,
    original: Option<u64>,
    progress: &mut dyn FnMut(Copied),
) -> Result<IntegrityReport, CopyError> {
    let report = copy
        .check_with(&mut || progress(Copied::ReadBack))
        .map_err(CopyError::Read)?;
    let original = original.unwrap_or(report.content);
    if report.is_sound() && report.content == original {
        Ok(report)
    } else {
        Err(CopyError::Differs {
            original,
            copy: report.content,
            findings: report.finding_count,
        })
    }
}

/// Pairs on their way into an engine, some megabytes a transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Batch {
    /// Whether it is time to write.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes >= COPY_BATCH
    }

    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.bytes = self
            .bytes
            .saturating_add(key.len())
            .saturating_add(value.len());
        self.pairs.push((key.to_vec(), value.to_vec()));
    }

    pub(crate) fn write<E: Engine>(&mut self, engine: &E) -> Result<(), EngineError> {
        self.bytes = 0;
        let pairs = std::mem::take(&mut self.pairs);
        engine.write(|transaction| {
            for (key, value) in &pairs {
                transaction.put(key, value)?;
            }
            Ok::<_, EngineError>(Verdict::Commit)
        })
    }
}
