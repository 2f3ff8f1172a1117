//! The gateway's CSE at the platform.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the gateway's CSE stands with the platform's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationView {
    /// The CSE-ID of the platform.
    pub registrar: String,
    /// The CSE-ID of the gateway; in mailbox mode its AE-ID at the platform.
    pub cse_id: String,
    /// Whether the gateway is to be registered: it was attached, and not detached since.
    pub wanted: bool,
    /// Whether the platform's last answer said that it is.
    pub registered: bool,
    /// When it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<String>,
    /// When the registration ends unless it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Why it is not registered although it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Service providers whose AE refused the last notification: its access control policy must let the
    /// gateway's CSE notify.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusing: Vec<String>,
}
