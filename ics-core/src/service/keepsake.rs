//! What adapters have kept for themselves. No principal is asked for: no request comes here, only
//! the adapter whose shelf it is.

use alloc::vec::Vec;

use super::{Committed, Failure, IcsService};
use crate::change::Change;
use crate::keepsake::{Keeping, Keepsake, Shelf};

/// Why nothing was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// A record has more than [`Keepsake::LONGEST`] bytes.
    #[error("record too long")]
    TooLong,
    /// The service failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl IcsService {
    /// At most `limit` records of `shelf` behind the key `after`, in the order of their keys.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn walk_keepsakes(
        &self,
        shelf: Shelf,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Keepsake>, Failure> {
        let store = &self.ports.store;
        Ok(store.walk_keepsakes(shelf, after, limit).await?)
    }

    /// Puts records of `shelf`, or takes them out where there is no value: all of them or none,
    /// durable when this returns. Whatever was there is replaced, unseen: the shelf's adapter is
    /// its only writer, and puts its writes in order itself. Of one key, the last write holds.
    ///
    /// # Errors
    /// [`KeepError`].
    pub async fn keep(
        &self,
        writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        shelf: Shelf,
    ) -> Result<(), KeepError> {
        let keeping = |(key, value)| Keeping { shelf, key, value };
        let keepsakes: Vec<_> = writes.into_iter().map(keeping).collect();
        if !keepsakes.iter().all(Keeping::fits) {
            return Err(KeepError::TooLong);
        }
        let change = Change {
            keepsakes,
            ..Change::default()
        };
        match self.commit(change).await? {
            Committed::Yes => Ok(()),
            Committed::Overtaken => Err(Failure::Busy.into()),
        }
    }
}
