//! An entry of the outbox.

use ics_core::id::{MappingId, SubscriptionId};
use ics_core::outbox::{Addressee, DeadReason, Message, OutboxEntry, OutboxKey, Subject};

use super::fields::{Sink, Source, named};
use super::value::{
    cause_code, device_id, mapping_key, put_cause_code, put_mapping_key, put_sealed, sealed, sp,
};
use super::{Record, RecordError};

impl Record for OutboxEntry {
    /// 2: events of hosted devices. 3: an IoT SP is told that a device is not the user's who consented.
    const VERSION: u8 = 3;

    fn write(&self, out: &mut impl Sink) {
        out.group("name", |out| write_key(out, &self.key));
        out.group("message", |out| write_message(out, &self.message));
        out.option("mapping", self.mapping_key.as_ref(), |out, name, v| {
            out.group(name, |out| put_mapping_key(out, v));
        });
        out.instant("eventTime", self.event_time);
        out.instant("deadline", self.deadline);
        out.number("attempts", u64::from(self.attempts));
        out.instant("nextAttempt", self.next_attempt);
        out.option("deadReason", self.dead, Sink::choice);
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            key: input.group("name", read_key)?,
            message: input.group("message", read_message)?,
            mapping_key: input.option("mapping", |input, name| {
                input.group(name, |input| mapping_key(input))
            })?,
            event_time: input.instant("eventTime")?,
            deadline: input.instant("deadline")?,
            attempts: input.small("attempts")?,
            next_attempt: input.instant("nextAttempt")?,
            dead: input.option("deadReason", Source::choice)?,
        })
    }
}

named!(DeadReason {
    "DEADLINE_PASSED": [DeadReason::DeadlinePassed],
    "NO_DESTINATION": [DeadReason::NoDestination],
});

const SUBJECTS: [&str; 2] = ["MAPPING", "SUBSCRIPTION"];

fn write_key(out: &mut impl Sink, key: &OutboxKey) {
    out.choice("role", key.addressee.role);
    out.text("spId", key.addressee.sp.as_str());
    let (kind, id) = subject_bytes(&key.subject);
    out.tag("subject", kind, &SUBJECTS);
    out.id("subjectId", id);
    out.number("sequence", key.sequence);
}

fn read_key<S: Source>(input: &mut S) -> Result<OutboxKey, RecordError> {
    Ok(OutboxKey {
        addressee: Addressee {
            role: input.choice("role")?,
            sp: sp(input, "spId")?,
        },
        subject: match input.tag("subject", &SUBJECTS)? {
            0 => Subject::Mapping(MappingId::from_bytes(input.id("subjectId")?)),
            1 => Subject::Subscription(SubscriptionId::from_bytes(input.id("subjectId")?)),
            _ => return Err(RecordError::Value),
        },
        sequence: input.number("sequence")?,
    })
}

const MESSAGES: [&str; 5] = ["ASSIGNMENT", "RESULT", "DEMAPPED", "TEST", "EVENT"];

fn write_message(out: &mut impl Sink, message: &Message) {
    let mut tag = |number| out.tag("kind", number, &MESSAGES);
    match message {
        Message::Assignment => tag(0),
        Message::Result {
            status,
            cause,
            undo,
        } => {
            tag(1);
            out.choice("status", *status);
            out.option("cause", *cause, Sink::choice);
            out.flag("undo", *undo);
        }
        Message::Demapped {
            device_id,
            cause,
            sub_cause,
        } => {
            tag(2);
            out.option("deviceId", device_id.as_ref(), |out, name, v| {
                out.text(name, v.as_str());
            });
            out.choice("cause", *cause);
            out.option("subCause", sub_cause.as_ref(), put_cause_code);
        }
        Message::Test => tag(3),
        Message::Event { data, is_json } => {
            tag(4);
            put_sealed(out, "dataSealed", data);
            out.flag("isJson", *is_json);
        }
    }
}

fn read_message<S: Source>(input: &mut S) -> Result<Message, RecordError> {
    Ok(match input.tag("kind", &MESSAGES)? {
        0 => Message::Assignment,
        1 => Message::Result {
            status: input.choice("status")?,
            cause: input.option("cause", Source::choice)?,
            undo: input.flag("undo")?,
        },
        2 => Message::Demapped {
            device_id: input.option("deviceId", device_id)?,
            cause: input.choice("cause")?,
            sub_cause: input.option("subCause", cause_code)?,
        },
        3 => Message::Test,
        4 => Message::Event {
            data: sealed(input, "dataSealed")?,
            is_json: input.flag("isJson")?,
        },
        _ => return Err(RecordError::Value),
    })
}

/// Kind and id of a subject; keeps the order of [`Subject`].
pub(crate) const fn subject_bytes(subject: &Subject) -> (u8, &[u8; 16]) {
    match subject {
        Subject::Mapping(id) => (0, id.as_bytes()),
        Subject::Subscription(id) => (1, id.as_bytes()),
    }
}
