//! `ics-mapping`: requests, amendments, and a row as its third party SP sees it.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::{
    CallbackUri, DeviceSerialNumber, InvalidId, PairingCode, ServiceUri, SpId, Uti,
};
use ics_core::mapping::{Attribute, Consent, Features, Mapping, MappingKey};
use ics_core::reference_point::Role;
use ics_core::service::{AmendmentInput, MappingRequest};
use ics_core::time::Timestamp;

use super::{Need, read_member, read_optional, show_end};
use crate::link::Link;
use crate::negotiation;
use crate::problem::{Cause, Problem};
use crate::wire::{
    IdentityMapping, IdentityMappingPatch, MappingView, Object, Shown, Text, UserConsent,
    WebsockNotifConfig, WebsocketView, Whole,
};

const DESTINATION: &str = "/notificationDestination";

/// The most bytes of an end-to-end value (t8 A.1).
const MOST_END_TO_END: usize = 1024;

/// A mapping request as the core takes it.
pub(crate) fn read_request(body: &IdentityMapping<'_>) -> Result<MappingRequest, Problem> {
    use Need::Mandatory;
    let features = read_features(body.supported_features.as_ref())?;
    let websocket = WebsockNotifConfig::asks(body.websock_notif_config.as_ref());
    let service_uri = read_member(
        &body.service_uri,
        ServiceUri::parse,
        "/serviceUri",
        Mandatory,
    )?;
    let uti = read_member(&body.uti, Uti::parse, "/uti", Mandatory)?;
    let destination = body.notification_destination.as_ref();
    Ok(MappingRequest {
        key: MappingKey { service_uri, uti },
        serial: read_serial(&body.device_serial_number)?,
        device_vendor: read_optional(
            body.device_vendor.as_ref(),
            Attribute::parse,
            "/deviceVendor",
        )?,
        device_model: read_optional(body.device_model.as_ref(), Attribute::parse, "/deviceModel")?,
        iot_sp: read_optional(body.iot_sp_id.as_ref(), SpId::parse, "/iotSpId")?,
        validity: body.validity_period.map(read_seconds),
        consent: body
            .user_consent
            .as_ref()
            .map(|consent| read_consent(&consent.0))
            .transpose()?,
        destination: read_destination(destination, websocket, features)?,
        websocket,
        features,
        uti_expiry: read_optional(body.uti_expiry.as_ref(), read_time, "/utiExpiry")?,
        e2e: body.end_to_end.as_ref().map(read_end_to_end).transpose()?,
        pairing_code: read_optional(
            body.pairing_code.as_ref(),
            PairingCode::parse,
            "/pairingCode",
        )?,
        // Honoured whether or not feature 1 was negotiated: whoever asks for a test wants one.
        request_test: body.request_test_notification.unwrap_or(false),
    })
}

/// Mandatory where no websocket was negotiated and asked for (t8 A.1).
pub(super) fn read_destination(
    text: Option<&Text<'_>>,
    websocket: bool,
    features: Features,
) -> Result<Option<CallbackUri>, Problem> {
    let may_lack = websocket && features.contain(Features::WEBSOCKET);
    match text {
        Some(text) => read_member(text, CallbackUri::parse, DESTINATION, Need::Mandatory).map(Some),
        None if may_lack => Ok(None),
        None => Err(nowhere_to_notify()),
    }
}

/// Neither a destination nor the websocket.
pub(crate) fn nowhere_to_notify() -> Problem {
    Problem::from(Cause::MandatoryIeMissing).at(
        DESTINATION,
        "is mandatory without Notification_websocket negotiated and requestWebsocketUri",
    )
}

/// The serial number may look like anything (t8, top): only its form is checked.
pub(super) fn read_serial(text: &Text<'_>) -> Result<DeviceSerialNumber, Problem> {
    DeviceSerialNumber::parse(text.as_str())
        .map_err(|invalid| crate::error::refuse_member("/deviceSerialNumber", true, invalid))
}

pub(super) fn read_seconds(seconds: Whole) -> Duration {
    Duration::from_secs(u64::from(seconds.0))
}

fn read_time(text: &str) -> Result<Timestamp, InvalidId> {
    Timestamp::parse(text).map_err(|_| InvalidId::Form)
}

