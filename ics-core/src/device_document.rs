//! What a hosted device must hold, as state and not as messages: `{v, m: [{id, svc, uti}]}`.
//!
//! The device replaces its copy when `v` is higher than its own and acknowledges that version.
//! Loss, duplication and reordering then cannot leave a revoked pair on the device or revive
//! one. (Y.4462 10.1 steps 4 to 6 and 10.2 taken as messages can do both.)

use alloc::vec::Vec;

use crate::id::MappingId;
use crate::mapping::MappingKey;

/// One pair the device may use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentEntry {
    /// The row it stands for.
    pub mapping: MappingId,
    /// Service URI and UTI.
    pub key: MappingKey,
}

/// A version of what the device must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceDocument {
    /// Rises with every change; below 2^53.
    pub version: u64,
    /// The pairs, by mapping id.
    pub entries: Vec<DocumentEntry>,
}

/// A device's acknowledgement: `{"v":7,"no":[..]}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acknowledgement {
    /// The version it stored.
    pub version: u64,
    /// Rows the device or its user refused.
    pub refused: Vec<MappingId>,
}

/// What the service knows after an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcknowledgementMeaning {
    /// The device holds the newest version: everything in it is stored, everything else forgotten.
    Current,
    /// The device holds an older version; the newest is still owed.
    Stale,
    /// Higher than anything offered: refuse it.
    NeverOffered,
}

impl DeviceDocument {
    /// The next version, with a row in it.
    #[must_use]
    pub fn with(&self, entry: DocumentEntry) -> Self {
        let mut next = self.without(&entry.mapping);
        next.entries.push(entry);
        next.entries.sort();
        next
    }

    /// The next version, without a row.
    #[must_use]
    pub fn without(&self, mapping: &MappingId) -> Self {
        let entries = self
            .entries
            .iter()
            .filter(|e| e.mapping != *mapping)
            .cloned()
            .collect();
        Self {
            version: self.version.saturating_add(1),
            entries,
        }
    }

    /// Whether the row is in it.
    #[must_use]
    pub fn holds(&self, mapping: &MappingId) -> bool {
        self.entries.iter().any(|e| e.mapping == *mapping)
    }

    /// The device's rule: take what is newer than the own copy, ignore the rest.
    #[must_use]
    pub fn replaced_by(&self, received: &Self) -> Self {
        if received.version > self.version {
            received.clone()
        } else {
            self.clone()
        }
    }

    /// What an acknowledgement of this, the newest document, means.
    #[must_use]
    pub const fn meaning_of(&self, acknowledgement: &Acknowledgement) -> AcknowledgementMeaning {
        if acknowledgement.version == self.version {
            AcknowledgementMeaning::Current
        } else if acknowledgement.version < self.version {
            AcknowledgementMeaning::Stale
        } else {
            AcknowledgementMeaning::NeverOffered
        }
    }
}
