//! Fences: rows that are gone though nobody has swept them yet (Y.4462 10.2, in bulk).
//!
//! A de-mapping of more rows than one transaction takes writes a fence first. From that commit
//! on its rows are gone, as of [`Fence::at`], for every read and every request; a
//! [`crate::job::Job`] ends them one by one behind it, and takes the fence away with the last.
//!
//! Which rows: those its scope names that were there at `at`. What is made later is not touched:
//! whoever makes a row knows every fence (`Assumption::FencesKnown`) and dates it after those
//! that would cover it ([`date_after`]). Where nothing can come later (an ended agreement, a
//! killed UTI, a dead device ID), the time does not matter.

use alloc::sync::Arc;

use crate::correlation::Correlation;
use crate::id::{AgreementId, DeviceId, JobId, ServiceUri, SpId, Uti};
use crate::mapping::{DemappingCause, Mapping, MappingKey, State};
use crate::port::Selection;
use crate::procedure::demapping::{Demapping, is_live_for};
use crate::time::Timestamp;

/// A bulk de-mapping in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The job that sweeps its rows; names the fence too.
    pub job: JobId,
    /// Which rows.
    pub scope: FenceScope,
    /// Why, in what words, by whom.
    pub demapping: Demapping,
    /// Since when they are gone; not before any of them was made.
    pub at: Timestamp,
}

/// Which rows a fence is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceScope {
    /// All rows of a service.
    Service {
        /// Who owns it.
        third_party_sp: SpId,
        /// Which.
        service_uri: ServiceUri,
    },
    /// All rows of a UTI.
    Uti {
        /// Who administers it.
        third_party_sp: SpId,
        /// Which.
        uti: Uti,
    },
    /// The established rows of a device, or those of one service.
    Device {
        /// Whose device.
        iot_sp: SpId,
        /// Which.
        device_id: DeviceId,
        /// Of this service alone.
        service_uri: Option<ServiceUri>,
    },
    /// All rows that stand on an agreement.
    Agreement {
        /// Which.
        agreement: AgreementId,
        /// Its IoT SP, under whom the rows are found.
        iot_sp: SpId,
    },
}

/// What a fence looks at in a row.
#[derive(Clone, Copy, Debug)]
struct Seen<'a> {
    third_party_sp: &'a SpId,
    iot_sp: &'a SpId,
    key: &'a MappingKey,
    agreement: AgreementId,
    created: Timestamp,
    device: Option<(&'a DeviceId, Timestamp)>,
}

impl Fence {
    /// Whether `row` is gone by this fence.
    #[must_use]
    pub fn covers(&self, row: &Mapping) -> bool {
        let device = match &row.state {
            State::Established { device_id, since } => Some((device_id, *since)),
            _ => None,
        };
        is_live_for(row, self.demapping.by)
            && self.covers_seen(Seen {
                third_party_sp: &row.third_party_sp,
                iot_sp: &row.iot_sp,
                key: &row.key,
                agreement: row.agreement,
                created: row.created,
                device,
            })
    }

    /// The same of a row as an inquiry sees it; its id tells when it was made.
    #[must_use]
    pub fn covers_correlation(&self, found: &Correlation) -> bool {
        self.covers_seen(Seen {
            third_party_sp: &found.third_party_sp,
            iot_sp: &found.iot_sp,
            key: &found.key,
            agreement: found.agreement,
            created: found.mapping.minted_at(),
            device: Some((&found.device_id, found.since)),
        })
    }

    fn covers_seen(&self, row: Seen<'_>) -> bool {
        let in_time = |made: Timestamp| made <= self.at || self.is_final();
        match &self.scope {
            FenceScope::Service {
                third_party_sp,
                service_uri,
            } => {
                row.key.service_uri == *service_uri
                    && row.third_party_sp == third_party_sp
                    && in_time(row.created)
            }
            FenceScope::Uti {
                third_party_sp,
                uti,
            } => {
                row.key.uti == *uti && row.third_party_sp == third_party_sp && in_time(row.created)
            }
            FenceScope::Device {
                iot_sp,
                device_id,
                service_uri,
            } => {
                let asked = |uri: &ServiceUri| row.key.service_uri == *uri;
                // A row is a device's from its establishment on, not from its creation.
                row.device
                    .is_some_and(|(device, since)| device == device_id && in_time(since))
                    && row.iot_sp == iot_sp
                    && service_uri.as_ref().is_none_or(asked)
            }
            FenceScope::Agreement { agreement, .. } => row.agreement == *agreement,
        }
    }

    /// Whether no row can come into its scope after it: the agreement has ended, the UTI is
    /// killed, the device ID is dead, by the same transaction.
    const fn is_final(&self) -> bool {
        match (&self.scope, self.demapping.cause) {
            (FenceScope::Agreement { .. }, _)
            | (FenceScope::Uti { .. }, DemappingCause::UtiInvalid) => true,
            (FenceScope::Device { service_uri, .. }, DemappingCause::DeviceUnregistered) => {
                service_uri.is_none()
            }
            _ => false,
        }
    }

    /// Whether it takes rows outside its scope along: all rows of the UTIs of those inside
    /// (10.2, "the UTI is invalid").
    #[must_use]
    pub fn kills_utis(&self) -> bool {
        self.demapping.cause == DemappingCause::UtiInvalid
    }

    /// Whether rows of `third_party_sp` can be in its scope.
    #[must_use]
    pub fn may_concern(&self, third_party_sp: &SpId) -> bool {
        match &self.scope {
            FenceScope::Service {
                third_party_sp: own,
                ..
            }
            | FenceScope::Uti {
                third_party_sp: own,
                ..
            } => own == third_party_sp,
            FenceScope::Device { .. } | FenceScope::Agreement { .. } => true,
        }
    }

    /// Where its rows are found, and others among them.
    #[must_use]
    pub fn selection(&self) -> Selection {
        match &self.scope {
            FenceScope::Service { service_uri, .. } => Selection::Service(service_uri.clone()),
            FenceScope::Uti {
                third_party_sp,
                uti,
            } => Selection::Uti {
                third_party_sp: third_party_sp.clone(),
                uti: uti.clone(),
            },
            FenceScope::Device {
                iot_sp, device_id, ..
            } => Selection::Device {
                iot_sp: iot_sp.clone(),
                device_id: device_id.clone(),
            },
            FenceScope::Agreement { iot_sp, .. } => Selection::IotSp(iot_sp.clone()),
        }
    }
}

/// When something made at `now` is dated so that no fence of `fences` covers it: `now`, or just
/// after the last of those whose scope it falls in, should the clock not have moved on.
/// `falls_in` tells which those are.
pub fn date_after<'a>(
    fences: impl Iterator<Item = &'a Arc<Fence>>,
    falls_in: impl Fn(&FenceScope) -> bool,
    now: Timestamp,
) -> Timestamp {
    fences
        .filter(|fence| falls_in(&fence.scope))
        .map(|fence| fence.at.plus(core::time::Duration::from_millis(1)))
        .fold(now, Timestamp::max)
}
