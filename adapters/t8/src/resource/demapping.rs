//! `/ics-demapping/v1/{scsAsId}/demap` and `/jobs/{jobId}` (ICS-3, ICS-4): Y.4462 10.2, by either
//! side.

use ics_core::id::JobId;
use ics_core::reference_point::{ReferencePoint, Role};
use ics_core::service::{DemapOutcome, IcsService};

use crate::error::refuse_demap;
use crate::exchange::{Call, Reply};
use crate::link::Target;
use crate::problem::{Cause, Problem};
use crate::translate::{read_demap, show_demapped, show_job};
use crate::wire::{Demap, parse_body};

/// De-maps in the name of the role whose selector it is; a token for the other point alone is
/// refused for its scope.
pub(super) async fn demap(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let body = parse_body::<Demap>(call.body)?;
    let (role, request) = read_demap(&body, (call.root, &call.principal.sp), service.schemes())?;
    call.point.set(match role {
        Role::ThirdPartySp => ReferencePoint::Ics3,
        Role::IotSp => ReferencePoint::Ics4,
    });
    let demapped = service
        .demap(&call.principal, (role, &request), call.now)
        .await
        .map_err(|error| refuse_demap(error, role))?;
    match demapped {
        DemapOutcome::Removed(demapped) => {
            Reply::ok(&show_demapped(&demapped, role, |target| call.link(target)))
        }
        // The rows are gone; what is left is housework.
        DemapOutcome::Started(job) => Ok(Reply {
            status: 202,
            location: Some(call.link(Target::Job(job.id)).to_string()),
            ..Reply::ok(&show_job(&job))?
        }),
    }
}

/// A job of the caller. A text that is no id names no job.
pub(super) fn read_job(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let id = JobId::parse(call.id).map_err(|_| Cause::JobNotFound)?;
    let (job, point) = service.read_job(&call.principal, &id, call.now)?;
    call.point.set(point);
    Reply::ok(&show_job(&job))
}
