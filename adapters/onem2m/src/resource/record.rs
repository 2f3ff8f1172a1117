//! How a resource is kept: JSON with a version, so that a later one can tell.

use ics_core::id::DeviceId;
use ics_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Resource, Type};

/// The version written.
const VERSION: u8 = 1;

/// What was kept cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of a resource")]
pub(crate) struct InvalidRecord;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    v: u8,
    ty: u16,
    ri: String,
    rn: String,
    pi: String,
    ct: i64,
    lt: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    et: Option<i64>,
    st: u64,
    order: u64,
    owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above: Option<String>,
    attributes: Map<String, Value>,
}

impl Resource {
    /// The record of it.
    ///
    /// # Errors
    /// [`InvalidRecord`].
    pub(crate) fn to_record(&self) -> Result<Vec<u8>, InvalidRecord> {
        let record = Record {
            v: VERSION,
            ty: self.ty.number(),
            ri: self.ri.clone(),
            rn: self.rn.clone(),
            pi: self.pi.clone(),
            ct: self.created.millis(),
            lt: self.modified.millis(),
            et: self.expires.map(Timestamp::millis),
            st: self.state_tag,
            order: self.order,
            owner: self.owner.clone(),
            device: self.device.as_ref().map(|id| id.as_str().to_owned()),
            above: self.above.clone(),
            attributes: self.attributes.clone(),
        };
        serde_json::to_vec(&record).map_err(|_| InvalidRecord)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`InvalidRecord`].
    pub(crate) fn from_record(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        let record: Record = serde_json::from_slice(bytes).map_err(|_| InvalidRecord)?;
        if record.v != VERSION {
            return Err(InvalidRecord);
        }
        let device = record.device.as_deref().map(DeviceId::parse).transpose();
        Ok(Self {
            ty: Type::of_number(record.ty).ok_or(InvalidRecord)?,
            ri: record.ri,
            rn: record.rn,
            pi: record.pi,
            created: Timestamp::from_millis(record.ct),
            modified: Timestamp::from_millis(record.lt),
            expires: record.et.map(Timestamp::from_millis),
            state_tag: record.st,
            attributes: record.attributes,
            owner: record.owner,
            device: device.map_err(|_| InvalidRecord)?,
            above: record.above,
            order: record.order,
        })
    }
}
