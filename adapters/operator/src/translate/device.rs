//! Hosted devices.

use std::time::Duration;

use ics_core::device::{
    Channel, Channels, CredentialKind, DeviceCredential, DeviceStatus, HostedDevice,
};
use ics_core::id::{DeviceId, DeviceSerialNumber};
use ics_core::mapping::Attribute;
use ics_core::service::{ChosenPassword, DeviceTerms, IssuedCredential, NewCredential};
use ics_core::time::Timestamp;

use super::Faults;
use crate::error::Refusal;
use crate::wire::{
    ChannelName, CredentialKindName, DeviceCredentialView, DeviceDocumentView, DeviceStatusName,
    DeviceView, NewCredential as Order, NewDevice, NewPairingCode,
};

/// How long a credential holds when the request does not say.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(365 * 86_400);

/// How long a pairing code holds when the request does not say.
const DEFAULT_PAIRING: Duration = Duration::from_secs(900);

/// A device as it is to be hosted.
pub(crate) fn device_terms(new: &NewDevice) -> Result<DeviceTerms, Refusal> {
    let mut faults = Faults::default();
    let serial = DeviceSerialNumber::parse(&new.device_serial_number);
    let serial = faults.take("/deviceSerialNumber", serial);
    let mut attribute = |param, text: Option<&String>| {
        text.and_then(|text| faults.take(param, Attribute::parse(text)))
    };
    let vendor = attribute("/deviceVendor", new.device_vendor.as_ref());
    let model = attribute("/deviceModel", new.device_model.as_ref());
    let owner = attribute("/ownerSubject", new.owner_subject.as_ref());
    if new.channels.is_empty() {
        faults.add("/channels", "must have at least one entry");
    }
    if !(1..=HostedDevice::MOST_CREDENTIALS).contains(&new.credentials.len()) {
        faults.add("/credentials", "must have 1 to 8 entries");
    }
    let mut credentials = Vec::with_capacity(new.credentials.len());
    for (n, order) in new.credentials.iter().enumerate() {
        credentials.extend(take_order(order, &format!("/credentials/{n}"), &mut faults));
    }
    let Some(serial) = serial else {
        return Err(faults.refuse());
    };
    faults.check()?;
    Ok(DeviceTerms {
        serial,
        vendor,
        model,
        owner,
        channels: new
            .channels
            .iter()
            .copied()
            .map(channel_of)
            .collect::<Channels>(),
        credentials,
    })
}

/// A credential as it is to be made.
pub(crate) fn credential_order(order: &Order) -> Result<NewCredential, Refusal> {
    let mut faults = Faults::default();
    let taken = take_order(order, "", &mut faults);
    taken.ok_or_else(|| faults.refuse())
}

fn take_order(order: &Order, place: &str, faults: &mut Faults) -> Option<NewCredential> {
    let (validity, kind) = match (&order.certificate, &order.password, &order.psk) {
        (Some(order), None, None) => (order.validity, "certificate"),
        (None, Some(order), None) => (order.validity, "password"),
        (None, None, Some(order)) => (order.validity, "psk"),
        _ => {
            faults.add(
                place,
                "must have exactly one of `certificate`, `password` and `psk`",
            );
            return None;
        }
    };
    let validity = validity.map_or(DEFAULT_VALIDITY, |seconds| {
        Duration::from_secs(seconds.into())
    });
    if validity.is_zero() || validity > DeviceTerms::LONGEST_VALIDITY {
        let place = format!("{place}/{kind}/validity");
        faults.add(place, "must be 1 to 316224000 seconds");
        return None;
    }
    if let Some(order) = &order.certificate {
        return Some(NewCredential::Certificate {
            request: order.request.clone(),
            validity,
        });
    }
    let Some(password) = &order.password else {
        return Some(NewCredential::PreSharedKey { validity });
    };
    let value = password.value.as_deref();
    let chosen = value.map(ChosenPassword::parse).transpose();
    let Ok(chosen) = chosen else {
        let place = format!("{place}/password/value");
        faults.add(
            place,
            "must have 12 to 128 bytes, and no control characters",
        );
        return None;
    };
    Some(NewCredential::Password { chosen, validity })
}

