//! A backup: everything a store holds as of one instant, in one file, whatever its engine.
//!
//! Header (32 bytes): magic, format of the file, format of the stores, the instant in
//! milliseconds, how many keys are to come. Blocks: length, number of pairs, the pairs in the
//! order of their keys. Trailer: an empty block, how many keys there were, the store's digest,
//! SHA-256 of everything before. Numbers are little-endian. A file without its trailer, or whose
//! hash is another, is no backup: nothing is made of it.

mod audit;
mod read;
mod write;

use ics_core::sealed::Sealed;
use ics_core::time::Timestamp;

pub use read::{BackupMeter, read_backup};
pub use write::write_backup;
#[cfg(feature = "fuzzing")]
pub(crate) use write::write_pairs;

const MAGIC: [u8; 8] = *b"ICSBACK\n";
/// The version of the file's own layout.
const FILE_FORMAT: u32 = 1;
/// Bytes of pairs after which a block ends; a pair that is larger has one to itself.
const BLOCK: usize = 64 << 10;
/// The largest block that is read: far above any record.
const LARGEST_BLOCK: u32 = 32 << 20;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// The instant it shows, by the clock of the gateway.
    pub taken: Timestamp,
    /// Keys, those in which the store speaks of itself apart.
    pub keys: u64,
    /// The store's digest, as `store check` tells it.
    pub digest: u64,
    /// SHA-256 of all that precedes it in the file.
    pub sha256: [u8; 32],
    /// Size of the file.
    pub bytes: u64,
    /// What the store keeps to know its keyring by.
    pub canary: Option<Sealed>,
}

#[cfg(test)]
mod tests;
