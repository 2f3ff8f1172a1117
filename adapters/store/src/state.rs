//! The state of a store as lines of JSON (NDJSON): one object a record, readable without this
//! software, and the whole of it: a store made of the file is like the one it was written from.
//!
//! Indexes and counters are derived and not in it; they are made anew by the code that writes them
//! in service. The first line is a header (format, instant, version of each kind of record, how
//! many of each), the last a trailer (how many lines there were, the digest the store must have,
//! SHA-256 of everything before). What is sealed stays sealed.

mod line;
mod objection;
mod read;
mod write;

use ics_core::sealed::Sealed;
use ics_core::time::Timestamp;

#[cfg(feature = "fuzzing")]
pub(crate) use line::own_versions;
pub(crate) use line::{Line, StateRecord};
pub use objection::Objections;
pub use read::read_state;
pub(crate) use read::walk_state;
pub use write::write_state;

/// The version of the form of the lines; the kinds of records have their own. 2: hosted devices.
/// 3: keepsakes. 4: consents.
const STATE_FORMAT: u64 = 4;

/// The kinds of records that are in it, in their order.
pub(crate) const EXPORTED: [&str; 10] = [
    "canary",
    "clock mark",
    "mapping",
    "UTI record",
    "dead device",
    "outbox entry",
    "directory record",
    "hosted device",
    "keepsake",
    "consent",
];

/// How many of them there were in a form of the lines.
pub(crate) const fn exported_in(format: u64) -> usize {
    match format {
        0 | 1 => 7,
        2 => 8,
        3 => 9,
        _ => EXPORTED.len(),
    }
}

/// The kinds that are not, because they are made of the others.
#[cfg(test)]
pub(crate) const DERIVED: [&str; 3] = ["tally", "live entry", "device entry"];

/// What an exported state holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// The instant it shows, by the clock of the gateway.
    pub taken: Timestamp,
    /// Records.
    pub records: u64,
    /// The digest of the store that is made of it. That of the store it was written from is the
    /// same, unless that holds records as older versions wrote them.
    pub digest: u64,
    /// Whether every kind of record has the version that this software writes: only then the
    /// digest can be compared.
    pub is_comparable: bool,
    /// SHA-256 of all lines before the trailer.
    pub sha256: [u8; 32],
    /// Size in bytes.
    pub bytes: u64,
    /// What the store keeps to know its keyring by.
    pub canary: Option<Sealed>,
    /// What is to be said against it, though it is whole; of a file that was just written, nothing
    /// was looked for.
    pub objections: Objections,
}

#[cfg(test)]
mod tests;
