//! `/ics-mapping/v1/{scsAsId}/mappings` (ICS-1): Y.4462 10.1 steps 1 and 2, and what a third
//! party SP may do with a row while it waits.

use ics_core::id::MappingId;
use ics_core::mapping::{Mapping, MappingStatus};
use ics_core::service::{IcsService, MappingError};

use crate::exchange::{Call, Reply};
use crate::link::Target;
use crate::problem::{Cause, Problem};
use crate::query::PageQuery;
use crate::translate::{read_amendment, read_request, show_mapping};
use crate::wire::{IdentityMappingPatch, parse_body};

/// 201 for a new row, 200 for one that the same request made before; `Location` on both.
pub(super) async fn create(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let request = read_request(&parse_body(call.body)?)?;
    let (row, is_new) = service
        .request_mapping(&call.principal, &request, call.now)
        .await?;
    let reply = show(call, &row)?;
    let location = call.link(Target::Mapping(row.id)).to_string();
    Ok(Reply {
        status: if is_new { 201 } else { 200 },
        location: Some(location),
        ..reply
    })
}

/// A page of the caller's rows, oldest first, tombstones included.
pub(super) async fn list(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let page = page_of(call)?;
    let status = page
        .status
        .as_deref()
        .map(|text| MappingStatus::parse(text).ok_or_else(unknown_status));
    let filter = (status.transpose()?, page.after.as_ref(), page.limit);
    let (rows, next) = service
        .list_mappings(&call.principal, filter, call.now)
        .await?;
    let views: Vec<_> = rows
        .iter()
        .map(|row| show_mapping(row, call.link(Target::Mapping(row.id))))
        .collect();
    let list = call.link(Target::Mappings);
    let next = next.map(|cursor| format!("{list}?{}", page.next("mapping-status", &cursor)));
    Ok(Reply {
        next,
        ..Reply::ok(&views)?
    })
}

pub(super) async fn read(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let row = service
        .read_mapping(&call.principal, id_of(call)?, call.now)
        .await?;
    show(call, &row)
}

/// A merge patch. A patch that changes nothing is answered with the row as it is.
pub(super) async fn amend(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let patch = parse_body::<IdentityMappingPatch>(call.body)?;
    let amendment = read_amendment(&patch, service.knobs().pending_default)?;
    let id = id_of(call)?;
    let Some(amendment) = amendment else {
        return read(service, call).await;
    };
    let amended = service
        .amend_mapping(&call.principal, (id, &amendment), call.now)
        .await;
    let row = amended.map_err(|error| match error {
        // t8 A.1: while PENDING; else MODIFICATION_NOT_ALLOWED.
        MappingError::NotPending => Cause::ModificationNotAllowed.into(),
        other => Problem::from(other),
    })?;
    show(call, &row)
}

/// Cancels a pending request; an established row goes by ICS-3 alone.
pub(super) async fn cancel(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    service
        .cancel_mapping(&call.principal, id_of(call)?, call.now)
        .await?;
    Ok(Reply::no_content())
}

fn show(call: &Call<'_>, row: &Mapping) -> Result<Reply, Problem> {
    Reply::ok(&show_mapping(row, call.link(Target::Mapping(row.id))))
}

/// A text that is no id names no row.
pub(super) fn id_of(call: &Call<'_>) -> Result<MappingId, Problem> {
    MappingId::parse(call.id).map_err(|_| Cause::MappingNotFound.into())
}

pub(super) fn page_of<'a>(call: &'a Call<'_>) -> Result<&'a PageQuery, Problem> {
    call.page
        .as_ref()
        .ok_or_else(|| Cause::SystemFailure.into())
}

fn unknown_status() -> Problem {
    Problem::from(Cause::OptionalIeIncorrect).at(
        "mapping-status",
        "must be PENDING, ESTABLISHED, FAILED or DELETED",
    )
}
