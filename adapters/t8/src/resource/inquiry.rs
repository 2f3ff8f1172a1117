//! `/ics-inquiry/v1/retrieve-by-transaction` (ICS-7) and `retrieve-by-device` (ICS-8): custom
//! operations without scsAsId in the path, as 3gpp-ueid has them. The caller is the token's.

use ics_core::reference_point::ReferencePoint;
use ics_core::service::IcsService;

use crate::api::T8Api;
use crate::error::refuse_inquiry;
use crate::exchange::{Call, Reply};
use crate::problem::Problem;
use crate::translate::{
    read_device_inquiry, read_resolution, read_transaction_inquiry, show_device_answer,
    show_transaction_answer,
};
use crate::wire::{ResolutionView, parse_body};

/// Y.4462 10.3 case 2.
pub(super) async fn by_transaction(
    service: &IcsService,
    call: &Call<'_>,
) -> Result<Reply, Problem> {
    let key = read_transaction_inquiry(&parse_body(call.body)?)?;
    let answer = service
        .inquire_by_transaction(&call.principal, &key, call.now)
        .await
        .map_err(|error| refuse_inquiry(error, ReferencePoint::Ics7))?;
    Reply::ok(&show_transaction_answer(&key, &answer))
}

/// Y.4462 10.3 case 1.
pub(super) async fn by_device(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let (device_id, service_uri) = read_device_inquiry(&parse_body(call.body)?, service.schemes())?;
    let answer = service
        .inquire_by_device(
            &call.principal,
            (&device_id, service_uri.as_ref()),
            call.now,
        )
        .await
        .map_err(|error| refuse_inquiry(error, ReferencePoint::Ics8))?;
    Reply::ok(&show_device_answer(&device_id, &answer))
}

/// Y25: the IoT SP alone finds the device behind what a third party sees. It walks over all rows of the
/// caller: no more of them at a time than of inquiries in bulk.
pub(super) async fn resolve_device(api: &T8Api, call: &Call<'_>) -> Result<Reply, Problem> {
    let service: &IcsService = &api.service;
    let _place = api
        .bulks
        .take(&call.principal.sp)
        .ok_or_else(Problem::busy)?;
    let (third_party, shown) = read_resolution(&parse_body(call.body)?, service.schemes())?;
    let device_id = service
        .resolve_device(&call.principal, (&third_party, &shown), call.now)
        .await
        .map_err(|error| refuse_inquiry(error, ReferencePoint::Ics8))?;
    Reply::ok(&ResolutionView {
        device_id: device_id.as_str(),
        third_party_sp_id: third_party.as_str(),
    })
}
