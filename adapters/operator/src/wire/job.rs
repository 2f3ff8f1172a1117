//! Jobs: de-mappings of more rows than one request waits for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatusName {
    /// At work, or waiting for its turn.
    Running,
    /// Every row is removed.
    Done,
    /// Some rows could not be removed: gone for everybody, but still in the store.
    Failed,
}

/// A job. Its rows are gone for everybody from its creation on; it removes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its id.
    pub job_id: String,
    /// How it stands.
    pub status: JobStatusName,
    /// The service provider that asked for it; none: the operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp_id: Option<String>,
    /// How many rows were selected.
    pub total: u64,
    /// How many of them are removed.
    pub done: u64,
    /// How many could not be.
    pub failed: u64,
    /// When it began.
    pub create_time: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<String>,
}
