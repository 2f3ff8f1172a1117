//! Hosted devices.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::refusal::{
    BodyNotRead, BodyNotValid, DeviceNotTaken, NoAuthority, NoCertificate, NoCredential, NoDevice,
    NoHost, QueryNotValid, Unconfirmed, Unregistering,
};
use super::request::{Body, Params};
use super::{Answer, Api, answer, answer_created, answer_done, complete};
use crate::api::Caller;
use crate::wire::{
    Confirmation, DeviceCredentialView, DeviceView, NewCredential, NewDevice, NewPairingCode, Page,
    PageQuery, PairingCodeView,
};

/// List the devices hosted for an IoT service provider
#[utoipa::path(
    get, path = "/operator/v1/sps/{id}/devices", tag = "Devices", operation_id = "listDevices",
    params(("id" = String, Path, description = "Id of the IoT SP"), PageQuery),
    responses(
        (status = 200, description = "A page, by device ID", body = Page<DeviceView>),
        QueryNotValid, NoCertificate, NoHost,
    )
)]
pub(crate) async fn list_devices(api: Api, id: Path<String>, query: Params<PageQuery>) -> Answer {
    answer(api.list_devices(&id, &query.0).await)
}

/// Host a device for an IoT service provider
///
/// Mappings that wait for its serial number are offered to it. The answer alone tells the secrets
/// of its credentials.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/devices", tag = "Devices", operation_id = "registerDevice",
    params(("id" = String, Path, description = "Id of the IoT SP")),
    request_body = NewDevice,
    responses(
        (status = 201, description = "Hosted", body = DeviceView, headers(("Location" = String))),
        BodyNotValid, BodyNotRead, NoCertificate, NoHost, DeviceNotTaken, NoAuthority,
    )
)]
pub(crate) async fn register_device(
    api: Api,
    caller: Caller,
    id: Path<String>,
    new: Body<NewDevice>,
) -> Answer {
    let act = async move { api.register_device(&caller, &id, &new.0).await };
    answer_created(act, |device| {
        format!(
            "/operator/v1/sps/{}/devices/{}",
            device.sp_id, device.device_id
        )
    })
    .await
}

/// Show a hosted device
#[utoipa::path(
    get, path = "/operator/v1/sps/{id}/devices/{device}", tag = "Devices", operation_id = "showDevice",
    params(
        ("id" = String, Path, description = "Id of the IoT SP"),
        ("device" = String, Path, description = "Device ID"),
    ),
    responses(
        (status = 200, description = "The device, without its serial number", body = DeviceView),
        NoCertificate, NoDevice,
    )
)]
pub(crate) async fn show_device(api: Api, path: Path<(String, String)>) -> Answer {
    let (id, device) = path.into_inner();
    answer(api.show_device(&id, &device).await)
}

/// Give a hosted device up for good
///
/// Its mappings are de-mapped and both sides told; its ID is dead. The device may still fetch and
/// acknowledge its empty document. Doing it twice does no harm.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/devices/{device}/unregister", tag = "Devices", operation_id = "unregisterDevice",
    params(
        ("id" = String, Path, description = "Id of the IoT SP"),
        ("device" = String, Path, description = "Device ID"),
    ),
    request_body = Confirmation,
    responses(
        (status = 200, description = "Unregistering", body = DeviceView),
        BodyNotValid, BodyNotRead, NoCertificate, NoDevice, Unconfirmed,
    )
)]
pub(crate) async fn unregister_device(
    api: Api,
    caller: Caller,
    path: Path<(String, String)>,
    confirmation: Body<Confirmation>,
) -> Answer {
    let (id, device) = path.into_inner();
    answer_done(async move {
        api.unregister_device(&caller, (&id, &device), confirmation.0)
            .await
    })
    .await
}

/// Give a hosted device one more credential
///
/// Those it has go on to hold. The answer alone tells its secret.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/devices/{device}/credentials", tag = "Devices", operation_id = "addDeviceCredential",
    params(
        ("id" = String, Path, description = "Id of the IoT SP"),
        ("device" = String, Path, description = "Device ID"),
    ),
    request_body = NewCredential,
    responses(
        (status = 201, description = "Made", body = DeviceCredentialView),
        BodyNotValid, BodyNotRead, NoCertificate, NoDevice, Unregistering, NoAuthority,
    )
)]
pub(crate) async fn add_device_credential(
    api: Api,
    caller: Caller,
    path: Path<(String, String)>,
    order: Body<NewCredential>,
) -> Answer {
    let (id, device) = path.into_inner();
    let act = async move { api.add_credential(&caller, (&id, &device), &order.0).await };
    Ok(HttpResponse::Created().json(complete(act).await?))
}

/// Mint a one-time pairing code of a hosted device
///
/// Whoever types it into a third party's application has the device at hand: a mapping request that
/// carries it uses it up. The answer alone tells it; of more than four that wait the oldest goes.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/devices/{device}/pairing-codes", tag = "Devices", operation_id = "mintPairingCode",
    params(
        ("id" = String, Path, description = "Id of the IoT SP"),
        ("device" = String, Path, description = "Device ID"),
    ),
    request_body = NewPairingCode,
    responses(
        (status = 201, description = "Minted", body = PairingCodeView),
        BodyNotValid, BodyNotRead, NoCertificate, NoDevice, Unregistering,
    )
)]
pub(crate) async fn mint_pairing_code(
    api: Api,
    caller: Caller,
    path: Path<(String, String)>,
    new: Body<NewPairingCode>,
) -> Answer {
    let (id, device) = path.into_inner();
    let act = async move { api.mint_pairing_code(&caller, (&id, &device), new.0).await };
    Ok(HttpResponse::Created().json(complete(act).await?))
}

/// Revoke a credential of a hosted device
///
/// A session under it is closed. Revoking twice does no harm.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/devices/{device}/credentials/{credential}/revoke", tag = "Devices", operation_id = "revokeDeviceCredential",
    params(
        ("id" = String, Path, description = "Id of the IoT SP"),
        ("device" = String, Path, description = "Device ID"),
        ("credential" = String, Path, description = "Id of the credential"),
    ),
    responses(
        (status = 200, description = "Revoked", body = DeviceView),
        NoCertificate, NoCredential,
    )
)]
pub(crate) async fn revoke_device_credential(
    api: Api,
    caller: Caller,
    path: Path<(String, String, String)>,
) -> Answer {
    let (id, device, credential) = path.into_inner();
    answer_done(async move {
        api.revoke_credential(&caller, (&id, &device, &credential))
            .await
    })
    .await
}
