//! `/ics-device-mapping/v1/{scsAsId}/subscriptions` (ICS-2): where an IoT SP takes assignments.

use ics_core::id::SubscriptionId;
use ics_core::party::Subscription;
use ics_core::service::IcsService;

use crate::exchange::{Call, Reply};
use crate::link::Target;
use crate::problem::{Cause, Problem};
use crate::translate::{patch_subscription, read_subscription, show_subscription};
use crate::wire::{SubscriptionPatch, parse_body};

pub(super) async fn create(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let terms = read_subscription(&parse_body(call.body)?)?;
    let made = service
        .create_subscription(&call.principal, &terms, call.now)
        .await?;
    let location = call.link(Target::Subscription(made.id)).to_string();
    Ok(Reply {
        status: 201,
        location: Some(location),
        ..show(call, &made)?
    })
}

/// All of them: a party has few.
pub(super) fn list(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let all = service.list_subscriptions(&call.principal, call.now)?;
    let views: Vec<_> = all
        .iter()
        .map(|s| show_subscription(s, call.link(Target::Subscription(s.id))))
        .collect();
    Reply::ok(&views)
}

pub(super) fn read(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let subscription = service.read_subscription(&call.principal, id_of(call)?, call.now)?;
    show(call, &subscription)
}

/// The features negotiated at creation stay, whatever the new representation says.
pub(super) async fn replace(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let terms = read_subscription(&parse_body(call.body)?)?;
    let input = (id_of(call)?, &terms);
    let made = service
        .replace_subscription(&call.principal, input, call.now)
        .await?;
    show(call, &made)
}

/// A merge patch over what is there now. Of two at the same moment the later one stands.
pub(super) async fn amend(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let patch = parse_body::<SubscriptionPatch>(call.body)?;
    let id = id_of(call)?;
    let before = service.read_subscription(&call.principal, id, call.now)?;
    let terms = patch_subscription(&before, &patch)?;
    let made = service
        .replace_subscription(&call.principal, (id, &terms), call.now)
        .await?;
    show(call, &made)
}

pub(super) async fn delete(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    service
        .delete_subscription(&call.principal, id_of(call)?, call.now)
        .await?;
    Ok(Reply::no_content())
}

fn show(call: &Call<'_>, subscription: &Subscription) -> Result<Reply, Problem> {
    let own = call.link(Target::Subscription(subscription.id));
    Reply::ok(&show_subscription(subscription, own))
}

/// A text that is no id names no subscription.
fn id_of(call: &Call<'_>) -> Result<SubscriptionId, Problem> {
    SubscriptionId::parse(call.id).map_err(|_| Cause::SubscriptionNotFound.into())
}
