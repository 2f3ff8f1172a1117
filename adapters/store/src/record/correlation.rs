//! What the indexes that inquiries use hold besides the mapping id, so that an inquiry reads one
//! entry and not the row.

use ics_core::correlation::Correlation;
use ics_core::id::{AgreementId, DeviceId, MappingId, SpId};
use ics_core::mapping::{Mapping, MappingKey};
use ics_core::time::Timestamp;

use super::bytes::{Decoder, Encoder};
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

    fn write(&self, out: &mut Encoder) {
        out.raw(self.id.as_bytes());
        out.option(
            self.established.as_ref(),
            |out, (device_id, iot_sp, standing)| {
                out.text(device_id.as_str());
                out.text(iot_sp.as_str());
                out.standing(standing);
            },
        );
    }

    fn read(_: u8, input: &mut Decoder<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            id: MappingId::from_bytes(input.array()?),
            established: input
                .option(|input| Ok((input.device_id()?, input.sp()?, input.standing()?)))?,
        })
    }
}

impl Record for DeviceEntry {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Encoder) {
        out.mapping_key(&self.key);
        out.standing(&self.standing);
    }

    fn read(_: u8, input: &mut Decoder<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            id: MappingId::from_bytes(input.key_tail()?),
            key: input.mapping_key()?,
            standing: input.standing()?,
        })
    }
}

impl Encoder {
    fn standing(&mut self, standing: &Standing) {
        self.text(standing.third_party_sp.as_str());
        self.raw(standing.agreement.as_bytes());
        self.instant(standing.since);
        self.option(standing.valid_until, Self::instant);
    }
}

impl Decoder<'_> {
    fn standing(&mut self) -> Result<Standing, RecordError> {
        Ok(Standing {
            third_party_sp: self.sp()?,
            agreement: AgreementId::from_bytes(self.array()?),
            since: self.instant()?,
            valid_until: self.option(Self::instant)?,
        })
    }
}
