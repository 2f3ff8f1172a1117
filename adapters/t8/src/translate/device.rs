//! `ics-device`: registrations, credentials, and a hosted device as its IoT SP sees it.

use core::time::Duration;

use ics_core::device::{
    Channel, Channels, CredentialKind, DeviceCredential, DeviceStatus, HostedDevice,
};
use ics_core::id::{DeviceId, DeviceSerialNumber};
use ics_core::mapping::Attribute;
use ics_core::service::{
    ChosenPassword, DeviceAmendment, DeviceTerms, IssuedCredential, NewCredential,
};

use super::mapping::{read_seconds, read_serial};
use super::read_optional;
use crate::link::{Link, Target};
use crate::problem::{Cause, Problem};
use crate::wire::{
    CredentialOrder, CredentialView, DevicePatch, DeviceRegistration, DeviceView, DocumentView,
    Object, PairingOrder, Shown, Text, Whole,
};

const CHANNELS: &str = "/channels";
const CREDENTIALS: &str = "/credentials";

/// How long a credential holds when the request does not say.
pub(crate) const DEFAULT_VALIDITY: Duration = Duration::from_secs(365 * 86_400);

/// How long a pairing code holds when the request does not say.
const DEFAULT_PAIRING: Duration = Duration::from_secs(900);

/// The longest certificate request: RSA of 8192 bits with a chain of attributes fits.
pub(crate) const LONGEST_REQUEST: usize = 16 * 1024;

/// A registration as the core takes it.
pub(crate) fn read_registration(body: &DeviceRegistration<'_>) -> Result<DeviceTerms, Problem> {
    Ok(DeviceTerms {
        serial: read_serial(&body.device_serial_number)?,
        vendor: read_optional(
            body.device_vendor.as_ref(),
            Attribute::parse,
            "/deviceVendor",
        )?,
        model: read_optional(body.device_model.as_ref(), Attribute::parse, "/deviceModel")?,
        owner: read_optional(
            body.owner_subject.as_ref(),
            Attribute::parse,
            "/ownerSubject",
        )?,
        channels: read_channels(&body.channels)?,
        credentials: read_orders(&body.credentials)?,
    })
}

/// What a merge patch changes.
pub(crate) fn read_device_patch(patch: &DevicePatch<'_>) -> Result<DeviceAmendment, Problem> {
    if let Some(pointer) = patch.fixed_member() {
        return Err(Problem::from(Cause::ModificationNotAllowed).at(pointer, "cannot be modified"));
    }
    let attribute = |member: &Option<Option<Text<'_>>>, pointer| {
        let member = member.as_ref();
        member
            .map(|text| read_optional(text.as_ref(), Attribute::parse, pointer))
            .transpose()
    };
    let no_channel = || {
        Problem::from(Cause::MandatoryIeIncorrect).at(CHANNELS, "can be replaced and not removed")
    };
    let channels = patch.channels.as_ref().map(|names| {
        let names = names.as_ref().ok_or_else(no_channel)?;
        read_channels(names)
    });
    Ok(DeviceAmendment {
        vendor: attribute(&patch.device_vendor, "/deviceVendor")?,
        model: attribute(&patch.device_model, "/deviceModel")?,
        owner: attribute(&patch.owner_subject, "/ownerSubject")?,
        channels: channels.transpose()?,
    })
}

/// How long a pairing code shall hold.
pub(crate) fn read_pairing_order(order: &PairingOrder) -> Duration {
    order.validity.map_or(DEFAULT_PAIRING, read_seconds)
}

