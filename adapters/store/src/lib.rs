//! What the stores of the gateway share: the record codec, the layout of the indexes, the group
//! committer, the integrity counters, and the suite they all pass.
//!
//! An embedded store is an [`engine::Engine`] (ordered bytes, one atomic durable write at a time)
//! under [`EmbeddedStore`], which implements the core's `Store` port. The engines open their own
//! files; here are the lock on a store's directory and the two small files beside the engine's
//! (what was begun there, what was last acknowledged). No identifier is ever logged.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod apply;
mod backup;
mod copy;
mod embedded;
mod fault;
mod file_fault;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod group_commit;
mod hashing;
mod index;
mod integrity;
mod memory;
mod open;
mod panics;
mod place;
mod record;
mod restore;
mod state;
mod table_file;
mod upkeep;
mod walk;
mod witness;

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod engine;

pub use backup::{BackupMeter, BackupSummary, read_backup, write_backup};
pub use copy::{Compacted, Copied, CopyError, copy_store, exchange_store};
pub use embedded::{EmbeddedStore, FORMAT, PrepareError};
pub use file_fault::{FileFault, WriteFault};
pub use group_commit::{BatchLimits, CommitWatch};
pub use hashing::hex;
pub use index::Table;
pub use integrity::{Difference, Finding, FindingKind, IntegrityReport};
pub use memory::{MemoryEngine, MemoryStore};
pub use open::{EngineFiles, Loss, OnLoss, OpenError, open_store};
pub use panics::{Panicked, contain_panics, log_contained_panics};
pub use place::{Occupancy, Work, io_error, look_into, move_aside, sync_directory};
pub use restore::{Restored, import_state, restore_backup};
pub use state::{Objections, StateSummary, read_state, write_state};
pub use table_file::{TABLE_HEADER, TableMeter, write_table};
pub use upkeep::{Upkeep, Visit};
