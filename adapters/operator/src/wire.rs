//! What stands in the bodies of the operator API, and how one is read.
//!
//! Requests are strict: an unknown member, a missing one, a wrong type are refused with a pointer
//! to the place and a reason of our own words; the value is never repeated. The CLI uses the same
//! types from the other side.

mod agreement;
mod certificate;
mod device;
mod job;
mod mapping;
mod onem2m;
mod outbox;
mod party;
mod policy;
mod problem;
mod status;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_path_to_error::Segment;
use utoipa::{IntoParams, ToSchema};

pub use agreement::{
    AgreementStatusName, AgreementView, ConsentModeName, EndedAgreement, ExposureName, NewAgreement,
};
pub use certificate::{
    CertificateOrder, CertificateStatusName, CertificateView, InvitationOrder, InvitationView,
    IssuedView, Revocation,
};
pub use device::{
    ChannelName, CredentialKindName, DeviceCredentialView, DeviceDocumentView, DeviceStatusName,
    DeviceView, NewCredential, NewDevice, NewDeviceCertificate, NewPairingCode, NewPassword,
    NewPsk, PairingCodeView,
};
pub use job::{JobStatusName, JobView};
pub use mapping::{MappingDetail, MappingQuery, MappingStatusName, MappingView};
pub use onem2m::RegistrationView;
pub use outbox::{
    DeadReasonName, MessageKindName, OutboxQuery, OutboxRetry, OutboxView, RetriedView,
};
pub use party::{
    JwkView, LimitsView, NewLimits, NewOneM2mAe, NewParty, NewService, OneM2mAeView,
    PartyStatusName, PartyView, RemovedParty, RoleName, SerialNamespaceView,
};
pub use policy::{DifferenceView, PolicyText, PolicyView, TrialView, VerdictView, VerdictsView};
pub use problem::{InvalidParam, ProblemView};
pub use status::{
    CertificateExpiry, ClockView, DecisionLogState, DecisionLogView, HealthView, MappingCounts,
    PartyCounts, StatusView, StoreState,
};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// At most `limit` of them; with a filter there may be fewer, or none, before the last page.
    pub items: Vec<T>,
    /// `page-token` of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// `limit` and `page-token` of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The most items wanted: 1 to 500.
    pub limit: Option<usize>,
    /// Where to go on.
    #[serde(rename = "page-token")]
    pub page_token: Option<String>,
}

/// Whether the caller means it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Must be `true`; otherwise the answer is 409 with the number of rows that would go.
    #[serde(default)]
    pub confirm: bool,
}

/// Why a body cannot be read. Never carries any of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidBody {
    /// Not JSON.
    Syntax,
    /// A member is missing.
    Missing(InvalidParam),
    /// A member is unknown, or not of its type.
    Incorrect(InvalidParam),
}

/// Reads a JSON body.
///
/// # Errors
/// [`InvalidBody`] with the first fault.
pub fn parse_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, InvalidBody> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let message = error.inner().to_string();
        if error.inner().classify() != Category::Data {
            return InvalidBody::Syntax;
        }
        let unknown = message.starts_with("unknown field");
        let param = InvalidParam {
            param: pointer_to(error.path().iter(), unknown),
            reason: reason_of(&message, unknown),
        };
        if message.starts_with("missing field") {
            InvalidBody::Missing(param)
        } else {
            InvalidBody::Incorrect(param)
        }
    })?;
    reader.end().map_err(|_| InvalidBody::Syntax)?;
    Ok(value)
}

/// A JSON Pointer (RFC 6901). The last step to an unknown member is the caller's own text, and is
/// left out.
fn pointer_to<'a>(path: impl Iterator<Item = &'a Segment>, unknown: bool) -> String {
    let mut steps: Vec<String> = path
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    if unknown {
        steps.pop();
    }
    steps.iter().map(|step| format!("/{step}")).collect()
}

/// What serde says, without what the caller wrote: its own words stand after the last
/// `, expected`, and in front of the place.
fn reason_of(message: &str, unknown: bool) -> String {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text);
    if message.starts_with("missing field") || message.starts_with("duplicate field") {
        return message.into();
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if unknown => format!("unknown member; expected {expected}"),
        Some((_, expected)) => format!("expected {expected}"),
        None if unknown => "unknown member".into(),
        None => "not valid".into(),
    }
}

#[cfg(test)]
mod tests;
