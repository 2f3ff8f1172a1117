//! `/ics-device-mapping/v1/{scsAsId}/assignments` (ICS-2): Y.4462 10.1 steps 3 and 7, for the IoT
//! SP a row was routed to and for no other.

use ics_core::mapping::MappingStatus;
use ics_core::service::IcsService;

use super::mappings::{id_of, page_of};
use crate::exchange::{Call, Reply};
use crate::link::Target;
use crate::problem::{Cause, Problem};
use crate::translate::{read_answer, show_assignment};
use crate::wire::parse_body;

/// A page of the live rows routed to the caller: pull mode, and recovery after an outage.
pub(super) async fn list(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let page = page_of(call)?;
    let status = page.status.as_deref().map(parse_live_status).transpose()?;
    let filter = (status, page.after.as_ref(), page.limit);
    let (rows, next) = service
        .list_assignments(&call.principal, filter, call.now)
        .await?;
    let views: Vec<_> = rows
        .iter()
        .map(|open| {
            let own = call.link(Target::Assignment(open.mapping.id));
            show_assignment(&open.mapping, Some(open), own)
        })
        .collect();
    let list = call.link(Target::Assignments);
    let next = next.map(|cursor| format!("{list}?{}", page.next("status", &cursor)));
    Ok(Reply {
        next,
        ..Reply::ok(&views)?
    })
}

/// One assignment. Reading it means "taken over": the push stops (t8 A.2).
pub(super) async fn read(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let open = service
        .take_over_assignment(&call.principal, id_of(call)?, call.now)
        .await?;
    let own = call.link(Target::Assignment(open.mapping.id));
    Reply::ok(&show_assignment(&open.mapping, Some(&open), own))
}

/// Step 7; the answer is step 9 towards the IoT SP.
pub(super) async fn answer(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let answer = read_answer(&parse_body(call.body)?, service.schemes())?;
    let input = (id_of(call)?, &answer);
    let row = service
        .answer_assignment(&call.principal, input, call.now)
        .await?;
    Reply::ok(&show_assignment(
        &row,
        None,
        call.link(Target::Assignment(row.id)),
    ))
}

fn parse_live_status(text: &str) -> Result<MappingStatus, Problem> {
    let live = |status: &MappingStatus| {
        matches!(status, MappingStatus::Pending | MappingStatus::Established)
    };
    MappingStatus::parse(text).filter(live).ok_or_else(|| {
        Problem::from(Cause::OptionalIeIncorrect).at("status", "must be PENDING or ESTABLISHED")
    })
}
