//! Rows. The sealed serial number and its hash have no place in any of these.

use ics_core::mapping::{
    DemappingCause, Dispatch, EndedBy, FailureCause, Mapping, MappingStatus, ResultCause, State,
};
use ics_core::reference_point::Role;
use ics_core::time::Timestamp;

use super::role_name;
use crate::wire::{MappingDetail, MappingStatusName, MappingView, RoleName};

/// The core's status of that name.
pub(crate) const fn status_of(name: MappingStatusName) -> MappingStatus {
    match name {
        MappingStatusName::Pending => MappingStatus::Pending,
        MappingStatusName::Established => MappingStatus::Established,
        MappingStatusName::Failed => MappingStatus::Failed,
        MappingStatusName::Deleted => MappingStatus::Deleted,
    }
}

/// A row in a list.
pub(crate) fn show_mapping(row: &Mapping) -> MappingView {
    let (cause, sub_cause) = show_cause(&row.state);
    MappingView {
        mapping_id: row.id.to_string(),
        status: match row.status() {
            MappingStatus::Pending => MappingStatusName::Pending,
            MappingStatus::Established => MappingStatusName::Established,
            MappingStatus::Failed => MappingStatusName::Failed,
            MappingStatus::Deleted => MappingStatusName::Deleted,
        },
        third_party_sp_id: row.third_party_sp.to_string(),
        iot_sp_id: row.iot_sp.to_string(),
        agreement_id: row.agreement.to_string(),
        create_time: row.created.to_rfc3339(),
        update_time: row.updated_towards(Role::IotSp).to_rfc3339(),
        cause: cause.map(Into::into),
        sub_cause,
        sequence: row.sequence,
    }
}

/// One row by its id.
pub(crate) fn show_mapping_detail(row: &Mapping) -> MappingDetail {
    let (taken_over, pending_until) = match &row.state {
        State::Pending {
            deadline, dispatch, ..
        } => (
            Some(*dispatch != Dispatch::Dispatching),
            Some(deadline.to_rfc3339()),
        ),
        _ => (None, None),
    };
    let purge_time = match &row.state {
        State::Failed { purge_at, .. } | State::Deleted { purge_at, .. } => Some(*purge_at),
        _ => None,
    };
    MappingDetail {
        mapping: show_mapping(row),
        service_uri: row.key.service_uri.as_str().into(),
        uti: row.key.uti.as_str().into(),
        device_id: row.device_id().map(|id| id.as_str().into()),
        device_vendor: row.device_vendor.as_ref().map(|text| text.as_str().into()),
        device_model: row.device_model.as_ref().map(|text| text.as_str().into()),
        taken_over,
        pending_until,
        uti_expiry: row.uti_expiry.map(Timestamp::to_rfc3339),
        ended_by: ended_by(&row.state),
        purge_time: purge_time.map(Timestamp::to_rfc3339),
    }
}

const fn ended_by(state: &State) -> Option<RoleName> {
    match state {
        State::Deleted {
            by: EndedBy::Party(role),
            ..
        } => Some(role_name(*role)),
        _ => None,
    }
}

fn show_cause(state: &State) -> (Option<&'static str>, Option<String>) {
    match state {
        State::Pending { .. } | State::Established { .. } => (None, None),
        State::Failing { cause, .. } | State::Failed { cause, .. } => {
            let code = match cause {
                FailureCause::Rejected(code) => Some(code.as_str().into()),
                _ => None,
            };
            (Some(cause.towards(Role::IotSp).name()), code)
        }
        State::Deleted {
            cause, sub_cause, ..
        } => {
            let cause = cause.map_or(ResultCause::Cancelled.name(), DemappingCause::name);
            (
                Some(cause),
                sub_cause.as_ref().map(|code| code.as_str().into()),
            )
        }
    }
}
