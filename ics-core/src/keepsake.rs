//! What an adapter must still know after a restart, and the core need not understand: opaque
//! records, each under a key of the adapter's own.
//!
//! A shelf has one writer, the adapter it is named after: it keeps its records in memory too and
//! makes one write at a time, so writes are not compared with what is there. No row, notification
//! or permission is decided on them.

use alloc::vec::Vec;

use crate::change::Change;

/// Whose records. The number is part of the format of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Shelf {
    /// Those of the oneM2M CSE: its resources, and its registration at a platform.
    OneM2m = 1,
    /// Those of enrolment: invitations that stand.
    Enrolment = 2,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keepsake {
    /// Whose.
    pub shelf: Shelf,
    /// Its name there.
    pub key: Vec<u8>,
    /// What is kept.
    pub value: Vec<u8>,
}

impl Keepsake {
    /// The most bytes that key and value may have together: a line of an export holds them.
    pub const LONGEST: usize = 1 << 20;
}

/// A record put, or taken out, whatever was under its key before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keeping {
    /// Whose.
    pub shelf: Shelf,
    /// Its name there.
    pub key: Vec<u8>,
    /// What shall be kept; `None`: nothing.
    pub value: Option<Vec<u8>>,
}

impl Keeping {
    /// Whether a store takes it.
    pub(crate) fn fits(&self) -> bool {
        let value = self.value.as_ref().map_or(0, Vec::len);
        self.key.len().saturating_add(value) <= Keepsake::LONGEST
    }
}

/// Takes these out: a store that was put back to an earlier state must not know them.
#[must_use]
pub fn decide_forgotten(kept: Vec<Keepsake>) -> Change {
    let forgotten = kept.into_iter().map(|kept| Keeping {
        shelf: kept.shelf,
        key: kept.key,
        value: None,
    });
    Change {
        keepsakes: forgotten.collect(),
        ..Change::default()
    }
}
