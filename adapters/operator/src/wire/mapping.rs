//! Rows, as the operator may see them: never a serial number.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::RoleName;

/// A row's state, as it is; a failure is not withheld from the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MappingStatusName {
    /// Waiting for the IoT SP and the device.
    Pending,
    /// All three columns.
    Established,
    /// Never established.
    Failed,
    /// De-mapped or cancelled.
    Deleted,
}

/// Which rows: `sp`, `status`, `limit`, `page-token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MappingQuery {
    /// Rows of this service provider, on either side.
    pub sp: Option<String>,
    /// Rows in this state.
    pub status: Option<MappingStatusName>,
    /// The most items wanted: 1 to 500.
    pub limit: Option<usize>,
    /// Where to go on.
    #[serde(rename = "page-token")]
    pub page_token: Option<String>,
}

/// A row in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingView {
    /// Its id.
    pub mapping_id: String,
    /// Its state.
    pub status: MappingStatusName,
    /// Who asked for it.
    pub third_party_sp_id: String,
    /// Whom it was routed to.
    pub iot_sp_id: String,
    /// What it stands on.
    pub agreement_id: String,
    /// When it was stored.
    pub create_time: String,
    /// When it last changed.
    pub update_time: String,
    /// Why it failed or was de-mapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// More about the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_cause: Option<String>,
    /// On every notification of it.
    pub sequence: u64,
}

/// One row by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingDetail {
    /// What lists tell too.
    #[serde(flatten)]
    pub mapping: MappingView,
    /// The service.
    pub service_uri: String,
    /// The transaction.
    pub uti: String,
    /// The device, while established.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Maker's name, as the third party gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_vendor: Option<String>,
    /// Model, as the third party gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_model: Option<String>,
    /// Pending: whether the IoT SP has taken it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over: Option<bool>,
    /// Pending: when waiting ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_until: Option<String>,
    /// When the UTI ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uti_expiry: Option<String>,
    /// De-mapped by this side; absent when the gateway did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<RoleName>,
    /// When the tombstone goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_time: Option<String>,
}
