//! `ics-demapping` (ICS-3, ICS-4): the request to remove rows, and what was removed (t8 A.3).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::read::{Body, present};
use super::schema;
use super::text::{Shown, Text};
use crate::link::Link;

/// A de-mapping request: a cause and one selector.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Demap<'a> {
    #[serde(borrow)]
    pub(crate) cause: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) sub_cause: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) mapping: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) device_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) uti: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) service_uri: Option<Text<'a>>,
}

/// What was removed; at most 1,000 links, however many rows there were.
#[derive(Serialize, ToSchema)]
#[schema(as = DemapResult)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DemappedView<'a> {
    #[schema(schema_with = schema::count)]
    pub(crate) removed: usize,
    #[schema(schema_with = schema::links)]
    pub(crate) mappings: Vec<Shown<Link<'a>>>,
}

/// How a job stands that removes more rows than one answer waits for.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JobView {
    #[schema(schema_with = schema::job_status)]
    pub(crate) status: &'static str,
    #[schema(schema_with = schema::count)]
    pub(crate) total: u64,
    #[schema(schema_with = schema::count)]
    pub(crate) done: u64,
    #[schema(schema_with = schema::count)]
    pub(crate) failed: u64,
}

impl<'a> Body<'a> for Demap<'a> {
    const MANDATORY: &'static [&'static str] =
        &["cause", "mapping", "deviceId", "uti", "serviceUri"];
}
