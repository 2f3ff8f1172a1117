//! What a hosted device must hold, as state and not as messages: `{v, m: [{id, svc, uti, e2e}]}`.
//!
//! The device replaces its copy when `v` is higher than its own and acknowledges that version.
//! Loss, duplication and reordering then cannot leave a revoked pair on the device or revive
//! one. (Y.4462 10.1 steps 4 to 6 and 10.2 taken as messages can do both.)

use alloc::vec::Vec;

use crate::id::MappingId;
use crate::mapping::MappingKey;
use crate::time::Timestamp;

/// What the service knows of a device's document: which rows are in its newest version, and the
/// newest version the device has said it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DocumentState {
    /// The newest version; rises with every change of `rows`. 0: nothing was ever to be held.
    pub version: u64,
    /// The newest version the device acknowledged.
    pub acknowledged: u64,
    /// The rows, in the order of their ids.
    pub rows: Vec<MappingId>,
}

/// One pair the device may use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentEntry {
    /// The row it stands for.
    pub mapping: MappingId,
    /// Service URI and UTI.
    pub key: MappingKey,
    /// The third party's own end-to-end value for the device, byte-exact.
    pub e2e: Option<Vec<u8>>,
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

impl DocumentState {
    /// The most rows a device holds.
    pub const MOST_ROWS: usize = 16;
    /// What versions rise by when a store is put back to an earlier state under a clock that is
    /// behind them: a device may hold a version that the store does not remember, and must take the
    /// next one for newer.
    pub const STEP_AFTER_RESTORE: u64 = 1 << 24;
    /// No version is above this: every integer up to it is one in JSON (RFC 8259 6).
    pub const HIGHEST_VERSION: u64 = (1 << 53) - 1;

    /// The empty document of a device that is registered now, held as it is. Its version is the
    /// milliseconds of the clock: the same physical device may have been registered before, and must
    /// take what it is sent now for newer than what it keeps from then.
    #[must_use]
    pub fn beginning(now: Timestamp) -> Self {
        let clock = u64::try_from(now.millis()).unwrap_or(0);
        let version = clock.min(Self::HIGHEST_VERSION);
        Self {
            version,
            acknowledged: version,
            rows: Vec::new(),
        }
    }

    /// Whether another row has room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.rows.len() < Self::MOST_ROWS
    }

    /// Whether the row is in the newest version.
    #[must_use]
    pub fn holds(&self, mapping: &MappingId) -> bool {
        self.rows.binary_search(mapping).is_ok()
    }

    /// The next version, with these rows in it and those not; the same version when nothing changes.
    #[must_use]
    pub fn changed(&self, with: &[MappingId], without: &[MappingId]) -> Self {
        let kept = self.rows.iter().filter(|row| !without.contains(row));
        let mut rows: Vec<_> = kept.chain(with).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        if rows == self.rows {
            return self.clone();
        }
        Self {
            version: self.version.saturating_add(1).min(Self::HIGHEST_VERSION),
            acknowledged: self.acknowledged,
            rows,
        }
    }

    /// The same rows under a version no device can have seen: the milliseconds that the clock tells,
    /// for no document changes more often than that, so that the same file can be restored again
    /// later, and above it still. By a large step where the clock is not ahead of the versions.
    #[must_use]
    pub fn after_restore(&self, now: Timestamp) -> Self {
        let clock = u64::try_from(now.millis()).unwrap_or(0);
        let version = if clock > self.version {
            clock
        } else {
            self.version.saturating_add(Self::STEP_AFTER_RESTORE)
        };
        Self {
            version: version.min(Self::HIGHEST_VERSION),
            ..self.clone()
        }
    }

    /// What an acknowledgement means.
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

impl DeviceDocument {
    /// The device's rule: take what is newer than the own copy, ignore the rest.
    #[must_use]
    pub fn replaced_by(&self, received: &Self) -> Self {
        if received.version > self.version {
            received.clone()
        } else {
            self.clone()
        }
    }
}

#[cfg(test)]
mod tests;
