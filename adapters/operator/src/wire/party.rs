//! Service providers.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::JobView;

/// A role of a service provider (Y.4462 clause 9: odd and even reference points).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RoleName {
    /// Offers services.
    ThirdPartySp,
    /// Manages devices.
    IotSp,
}

/// Whether a service provider is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PartyStatusName {
    /// Served.
    Active,
    /// Frozen: nothing answered, nothing deleted.
    Suspended,
    /// Off-boarded for good.
    Removed,
}

/// A set of serial numbers: exactly one of `prefix` and `pattern`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SerialNamespaceView {
    /// Of this vendor alone, compared without case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Those that start with this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Those that match this regular expression as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// The AE that a service provider speaks as over oneM2M.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OneM2mAeView {
    /// SP-relative AE-ID, `/<cse-id>/<stem>`; no two service providers have the same.
    pub ae: String,
    /// The public key it signs its requests with where its CSE hands them on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<JwkView>,
}

/// `POST /sps/{id}/onem2m`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOneM2mAe {
    /// The AE; none: it does not speak over oneM2M.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onem2m: Option<OneM2mAeView>,
}

/// A public key as a JWK (RFC 7517): on P-256 (RFC 7518 6.2), or Ed25519 (RFC 8037 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JwkView {
    /// `EC` or `OKP`.
    pub kty: String,
    /// `P-256` or `Ed25519`.
    pub crv: String,
    /// base64url without padding.
    pub x: String,
    /// Of `EC`: base64url without padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// `POST /sps/{id}/services`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewService {
    /// A service URI, with everything under it.
    pub service: String,
    /// Whether the operator vouches for it; else the service provider is to show that it is its own.
    #[serde(default)]
    pub vouched: bool,
}

/// How much a service provider may ask; what is left out is as the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewLimits {
    /// Requests a second, with a burst of the same size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub requests_per_second: Option<NonZeroU32>,
    /// Mappings a day that may fail on the device's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub failed_mappings_per_day: Option<NonZeroU32>,
}

/// `POST /sps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewParty {
    /// scsAsId, client_id and certificate identity: 2 to 63 of `a-z 0-9 - _ .`, a letter first.
    pub id: String,
    /// At least one.
    pub roles: Vec<RoleName>,
    /// Service URIs it owns, with everything under them (third party SP): the operator vouches for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Service URIs it says it owns: each can be used once it serves the challenge at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven_services: Vec<String>,
    /// Serial numbers it answers for (IoT SP).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serial_namespaces: Vec<SerialNamespaceView>,
    /// Where its notifications may go: `https://host[:port]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callback_origins: Vec<String>,
    /// Its own token endpoint, where it wants the gateway to show a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The AE it speaks as over oneM2M.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onem2m: Option<OneM2mAeView>,
    /// How much it may ask.
    #[serde(default)]
    pub limits: NewLimits,
}

/// How much a service provider may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsView {
    /// Requests a second, with a burst of the same size.
    pub requests_per_second: u32,
    /// Mappings a day that may fail on the device's side.
    pub failed_mappings_per_day: u32,
}

/// A service provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartyView {
    /// Its id.
    pub id: String,
    /// Its roles.
    pub roles: Vec<RoleName>,
    /// Whether it is served.
    pub status: PartyStatusName,
    /// Service URIs it owns.
    pub services: Vec<String>,
    /// Service URIs it says it owns, and has not shown yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven_services: Vec<String>,
    /// Serial numbers it answers for.
    pub serial_namespaces: Vec<SerialNamespaceView>,
    /// Where its notifications may go.
    pub callback_origins: Vec<String>,
    /// Its own token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The AE it speaks as over oneM2M.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onem2m: Option<OneM2mAeView>,
    /// How much it may ask.
    pub limits: LimitsView,
    /// When it was onboarded.
    pub create_time: String,
}

/// Answer of `POST /sps/{id}/remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedParty {
    /// The service provider as it is now.
    pub sp: PartyView,
    /// How many rows were de-mapped and removed.
    pub demapped: usize,
    /// What removes the rows, where there are more than one request waits for: gone already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobView>,
}
