//! What the indexes that inquiries use hold besides the mapping id, so that an inquiry reads one
//! entry and not the row.

use ics_core::correlation::Correlation;
use ics_core::id::{AgreementId, DeviceId, MappingId, SpId};
use ics_core::mapping::{Mapping, MappingKey};
use ics_core::time::Timestamp;

use super::fields::{Sink, Source};
use super::value::{device_id, mapping_key, put_mapping_key, sp};
use super::{Record, RecordError};

/// What lies under the (service URI, UTI) of a live row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveEntry {
    /// The row.
    pub(crate) id: MappingId,
    /// Device ID and IoT SP, and on what the row stands, once it is established.
    established: Option<(DeviceId, SpId, Standing)>,
}

/// What lies under an established row's device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceEntry {
    id: MappingId,
    key: MappingKey,
    standing: Standing,
}

/// On what a row stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    third_party_sp: SpId,
    agreement: AgreementId,
    since: Timestamp,
    valid_until: Option<Timestamp>,
}

impl LiveEntry {
    pub(crate) fn of(row: &Mapping) -> Self {
        let established = Correlation::of(row).map(|correlation| {
            let standing = Standing::of(&correlation);
            (correlation.device_id, correlation.iot_sp, standing)
        });
        Self {
            id: row.id,
            established,
        }
    }

    /// The correlation of the entry under `key`, if the row is established.
    pub(crate) fn correlation(self, key: &MappingKey) -> Option<Correlation> {
        let (device_id, iot_sp, standing) = self.established?;
        Some(standing.complete(self.id, key.clone(), (iot_sp, device_id)))
    }
}

impl DeviceEntry {
    pub(crate) fn of(correlation: &Correlation) -> Self {
        Self {
            id: correlation.mapping,
            key: correlation.key.clone(),
            standing: Standing::of(correlation),
        }
    }

    /// The correlation of an entry under this device.
    pub(crate) fn correlation(self, iot_sp: &SpId, device_id: &DeviceId) -> Correlation {
        let device = (iot_sp.clone(), device_id.clone());
        self.standing.complete(self.id, self.key, device)
    }
}

impl Standing {
    fn of(correlation: &Correlation) -> Self {
        Self {
            third_party_sp: correlation.third_party_sp.clone(),
            agreement: correlation.agreement,
            since: correlation.since,
            valid_until: correlation.valid_until,
        }
    }

    fn complete(
        self,
        mapping: MappingId,
        key: MappingKey,
        (iot_sp, device_id): (SpId, DeviceId),
    ) -> Correlation {
        Correlation {
            mapping,
            key,
            device_id,
            third_party_sp: self.third_party_sp,
            iot_sp,
            agreement: self.agreement,
            since: self.since,
            valid_until: self.valid_until,
        }
    }
}

impl Record for LiveEntry {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.id("mappingId", self.id.as_bytes());
        out.option("established", self.established.as_ref(), |out, _, v| {
            let (device_id, iot_sp, standing) = v;
            out.text("deviceId", device_id.as_str());
            out.text("iotSpId", iot_sp.as_str());
            write_standing(out, standing);
        });
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            id: MappingId::from_bytes(input.id("mappingId")?),
            established: input.option("established", |input, _| {
                let device_id = device_id(input, "deviceId")?;
                Ok((device_id, sp(input, "iotSpId")?, read_standing(input)?))
            })?,
        })
    }
}

impl Record for DeviceEntry {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.key_id("mappingId", self.id.as_bytes());
        put_mapping_key(out, &self.key);
        write_standing(out, &self.standing);
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            id: MappingId::from_bytes(input.key_id("mappingId")?),
            key: mapping_key(input)?,
            standing: read_standing(input)?,
        })
    }
}

fn write_standing(out: &mut impl Sink, standing: &Standing) {
    out.text("thirdPartySpId", standing.third_party_sp.as_str());
    out.id("agreementId", standing.agreement.as_bytes());
    out.instant("since", standing.since);
    out.option("validUntil", standing.valid_until, Sink::instant);
}

fn read_standing(input: &mut impl Source) -> Result<Standing, RecordError> {
    Ok(Standing {
        third_party_sp: sp(input, "thirdPartySpId")?,
        agreement: AgreementId::from_bytes(input.id("agreementId")?),
        since: input.instant("since")?,
        valid_until: input.option("validUntil", Source::instant)?,
    })
}
