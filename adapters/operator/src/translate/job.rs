//! Jobs.

use ics_core::job::{Job, JobOwner, JobStatus};
use ics_core::time::Timestamp;

use crate::wire::{JobStatusName, JobView};

/// A job as the operator sees it.
pub(crate) fn show_job(job: &Job) -> JobView {
    JobView {
        job_id: job.id.to_string(),
        status: match job.status {
            JobStatus::Running => JobStatusName::Running,
            JobStatus::Done => JobStatusName::Done,
            JobStatus::Failed => JobStatusName::Failed,
        },
        sp_id: match &job.owner {
            JobOwner::Party(sp, _) => Some(sp.to_string()),
            JobOwner::Operator => None,
        },
        total: job.total,
        done: job.done,
        failed: job.failed,
        create_time: job.created.to_rfc3339(),
        finish_time: job.finished.map(Timestamp::to_rfc3339),
    }
}
