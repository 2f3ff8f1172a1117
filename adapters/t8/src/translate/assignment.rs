//! `ics-device-mapping`: the IoT SP's answers, and a row as it sees it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::{DeviceId, DeviceOwner, IdentifierSchemes};
use ics_core::mapping::{Attribute, CauseCode, Consent, Mapping, State};
use ics_core::reference_point::Role;
use ics_core::service::{AnswerInput, OpenAssignment};

use super::mapping::read_consent;
use super::{Need, read_member, read_optional, show_end};
use crate::link::Link;
use crate::problem::{Cause, Problem};
use crate::wire::{Answer, AssignmentView, ConsentView, Shown};

/// Step 7 as the core takes it: a device ID with ACCEPTED, its owner and the user's consent where
/// told; a cause with REJECTED, never both.
pub(crate) fn read_answer(
    body: &Answer<'_>,
    schemes: &IdentifierSchemes,
) -> Result<AnswerInput, Problem> {
    use Need::Mandatory;
    let wrong = |pointer: &'static str, reason: &'static str| {
        Problem::from(Cause::MandatoryIeIncorrect).at(pointer, reason)
    };
    let missing =
        |pointer: &'static str| Problem::from(Cause::MandatoryIeMissing).at(pointer, "is missing");
    match body.result.as_str() {
        "ACCEPTED" => {
            let device_id = body
                .device_id
                .as_ref()
                .ok_or_else(|| missing("/deviceId"))?;
            if body.cause.is_some() {
                return Err(wrong("/cause", "does not go with ACCEPTED"));
            }
            let parse = |text: &str| schemes.parse_device_id(text);
            let consent = body.user_consent.as_ref();
            Ok(AnswerInput::Accepted {
                device_id: read_member(device_id, parse, "/deviceId", Mandatory)?,
                owner: read_optional(
                    body.owner_subject.as_ref(),
                    DeviceOwner::parse,
                    "/ownerSubject",
                )?,
                consent: consent.map(|c| read_consent(&c.0)).transpose()?,
            })
        }
        "REJECTED" => {
            let cause = body.cause.as_ref().ok_or_else(|| missing("/cause"))?;
            let with_accepted = [
                (body.device_id.is_some(), "/deviceId"),
                (body.owner_subject.is_some(), "/ownerSubject"),
                (body.user_consent.is_some(), "/userConsent"),
            ];
            if let Some((_, pointer)) = with_accepted.iter().find(|(is_there, _)| *is_there) {
                return Err(wrong(pointer, "does not go with REJECTED"));
            }
            read_member(cause, CauseCode::parse, "/cause", Mandatory).map(AnswerInput::Rejected)
        }
        _ => Err(wrong("/result", "must be ACCEPTED or REJECTED")),
    }
}

/// A row as its IoT SP sees it.
pub(crate) fn show_assignment<'a>(
    mapping: &'a Mapping,
    open: Option<&'a OpenAssignment>,
    own: Link<'a>,
) -> AssignmentView<'a> {
    let deadline = match &mapping.state {
        State::Pending { deadline, .. } => Some(*deadline),
        _ => None,
    };
    // t8 A.2: the serial number and `e2e` are told while the row waits for the device.
    let open = open.filter(|_| deadline.is_some());
    AssignmentView {
        own: Shown(own),
        mapping_status: mapping.status_towards(Role::IotSp).name(),
        mapping_cause: show_end(mapping, Role::IotSp),
        service_uri: mapping.key.service_uri.as_str(),
        uti: mapping.key.uti.as_str(),
        device_serial_number: open
            .and_then(|open| open.serial.as_ref())
            .map(|serial| serial.expose()),
        device_vendor: mapping.device_vendor.as_ref().map(Attribute::as_str),
        device_model: mapping.device_model.as_ref().map(Attribute::as_str),
        device_id: mapping.device_id().map(DeviceId::as_str),
        consent: mapping.consent.as_ref().map(show_consent),
        consent_owed: open.is_some_and(|open| open.owed.consent),
        owner_owed: open.is_some_and(|open| open.owed.owner),
        end_to_end: open
            .and_then(|open| open.e2e.as_ref())
            .map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
        expiry: deadline.map(Shown),
        create_time: Shown(mapping.created),
        update_time: Shown(mapping.updated_towards(Role::IotSp)),
    }
}

fn show_consent(consent: &Consent) -> ConsentView<'_> {
    ConsentView {
        id: consent.id.as_str(),
        purpose: consent.purpose.as_str(),
        subject: consent.subject.as_ref().map(Attribute::as_str),
    }
}
