//! The store, written out for the operator while it serves.

use std::io::Write;
use std::sync::Arc;

use ics_core::port::StoreError;
use ics_core::time::Timestamp;
use ics_operator::{Archive, ArchiveError, Extract};
use ics_store::{CommitWatch, Table, Upkeep, WriteFault, write_backup, write_state, write_table};

/// What an exported state has lines of, what the store says of itself apart.
const STATE: [Table; 8] = [
    Table::Mapping,
    Table::UtiRecord,
    Table::DeadDevice,
    Table::Outbox,
    Table::Directory,
    Table::HostedDevice,
    Table::Keepsake,
    Table::Consent,
];

/// A store that can be written out.
pub(crate) struct StoreArchive {
    pub(crate) store: Arc<dyn Upkeep>,
    /// Told when that shows it to be damaged.
    pub(crate) watch: Option<Arc<dyn CommitWatch>>,
}

impl Archive for StoreArchive {
    fn count(&self, extract: Extract) -> Result<u64, StoreError> {
        match extract {
            Extract::Backup => self.store.total(),
            Extract::State => STATE.iter().try_fold(0_u64, |sum, table| {
                Ok(sum.saturating_add(self.store.count_of(*table)?))
            }),
            Extract::Table => self.store.count_of(Table::Device),
        }
    }

    fn write(
        &self,
        extract: Extract,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> Result<(), ArchiveError> {
        let store = self.store.as_ref();
        let written = match extract {
            Extract::Backup => write_backup(store, now, out).map(drop),
            Extract::State => write_state(store, now, out).map(drop),
            Extract::Table => write_table(store, now, out).map(drop),
        };
        written.map_err(|fault| match fault {
            // The store told it by itself.
            WriteFault::Read(StoreError::Inconsistent) => ArchiveError::Damaged(fault.into()),
            WriteFault::Damaged(_) => {
                self.watch.iter().for_each(|watch| watch.note_damage());
                ArchiveError::Damaged(fault.into())
            }
            WriteFault::Read(StoreError::Unavailable) | WriteFault::Write(_) => {
                ArchiveError::CutOff(fault.into())
            }
        })
    }
}
