//! What can go wrong between the port and the engine, and what the port says of it.
//!
//! The cause goes to the log here, once; the caller learns only whether asking again may help.

use ics_core::port::StoreError;

use crate::engine::EngineError;
use crate::index::Table;
use crate::record::RecordError;

/// A store could not read or write.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A record cannot be read.
    #[error("record of table `{table}` cannot be read")]
    Record {
        /// Where.
        table: Table,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// An index and its records disagree, or a key has no such form.
    #[error("table `{0}` contradicts the records")]
    Layout(Table),
    /// A change names two records as one, or the counters would fall below zero.
    #[error("a change contradicts itself")]
    Change,
    /// Something below panicked.
    #[error("storage engine panicked")]
    Panicked,
}

impl Fault {
    /// What the port says of it.
    pub(crate) fn tell(&self) -> StoreError {
        tracing::error!(error = self as &dyn std::error::Error, "store");
        match self {
            Self::Engine(EngineError::Unavailable(_)) => StoreError::Unavailable,
            Self::Engine(EngineError::Damaged(_))
            | Self::Record { .. }
            | Self::Layout(_)
            | Self::Change
            | Self::Panicked => StoreError::Inconsistent,
        }
    }
}
