//! `/ics-access/v1/{scsAsId}/profile` (ICS-5, ICS-6): what the operator granted the caller.

use ics_core::service::IcsService;

use crate::error::refuse_profile;
use crate::exchange::{Call, Reply};
use crate::link::Target;
use crate::problem::Problem;
use crate::translate::show_profile;

pub(super) fn read(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let point = call.point.get();
    let profile = service
        .read_profile(&call.principal, point, call.now)
        .map_err(|error| refuse_profile(error, point))?;
    Reply::ok(&show_profile(
        &profile,
        call.link(Target::Profile),
        call.now,
    ))
}