/// How long a pairing code shall hold.
pub(crate) fn pairing_validity(new: NewPairingCode) -> Result<Duration, Refusal> {
    let validity = new.validity.map_or(DEFAULT_PAIRING, |seconds| {
        Duration::from_secs(seconds.into())
    });
    let mut faults = Faults::default();
    if !DeviceTerms::PAIRING_VALIDITY.contains(&validity) {
        faults.add("/validity", "must be 60 to 2592000 seconds");
    }
    faults.check()?;
    Ok(validity)
}

const fn channel_of(name: ChannelName) -> Channel {
    match name {
        ChannelName::Mqtt => Channel::Mqtt,
        ChannelName::Coap => Channel::Coap,
        ChannelName::Onem2m => Channel::OneM2m,
    }
}

const fn name_of(channel: Channel) -> ChannelName {
    match channel {
        Channel::Mqtt => ChannelName::Mqtt,
        Channel::Coap => ChannelName::Coap,
        Channel::OneM2m => ChannelName::Onem2m,
    }
}

/// The id of a device in a path: what is none names none.
pub(crate) fn parse_device(text: &str) -> Result<DeviceId, Refusal> {
    DeviceId::parse(text).map_err(|_| Refusal::NoDevice)
}

/// A device as the operator sees it, with the secrets of credentials just made.
pub(crate) fn show_device(device: &HostedDevice, issued: &[IssuedCredential]) -> DeviceView {
    let text = |attribute: &Option<Attribute>| attribute.as_ref().map(|a| a.as_str().to_owned());
    let rows = device.document.rows.iter();
    let credentials = device.credentials.iter();
    DeviceView {
        device_id: device.id.as_str().into(),
        sp_id: device.iot_sp.to_string(),
        device_vendor: text(&device.vendor),
        device_model: text(&device.model),
        owner_subject: text(&device.owner),
        channels: device.channels.iter().map(name_of).collect(),
        status: match device.status {
            DeviceStatus::Active => DeviceStatusName::Active,
            DeviceStatus::Unregistering { .. } => DeviceStatusName::Unregistering,
        },
        expiry: device.due().map(Timestamp::to_rfc3339),
        document: DeviceDocumentView {
            version: device.document.version,
            acknowledged: device.document.acknowledged,
            mapping_ids: rows.map(ToString::to_string).collect(),
        },
        credentials: credentials
            .map(|credential| show_credential(credential, issued))
            .collect(),
        create_time: device.created.to_rfc3339(),
        update_time: device.updated.to_rfc3339(),
    }
}

/// A credential as the operator sees it; its secret, if it is one of those just made.
pub(crate) fn show_credential(
    credential: &DeviceCredential,
    issued: &[IssuedCredential],
) -> DeviceCredentialView {
    let made = issued.iter().find(|made| made.id() == credential.id);
    let mut view = DeviceCredentialView {
        credential_id: credential.id.to_string(),
        kind: match credential.kind {
            CredentialKind::Certificate(_) => CredentialKindName::Certificate,
            CredentialKind::Password(_) | CredentialKind::ChosenPassword(_) => {
                CredentialKindName::Password
            }
            CredentialKind::PreSharedKey(_) => CredentialKindName::Psk,
        },
        not_before: credential.not_before.to_rfc3339(),
        not_after: credential.not_after.to_rfc3339(),
        revoke_time: credential.revoked.map(Timestamp::to_rfc3339),
        certificate: None,
        password: None,
        psk_identity: None,
        psk: None,
    };
    match made {
        Some(IssuedCredential::Certificate(_, issued)) => {
            view.certificate = Some(issued.pem.clone());
        }
        Some(IssuedCredential::Password(_, password)) => view.password = Some(password.clone()),
        Some(IssuedCredential::PreSharedKey(identity, key)) => {
            view.psk_identity = Some(identity.to_shown());
            view.psk = Some(key.to_shown());
        }
        Some(IssuedCredential::Chosen(_)) | None => {}
    }
    view
}
