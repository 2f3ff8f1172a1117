//! The gateway's CSE at the platform.

use super::{Answer, Api, answer, answer_done};
use crate::api::Caller;
use crate::driver::refusal::{NoCertificate, NoPlatform, Platform};
use crate::wire::RegistrationView;

/// Show how the gateway's CSE stands with the platform
#[utoipa::path(
    get, path = "/operator/v1/onem2m/registration", tag = "oneM2M", operation_id = "showRegistration",
    responses(
        (status = 200, description = "What is wanted, what the platform said last", body = RegistrationView),
        NoCertificate, NoPlatform,
    )
)]
pub(crate) async fn show_registration(api: Api) -> Answer {
    answer(api.show_registration())
}

/// Register the gateway's CSE at the platform
///
/// From then on the registration is kept alive, over restarts of both. Doing it again renews it.
#[utoipa::path(
    post, path = "/operator/v1/onem2m/attach", tag = "oneM2M", operation_id = "attachCse",
    responses(
        (status = 200, description = "It is registered", body = RegistrationView),
        NoCertificate, NoPlatform, Platform,
    )
)]
pub(crate) async fn attach_cse(api: Api, caller: Caller) -> Answer {
    answer_done(async move { api.attach(&caller).await }).await
}

/// End the registration of the gateway's CSE at the platform
///
/// Nothing of it is left there. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/operator/v1/onem2m/detach", tag = "oneM2M", operation_id = "detachCse",
    responses(
        (status = 200, description = "It is not registered", body = RegistrationView),
        NoCertificate, NoPlatform, Platform,
    )
)]
pub(crate) async fn detach_cse(api: Api, caller: Caller) -> Answer {
    answer_done(async move { api.detach(&caller).await }).await
}
