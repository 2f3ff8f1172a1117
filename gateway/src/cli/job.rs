//! `ics-gateway job`, and waiting for the jobs that other verbs begin.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use ics_core::id::JobId;
use ics_operator::wire::{Confirmation, JobStatusName, JobView};
use indicatif::{ProgressBar, ProgressStyle};

use super::operator::{Access, name_of, or_empty};
use super::runtime::{Outcome, block_on};
use crate::operator_client::{CallError, OperatorClient};

/// Look at jobs: de-mappings of more than 1,000 mappings, at work, failed or done
///
/// The mappings of a job are gone for everybody from its beginning on; it removes them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct JobArguments {
    #[command(subcommand)]
    verb: JobVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway job list --config gateway.toml
    ics-gateway job show 0193a5b2-... --wait --config gateway.toml
  After the store was mended:
    ics-gateway job retry 0193a5b2-... --config gateway.toml

Exit status: 0 done, 1 refused by the gateway, 2 usage, 3 gateway not reachable.";

#[derive(Debug, Subcommand)]
enum JobVerb {
    /// List jobs, those that ended within the retention of tombstones included
    List,
    Show(ShowArguments),
    /// Send a job that failed on its way again
    Retry(NamedJob),
}

/// Show one job
#[derive(Debug, Args)]
struct ShowArguments {
    #[command(flatten)]
    job: NamedJob,

    /// Wait for its end, with a progress bar on standard error
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
struct NamedJob {
    /// Its id, as `job list` tells it
    #[arg(value_parser = parse_job)]
    id: JobId,
}

fn parse_job(text: &str) -> Result<JobId, String> {
    JobId::parse(text).map_err(|fault| fault.to_string())
}

impl JobArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        block_on(async move {
            let client = access.client()?;
            match verb {
                JobVerb::List => {
                    let list = client.list::<JobView>("/jobs", &[], usize::MAX).await?;
                    let (jobs, more) = list;
                    access.tell_all((&jobs, more), &HEADERS, row)
                }
                JobVerb::Show(ShowArguments { job, wait }) => {
                    let job: JobView = client.read(&format!("/jobs/{}", job.id)).await?;
                    if !wait {
                        return tell(&access, &job);
                    }
                    let ended = wait_for_all(&client, &[job]).await?;
                    ended.iter().try_for_each(|job| tell(&access, job))?;
                    check_done(&ended)
                }
                JobVerb::Retry(NamedJob { id }) => {
                    let path = format!("/jobs/{id}/retry");
                    tell(
                        &access,
                        &client.post(&path, &Confirmation::default()).await?,
                    )
                }
            }
        })
    }
}

const HEADERS: [&str; 7] = ["ID", "STATUS", "SP", "TOTAL", "DONE", "FAILED", "BEGAN"];

fn row(job: &JobView) -> Vec<String> {
    vec![
        job.job_id.clone(),
        name_of(&job.status),
        or_empty(job.sp_id.as_ref()),
        job.total.to_string(),
        job.done.to_string(),
        job.failed.to_string(),
        job.create_time.clone(),
    ]
}

fn tell(access: &Access, job: &JobView) -> Outcome {
    let facts = [
        ("id", job.job_id.clone()),
        ("status", name_of(&job.status)),
        ("sp", or_empty(job.sp_id.as_ref())),
        ("total", job.total.to_string()),
        ("done", job.done.to_string()),
        ("failed", job.failed.to_string()),
        ("began", job.create_time.clone()),
        ("ended", or_empty(job.finish_time.as_ref())),
    ];
    access.tell(job, &facts)
}

/// Whether these jobs swept every row.
///
/// # Errors
/// [`JobFailed`] names the first that did not.
pub(super) fn check_done(jobs: &[JobView]) -> Outcome {
    let failed = jobs.iter().find(|job| job.status == JobStatusName::Failed);
    failed.map_or(Ok(()), |job| {
        Err(JobFailed {
            job: job.job_id.clone(),
            left: job.failed,
        }
        .into())
    })
}

/// A job that left rows behind.
#[derive(Debug, thiserror::Error)]
#[error(
    "job `{job}` left {left} rows in the store, which nobody is shown; try `ics-gateway job retry {job}`"
)]
struct JobFailed {
    job: String,
    left: u64,
}

/// Waits until none of these jobs is at work any more, with one progress bar on standard error.
/// A caller that is cut off meanwhile stops nothing.
///
/// # Errors
/// [`CallError`].
pub(super) async fn wait_for_all(
    client: &OperatorClient,
    jobs: &[JobView],
) -> Result<Vec<JobView>, CallError> {
    const LOOK: Duration = Duration::from_millis(200);
    let mut jobs = jobs.to_vec();
    let total = jobs.iter().map(|job| job.total).sum();
    let bar = progress(total);
    loop {
        bar.set_position(jobs.iter().map(|job| job.done).sum());
        let is_running = |job: &JobView| job.status == JobStatusName::Running;
        if !jobs.iter().any(is_running) {
            bar.finish_and_clear();
            return Ok(jobs);
        }
        tokio::time::sleep(LOOK).await;
        for job in jobs.iter_mut().filter(|job| is_running(job)) {
            *job = client.read(&format!("/jobs/{}", job.job_id)).await?;
        }
    }
}

/// How many mappings went at once and by these jobs.
pub(super) fn count_removed(at_once: usize, jobs: &[JobView]) -> String {
    let by_jobs = jobs.iter().map(|job| job.done).sum::<u64>();
    (at_once as u64).saturating_add(by_jobs).to_string()
}

fn progress(total: u64) -> ProgressBar {
    if total == 0 || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_message("removing mappings");
    ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
        .map_or(bar.clone(), |style| bar.with_style(style))
}
