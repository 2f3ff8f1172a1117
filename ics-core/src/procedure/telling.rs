//! Who is told of a change of a row, and what each may know.

use super::Knobs;
use crate::change::Change;
use crate::id::SpId;
use crate::mapping::{CauseCode, DemappingCause, EndedBy, Mapping, State};
use crate::outbox::{Addressee, Message, OutboxEntry, OutboxKey, Subject};
use crate::reference_point::Role;
use crate::time::Timestamp;

/// Which sides of a row can be told at all: those with a destination or an AE on oneM2M that were
/// not off-boarded. An IoT SP without either pulls (`GET assignments`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listeners {
    /// The third party SP takes notifications of this row, or speaks over oneM2M.
    pub third_party_sp: bool,
    /// The IoT SP has a subscription, or speaks over oneM2M.
    pub iot_sp: bool,
}

impl Listeners {
    const fn has(self, role: Role) -> bool {
        match role {
            Role::ThirdPartySp => self.third_party_sp,
            Role::IotSp => self.iot_sp,
        }
    }
}

/// The SP that takes `role` in `row`.
pub(crate) fn party_of(row: &Mapping, role: Role) -> &SpId {
    match role {
        Role::ThirdPartySp => &row.third_party_sp,
        Role::IotSp => &row.iot_sp,
    }
}

/// The name of the push of a row (step 3): its first notification.
#[must_use]
pub(crate) fn push_key(row: &Mapping) -> OutboxKey {
    OutboxKey {
        addressee: Addressee {
            role: Role::IotSp,
            sp: row.iot_sp.clone(),
        },
        subject: Subject::Mapping(row.id),
        sequence: 1,
    }
}

/// Writes one entry for `role`, if it listens.
pub(crate) fn tell(
    change: &mut Change,
    (row, listeners): (&Mapping, Listeners),
    role: Role,
    message: Message,
    (knobs, now): (&Knobs, Timestamp),
) {
    if !listeners.has(role) {
        return;
    }
    change.tell(OutboxEntry {
        key: OutboxKey {
            addressee: Addressee {
                role,
                sp: party_of(row, role).clone(),
            },
            subject: Subject::Mapping(row.id),
            // The test notification comes before everything else the row has to say.
            sequence: if message == Message::Test {
                0
            } else {
                row.sequence
            },
        },
        // The push is worth sending as long as the row waits.
        deadline: match (&message, &row.state) {
            (Message::Assignment, State::Pending { deadline, .. }) => *deadline,
            _ => now.plus(knobs.notification_lifetime),
        },
        message,
        mapping_key: Some(row.key.clone()),
        event_time: now,
        attempts: 0,
        next_attempt: now,
        dead: None,
    });
}

/// Tells `role` the result of step 9, as it may know it.
pub(crate) fn tell_result(
    change: &mut Change,
    (row, listeners): (&Mapping, Listeners),
    role: Role,
    times: (&Knobs, Timestamp),
) {
    let cause = row.cause_towards(role);
    let message = Message::Result {
        status: row.status_towards(role),
        cause,
        // A lost 2xx may have hidden that the device was already told.
        undo: role == Role::IotSp && cause.is_some(),
    };
    tell(change, (row, listeners), role, message, times);
}

/// Tells that an established row is gone (10.2 step 3).
pub(crate) fn tell_demapped(
    change: &mut Change,
    (row, listeners): (&Mapping, Listeners),
    role: Role,
    (before, cause, sub_cause): (&Mapping, DemappingCause, Option<&CauseCode>),
    times: (&Knobs, Timestamp),
) {
    let device_id = before.device_id().filter(|_| role == Role::IotSp).cloned();
    let message = Message::Demapped {
        device_id,
        cause,
        sub_cause: sub_cause.cloned(),
    };
    tell(change, (row, listeners), role, message, times);
}

/// Whom an end by `by` is news to: the other side, or both when the service itself ended it.
/// The requester has its answer (10.2 step 3).
pub(crate) fn audience(by: EndedBy) -> impl Iterator<Item = Role> {
    [Role::ThirdPartySp, Role::IotSp]
        .into_iter()
        .filter(move |role| by != EndedBy::Party(*role))
}
