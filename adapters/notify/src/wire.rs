//! The bodies of callbacks, member by member (t8 A.2, A.3, A.6; TS 29.122 5.2.5.3).
//!
//! Written by hand: each member that leaves is a decision. The serial number appears in
//! [`AssignmentPush`] and nowhere else, the device ID towards the IoT SP alone.

use serde::Serialize;

/// Step 3 of Y.4462 10.1, to the IoT SP over ICS-2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssignmentPush<'a> {
    pub(crate) notification_id: &'a str,
    /// Link of the subscription it goes under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscription: Option<String>,
    /// Link to PUT step 7 to.
    pub(crate) assignment: String,
    pub(crate) service_uri: &'a str,
    pub(crate) uti: &'a str,
    pub(crate) device_serial_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consent: Option<ConsentNote<'a>>,
    /// The IoT SP is to ask its user before it accepts; only when so.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) consent_owed: bool,
    /// The acceptance is to name the owner of the device; only when so.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) owner_owed: bool,
    /// Base64url without padding, as the third party gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) e2e: Option<String>,
    /// When waiting for step 7 ends.
    pub(crate) expiry: String,
    pub(crate) sequence: u64,
}

/// The consent a row stands on, as far as the IoT SP needs it to ask its own user.
#[derive(Serialize)]
pub(crate) struct ConsentNote<'a> {
    pub(crate) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<&'a str>,
    pub(crate) purpose: &'a str,
}

/// Step 9 of Y.4462 10.1, to both.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MappingResultNotification<'a> {
    pub(crate) notification_id: &'a str,
    /// Link of the mapping; towards the IoT SP, of the assignment.
    pub(crate) mapping: String,
    pub(crate) mapping_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mapping_cause: Option<&'static str>,
    /// Whether the device must forget what it may have been given; only when so.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) undo: bool,
    pub(crate) service_uri: &'a str,
    pub(crate) uti: &'a str,
    pub(crate) event_time: String,
    pub(crate) sequence: u64,
}

/// Step 3 of Y.4462 10.2, to the side that did not ask.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DemappingNotification<'a> {
    pub(crate) notification_id: &'a str,
    /// Link of the mapping; towards the IoT SP, of the assignment.
    pub(crate) mapping: String,
    pub(crate) service_uri: &'a str,
    pub(crate) uti: &'a str,
    /// Towards the IoT SP only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_id: Option<&'a str>,
    pub(crate) cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_cause: Option<&'a str>,
    pub(crate) event_time: String,
    pub(crate) sequence: u64,
}

/// What a hosted device says to the service it is mapped to, to the third party (Appendix I.1): by
/// service URI and UTI alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceEventNotification<'a> {
    pub(crate) notification_id: &'a str,
    /// Link of the mapping.
    pub(crate) mapping: String,
    pub(crate) service_uri: &'a str,
    pub(crate) uti: &'a str,
    /// Base64url without padding: the bytes as the device sent them.
    pub(crate) data: String,
    /// What they are, as the device said: `application/json` or `application/octet-stream`.
    pub(crate) data_content_type: &'static str,
    pub(crate) event_time: String,
    pub(crate) sequence: u64,
}

/// `TestNotification` of TS 29.122 5.2.5.3, with an id like all others.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestNotification<'a> {
    pub(crate) notification_id: &'a str,
    /// Link of the resource that was created.
    pub(crate) subscription: String,
}

const fn is_false(value: &bool) -> bool {
    !*value
}
