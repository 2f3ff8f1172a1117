//! A row as `ics:idmap`, a flexContainer: what each caller may see of it (onem2m.md A.2), and never a
//! serial number to a third party, nor an external identifier to anybody.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::{MappingId, SpId};
use ics_core::mapping::{Mapping, MappingKey, MappingStatus, ResultCause, State};
use ics_core::port::Sealer;
use ics_core::reference_point::Role;
use ics_core::sealed::BlindIndexDomain;
use ics_core::service::OpenAssignment;
use ics_core::time::Timestamp;
use serde_json::{Map, Value};

use super::Place;
use crate::address::Names;
use crate::time::format;

/// The attributes of a resource.
pub(crate) type Shown = Map<String, Value>;

/// How rows are shown.
#[derive(Clone)]
pub(crate) struct Views {
    names: Names,
    definition: String,
    sealer: Arc<dyn Sealer>,
}

impl Views {
    /// Under these names; `definition` is `cnd`.
    pub(crate) fn new(names: Names, definition: String, sealer: Arc<dyn Sealer>) -> Self {
        Self {
            names,
            definition,
            sealer,
        }
    }

    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// `cnd` of everything here.
    pub(crate) fn definition(&self) -> &str {
        &self.definition
    }

    /// The address of a place, structured or not.
    pub(crate) fn address(&self, place: Place, unstructured: bool) -> String {
        let relative = if unstructured {
            place.resource_id()
        } else {
            place.path(&self.names)
        };
        self.names.sp_relative(&relative)
    }

    /// A row as its third party sees it: the device ID comes by an inquiry alone, as on T8.
    pub(crate) fn to_third_party(&self, row: &Mapping) -> Shown {
        let role = Role::ThirdPartySp;
        let mut shown = self.universal(row, Place::Row(row.id), role);
        shown.insert("isp".into(), row.iot_sp.as_str().into());
        let deadline = row.deadline_towards(role);
        if let Some(wait) = deadline.map(|end| end.since(row.created)) {
            shown.insert("vper".into(), wait.as_secs().into());
        }
        shown
    }

    /// A row as its IoT SP sees it; with the serial number and `e2e` while it is pending.
    pub(crate) fn to_iot_sp(&self, open: &OpenAssignment, place: Place) -> Shown {
        let row = &open.mapping;
        let mut shown = self.universal(row, place, Role::IotSp);
        let mut put = |name: &str, text: &str| shown.insert(name.into(), text.into());
        if let Some(device_id) = row.device_id() {
            put("did", device_id.as_str());
        }
        if let Some(consent) = &row.consent {
            put("ucid", consent.id.as_str());
            put("ucpu", consent.purpose.as_str());
            if let Some(subject) = &consent.subject {
                put("ucsu", subject.as_str());
            }
        }
        if matches!(row.state, State::Pending { .. }) {
            if let Some(serial) = &open.serial {
                put("dsn", serial.expose());
            }
            if let Some(e2e) = &open.e2e {
                put("e2e", &URL_SAFE_NO_PAD.encode(e2e));
            }
        }
        shown
    }

    /// What everybody who sees a row sees of it.
    fn universal(&self, row: &Mapping, place: Place, role: Role) -> Shown {
        let mut shown = self.identity(&row.third_party_sp, &row.key, place);
        let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
        put("ct", format(row.created).into());
        put("lt", format(row.updated_towards(role)).into());
        put("et", format(expiry(row, role)).into());
        put("msta", state_number(row.status_towards(role)).into());
        let attributes = [("man", &row.device_vendor), ("mod", &row.device_model)];
        for (name, attribute) in attributes {
            if let Some(attribute) = attribute {
                put(name, attribute.as_str().into());
            }
        }
        if let Some(cause) = ended_by(row, role) {
            put("mcau", cause.into());
        }
        shown
    }

    /// What tells which row it is.
    pub(crate) fn identity(&self, third_party: &SpId, key: &MappingKey, place: Place) -> Shown {
        let mut shown = Shown::new();
        let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
        put("ri", place.resource_id().into());
        put("rn", place.resource_id().into());
        put("pi", place.parent().into());
        put("ty", super::FLEX_CONTAINER.into());
        put("cnd", self.definition.clone().into());
        put("svu", key.service_uri.as_str().into());
        put("uti", key.uti.as_str().into());
        put("lbl", self.labels(third_party, key).into());
        shown
    }

    /// Keyed hashes of the pair, for discovery: of one third party alone, so that two cannot compare
    /// theirs, and nobody can try one out.
    fn labels(&self, third_party: &SpId, key: &MappingKey) -> Vec<Value> {
        let pair = [("uti", key.uti.as_str()), ("svu", key.service_uri.as_str())];
        let hash = |(name, value): (&str, &str)| {
            let parts = [
                third_party.as_str().as_bytes(),
                name.as_bytes(),
                value.as_bytes(),
            ];
            let index = self.sealer.blind_index(BlindIndexDomain::Label, &parts);
            Value::from(format!(
                "{name}:{}",
                URL_SAFE_NO_PAD.encode(index.as_bytes())
            ))
        };
        pair.into_iter().map(hash).collect()
    }
}

/// Whether `label` is written as those of rows are.
pub(super) fn is_label(label: &str) -> bool {
    let hash = label.strip_prefix("uti:").or(label.strip_prefix("svu:"));
    hash.is_some_and(|hash| {
        URL_SAFE_NO_PAD
            .decode(hash)
            .is_ok_and(|bytes| bytes.len() == 32)
    })
}

/// `msta`: 1 pending, 2 mapped, 3 de-mapped, 4 failed.
pub(crate) const fn state_number(status: MappingStatus) -> u8 {
    match status {
        MappingStatus::Pending => 1,
        MappingStatus::Established => 2,
        MappingStatus::Deleted => 3,
        MappingStatus::Failed => 4,
    }
}

/// Why a row ended, as `role` may know it.
fn ended_by(row: &Mapping, role: Role) -> Option<&'static str> {
    match &row.state {
        State::Deleted {
            cause: Some(cause), ..
        } => Some(cause.name()),
        _ => row.cause_towards(role).map(ResultCause::name),
    }
}

/// When the row goes by itself: a tombstone at the end of its time; a live one when its UTI or its
/// consent ends; what an IoT SP is to complete, when waiting ends.
fn expiry(row: &Mapping, role: Role) -> Timestamp {
    let consent_end = row.consent.as_ref().and_then(|consent| consent.expires);
    let ends = [row.uti_expiry, consent_end];
    match (&row.state, role) {
        (State::Failed { purge_at, .. } | State::Deleted { purge_at, .. }, _) => *purge_at,
        (State::Pending { deadline, .. }, Role::IotSp) => *deadline,
        _ => ends.into_iter().flatten().min().unwrap_or(Timestamp::MAX),
    }
}

/// The 32 digits in the resource ID of a row.
pub(super) fn digits(id: MappingId) -> String {
    id.to_string().replace('-', "")
}
