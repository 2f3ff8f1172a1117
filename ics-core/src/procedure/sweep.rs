//! Y.4462 10.2 in bulk: the fence first, then the rows behind it, in steps that each commit
//! their work and their progress together.

use alloc::sync::Arc;

use super::Knobs;
use super::demapping::{RowFacts, decide_demapping, ended};
use crate::change::Change;
use crate::directory::DirectoryRecord;
use crate::fence::Fence;
use crate::job::{Job, JobStatus};
use crate::mapping::{Mapping, UtiRecord};
use crate::port::Cursor;
use crate::sealed::BlindIndex;
use crate::time::Timestamp;

/// The first transaction: from its commit on the rows are gone. Whatever else must happen at the
/// same instant is joined to it.
#[must_use]
pub fn decide_fence(fence: &Arc<Fence>, job: &Arc<Job>) -> Change {
    let mut change = Change::default();
    change.put_record(None, DirectoryRecord::Fence(fence.clone()));
    change.put_record(None, DirectoryRecord::Job(job.clone()));
    change
}

/// Kills a UTI whose rows a fence takes: no request brings it back while they are swept.
#[must_use]
pub fn decide_uti_death(index: BlindIndex, before: Option<UtiRecord>) -> Change {
    let after = UtiRecord {
        dead: true,
        ..before.unwrap_or_default()
    };
    let mut change = Change::default();
    change.put_uti_record(index, before, after);
    change
}

/// Ends rows of **one** UTI that are behind `fence`: gone since the fence, told from `now` on.
#[must_use]
pub fn decide_fenced_demapping(
    rows: &[(Mapping, RowFacts)],
    fence: &Fence,
    knobs: &Knobs,
    now: Timestamp,
) -> Option<Change> {
    let mut change = decide_demapping(rows, &fence.demapping, knobs, fence.at)?;
    // A sweep that waited, for a restart perhaps, takes nothing from the time a notice has.
    let told = change.outbox.iter_mut().filter(|w| w.before.is_none());
    for entry in told.filter_map(|write| write.after.as_mut()) {
        entry.deadline = entry.deadline.max(now.plus(knobs.notification_lifetime));
        // Nor does a fence of a clock that was ahead hold it back.
        entry.next_attempt = entry.next_attempt.min(now);
    }
    Some(change)
}

/// A row behind `fence` as its parties see it before the sweep has come: as after it.
#[must_use]
pub fn show_fenced(row: &Mapping, fence: &Fence, knobs: &Knobs) -> Mapping {
    ended(row, &fence.demapping, knobs, fence.at)
}

/// Adds to a step's `work` how far the job has come with it; without a `next`, its end. The fence
/// goes unless a row is left behind it.
#[must_use]
pub fn decide_progress(
    work: Change,
    (fence, job): (&Arc<Fence>, &Arc<Job>),
    (done, failed): (u64, u64),
    next: Option<Cursor>,
    now: Timestamp,
) -> Change {
    let mut change = work;
    let is_last = next.is_none();
    let mut after = job.advanced(done, failed, next);
    if is_last {
        after = after.finished(now);
        if after.status == JobStatus::Done {
            change.drop_record(DirectoryRecord::Fence(fence.clone()));
        }
    }
    let before = Some(DirectoryRecord::Job(job.clone()));
    change.put_record(before, DirectoryRecord::Job(Arc::new(after)));
    change
}

/// Sends a job that failed on its way again, from the start; `None` when it did not fail.
#[must_use]
pub fn decide_job_retry(job: &Arc<Job>) -> Option<Change> {
    if job.status != JobStatus::Failed {
        return None;
    }
    let after = Job {
        status: JobStatus::Running,
        failed: 0,
        cursor: None,
        finished: None,
        version: job.version.saturating_add(1),
        ..Job::clone(job)
    };
    let mut change = Change::default();
    let before = Some(DirectoryRecord::Job(job.clone()));
    change.put_record(before, DirectoryRecord::Job(Arc::new(after)));
    Some(change)
}

/// Forgets a job that is done, as long after its end as a tombstone is kept.
#[must_use]
pub fn decide_job_purge(job: &Arc<Job>, knobs: &Knobs, now: Timestamp) -> Option<Change> {
    let over = |end: Timestamp| end.plus(knobs.tombstone_retention) <= now;
    if job.status != JobStatus::Done || !job.finished.is_some_and(over) {
        return None;
    }
    let mut change = Change::default();
    change.drop_record(DirectoryRecord::Job(job.clone()));
    Some(change)
}
