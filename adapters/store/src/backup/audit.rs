//! Whether what goes by is what a store counted: looked at when a backup is taken, and again when
//! one is read, so that the damage of a store is not found out when its backup is needed.

use crate::record::{Tally, decode, is_intact, stored_checksum};
use crate::{Table, index};

/// What went by so far.
#[derive(Debug, Default)]
pub(super) struct Audit {
    tally: Option<Tally>,
    keys: u64,
    /// Of the rows' checksums, as the counters have it.
    rows: u64,
}

impl Audit {
    /// Takes a pair; `false` when it is no record that belongs under its key.
    pub(super) fn take(&mut self, table: Table, key: &[u8], value: &[u8]) -> bool {
        if table == Table::Meta {
            if key == index::tally().as_bytes() {
                self.tally = decode(key, value).ok();
            }
            return is_intact(key, value);
        }
        self.keys = self.keys.saturating_add(1);
        if table == Table::Mapping {
            self.rows = self.rows.wrapping_add(stored_checksum(value));
        }
        !table.holds_records() || is_intact(key, value)
    }

    /// Keys, those in which the store speaks of itself apart.
    pub(super) const fn keys(&self) -> u64 {
        self.keys
    }

    /// The counters, once they went by.
    pub(super) fn tally(&self) -> Tally {
        self.tally.unwrap_or_default()
    }

    /// Whether all went by that was counted, and nothing else.
    pub(super) fn is_complete(&self) -> bool {
        let counted = |tally: Tally| tally.total() == self.keys && tally.digest == self.rows;
        self.tally.is_some_and(counted)
    }
}
