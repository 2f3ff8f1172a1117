//! `ics-device` (ICS-2): devices the gateway hosts for an IoT SP (t8, top).

use ics_core::device::CredentialId;
use ics_core::time::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::number::Whole;
use super::read::{Body, Object, first_present, present, removable};
use super::schema;
use super::text::{Shown, Text};
use crate::link::Link;

/// A device to be hosted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceRegistration<'a> {
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
    #[schema(schema_with = schema::attribute)]
    pub(crate) owner_subject: Option<Text<'a>>,
    #[serde(borrow)]
    #[schema(schema_with = schema::device_channels)]
    pub(crate) channels: Vec<Text<'a>>,
    #[serde(borrow)]
    #[schema(schema_with = schema::credential_orders)]
    pub(crate) credentials: Vec<Object<CredentialOrder<'a>>>,
}

/// A credential to be made: exactly one of its members.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialOrder<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) certificate: Option<Object<CertificateOrder<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) password: Option<Object<PasswordOrder<'a>>>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) psk: Option<Object<PskOrder>>,
}

/// A certificate for the public key of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CertificateOrder<'a> {
    #[serde(borrow)]
    pub(crate) request: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) validity: Option<Whole>,
}

/// A password: minted here, or the one that is given.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PasswordOrder<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) value: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) validity: Option<Whole>,
}

/// A pre-shared key: always minted here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PskOrder {
    #[serde(default, deserialize_with = "present")]
    pub(crate) validity: Option<Whole>,
}

/// A merge patch (RFC 7396) of a hosted device.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DevicePatch<'a> {
    #[serde(borrow, deserialize_with = "removable")]
    pub(crate) device_vendor: Option<Option<Text<'a>>>,
    #[serde(borrow, deserialize_with = "removable")]
    pub(crate) device_model: Option<Option<Text<'a>>>,
    #[serde(borrow, deserialize_with = "removable")]
    pub(crate) owner_subject: Option<Option<Text<'a>>>,
    #[serde(borrow, deserialize_with = "removable")]
    pub(crate) channels: Option<Option<Vec<Text<'a>>>>,
    #[serde(rename = "self", deserialize_with = "present")]
    own: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    device_id: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    device_serial_number: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    status: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    expiry: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    document: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    credentials: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    create_time: Option<IgnoredAny>,
    #[serde(deserialize_with = "present")]
    update_time: Option<IgnoredAny>,
}

impl DevicePatch<'_> {
    /// A member that may not change, if the patch has one.
    pub(crate) fn fixed_member(&self) -> Option<&'static str> {
        first_present([
            (&self.own, "/self"),
            (&self.device_id, "/deviceId"),
            (&self.device_serial_number, "/deviceSerialNumber"),
            (&self.status, "/status"),
            (&self.expiry, "/expiry"),
            (&self.document, "/document"),
            (&self.credentials, "/credentials"),
            (&self.create_time, "/createTime"),
            (&self.update_time, "/updateTime"),
        ])
    }
}

/// A pairing code to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PairingCodeRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PairingOrder {
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schema::pairing_validity)]
    pub(crate) validity: Option<Whole>,
}

/// A pairing code, told this once.
#[derive(Serialize, ToSchema)]
#[schema(as = PairingCode)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PairingView {
    #[schema(schema_with = schema::pairing_code)]
    pub(crate) pairing_code: String,
    #[schema(schema_with = schema::date_time)]
    pub(crate) not_after: Shown<Timestamp>,
}

/// A hosted device as its IoT SP sees it; the serial number where one device is looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeviceView<'a> {
    #[serde(rename = "self")]
    #[schema(schema_with = schema::link)]
    pub(crate) own: Shown<Link<'a>>,
    #[schema(schema_with = schema::device_id)]
    pub(crate) device_id: &'a str,
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
    #[schema(schema_with = schema::attribute)]
    pub(crate) owner_subject: Option<&'a str>,
    #[schema(schema_with = schema::device_channels)]
    pub(crate) channels: Vec<&'static str>,
    #[schema(schema_with = schema::device_status)]
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::date_time)]
    pub(crate) expiry: Option<Shown<Timestamp>>,
    #[schema(schema_with = schema::inline::<DocumentView<'static>>)]
    pub(crate) document: DocumentView<'a>,
    #[schema(schema_with = schema::credentials)]
    pub(crate) credentials: Vec<CredentialView<'a>>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) create_time: Shown<Timestamp>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) update_time: Shown<Timestamp>,
}

/// What a hosted device must hold, and the newest version it said it holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DocumentView<'a> {
    #[schema(schema_with = schema::count)]
    pub(crate) version: u64,
    #[schema(schema_with = schema::count)]
    pub(crate) acknowledged: u64,
    #[schema(schema_with = schema::links)]
    pub(crate) mappings: Vec<Shown<Link<'a>>>,
}

/// A credential of a hosted device; what is secret of it once, in the answer that made it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceCredential)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialView<'a> {
    #[serde(rename = "self")]
    #[schema(schema_with = schema::link)]
    pub(crate) own: Shown<Link<'a>>,
    #[schema(schema_with = schema::credential_id)]
    pub(crate) credential_id: Shown<CredentialId>,
    #[schema(schema_with = schema::credential_kind)]
    pub(crate) kind: &'static str,
    #[schema(schema_with = schema::date_time)]
    pub(crate) not_before: Shown<Timestamp>,
    #[schema(schema_with = schema::date_time)]
    pub(crate) not_after: Shown<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::date_time)]
    pub(crate) revoke_time: Option<Shown<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::certificate)]
    pub(crate) certificate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::password)]
    pub(crate) password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::psk_identity)]
    pub(crate) psk_identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::psk)]
    pub(crate) psk: Option<String>,
}

impl<'a> Body<'a> for DeviceRegistration<'a> {
    const MANDATORY: &'static [&'static str] = &["deviceSerialNumber", "channels", "credentials"];
}

impl<'a> Body<'a> for CredentialOrder<'a> {
    const MANDATORY: &'static [&'static str] = &["certificate", "password", "psk"];
}

impl<'a> Body<'a> for DevicePatch<'a> {
    const MANDATORY: &'static [&'static str] = &[];
}

impl Body<'_> for PairingOrder {
    const MANDATORY: &'static [&'static str] = &[];
}
