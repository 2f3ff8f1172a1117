//! `/ics-device/v1/{scsAsId}/devices` (ICS-2): the devices the gateway hosts for the caller.
//! A device ID stands in these paths (it is minted here and names nothing outside); our logs have
//! the pattern of a path, never the path.

use ics_core::device::CredentialId;
use ics_core::id::DeviceId;
use ics_core::port::Cursor;
use ics_core::service::{DeviceError, IcsService, Manager};

use super::mappings::page_of;
use crate::error::refuse_device;
use crate::exchange::{Call, Reply};
use crate::link::Target;
use crate::problem::{Cause, Problem};
use crate::translate::{
    Beside, read_credential, read_device_patch, read_pairing_order, read_registration,
    show_credential, show_device,
};
use crate::wire::{DevicePatch, PairingView, Shown, parse_body};

/// 201, with the secrets of its credentials: told this once.
pub(crate) async fn register(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let terms = read_registration(&parse_body(call.body)?)?;
    let made = service
        .register_device(Manager::Party(&call.principal), &terms, call.now)
        .await
        .map_err(|error| refuse_device(error, "/credentials"))?;
    let beside = Beside {
        serial: None,
        issued: &made.credentials,
    };
    Ok(Reply {
        status: 201,
        location: Some(call.link(Target::Device(&made.device.id)).to_string()),
        ..Reply::ok(&show_device(&made.device, beside, |to| call.link(to)))?
    })
}

/// A page of the caller's devices, by device ID, without their serial numbers.
pub(super) async fn list(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let page = page_of(call)?;
    let after = page.after.as_ref().map(parse_cursor).transpose()?;
    // One more, to know whether there is another page.
    let range = (after.as_ref(), page.limit.saturating_add(1));
    let mut devices = service
        .list_devices(Manager::Party(&call.principal), range, call.now)
        .await
        .map_err(refuse)?;
    let is_last = devices.len() <= page.limit;
    devices.truncate(page.limit);
    let last = devices.last().filter(|_| !is_last);
    let cursor = last.map(|device| Cursor(device.id.as_str().into()));
    let list = call.link(Target::Devices);
    let views: Vec<_> = devices
        .iter()
        .map(|device| show_device(device, Beside::default(), |to| call.link(to)))
        .collect();
    Ok(Reply {
        next: cursor.map(|cursor| format!("{list}?{}", page.next("", &cursor))),
        ..Reply::ok(&views)?
    })
}

/// One device of the caller, with the serial number the caller registered it under.
pub(super) async fn read(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let device = service
        .read_device(Manager::Party(&call.principal), &id_of(call)?, call.now)
        .await
        .map_err(refuse)?;
    let serial = service.open_device_serial(&device)?;
    let beside = Beside {
        serial: Some(&serial),
        issued: &[],
    };
    Reply::ok(&show_device(&device, beside, |to| call.link(to)))
}

/// A merge patch. One that changes nothing is answered with the device as it is.
pub(super) async fn amend(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    let amendment = read_device_patch(&parse_body::<DevicePatch>(call.body)?)?;
    let (manager, id) = (Manager::Party(&call.principal), id_of(call)?);
    let amended = service.amend_device(manager, (&id, &amendment), call.now);
    let device = amended.await.map_err(refuse)?;
    let serial = service.open_device_serial(&device)?;
    let beside = Beside {
        serial: Some(&serial),
        issued: &[],
    };
    Reply::ok(&show_device(&device, beside, |to| call.link(to)))
}

/// 201 with a one-time pairing code: told this once, and no resource of its own.
pub(super) async fn mint_pairing_code(
    service: &IcsService,
    call: &Call<'_>,
) -> Result<Reply, Problem> {
    let validity = read_pairing_order(&parse_body(call.body)?);
    let (manager, id) = (Manager::Party(&call.principal), id_of(call)?);
    let minted = service.mint_pairing_code(manager, (&id, validity), call.now);
    let (code, not_after) = minted.await.map_err(|error| match error {
        DeviceError::ValidityOutOfRange => Problem::from(Cause::OptionalIeIncorrect)
            .at("/validity", "must be 60 to 2592000 seconds"),
        other => refuse(other),
    })?;
    let view = PairingView {
        pairing_code: code.to_shown(),
        not_after: Shown(not_after),
    };
    Ok(Reply {
        status: 201,
        ..Reply::ok(&view)?
    })
}

/// Gives the device up; like a cancelled mapping it can still be looked at for a while.
pub(super) async fn unregister(service: &IcsService, call: &Call<'_>) -> Result<Reply, Problem> {
    service
        .unregister_device(Manager::Party(&call.principal), &id_of(call)?, call.now)
        .await
        .map_err(refuse)?;
    Ok(Reply::no_content())
}

/// 201 with one more credential and its secret: told this once.
pub(super) async fn add_credential(
    service: &IcsService,
    call: &Call<'_>,
) -> Result<Reply, Problem> {
    let order = read_credential(&parse_body(call.body)?)?;
    let id = id_of(call)?;
    let made = service
        .add_credential(Manager::Party(&call.principal), (&id, &order), call.now)
        .await
        .map_err(|error| refuse_device(error, ""))?;
    let issued = made.credentials.first().ok_or(Cause::SystemFailure)?.id();
    let credential = made.device.credential(issued).ok_or(Cause::SystemFailure)?;
    let view = show_credential((&id, credential), &made.credentials, |to| call.link(to));
    Ok(Reply {
        status: 201,
        location: Some(call.link(Target::Credential(&id, issued)).to_string()),
        ..Reply::ok(&view)?
    })
}

/// Revokes it; it is still listed, as revoked.
pub(super) async fn revoke_credential(
    service: &IcsService,
    call: &Call<'_>,
) -> Result<Reply, Problem> {
    let id = id_of(call).map_err(|_| Cause::CredentialNotFound)?;
    let name = (&id, credential_of(call)?);
    let revoked = service.revoke_credential(Manager::Party(&call.principal), name, call.now);
    revoked.await.map_err(|error| match error {
        // The device or the credential: neither is told apart.
        DeviceError::NotFound => Cause::CredentialNotFound.into(),
        other => refuse(other),
    })?;
    Ok(Reply::no_content())
}

fn refuse(error: DeviceError) -> Problem {
    refuse_device(error, "")
}

/// A text that is no id names no device.
fn id_of(call: &Call<'_>) -> Result<DeviceId, Problem> {
    DeviceId::parse(call.id).map_err(|_| Cause::DeviceNotFound.into())
}

fn credential_of(call: &Call<'_>) -> Result<CredentialId, Problem> {
    let number = call.part.parse::<u32>().ok();
    let number = number.filter(|number| number.to_string() == call.part);
    number
        .map(CredentialId)
        .ok_or_else(|| Cause::CredentialNotFound.into())
}

fn parse_cursor(cursor: &Cursor) -> Result<DeviceId, Problem> {
    let text = std::str::from_utf8(&cursor.0).ok();
    let id = text.and_then(|text| DeviceId::parse(text).ok());
    id.ok_or_else(|| {
        Problem::from(Cause::OptionalIeIncorrect).at("page-token", "is none that was given out")
    })
}
