//! `ics-inquiry` (ICS-7, ICS-8): the two cases of Y.4462 10.3 (t8 A.4), one by one and in bulk.
//! The hot path.

use std::borrow::Cow;
use std::collections::HashMap;

use ics_core::reference_point::ReferencePoint;
use ics_core::time::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::read::{Body, present};
use super::schema;
use super::text::{Shown, Text};

/// Case 1: which rows has this device?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceInquiry<'a> {
    #[serde(borrow)]
    #[schema(schema_with = schema::device_id)]
    pub(crate) device_id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service_uri: Option<Text<'a>>,
}

/// Case 2: which device is behind this service URI and UTI?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransactionInquiry<'a> {
    #[serde(borrow)]
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service_uri: Text<'a>,
    #[serde(borrow)]
    #[schema(schema_with = schema::uti)]
    pub(crate) uti: Text<'a>,
}

/// Which device does a third party mean?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolution<'a> {
    /// As the third party knows it.
    #[serde(borrow)]
    #[schema(schema_with = schema::device_id)]
    pub(crate) device_id: Text<'a>,
    #[serde(borrow)]
    #[schema(schema_with = schema::sp_id)]
    pub(crate) third_party_sp_id: Text<'a>,
}

/// Which case a line of a bulk inquiry is: with a `deviceId` and no `uti` case 1, else case 2.
pub(crate) fn point_of_line(bytes: &[u8]) -> ReferencePoint {
    let members: Result<HashMap<Cow<'_, str>, IgnoredAny>, _> = serde_json::from_slice(bytes);
    match members {
        Ok(members) if members.contains_key("deviceId") && !members.contains_key("uti") => {
            ReferencePoint::Ics8
        }
        _ => ReferencePoint::Ics7,
    }
}

/// The device as its IoT SP knows it.
#[derive(Serialize, ToSchema)]
#[schema(as = ResolutionResult)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResolutionView<'a> {
    #[schema(schema_with = schema::device_id)]
    pub(crate) device_id: &'a str,
    #[schema(schema_with = schema::sp_id)]
    pub(crate) third_party_sp_id: &'a str,
}

/// Answer to case 1.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceInquiryResult)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeviceAnswerView<'a> {
    #[schema(schema_with = schema::device_id)]
    pub(crate) device_id: &'a str,
    #[schema(schema_with = schema::pairs)]
    pub(crate) mappings: Vec<PairView<'a>>,
}

/// One row of a device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PairView<'a> {
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service_uri: &'a str,
    #[schema(schema_with = schema::uti)]
    pub(crate) uti: &'a str,
    #[schema(schema_with = schema::date_time)]
    pub(crate) established_time: Shown<Timestamp>,
}

/// Answer to case 2.
#[derive(Serialize, ToSchema)]
#[schema(as = TransactionInquiryResult)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TransactionAnswerView<'a> {
    #[schema(schema_with = schema::device_id)]
    pub(crate) device_id: &'a str,
    #[schema(schema_with = schema::sp_id)]
    pub(crate) iot_sp_id: &'a str,
    #[schema(schema_with = schema::service_uri)]
    pub(crate) service_uri: &'a str,
    #[schema(schema_with = schema::uti)]
    pub(crate) uti: &'a str,
}

impl<'a> Body<'a> for DeviceInquiry<'a> {
    const MANDATORY: &'static [&'static str] = &["deviceId"];
}

impl<'a> Body<'a> for Resolution<'a> {
    const MANDATORY: &'static [&'static str] = &["deviceId", "thirdPartySpId"];
}

impl<'a> Body<'a> for TransactionInquiry<'a> {
    const MANDATORY: &'static [&'static str] = &["serviceUri", "uti"];
}
