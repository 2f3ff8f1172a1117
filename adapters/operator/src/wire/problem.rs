//! Refusals: `application/problem+json` (RFC 9457) with the members TS 29.122 adds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One place of a request that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvalidParam {
    /// JSON Pointer into the body, or the name of a query parameter.
    pub param: String,
    /// What is wrong; never the value.
    pub reason: String,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemView {
    /// HTTP status.
    pub status: u16,
    /// The kind of problem, for people.
    pub title: String,
    /// The same for programs: `A-Z _`.
    pub cause: String,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The places that are not as they should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid_params: Vec<InvalidParam>,
    /// With `CONFIRMATION_REQUIRED`: the live rows that would be de-mapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected_mappings: Option<usize>,
    /// The service provider or agreement that is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts_with: Option<String>,
}
