//! How the gateway is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Service providers by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartyCounts {
    /// Served.
    pub active: usize,
    /// Frozen.
    pub suspended: usize,
    /// Off-boarded.
    pub removed: usize,
}

/// Rows by state, from the store's own counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingCounts {
    /// Waiting, failures not disclosed yet included.
    pub pending: u64,
    /// Established.
    pub established: u64,
    /// Failed and de-mapped ones that are still kept.
    pub tombstones: u64,
}

/// The service provider whose newest certificate ends first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateExpiry {
    /// Which.
    pub sp_id: String,
    /// The certificate's serial number.
    pub serial: String,
    /// When it ends.
    pub not_after: String,
}

/// Whether time can be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockView {
    /// `trusted`; `ahead` or `behind` while the wall clock has moved and is not believed.
    pub state: String,
    /// The same in words.
    pub detail: String,
    /// The gateway's time.
    pub time: String,
    /// The wall clock's.
    pub wall_time: String,
}

/// How the decision log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecisionLogState {
    /// Lines are written.
    Writing,
    /// They are not, and what changes something is refused.
    FailingRefused,
    /// They are not, and service goes on.
    FailingContinued,
}

/// The decision log: a line for each access and attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionLogView {
    /// How it is.
    pub state: DecisionLogState,
    /// Lines that were not kept since the start.
    pub lost_lines: u64,
    /// How often since the start its file was found deleted, or shortened: lines of it are gone.
    #[serde(default)]
    pub taken_away: u64,
}

/// Whether the store takes changes, and is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StoreState {
    /// Its last transaction was kept.
    Writing,
    /// It was not: changes are refused, reads go on.
    Failing,
    /// Since the start something was met in it that contradicts itself or cannot be read. What is
    /// whole is served; the rest fails whenever it is asked for, until the store is restored.
    Damaged,
}

/// `GET /status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// Of the gateway.
    pub version: String,
    /// When it was started.
    pub start_time: String,
    /// Seconds since.
    pub uptime_seconds: u64,
    /// Service providers.
    pub service_providers: PartyCounts,
    /// Agreements in force.
    pub active_agreements: usize,
    /// Rows; absent when the store keeps no counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mappings: Option<MappingCounts>,
    /// Notifications that wait or were given up; absent when the store keeps no counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox_depth: Option<u64>,
    /// Hosted devices, those that are unregistering included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_devices: Option<u64>,
    /// The next certificate of an active service provider to run out, of those issued here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_certificate_expiry: Option<CertificateExpiry>,
    /// Whether time can be believed.
    pub clock: ClockView,
    /// The decision log.
    pub decision_log: DecisionLogView,
    /// Whether the store takes changes, and is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreState>,
}

/// `GET /health/live` and `GET /health/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// `live`, `ready`, or `degraded` while the decision log or the store fails, and once the
    /// store was found damaged.
    pub status: String,
    /// The decision log; with `ready` and `degraded`.
    #[serde(
        default,
        rename = "decisionLog",
        skip_serializing_if = "Option::is_none"
    )]
    pub decision_log: Option<DecisionLogView>,
    /// Whether time can be believed; with `ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockView>,
    /// Whether the store takes changes and is whole; with `ready` and `degraded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreState>,
}