fn read_channels(names: &[Text<'_>]) -> Result<Channels, Problem> {
    let wrong = |reason| Problem::from(Cause::MandatoryIeIncorrect).at(CHANNELS, reason);
    let mut channels = Channels::NONE;
    for name in names {
        let channel = Channel::parse(name.as_str())
            .ok_or_else(|| wrong("each is one of mqtt, coap and onem2m"))?;
        if channels.contain(channel) {
            return Err(wrong("names a channel more than once"));
        }
        channels = channels.with(channel);
    }
    if channels.is_empty() {
        return Err(wrong("must have at least one entry"));
    }
    Ok(channels)
}

fn read_orders(orders: &[Object<CredentialOrder<'_>>]) -> Result<Vec<NewCredential>, Problem> {
    if !(1..=HostedDevice::MOST_CREDENTIALS).contains(&orders.len()) {
        let reason = "must have 1 to 8 entries";
        return Err(Problem::from(Cause::MandatoryIeIncorrect).at(CREDENTIALS, reason));
    }
    let read = |(n, order): (usize, &Object<CredentialOrder<'_>>)| {
        read_credential_within(&order.0, &format!("{CREDENTIALS}/{n}"))
    };
    orders.iter().enumerate().map(read).collect()
}

/// A credential order that is a body of its own, as the core takes it.
pub(crate) fn read_credential(order: &CredentialOrder<'_>) -> Result<NewCredential, Problem> {
    read_credential_within(order, "")
}

fn read_credential_within(
    order: &CredentialOrder<'_>,
    place: &str,
) -> Result<NewCredential, Problem> {
    match (&order.certificate, &order.password, &order.psk) {
        (Some(order), None, None) => Ok(NewCredential::Certificate {
            request: read_request_of_key(&order.0.request, place)?,
            validity: read_validity(order.0.validity),
        }),
        (None, Some(order), None) => Ok(NewCredential::Password {
            chosen: read_chosen(order.0.value.as_ref(), place)?,
            validity: read_validity(order.0.validity),
        }),
        (None, None, Some(order)) => Ok(NewCredential::PreSharedKey {
            validity: read_validity(order.0.validity),
        }),
        _ => Err(Problem::from(Cause::MandatoryIeIncorrect).at(
            place.to_owned(),
            "must have exactly one of certificate, password and psk",
        )),
    }
}

fn read_chosen(value: Option<&Text<'_>>, place: &str) -> Result<Option<ChosenPassword>, Problem> {
    let chosen = value.map(|text| ChosenPassword::parse(text.as_str()));
    chosen.transpose().map_err(|_| {
        let place = format!("{place}/password/value");
        let reason = "must have 12 to 128 bytes, and no control characters";
        Problem::from(Cause::OptionalIeIncorrect).at(place, reason)
    })
}

/// Whether it is a PKCS#10 request, the device authority says.
fn read_request_of_key(text: &Text<'_>, place: &str) -> Result<String, Problem> {
    let text = text.as_str();
    if !(1..=LONGEST_REQUEST).contains(&text.len()) {
        let place = format!("{place}/certificate/request");
        return Err(Problem::from(Cause::MandatoryIeIncorrect).at(place, "is empty or too long"));
    }
    Ok(text.to_owned())
}

fn read_validity(seconds: Option<Whole>) -> Duration {
    seconds.map_or(DEFAULT_VALIDITY, read_seconds)
}

/// What is told of a device beside the device itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// Its serial number, where one device is looked at.
    pub(crate) serial: Option<&'a DeviceSerialNumber>,
    /// Credentials just made.
    pub(crate) issued: &'a [IssuedCredential],
}

/// A device as its IoT SP sees it.
pub(crate) fn show_device<'a>(
    device: &'a HostedDevice,
    beside: Beside<'a>,
    link: impl Fn(Target<'a>) -> Link<'a>,
) -> DeviceView<'a> {
    let rows = device.document.rows.iter();
    DeviceView {
        own: Shown(link(Target::Device(&device.id))),
        device_id: device.id.as_str(),
        device_serial_number: beside.serial.map(DeviceSerialNumber::expose),
        device_vendor: device.vendor.as_ref().map(Attribute::as_str),
        device_model: device.model.as_ref().map(Attribute::as_str),
        owner_subject: device.owner.as_ref().map(Attribute::as_str),
        channels: device.channels.iter().map(Channel::name).collect(),
        status: match device.status {
            DeviceStatus::Active => "ACTIVE",
            DeviceStatus::Unregistering { .. } => "UNREGISTERING",
        },
        expiry: device.due().map(Shown),
        document: DocumentView {
            version: device.document.version,
            acknowledged: device.document.acknowledged,
            mappings: rows
                .map(|row| Shown(link(Target::Assignment(*row))))
                .collect(),
        },
        credentials: device
            .credentials
            .iter()
            .map(|credential| show_credential((&device.id, credential), beside.issued, &link))
            .collect(),
        create_time: Shown(device.created),
        update_time: Shown(device.updated),
    }
}

/// A credential of a device; its secret, if it is one of those just made.
pub(crate) fn show_credential<'a>(
    (device, credential): (&'a DeviceId, &'a DeviceCredential),
    issued: &'a [IssuedCredential],
    link: impl Fn(Target<'a>) -> Link<'a>,
) -> CredentialView<'a> {
    let made = issued.iter().find(|made| made.id() == credential.id);
    let mut view = CredentialView {
        own: Shown(link(Target::Credential(device, credential.id))),
        credential_id: Shown(credential.id),
        kind: match credential.kind {
            CredentialKind::Certificate(_) => "certificate",
            CredentialKind::Password(_) | CredentialKind::ChosenPassword(_) => "password",
            CredentialKind::PreSharedKey(_) => "psk",
        },
        not_before: Shown(credential.not_before),
        not_after: Shown(credential.not_after),
        revoke_time: credential.revoked.map(Shown),
        certificate: None,
        password: None,
        psk_identity: None,
        psk: None,
    };
    match made {
        Some(IssuedCredential::Certificate(_, issued)) => view.certificate = Some(&issued.pem),
        Some(IssuedCredential::Password(_, password)) => view.password = Some(password),
        Some(IssuedCredential::PreSharedKey(identity, key)) => {
            view.psk_identity = Some(identity.to_shown());
            view.psk = Some(key.to_shown());
        }
        Some(IssuedCredential::Chosen(_)) | None => {}
    }
    view
}
