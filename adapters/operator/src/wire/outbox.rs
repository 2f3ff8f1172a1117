//! Notifications that wait, and those that were given up.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::RoleName;

/// What a notification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageKindName {
    /// Step 3: the push to the IoT SP.
    Assignment,
    /// Step 9: the result.
    Result,
    /// 10.2 step 3: de-mapped.
    Demapped,
    /// What a hosted device said.
    Event,
    /// The test an SP asked for.
    Test,
}

/// Why a notification was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeadReasonName {
    /// Its deadline passed.
    DeadlinePassed,
    /// The addressee has no destination for it.
    NoDestination,
}

/// Which notifications: `sp`, `dead`, `limit`, `page-token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OutboxQuery {
    /// To this service provider.
    pub sp: Option<String>,
    /// `true`: those given up; `false`: those that wait.
    pub dead: Option<bool>,
    /// The most items wanted: 1 to 500.
    pub limit: Option<usize>,
    /// Where to go on.
    #[serde(rename = "page-token")]
    pub page_token: Option<String>,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboxView {
    /// Its name, as the addressee gets it.
    pub notification_id: String,
    /// Whom it is for.
    pub sp_id: String,
    /// In which role.
    pub role: RoleName,
    /// What it tells.
    pub kind: MessageKindName,
    /// The row it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_id: Option<String>,
    /// The subscription it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<String>,
    /// When it happened.
    pub event_time: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; absent when it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// When trying ends.
    pub deadline: String,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_reason: Option<DeadReasonName>,
}

/// `POST /outbox/retry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutboxRetry {
    /// Everything given up towards this service provider.
    pub sp_id: String,
}

/// Answer of `POST /outbox/retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetriedView {
    /// How many are tried again.
    pub retried: usize,
    /// Whether there may be more: ask again.
    pub more: bool,
}
