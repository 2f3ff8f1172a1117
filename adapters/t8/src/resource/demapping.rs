//! `/ics-demapping/v1/{scsAsId}/demap` (ICS-3, ICS-4): Y.4462 10.2, by either side.

use ics_core::reference_point::{ReferencePoint, Role};
use ics_core::service::IcsService;

use crate::error::refuse_demap;
use crate::exchange::{Call, Reply};
use crate::problem::Problem;
use crate::translate::{read_demap, show_demapped};
use crate::wire::{Demap, parse_body};

/// De-maps in the name of the role whose selector it is; a token for the other point alone is
/// refused for its scope.
pub(super) async fn demap(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let body = parse_body::<Demap>(call.body)?;
    let (role, request) = read_demap(&body, (call.root, &call.principal.sp))?;
    call.point.set(match role {
        Role::ThirdPartySp => ReferencePoint::Ics3,
        Role::IotSp => ReferencePoint::Ics4,
    });
    let demapped = service
        .demap(&call.principal, (role, &request), call.now)
        .await
        .map_err(|error| refuse_demap(error, role))?;
    Reply::ok(&show_demapped(&demapped, role, |target| call.link(target)))
}