pub(super) fn read_consent(consent: &UserConsent<'_>) -> Result<Consent, Problem> {
    use Need::Optional;
    let attribute = |text, pointer| read_member(text, Attribute::parse, pointer, Optional);
    Ok(Consent {
        id: attribute(&consent.consent_id, "/userConsent/consentId")?,
        purpose: attribute(&consent.purpose, "/userConsent/purpose")?,
        subject: consent
            .subject
            .as_ref()
            .map(|text| attribute(text, "/userConsent/subject"))
            .transpose()?,
        granted_at: read_member(
            &consent.granted_at,
            read_time,
            "/userConsent/grantedAt",
            Optional,
        )?,
        expires: read_optional(consent.expires.as_ref(), read_time, "/userConsent/expires")?,
    })
}

/// Feature negotiation (TS 29.500 6.6).
pub(super) fn read_features(text: Option<&Text<'_>>) -> Result<Features, Problem> {
    negotiation::negotiate(text.map(Text::as_str)).ok_or_else(|| {
        Problem::from(Cause::OptionalIeIncorrect).at("/supportedFeatures", "must be hexadecimal")
    })
}

fn read_end_to_end(text: &Text<'_>) -> Result<Vec<u8>, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text.as_str()).ok();
    bytes
        .filter(|b| (1..=MOST_END_TO_END).contains(&b.len()))
        .ok_or_else(|| {
            Problem::from(Cause::OptionalIeIncorrect).at(
                "/e2e",
                "must be base64url without padding, of 1 to 1024 bytes",
            )
        })
}

/// What a merge patch changes; `None` where it changes nothing. A removed validity period is the
/// default one again.
pub(crate) fn read_amendment(
    patch: &IdentityMappingPatch<'_>,
    default_validity: Duration,
) -> Result<Option<AmendmentInput>, Problem> {
    if let Some(pointer) = patch.fixed_member() {
        return Err(Problem::from(Cause::ModificationNotAllowed).at(pointer, "cannot be modified"));
    }
    let destination = read_new_destination(patch.notification_destination.as_ref())?;
    let validity = patch
        .validity_period
        .map(|seconds| seconds.map_or(default_validity, read_seconds));
    let websocket = read_new_websocket(patch.websock_notif_config.as_ref());
    let changes = destination.is_some() || validity.is_some() || websocket.is_some();
    Ok(changes.then_some(AmendmentInput {
        destination,
        websocket,
        validity,
    }))
}

/// Whether a merge patch turns the websocket on or off; removed, it is off.
pub(super) fn read_new_websocket(
    member: Option<&Option<Object<WebsockNotifConfig>>>,
) -> Option<bool> {
    member.map(|config| WebsockNotifConfig::asks(config.as_ref()))
}

/// Where to dial for what `of` is told, if it asked for a websocket.
pub(super) fn show_websocket(asked: bool, of: Link<'_>) -> Option<WebsocketView<'_>> {
    asked.then_some(WebsocketView {
        request_websocket_uri: true,
        websocket_uri: Shown(of.websocket()),
    })
}

/// The destination of a merge patch: it can be replaced and not removed.
pub(super) fn read_new_destination(
    member: Option<&Option<Text<'_>>>,
) -> Result<Option<CallbackUri>, Problem> {
    match member {
        None => Ok(None),
        Some(None) => Err(Problem::from(Cause::MandatoryIeIncorrect)
            .at(DESTINATION, "can be replaced and not removed")),
        Some(Some(text)) => {
            read_member(text, CallbackUri::parse, DESTINATION, Need::Mandatory).map(Some)
        }
    }
}

/// A row as its third party SP sees it.
pub(crate) fn show_mapping<'a>(row: &'a Mapping, own: Link<'a>) -> MappingView<'a> {
    let deadline = row.deadline_towards(Role::ThirdPartySp);
    MappingView {
        own: Shown(own),
        supported_features: negotiation::tell(row.features),
        service_uri: row.key.service_uri.as_str(),
        uti: row.key.uti.as_str(),
        device_vendor: row.device_vendor.as_ref().map(Attribute::as_str),
        device_model: row.device_model.as_ref().map(Attribute::as_str),
        iot_sp_id: row.iot_sp.as_str(),
        validity_period: deadline.map(|end| end.since(row.created).as_secs()),
        uti_expiry: row.uti_expiry.map(Shown),
        notification_destination: row.destination.as_ref().map(CallbackUri::as_str),
        websock_notif_config: show_websocket(row.websocket, own),
        mapping_status: row.status_towards(Role::ThirdPartySp).name(),
        mapping_cause: show_end(row, Role::ThirdPartySp),
        create_time: Shown(row.created),
        update_time: Shown(row.updated),
    }
}
