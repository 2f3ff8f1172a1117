//! De-mapping of however many rows: a few end in one transaction; of more than [`BATCH`] the first
//! transaction is a fence, and a job ends them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::demapping::{BATCH, DemapError, DemapOutcome, Ending, removed_or_not_found};
use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::fence::{Fence, FenceScope};
use crate::id::JobId;
use crate::job::{Job, JobOwner, JobStatus};
use crate::mapping::{DemappingCause, Mapping, State};
use crate::procedure::demapping::{Demapping, decide_device_death};
use crate::procedure::sweep::{decide_fence, decide_uti_death};
use crate::time::Timestamp;

/// What a selection holds.
struct Gathered {
    /// The rows, as long as there are no more than [`BATCH`].
    rows: Vec<Mapping>,
    /// How many there are.
    total: u64,
    /// When the last of them was made.
    newest: Timestamp,
}

impl IcsService {
    /// De-maps what `scope` holds: in one transaction, or by a fence and a job.
    pub(super) async fn demap_many(
        &self,
        (scope, owner): (FenceScope, JobOwner),
        ending: Ending<'_>,
        now: Timestamp,
    ) -> Result<DemapOutcome, DemapError> {
        // t8 A.3: from the IoT SP by device ID alone, the device ID is dead.
        let death = match (&scope, ending.demapping.cause) {
            (
                FenceScope::Device {
                    iot_sp,
                    device_id,
                    service_uri: None,
                },
                DemappingCause::DeviceUnregistered,
            ) => decide_device_death(self.device_index(iot_sp, device_id)),
            _ => Change::default(),
        };
        let fence = Fence {
            job: JobId::mint(now, self.random_id()),
            scope,
            demapping: ending.demapping.clone(),
            // What was made while the request is served is gone with the rest.
            at: Timestamp::MAX,
        };
        let gathered = self.gather(&fence).await?;
        if gathered.total > BATCH as u64 {
            let job = self
                .fence_off((fence, owner), &gathered, death, now)
                .await?;
            return Ok(DemapOutcome::Started(job));
        }
        let mut removed = self.end_rows(&gathered.rows, ending, &death, now).await?;
        if !death.is_empty() {
            // Rows that got the device ID while it was dying; none can from now on.
            let late = self.gather(&fence).await?.rows;
            let nothing = Change::default();
            removed.add(self.end_rows(&late, ending, &nothing, now).await?);
        }
        if removed.removed == 0 && fence.kills_utis() {
            self.kill_uti(&fence.scope).await?;
        }
        removed_or_not_found(removed)
    }

    /// t8 A.3: a UTI declared invalid is dead for ever, whether or not a row of it is left. One that
    /// was never used has no record, and gets none.
    async fn kill_uti(&self, scope: &FenceScope) -> Result<(), Failure> {
        let FenceScope::Uti {
            third_party_sp,
            uti,
        } = scope
        else {
            return Ok(());
        };
        for _ in 0..ATTEMPTS {
            let (index, before) = self.load_uti(third_party_sp, uti).await?;
            if before.is_none() {
                return Ok(());
            }
            if self.commit(decide_uti_death(index, before)).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy)
    }

    /// The rows that `fence` would cover and no other one does, as long as there are few of them;
    /// of more, how many.
    async fn gather(&self, fence: &Fence) -> Result<Gathered, Failure> {
        let directory = self.directory();
        let selection = fence.selection();
        let mut gathered = Gathered {
            rows: Vec::new(),
            total: 0,
            newest: Timestamp::from_millis(0),
        };
        let mut cursor = None;
        loop {
            let store = self.ports.store.as_ref();
            let page = store.walk(&selection, cursor.as_ref(), BATCH).await?;
            for row in page.mappings {
                if !fence.covers(&row) || directory.fence_over(&row).is_some() {
                    continue;
                }
                gathered.total = gathered.total.saturating_add(1);
                gathered.newest = gathered.newest.max(row.created).max(match row.state {
                    State::Established { since, .. } => since,
                    _ => row.created,
                });
                if gathered.rows.len() < BATCH {
                    gathered.rows.push(row);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(gathered);
            }
            give_way().await;
        }
    }

    /// Sets the fence up, with `also`, in one transaction: the rows are gone by it.
    async fn fence_off(
        &self,
        (fence, owner): (Fence, JobOwner),
        gathered: &Gathered,
        also: Change,
        now: Timestamp,
    ) -> Result<Arc<Job>, Failure> {
        let fence = Arc::new(Fence {
            // Rows of a clock that was ahead are not spared by it.
            at: now.max(gathered.newest),
            ..fence
        });
        let job = Arc::new(Job {
            id: fence.job,
            owner,
            status: JobStatus::Running,
            total: gathered.total,
            done: 0,
            failed: 0,
            cursor: None,
            created: now,
            finished: None,
            version: 1,
        });
        for _ in 0..ATTEMPTS {
            let mut change = also.clone().join(decide_fence(&fence, &job));
            if let (
                FenceScope::Uti {
                    third_party_sp,
                    uti,
                },
                true,
            ) = (&fence.scope, fence.kills_utis())
            {
                let (index, before) = self.load_uti(third_party_sp, uti).await?;
                change = change.join(decide_uti_death(index, before));
            }
            if self.commit(change).await? == Committed::Yes {
                return Ok(job);
            }
        }
        Err(Failure::Busy)
    }

    /// Fences the rows of an agreement off together with `also`, its end, if there are more of
    /// them than one transaction takes; `None`, and nothing written, if there are not.
    pub(super) async fn fence_agreement(
        &self,
        scope: FenceScope,
        demapping: &Demapping,
        also: Change,
        now: Timestamp,
    ) -> Result<Option<Arc<Job>>, Failure> {
        let fence = Fence {
            job: JobId::mint(now, self.random_id()),
            scope,
            demapping: demapping.clone(),
            at: Timestamp::MAX,
        };
        let gathered = self.gather(&fence).await?;
        if gathered.total <= BATCH as u64 {
            return Ok(None);
        }
        let job = self.fence_off((fence, JobOwner::Operator), &gathered, also, now);
        job.await.map(Some)
    }
}
