//! Everything the store holds, on its way out: backup, state, table.
//!
//! Each is written from one snapshot while service goes on. A snapshot costs the store something
//! for as long as it is held, so only a few are written at a time.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ics_core::port::StoreError;
use ics_core::service::Failure;
use ics_core::time::Timestamp;

use super::{Caller, OperatorApi};
use crate::error::Refusal;

/// At most this many are written at a time.
const AT_ONCE: usize = 2;

/// What is taken out of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extract {
    /// A backup, to be restored.
    Backup,
    /// The state as lines of JSON, to be imported.
    State,
    /// Table 1 of Y.4462 as CSV, to be read.
    Table,
}

/// The store, as far as it can be written out.
pub trait Archive: Send + Sync {
    /// About how many keys, records or rows it will be; from the counters, costs no walk.
    ///
    /// # Errors
    /// [`StoreError`].
    fn count(&self, extract: Extract) -> Result<u64, StoreError>;

    /// Writes it as of one instant, which `now` names: by it mappings of a table have run out.
    /// Takes its time; nobody waits for it.
    ///
    /// # Errors
    /// [`ArchiveError`]; what was written then is not whole, and says so or must be told so.
    fn write(
        &self,
        extract: Extract,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> Result<(), ArchiveError>;
}

/// Why a store was not written out to its end; the causes are for the log.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// What it holds contradicts itself or cannot be read.
    #[error("the store is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It cannot be read now, or nobody takes what is written.
    #[error("cut off")]
    CutOff(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Extract {
    const fn verb(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::State => "export.state",
            Self::Table => "export.table",
        }
    }
}

/// One that may be written.
pub(crate) struct Extraction {
    archive: Arc<dyn Archive>,
    extract: Extract,
    now: Timestamp,
    caller: Caller,
    /// About how much it will be.
    pub(crate) count: u64,
    _turn: Turn,
}

impl OperatorApi {
    pub(crate) fn begin_extraction(
        &self,
        caller: Caller,
        extract: Extract,
    ) -> Result<Extraction, Refusal> {
        let begun = self.take_turn().and_then(|turn| {
            let archive = Arc::clone(&self.ports.archive);
            let count = archive.count(extract).map_err(Failure::from)?;
            Ok((turn, archive, count))
        });
        let (turn, archive, count) = match begun {
            Ok(begun) => begun,
            refused => caller.note(extract.verb(), "store", refused)?,
        };
        let now = match extract {
            // It is for reading, and shows nothing that may have run out: as inquiries do.
            Extract::Table => self.ports.clock.latest(),
            Extract::Backup | Extract::State => self.now(),
        };
        Ok(Extraction {
            archive,
            extract,
            now,
            caller,
            count,
            _turn: turn,
        })
    }

    fn take_turn(&self) -> Result<Turn, Refusal> {
        let mut turn = Turn(Some(Arc::clone(&self.extracting)));
        if self.extracting.fetch_add(1, Ordering::AcqRel) < AT_ONCE {
            return Ok(turn);
        }
        self.extracting.fetch_sub(1, Ordering::AcqRel);
        turn.0 = None;
        Err(Refusal::Extracting)
    }
}

impl Extraction {
    /// Writes it to its end. Blocks for as long as `out` does.
    ///
    /// # Errors
    /// What whoever asked is to be told.
    pub(crate) fn write(self, out: &mut dyn Write) -> Result<(), Refusal> {
        let verb = self.extract.verb();
        let written = self.archive.write(self.extract, self.now, out);
        let outcome = written.map_err(|error| {
            let cause: &dyn std::error::Error = &error;
            tracing::warn!(verb, error = cause, "not written to its end");
            match error {
                ArchiveError::Damaged(_) => StoreError::Inconsistent.into(),
                ArchiveError::CutOff(_) => Refusal::Interrupted,
            }
        });
        self.caller.note(verb, "store", outcome)
    }
}

/// One of those that are written at a time.
struct Turn(Option<Arc<AtomicUsize>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(extracting) = &self.0 {
            extracting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
