//! `/ics-access/v1/{scsAsId}` (ICS-5, ICS-6): what the operator granted the caller, and proving that a
//! service is its own.

use ics_core::service::IcsService;

use crate::api::T8Api;
use crate::error::refuse_profile;
use crate::exchange::{Call, Reply};
use crate::link::Target;
use crate::problem::{Cause, Problem};
use crate::translate::{read_service_proof, show_profile};
use crate::wire::{ServiceProofView, parse_body};

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

/// X3: what is served at the service, where it is looked up by the name in its URI, shows whose it is.
pub(super) async fn prove_service(api: &T8Api, call: &Call<'_>) -> Result<Reply, Problem> {
    let prefix = read_service_proof(&parse_body(call.body)?)?;
    let service = &api.service;
    if let Some(claim) = service.read_claim(&call.principal, &prefix, call.now)? {
        let reader = api.challenges.as_ref().ok_or(Cause::SystemFailure)?;
        let url = claim
            .prefix
            .challenge_url()
            .ok_or(Cause::ChallengeNotRead)?;
        let served = reader.read(&url).await.ok_or(Cause::ChallengeNotRead)?;
        let shown = (&prefix, served.as_slice());
        service
            .settle_claim(&call.principal, shown, call.now)
            .await?;
    }
    Reply::ok(&ServiceProofView {
        service: prefix.as_str(),
        status: "PROVEN",
    })
}
