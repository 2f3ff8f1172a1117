//! Notifications: names, kinds and times; nothing of what they tell.

use ics_core::outbox::{DeadReason, Message, OutboxEntry, Subject};

use super::role_name;
use crate::wire::{DeadReasonName, MessageKindName, OutboxView};

/// A notification as the operator sees it.
pub(crate) fn show_entry(entry: &OutboxEntry) -> OutboxView {
    let (mapping_id, subscription_id) = match entry.key.subject {
        Subject::Mapping(id) => (Some(id.to_string()), None),
        Subject::Subscription(id) => (None, Some(id.to_string())),
    };
    OutboxView {
        notification_id: entry.key.notification_id(),
        sp_id: entry.key.addressee.sp.to_string(),
        role: role_name(entry.key.addressee.role),
        kind: match entry.message {
            Message::Assignment => MessageKindName::Assignment,
            Message::Result { .. } => MessageKindName::Result,
            Message::Demapped { .. } => MessageKindName::Demapped,
            Message::Event { .. } => MessageKindName::Event,
            Message::Test => MessageKindName::Test,
        },
        mapping_id,
        subscription_id,
        event_time: entry.event_time.to_rfc3339(),
        attempts: entry.attempts,
        next_attempt: entry
            .dead
            .is_none()
            .then(|| entry.next_attempt.to_rfc3339()),
        deadline: entry.deadline.to_rfc3339(),
        dead_reason: entry.dead.map(|reason| match reason {
            DeadReason::DeadlinePassed => DeadReasonName::DeadlinePassed,
            DeadReason::NoDestination => DeadReasonName::NoDestination,
        }),
    }
}
