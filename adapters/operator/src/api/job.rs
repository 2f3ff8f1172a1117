//! Jobs: what removes the rows of large de-mappings.

use std::sync::Arc;

use ics_core::id::JobId;
use ics_core::job::Job;

use super::{Caller, OperatorApi};
use crate::error::Refusal;
use crate::page::{cut_page, parse_limit, parse_token};
use crate::translate::show_job;
use crate::wire::{JobView, Page, PageQuery};

impl OperatorApi {
    pub(crate) fn list_jobs(&self, query: &PageQuery) -> Result<Page<JobView>, Refusal> {
        let limit = parse_limit(query.limit)?;
        let after: Option<JobId> = parse_token(query.page_token.as_deref())?;
        let directory = self.service().directory();
        let jobs = directory
            .jobs()
            .filter(|job| after.is_none_or(|after| after < job.id));
        let key_of = |job: &&Arc<Job>| job.id;
        Ok(cut_page(jobs, limit, (key_of, |job| show_job(job))))
    }

    pub(crate) fn show_job(&self, id: &str) -> Result<JobView, Refusal> {
        let id = JobId::parse(id).map_err(|_| Refusal::NoJob)?;
        let directory = self.service().directory();
        let job = directory.job(&id).ok_or(Refusal::NoJob)?;
        Ok(show_job(job))
    }

    /// Sends a job that failed on its way again; any other goes on as it does.
    pub(crate) async fn retry_job(&self, caller: &Caller, id: &str) -> Result<JobView, Refusal> {
        let id = JobId::parse(id).map_err(|_| Refusal::NoJob)?;
        let retried = self.service().retry_job(&id).await.map_err(Refusal::from);
        let outcome = retried.and_then(|job| job.ok_or(Refusal::NoJob));
        let job = caller.note("job.retry", &id.to_string(), outcome)?;
        Ok(show_job(&job))
    }
}
