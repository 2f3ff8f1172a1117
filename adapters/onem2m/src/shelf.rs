//! What this CSE keeps: its port, so that the resources do not know the store.

use std::sync::Arc;

use ics_core::keepsake;
use ics_core::port::{PortFuture, StoreError};
use ics_core::service::{Failure, IcsService, KeepError};

/// A record under its key; without a value, it goes.
pub(crate) type Kept = (Vec<u8>, Option<Vec<u8>>);

/// All records of a shelf.
pub(crate) type Loaded = Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>;

/// Durable keeping of records, in the order of their keys.
pub(crate) trait Shelf: Send + Sync {
    /// All records.
    fn load(&self) -> PortFuture<'_, Loaded>;

    /// Writes all of them, or none; durable when this returns.
    fn keep(&self, records: Vec<Kept>) -> PortFuture<'_, Result<(), StoreError>>;
}

/// Whose records they are: the first byte of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Section {
    Tree = 1,
    Registration = 2,
}

/// Records of one read.
const PAGE: usize = 500;

/// A section of what the store keeps for this adapter.
pub(crate) struct StoreShelf {
    service: Arc<IcsService>,
    section: Section,
}

impl StoreShelf {
    pub(crate) fn new(service: Arc<IcsService>, section: Section) -> Self {
        Self { service, section }
    }

    async fn load_all(&self) -> Loaded {
        let section = self.section as u8;
        let mut after = vec![section];
        let mut all = Vec::new();
        loop {
            let page = self
                .service
                .walk_keepsakes(keepsake::Shelf::OneM2m, Some(&after), PAGE)
                .await
                .map_err(store_error)?;
            let is_last = page.len() < PAGE;
            for kept in page {
                let Some((first, key)) = kept.key.split_first() else {
                    continue;
                };
                // Those of the sections behind it follow.
                if *first != section {
                    return Ok(all);
                }
                all.push((key.to_vec(), kept.value));
                after = kept.key;
            }
            if is_last {
                return Ok(all);
            }
        }
    }
}

impl Shelf for StoreShelf {
    fn load(&self) -> PortFuture<'_, Loaded> {
        Box::pin(self.load_all())
    }

    fn keep(&self, records: Vec<Kept>) -> PortFuture<'_, Result<(), StoreError>> {
        let prefixed = |(key, value): Kept| {
            let mut whole = vec![self.section as u8];
            whole.extend(key);
            (whole, value)
        };
        let records = records.into_iter().map(prefixed).collect();
        Box::pin(async {
            let kept = self.service.keep(records, keepsake::Shelf::OneM2m).await;
            kept.map_err(|error| match error {
                // What a request may make is far shorter.
                KeepError::TooLong => StoreError::Unavailable,
                KeepError::Failed(failure) => store_error(failure),
            })
        })
    }
}

fn store_error(failure: Failure) -> StoreError {
    match failure {
        Failure::Store(error) => error,
        Failure::Seal(_) | Failure::Busy => StoreError::Unavailable,
    }
}
