//! What the stores of the gateway share: the record codec, the layout of the indexes, the group
//! committer, the integrity counters, and the suite they all pass.
//!
//! An embedded store is an [`engine::Engine`] (ordered bytes, one atomic durable write at a time)
//! under [`EmbeddedStore`], which implements the core's `Store` port. Nothing here opens a file,
//! and no identifier is ever logged.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod apply;
mod embedded;
mod fault;
mod group_commit;
mod index;
mod integrity;
mod memory;
mod record;
mod walk;

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod engine;

pub use embedded::{EmbeddedStore, FORMAT, OpenError};
pub use group_commit::BatchLimits;
pub use index::Table;
pub use integrity::{Finding, FindingKind, IntegrityReport};
pub use memory::{MemoryEngine, MemoryStore};
