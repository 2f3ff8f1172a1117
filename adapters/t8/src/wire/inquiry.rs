//! `ics-inquiry` (ICS-7, ICS-8): the two cases of Y.4462 10.3 (t8 A.4). The hot path.

use ics_core::time::Timestamp;
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

impl<'a> Body<'a> for TransactionInquiry<'a> {
    const MANDATORY: &'static [&'static str] = &["serviceUri", "uti"];
}
