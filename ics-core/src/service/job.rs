//! Runs jobs: one step after the other, each whole or not at all, from what the store holds.

use alloc::sync::Arc;

use super::demapping::{BATCH, Ending};
use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::fence::Fence;
use crate::id::JobId;
use crate::job::{Job, JobOwner, JobStatus};
use crate::mapping::Mapping;
use crate::port::{Denied, StoreError};
use crate::principal::Principal;
use crate::procedure::sweep::{decide_job_purge, decide_job_retry, decide_progress};
use crate::reference_point::{ReferencePoint, Role};
use crate::time::Timestamp;

/// Why a job could not be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not there, or not the caller's: the same to a stranger.
    #[error("job not found")]
    NotFound,
}

impl IcsService {
    /// A job of the caller, over the point it asked for it on.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn read_job(
        &self,
        principal: &Principal,
        id: &JobId,
        now: Timestamp,
    ) -> Result<(Arc<Job>, ReferencePoint), JobError> {
        let directory = self.directory();
        let job = directory.job(id).ok_or(JobError::NotFound)?;
        let point = match &job.owner {
            JobOwner::Party(sp, role) if *sp == principal.sp => match role {
                Role::ThirdPartySp => ReferencePoint::Ics3,
                Role::IotSp => ReferencePoint::Ics4,
            },
            JobOwner::Party(..) | JobOwner::Operator => return Err(JobError::NotFound),
        };
        self.admit(principal, point, now)?;
        Ok((job.clone(), point))
    }

    /// Forgets jobs that ended long ago; tells how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn purge_jobs(&self, now: Timestamp) -> Result<usize, Failure> {
        let mut purged = 0_usize;
        for job in self.directory().jobs() {
            if let Some(change) = decide_job_purge(job, &self.knobs, now)
                && self.commit(change).await? == Committed::Yes
            {
                purged = purged.saturating_add(1);
            }
        }
        Ok(purged)
    }

    /// Takes every job that is not at its end one step on. Tells how many steps it made: none
    /// means that there is nothing to do now.
    ///
    /// # Errors
    /// [`Failure`] of the last job that failed; the others went on, and a step that failed is made
    /// again by the next call.
    pub async fn step_jobs(&self, now: Timestamp) -> Result<usize, Failure> {
        let mut steps = 0_usize;
        let mut outcome = Ok(());
        for job in self.directory().jobs() {
            if job.status == JobStatus::Running {
                match self.step_job(&job.id, now).await {
                    Ok(()) => steps = steps.saturating_add(1),
                    Err(failure) => outcome = Err(failure),
                }
                give_way().await;
            }
        }
        outcome.map(|()| steps)
    }

    /// Sends a job that failed on its way again. `None`: there is no such job.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn retry_job(&self, id: &JobId) -> Result<Option<Arc<Job>>, Failure> {
        for _ in 0..ATTEMPTS {
            let Some(job) = self.directory().job(id).cloned() else {
                return Ok(None);
            };
            let Some(change) = decide_job_retry(&job) else {
                return Ok(Some(job));
            };
            if self.commit(change).await? == Committed::Yes {
                return Ok(self.directory().job(id).cloned());
            }
        }
        Err(Failure::Busy)
    }

    /// One step: at most [`BATCH`] rows and how far the job has come, in one transaction.
    async fn step_job(&self, id: &JobId, now: Timestamp) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let (Some(job), Some(fence)) = (directory.job(id), directory.fence(id)) else {
                return Ok(());
            };
            if job.status != JobStatus::Running {
                return Ok(());
            }
            let store = self.ports.store.as_ref();
            let (selection, cursor) = (fence.selection(), job.cursor.as_ref());
            let page = store.walk(&selection, cursor, BATCH).await?;
            let behind = |row: &Mapping| {
                // Of several fences the first one took it.
                let first = directory.fence_over(row);
                first.is_some_and(|first| first.job == fence.job)
            };
            let rows: alloc::vec::Vec<_> = page
                .mappings
                .into_iter()
                .filter(|row| behind(row))
                .collect();
            let swept = match self.sweep(&rows, fence, now).await {
                Ok((work, done)) => {
                    let next = page.next.clone();
                    let change = decide_progress(work, (fence, job), (done, 0), next, now);
                    self.commit(change).await
                }
                Err(failure) => Err(failure),
            };
            match swept {
                Ok(Committed::Yes) => return Ok(()),
                Ok(Committed::Overtaken) => {}
                Err(Failure::Store(StoreError::Inconsistent)) => {
                    let counts = self.sweep_singly(&rows, fence, now).await?;
                    let work = Change::default();
                    let change = decide_progress(work, (fence, job), counts, page.next, now);
                    if self.commit(change).await? == Committed::Yes {
                        return Ok(());
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Busy)
    }

    async fn sweep(
        &self,
        rows: &[Mapping],
        fence: &Arc<Fence>,
        now: Timestamp,
    ) -> Result<(Change, u64), Failure> {
        let ids = rows.iter().map(|row| row.id).collect();
        let ending = ending_of(fence);
        let change = self.decide_end(&ids, ending, now).await?;
        let done = change.mappings().len();
        Ok((change, u64::try_from(done).unwrap_or(u64::MAX)))
    }

    /// Row by row, where a batch holds one that the store cannot write: how many were ended, and
    /// how many stay behind the fence.
    async fn sweep_singly(
        &self,
        rows: &[Mapping],
        fence: &Arc<Fence>,
        now: Timestamp,
    ) -> Result<(u64, u64), Failure> {
        let (mut done, mut failed) = (0_u64, 0_u64);
        for row in rows {
            let one = core::slice::from_ref(row);
            match self
                .end_rows(one, ending_of(fence), &Change::default(), now)
                .await
            {
                Ok(_) => done = done.saturating_add(1),
                Err(Failure::Store(StoreError::Inconsistent)) => failed = failed.saturating_add(1),
                Err(failure) => return Err(failure),
            }
        }
        Ok((done, failed))
    }
}

fn ending_of(fence: &Arc<Fence>) -> Ending<'_> {
    Ending {
        demapping: &fence.demapping,
        told: &|_| true,
        fence: Some(fence),
    }
}
