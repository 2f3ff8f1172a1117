//! What this CSE keeps: its port, so that the resources do not know the store.

use ics_core::port::{PortFuture, StoreError};

/// A record under its key; without a value, it goes.
pub(crate) type Kept = (Vec<u8>, Option<Vec<u8>>);

/// Durable keeping of records, in the order of their keys.
pub(crate) trait Shelf: Send + Sync {
    /// All records.
    fn load(&self) -> PortFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>>;

    /// Writes all of them, or none; durable when this returns.
    fn keep(&self, records: Vec<Kept>) -> PortFuture<'_, Result<(), StoreError>>;
}
