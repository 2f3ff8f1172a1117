//! `ics-access` (ICS-5, ICS-6): an SP's own profile (t8 A.5).

use ics_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use super::device_mapping::SerialNamespaceView;
use super::read::Body;
use super::schema;
use super::text::{Shown, Text};
use crate::link::Link;

/// What the operator granted an SP.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProfileView<'a> {
    #[serde(rename = "self")]
    #[schema(schema_with = schema::link)]
    pub(crate) own: Shown<Link<'a>>,
    #[schema(schema_with = schema::sp_id)]
    pub(crate) scs_as_id: &'a str,
    #[schema(schema_with = schema::roles)]
    pub(crate) roles: Vec<&'static str>,
    #[schema(schema_with = schema::service_uris)]
    pub(crate) services: Vec<&'a str>,
    /// Service URIs that the caller says it owns, each with what it is to serve at which URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(schema_with = schema::unproven_services)]
    pub(crate) unproven_services: Vec<UnprovenServiceView<'a>>,
    #[schema(schema_with = schema::serial_namespaces)]
    pub(crate) serial_namespaces: Vec<SerialNamespaceView<'a>>,
    #[schema(schema_with = schema::origins)]
    pub(crate) callback_origins: Vec<&'a str>,
    #[schema(schema_with = schema::inline::<LimitsView>)]
    pub(crate) limits: LimitsView,
    #[schema(schema_with = schema::agreements)]
    pub(crate) agreements: Vec<AgreementView<'a>>,
}

/// A service URI whose owner is to be shown: `challenge` alone, as text, at `challengeUrl`, then proveService.
#[derive(Serialize, ToSchema)]
#[schema(as = UnprovenService)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UnprovenServiceView<'a> {
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service: &'a str,
    #[schema(schema_with = challenge)]
    pub(crate) challenge: &'a str,
    #[schema(schema_with = schema::service_uri)]
    pub(crate) challenge_url: String,
}

/// Which service is to be proven.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ServiceProofRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceProofOrder<'a> {
    #[serde(borrow)]
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service: Text<'a>,
}

impl<'a> Body<'a> for ServiceProofOrder<'a> {
    const MANDATORY: &'static [&'static str] = &["service"];
}

/// A service that is the caller's.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceProof)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceProofView<'a> {
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service: &'a str,
    /// `PROVEN`.
    #[schema(schema_with = proof_status)]
    pub(crate) status: &'static str,
}

/// How much an SP may ask.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LimitsView {
    #[schema(schema_with = schema::positive)]
    pub(crate) requests_per_second: u32,
    #[schema(schema_with = schema::positive)]
    pub(crate) failed_mappings_per_day: u32,
}

/// An agreement as either of its sides sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AgreementView<'a> {
    #[schema(schema_with = schema::sp_id)]
    pub(crate) iot_sp_id: &'a str,
    #[schema(schema_with = schema::sp_id)]
    pub(crate) third_party_sp_id: &'a str,
    #[schema(schema_with = schema::agreement_status)]
    pub(crate) status: &'static str,
    #[schema(schema_with = schema::service_uris)]
    pub(crate) services: Vec<&'a str>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) valid_from: Shown<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::date_time)]
    pub(crate) valid_until: Option<Shown<Timestamp>>,
    #[schema(schema_with = schema::consent_mode)]
    pub(crate) consent_mode: &'static str,
    #[schema(schema_with = schema::exposure)]
    pub(crate) device_id_exposure: &'static str,
    /// Whether a mapping request must carry a `pairingCode`.
    #[schema(schema_with = schema::flag)]
    pub(crate) pairing_required: bool,
}

fn challenge() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^ics-challenge-[0-9a-f]{32}$"))
        .into()
}

fn proof_status() -> RefOr<Schema> {
    schema::one_of(["PROVEN"]).into()
}
