//! `ics-device-mapping` (ICS-2): subscriptions and assignments of an IoT SP (t8 A.2).

use ics_core::time::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::mapping::{UserConsent, WebsockNotifConfig, WebsocketView};
use super::read::{Body, Object, first_present, present, removable};
use super::schema;
use super::text::{Shown, Text};
use crate::link::Link;

/// A standing registration as the IoT SP wants it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SubscriptionRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription<'a> {
    #[serde(borrow, default)]
    #[schema(required = false, schema_with = schema::serial_namespaces)]
    pub(crate) serial_namespaces: Vec<Object<SerialNamespace<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::callback_uri)]
    pub(crate) notification_destination: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schema::flag)]
    pub(crate) request_test_notification: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schema::inline::<WebsockNotifConfig>)]
    pub(crate) websock_notif_config: Option<Object<WebsockNotifConfig>>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::supported_features)]
    pub(crate) supported_features: Option<Text<'a>>,
}

/// Serial numbers by prefix or by pattern, exactly one of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SerialNamespace<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) vendor: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) prefix: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) pattern: Option<Text<'a>>,
}

/// A merge patch (RFC 7396) of a subscription.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubscriptionPatch<'a> {
    #[serde(borrow, deserialize_with = "removable")]
    pub(crate) serial_namespaces: Option<Option<Vec<Object<SerialNamespace<'a>>>>>,
    #[serde(borrow, deserialize_with = "removable")]
    pub(crate) notification_destination: Option<Option<Text<'a>>>,
    #[serde(deserialize_with = "removable")]
    pub(crate) request_test_notification: Option<Option<bool>>,
    #[serde(deserialize_with = "removable")]
    pub(crate) websock_notif_config: Option<Option<Object<WebsockNotifConfig>>>,
    #[serde(rename = "self", deserialize_with = "present")]
    own: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    supported_features: Option<IgnoredAny>,
}

impl SubscriptionPatch<'_> {
    /// A member that may not change, if the patch has one.
    pub(crate) fn fixed_member(&self) -> Option<&'static str> {
        first_present([
            (&self.own, "/self"),
            (&self.supported_features, "/supportedFeatures"),
        ])
    }
}

/// Step 7 of Y.4462 10.1: the IoT SP's answer to an assignment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer<'a> {
    #[serde(borrow)]
    pub(crate) result: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) device_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) cause: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) owner_subject: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) user_consent: Option<Object<UserConsent<'a>>>,
}

/// A subscription as its IoT SP sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SubscriptionView<'a> {
    #[serde(rename = "self")]
    #[schema(schema_with = schema::link)]
    pub(crate) own: Shown<Link<'a>>,
    #[schema(schema_with = schema::supported_features)]
    pub(crate) supported_features: String,
    #[schema(schema_with = schema::serial_namespaces)]
    pub(crate) serial_namespaces: Vec<SerialNamespaceView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::callback_uri)]
    pub(crate) notification_destination: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::inline::<WebsocketView<'static>>)]
    pub(crate) websock_notif_config: Option<WebsocketView<'a>>,
}

/// A serial namespace as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SerialNamespaceView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vendor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<&'a str>,
}

/// An assignment as its IoT SP sees it; the serial number and `e2e` only while it is pending.
#[derive(Serialize, ToSchema)]
#[schema(as = Assignment)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AssignmentView<'a> {
    #[serde(rename = "self")]
    #[schema(schema_with = schema::link)]
    pub(crate) own: Shown<Link<'a>>,
    #[schema(schema_with = schema::mapping_status)]
    pub(crate) mapping_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::result_cause)]
    pub(crate) mapping_cause: Option<&'static str>,
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service_uri: &'a str,
    #[schema(schema_with = schema::uti)]
    pub(crate) uti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::serial_number)]
    pub(crate) device_serial_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) device_vendor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) device_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::device_id)]
    pub(crate) device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::inline::<ConsentView<'static>>)]
    pub(crate) consent: Option<ConsentView<'a>>,
    /// The IoT SP is to ask its user before it accepts; only when so.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(schema_with = schema::flag)]
    pub(crate) consent_owed: bool,
    /// The acceptance is to name the owner of the device; only when so.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(schema_with = schema::flag)]
    pub(crate) owner_owed: bool,
    #[serde(skip_serializing_if = "Option::is_none", rename = "e2e")]
    #[schema(schema_with = schema::end_to_end)]
    pub(crate) end_to_end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::date_time)]
    pub(crate) expiry: Option<Shown<Timestamp>>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) create_time: Shown<Timestamp>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) update_time: Shown<Timestamp>,
}

/// The consent a row stands on, as its IoT SP may know it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConsentView<'a> {
    #[schema(schema_with = schema::attribute)]
    pub(crate) id: &'a str,
    #[schema(schema_with = schema::attribute)]
    pub(crate) purpose: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) subject: Option<&'a str>,
}

impl<'a> Body<'a> for Subscription<'a> {
    const MANDATORY: &'static [&'static str] = &["notificationDestination"];
}

impl<'a> Body<'a> for SubscriptionPatch<'a> {
    const MANDATORY: &'static [&'static str] = &["notificationDestination"];
}

impl<'a> Body<'a> for Answer<'a> {
    const MANDATORY: &'static [&'static str] = &["result", "deviceId", "cause"];
}

const fn is_false(value: &bool) -> bool {
    !*value
}
