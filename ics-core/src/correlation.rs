//! Y.4462 Table 1: device ID, service URI and UTI in one row.

use crate::id::{AgreementId, DeviceId, MappingId, SpId};
use crate::mapping::{Mapping, MappingKey, State};
use crate::time::Timestamp;

/// An established row as an inquiry sees it: the three identifiers that belong together, and what
/// decides who may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// The row.
    pub mapping: MappingId,
    /// Service URI and UTI.
    pub key: MappingKey,
    /// The device.
    pub device_id: DeviceId,
    /// Who administers the UTI.
    pub third_party_sp: SpId,
    /// Who administers the device ID.
    pub iot_sp: SpId,
    /// The agreement the row stands on.
    pub agreement: AgreementId,
    /// When it was established.
    pub since: Timestamp,
    /// First instant it holds no longer: end of the UTI or of the consent.
    pub valid_until: Option<Timestamp>,
}

impl Correlation {
    /// That of `row`; `None` unless it is established.
    #[must_use]
    pub fn of(row: &Mapping) -> Option<Self> {
        let State::Established { device_id, since } = &row.state else {
            return None;
        };
        Some(Self {
            mapping: row.id,
            key: row.key.clone(),
            device_id: device_id.clone(),
            third_party_sp: row.third_party_sp.clone(),
            iot_sp: row.iot_sp.clone(),
            agreement: row.agreement,
            since: *since,
            valid_until: row.due(),
        })
    }

    /// Whether it holds at `now`: a row that has run out answers nothing, whether it was already
    /// ended or not.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|end| now < end)
    }
}
