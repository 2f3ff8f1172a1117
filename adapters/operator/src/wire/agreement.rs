//! Agreements.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::JobView;

/// Who establishes the user's consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConsentModeName {
    /// The third party SP says so in the request.
    #[default]
    Asserted,
    /// The gateway's consent page; not served yet: every request under it is refused.
    AuthCode,
    /// The IoT SP asks its user.
    IotSpConfirm,
}

/// How the third party sees device IDs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExposureName {
    /// As the IoT SP assigned them.
    #[default]
    Raw,
    /// A pseudonym for each third party.
    Pairwise,
}

/// Where an agreement is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AgreementStatusName {
    /// Not valid yet.
    Scheduled,
    /// In force.
    Active,
    /// Its validity is over.
    Expired,
    /// The operator ended it.
    Ended,
}

/// `POST /agreements`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAgreement {
    /// The side with the devices.
    pub iot_sp_id: String,
    /// The side with the services.
    pub third_party_sp_id: String,
    /// The services it covers; none means all of the third party's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// First instant it is valid; now if left out. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// First instant it is no longer valid; open end if left out. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// Who establishes the user's consent.
    #[serde(default)]
    pub consent_mode: ConsentModeName,
    /// How the third party sees device IDs.
    #[serde(default)]
    pub device_id_exposure: ExposureName,
    /// Whether a mapping request must carry a pairing code of a hosted device.
    #[serde(default)]
    pub pairing_required: bool,
}

/// An agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementView {
    /// Its id.
    pub agreement_id: String,
    /// The side with the devices.
    pub iot_sp_id: String,
    /// The side with the services.
    pub third_party_sp_id: String,
    /// Where it is in its life.
    pub status: AgreementStatusName,
    /// The services it covers; none means all of the third party's.
    pub services: Vec<String>,
    /// First instant it is valid.
    pub valid_from: String,
    /// First instant it is no longer valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// When the operator ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// Who establishes the user's consent.
    pub consent_mode: ConsentModeName,
    /// How the third party sees device IDs.
    pub device_id_exposure: ExposureName,
    /// Whether a mapping request must carry a pairing code of a hosted device.
    pub pairing_required: bool,
}

/// Answer of `POST /agreements/{id}/end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndedAgreement {
    /// The agreement as it is now.
    pub agreement: AgreementView,
    /// How many rows were de-mapped and removed.
    pub demapped: usize,
    /// What removes the rows, where there are more than one request waits for: gone already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobView>,
}
