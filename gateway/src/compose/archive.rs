//! The store, written out for the operator while it serves.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use ics_core::port::StoreError;
use ics_core::time::Timestamp;
use ics_operator::{Archive, Extract};
use ics_store::{Table, Upkeep, write_backup, write_state, write_table};

/// What an exported state has lines of, what the store says of itself apart.
const STATE: [Table; 5] = [
    Table::Mapping,
    Table::UtiRecord,
    Table::DeadDevice,
    Table::Outbox,
    Table::Directory,
];

/// A store that can be written out.
pub(crate) struct StoreArchive(pub(crate) Arc<dyn Upkeep>);

impl Archive for StoreArchive {
    fn count(&self, extract: Extract) -> Result<u64, StoreError> {
        match extract {
            Extract::Backup => self.0.total(),
            Extract::State => STATE.iter().try_fold(0_u64, |sum, table| {
                Ok(sum.saturating_add(self.0.count_of(*table)?))
            }),
            Extract::Table => self.0.count_of(Table::Device),
        }
    }

    fn write(
        &self,
        extract: Extract,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let store = self.0.as_ref();
        match extract {
            Extract::Backup => write_backup(store, now, out).map(drop)?,
            Extract::State => write_state(store, now, out).map(drop)?,
            Extract::Table => write_table(store, now, out).map(drop)?,
        }
        Ok(())
    }
}
