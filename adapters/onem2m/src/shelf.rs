//! What this CSE keeps: its port, so that the resources do not know the store.

use std::sync::Arc;

use ics_core::port::{PortFuture, StoreError};
use ics_core::service::IcsService;

/// A record under its key; without a value, it goes.
pub(crate) type Kept = (Vec<u8>, Option<Vec<u8>>);

/// Durable keeping of records, in the order of their keys.
pub(crate) trait Shelf: Send + Sync {
    /// All records.
    fn load(&self) -> PortFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>>;

    /// Writes all of them, or none; durable when this returns.
    fn keep(&self, records: Vec<Kept>) -> PortFuture<'_, Result<(), StoreError>>;
}

/// Whose records they are: the first byte of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Tree = 1,
    Registration = 2,
}

/// A section of what the store keeps for this adapter.
pub(crate) struct StoreShelf {
    service: Arc<IcsService>,
    section: Section,
    records: std::sync::Mutex<std::collections::BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl StoreShelf {
    pub(crate) fn new(service: Arc<IcsService>, section: Section) -> Self {
        Self {
            service,
            section,
            records: Default::default(),
        }
    }
}

// TODO(keepsakes): volatile until the store has them.
impl Shelf for StoreShelf {
    fn load(&self) -> PortFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        let _ = (&self.service, self.section);
        let all: Vec<_> = self
            .records
            .lock()
            .map(|r| r.clone().into_iter().collect())
            .unwrap_or_default();
        Box::pin(async move { Ok(all) })
    }

    fn keep(&self, records: Vec<Kept>) -> PortFuture<'_, Result<(), StoreError>> {
        if let Ok(mut all) = self.records.lock() {
            for (key, value) in records {
                match value {
                    Some(value) => all.insert(key, value),
                    None => all.remove(&key),
                };
            }
        }
        Box::pin(async { Ok(()) })
    }
}
