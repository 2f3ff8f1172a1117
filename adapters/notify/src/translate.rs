//! From a consignment of the core to the body of a callback.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::mapping::{Consent, MappingKey, ResultCause, State};
use ics_core::outbox::{Message, OutboxEntry, Subject};
use ics_core::port::ResourceNames;
use ics_core::reference_point::Role;
use ics_core::service::{Consignment, OpenAssignment};
use serde::Serialize;

use crate::wire::{
    AssignmentPush, ConsentNote, DemappingNotification, DeviceEventNotification,
    MappingResultNotification, TestNotification,
};

/// A consignment without what its message needs: the fault of this program, not of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("consignment is incomplete")]
pub(crate) struct Incomplete;

/// The JSON body of `consignment`; resources are called as `names` says.
///
/// # Errors
/// [`Incomplete`].
pub(crate) fn write_body(
    consignment: &Consignment,
    names: &dyn ResourceNames,
) -> Result<Vec<u8>, Incomplete> {
    let entry = &consignment.entry;
    let id = entry.key.notification_id();
    match &entry.message {
        Message::Assignment => {
            let open = consignment.assignment.as_deref().ok_or(Incomplete)?;
            to_json(&assignment_push(consignment, open, &id, names)?)
        }
        Message::Result {
            status,
            cause,
            undo,
        } => {
            let key = mapping_key(entry)?;
            to_json(&MappingResultNotification {
                notification_id: &id,
                mapping: subject_uri(&consignment.entry, names),
                mapping_status: status.name(),
                mapping_cause: cause.map(ResultCause::name),
                undo: *undo,
                service_uri: key.service_uri.as_str(),
                uti: key.uti.as_str(),
                event_time: entry.event_time.to_rfc3339(),
                sequence: entry.key.sequence,
            })
        }
        Message::Demapped {
            device_id,
            cause,
            sub_cause,
        } => {
            let key = mapping_key(entry)?;
            // t8 A.3: the device ID goes to the IoT side only, whatever the entry holds.
            let to_iot_sp = entry.key.addressee.role == Role::IotSp;
            to_json(&DemappingNotification {
                notification_id: &id,
                mapping: subject_uri(&consignment.entry, names),
                service_uri: key.service_uri.as_str(),
                uti: key.uti.as_str(),
                device_id: device_id
                    .as_ref()
                    .filter(|_| to_iot_sp)
                    .map(|device_id| device_id.as_str()),
                cause: cause.name(),
                sub_cause: sub_cause.as_ref().map(|code| code.as_str()),
                event_time: entry.event_time.to_rfc3339(),
                sequence: entry.key.sequence,
            })
        }
        Message::Event { is_json, .. } => {
            let key = mapping_key(entry)?;
            let data = consignment.event.as_ref().ok_or(Incomplete)?;
            to_json(&DeviceEventNotification {
                notification_id: &id,
                mapping: subject_uri(&consignment.entry, names),
                service_uri: key.service_uri.as_str(),
                uti: key.uti.as_str(),
                data: URL_SAFE_NO_PAD.encode(data),
                data_content_type: if *is_json {
                    "application/json"
                } else {
                    "application/octet-stream"
                },
                event_time: entry.event_time.to_rfc3339(),
                sequence: entry.key.sequence,
            })
        }
        Message::Test => to_json(&TestNotification {
            notification_id: &id,
            subscription: subject_uri(&consignment.entry, names),
        }),
    }
}

/// What a message is called in logs.
pub(crate) const fn message_name(message: &Message) -> &'static str {
    match message {
        Message::Assignment => "assignment",
        Message::Result { .. } => "result",
        Message::Demapped { .. } => "demapping",
        Message::Event { .. } => "event",
        Message::Test => "test",
    }
}

fn assignment_push<'a>(
    consignment: &'a Consignment,
    open: &'a OpenAssignment,
    notification_id: &'a str,
    names: &dyn ResourceNames,
) -> Result<AssignmentPush<'a>, Incomplete> {
    let row = &open.mapping;
    let State::Pending { deadline, .. } = &row.state else {
        return Err(Incomplete);
    };
    let addressee = &consignment.entry.key.addressee;
    let subscription = consignment
        .subscription
        .as_ref()
        .map(|subscription| names.uri(addressee, Subject::Subscription(subscription.id)));
    Ok(AssignmentPush {
        notification_id,
        subscription,
        assignment: subject_uri(&consignment.entry, names),
        service_uri: row.key.service_uri.as_str(),
        uti: row.key.uti.as_str(),
        device_serial_number: open.serial.as_ref().ok_or(Incomplete)?.expose(),
        consent: row.consent.as_ref().map(consent_note),
        consent_owed: open.owed.consent,
        owner_owed: open.owed.owner,
        e2e: open.e2e.as_ref().map(|e2e| URL_SAFE_NO_PAD.encode(e2e)),
        expiry: deadline.to_rfc3339(),
        sequence: consignment.entry.key.sequence,
    })
}

fn consent_note(consent: &Consent) -> ConsentNote<'_> {
    ConsentNote {
        id: consent.id.as_str(),
        subject: consent.subject.as_ref().map(|subject| subject.as_str()),
        purpose: consent.purpose.as_str(),
    }
}

fn mapping_key(entry: &OutboxEntry) -> Result<&MappingKey, Incomplete> {
    entry.mapping_key.as_ref().ok_or(Incomplete)
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, Incomplete> {
    serde_json::to_vec(body).map_err(|_| Incomplete)
}

/// The resource an entry is about, as its addressee knows it.
fn subject_uri(entry: &OutboxEntry, names: &dyn ResourceNames) -> String {
    names.uri(&entry.key.addressee, entry.key.subject)
}

#[cfg(test)]
mod tests;
