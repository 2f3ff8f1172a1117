//! `ics-mapping` (ICS-1): the identity mapping as a third party SP sends and sees it (t8 A.1).

use ics_core::time::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::number::Whole;
use super::read::{Body, Object, first_present, present, removable};
use super::schema;
use super::text::{Shown, Text};
use crate::link::Link;

/// A mapping request.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = IdentityMappingRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityMapping<'a> {
    #[serde(borrow)]
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service_uri: Text<'a>,
    #[serde(borrow)]
    #[schema(schema_with = schema::uti)]
    pub(crate) uti: Text<'a>,
    #[serde(borrow)]
    #[schema(schema_with = schema::serial_number)]
    pub(crate) device_serial_number: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) device_vendor: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) device_model: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::sp_id)]
    pub(crate) iot_sp_id: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schema::seconds)]
    pub(crate) validity_period: Option<Whole>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::date_time)]
    pub(crate) uti_expiry: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::inline::<UserConsent<'static>>)]
    pub(crate) user_consent: Option<Object<UserConsent<'a>>>,
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
    #[serde(borrow, default, deserialize_with = "present", rename = "e2e")]
    #[schema(schema_with = schema::end_to_end)]
    pub(crate) end_to_end: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::pairing_code)]
    pub(crate) pairing_code: Option<Text<'a>>,
}

/// The user's consent as the third party SP asserts it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserConsent<'a> {
    #[serde(borrow)]
    #[schema(schema_with = schema::attribute)]
    pub(crate) consent_id: Text<'a>,
    #[serde(borrow)]
    #[schema(schema_with = schema::date_time)]
    pub(crate) granted_at: Text<'a>,
    #[serde(borrow)]
    #[schema(schema_with = schema::attribute)]
    pub(crate) purpose: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) subject: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::date_time)]
    pub(crate) expires: Option<Text<'a>>,
}

/// Notifications by websocket (TS 29.122 5.2.5.4), where Notification_websocket was negotiated: the
/// answer carries the `websocketUri` to dial. `notificationDestination` is mandatory without it, and
/// with it where notifications go while no websocket is open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebsockNotifConfig {
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schema::flag)]
    pub(crate) request_websocket_uri: Option<bool>,
}

impl WebsockNotifConfig {
    /// Whether this asks for notifications by websocket.
    pub(crate) fn asks(config: Option<&Object<Self>>) -> bool {
        config.is_some_and(|config| config.0.request_websocket_uri.unwrap_or(false))
    }
}

/// Where to dial for notifications.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebsocketView<'a> {
    pub(crate) request_websocket_uri: bool,
    #[schema(schema_with = schema::websocket_uri)]
    pub(crate) websocket_uri: Shown<Link<'a>>,
}

/// A merge patch (RFC 7396) of a pending mapping. The members that may not change are known, so
/// that they can be told from members that do not exist.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IdentityMappingPatch<'a> {
    #[serde(borrow, deserialize_with = "removable")]
    pub(crate) notification_destination: Option<Option<Text<'a>>>,
    #[serde(deserialize_with = "removable")]
    pub(crate) validity_period: Option<Option<Whole>>,
    #[serde(deserialize_with = "removable")]
    pub(crate) websock_notif_config: Option<Option<Object<WebsockNotifConfig>>>,
    #[serde(rename = "self", deserialize_with = "present")]
    own: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    supported_features: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    service_uri: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    uti: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    device_serial_number: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    device_vendor: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    device_model: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    iot_sp_id: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    uti_expiry: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    user_consent: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    request_test_notification: Option<IgnoredAny>,
    #[serde(rename = "e2e", deserialize_with = "present")]
    end_to_end: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    pairing_code: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    mapping_status: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    mapping_cause: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    create_time: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    update_time: Option<IgnoredAny>,
}

impl IdentityMappingPatch<'_> {
    /// A member that may not change, if the patch has one.
    pub(crate) fn fixed_member(&self) -> Option<&'static str> {
        first_present([
            (&self.own, "/self"),
            (&self.supported_features, "/supportedFeatures"),
            (&self.service_uri, "/serviceUri"),
            (&self.uti, "/uti"),
            (&self.device_serial_number, "/deviceSerialNumber"),
            (&self.device_vendor, "/deviceVendor"),
            (&self.device_model, "/deviceModel"),
            (&self.iot_sp_id, "/iotSpId"),
            (&self.uti_expiry, "/utiExpiry"),
            (&self.user_consent, "/userConsent"),
            (&self.request_test_notification, "/requestTestNotification"),
            (&self.end_to_end, "/e2e"),
            (&self.pairing_code, "/pairingCode"),
            (&self.mapping_status, "/mappingStatus"),
            (&self.mapping_cause, "/mappingCause"),
            (&self.create_time, "/createTime"),
            (&self.update_time, "/updateTime"),
        ])
    }
}

/// A mapping as its third party SP sees it: no serial number, no consent, no device ID (A.1).
#[derive(Serialize, ToSchema)]
#[schema(as = IdentityMapping)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MappingView<'a> {
    #[serde(rename = "self")]
    #[schema(schema_with = schema::link)]
    pub(crate) own: Shown<Link<'a>>,
    #[schema(schema_with = schema::supported_features)]
    pub(crate) supported_features: String,
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service_uri: &'a str,
    #[schema(schema_with = schema::uti)]
    pub(crate) uti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) device_vendor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::attribute)]
    pub(crate) device_model: Option<&'a str>,
    #[schema(schema_with = schema::sp_id)]
    pub(crate) iot_sp_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::seconds_left)]
    pub(crate) validity_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::date_time)]
    pub(crate) uti_expiry: Option<Shown<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::callback_uri)]
    pub(crate) notification_destination: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::inline::<WebsocketView<'static>>)]
    pub(crate) websock_notif_config: Option<WebsocketView<'a>>,
    #[schema(schema_with = schema::mapping_status)]
    pub(crate) mapping_status: &'static str,
    #[schema(required, schema_with = schema::mapping_cause)]
    pub(crate) mapping_cause: Option<&'static str>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) create_time: Shown<Timestamp>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) update_time: Shown<Timestamp>,
}

impl<'a> Body<'a> for IdentityMapping<'a> {
    const MANDATORY: &'static [&'static str] = &[
        "serviceUri",
        "uti",
        "deviceSerialNumber",
        "notificationDestination",
    ];
}

impl<'a> Body<'a> for IdentityMappingPatch<'a> {
    const MANDATORY: &'static [&'static str] = &["notificationDestination"];
}
