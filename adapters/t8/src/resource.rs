//! What each resource does: read the body, call the service, show the answer. A file each.

mod assignments;
pub(crate) mod bulk;
mod demapping;
mod devices;
pub(crate) mod discovery;
mod inquiry;
mod mappings;
mod profile;
mod subscriptions;

use ics_core::service::IcsService;

use crate::api::T8Api;
use crate::exchange::{Call, Reply};
use crate::operation::Operation;
use crate::problem::{Cause, Problem};

/// Runs an operation. All but the inquiries are boxed, so that those stay small.
pub(crate) async fn dispatch(
    operation: Operation,
    api: &T8Api,
    call: &Call<'_>,
) -> Result<Reply, Problem> {
    let service: &IcsService = &api.service;
    match operation {
        Operation::InquireByTransaction => inquiry::by_transaction(service, call).await,
        Operation::InquireByDevice => inquiry::by_device(service, call).await,
        Operation::ResolveDevice => Box::pin(inquiry::resolve_device(api, call)).await,
        Operation::CreateMapping => Box::pin(mappings::create(service, call)).await,
        Operation::ListMappings => Box::pin(mappings::list(service, call)).await,
        Operation::ReadMapping => Box::pin(mappings::read(service, call)).await,
        Operation::AmendMapping => Box::pin(mappings::amend(service, call)).await,
        Operation::CancelMapping => Box::pin(mappings::cancel(service, call)).await,
        Operation::CreateSubscription => Box::pin(subscriptions::create(service, call)).await,
        Operation::ListSubscriptions => subscriptions::list(service, call),
        Operation::ReadSubscription => subscriptions::read(service, call),
        Operation::ReplaceSubscription => Box::pin(subscriptions::replace(service, call)).await,
        Operation::AmendSubscription => Box::pin(subscriptions::amend(service, call)).await,
        Operation::DeleteSubscription => Box::pin(subscriptions::delete(service, call)).await,
        Operation::ListAssignments => Box::pin(assignments::list(service, call)).await,
        Operation::ReadAssignment => Box::pin(assignments::read(service, call)).await,
        Operation::AnswerAssignment => Box::pin(assignments::answer(service, call)).await,
        Operation::Demap => Box::pin(demapping::demap(service, call)).await,
        Operation::ReadJob => demapping::read_job(service, call),
        Operation::RegisterDevice => Box::pin(devices::register(service, call)).await,
        Operation::ListDevices => Box::pin(devices::list(service, call)).await,
        Operation::ReadDevice => Box::pin(devices::read(service, call)).await,
        Operation::AmendDevice => Box::pin(devices::amend(service, call)).await,
        Operation::MintPairingCode => Box::pin(devices::mint_pairing_code(service, call)).await,
        Operation::UnregisterDevice => Box::pin(devices::unregister(service, call)).await,
        Operation::AddCredential => Box::pin(devices::add_credential(service, call)).await,
        Operation::RevokeCredential => Box::pin(devices::revoke_credential(service, call)).await,
        Operation::ReadProfile => profile::read(service, call),
        Operation::ProveService => Box::pin(profile::prove_service(api, call)).await,
        // Answered line by line, as [`bulk`] goes; by a connection; or shown to whoever has a
        // certificate, before there is a call.
        Operation::InquireInBulk
        | Operation::RegisterDevicesInBulk
        | Operation::ListenToMappings
        | Operation::ListenToAssignments
        | Operation::Discover
        | Operation::ReadDocument => Err(Cause::SystemFailure.into()),
    }
}
