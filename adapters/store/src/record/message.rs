//! An entry of the outbox.

use ics_core::id::{MappingId, SubscriptionId};
use ics_core::mapping::{MappingStatus, ResultCause};
use ics_core::outbox::{Addressee, DeadReason, Message, OutboxEntry, OutboxKey, Subject};

use super::bytes::{Decoder, Encoder};
use super::mapping::{role_byte, role_of};
use super::{Record, RecordError};

impl Record for OutboxEntry {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Encoder) {
        out.outbox_key(&self.key);
        out.message(&self.message);
        out.option(self.mapping_key.as_ref(), Encoder::mapping_key);
        out.instant(self.event_time);
        out.instant(self.deadline);
        out.number(u64::from(self.attempts));
        out.instant(self.next_attempt);
        out.option(self.dead, |out, reason| {
            out.byte(match reason {
                DeadReason::DeadlinePassed => 0,
                DeadReason::NoDestination => 1,
            });
        });
    }

    fn read(_: u8, input: &mut Decoder<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            key: input.outbox_key()?,
            message: input.message()?,
            mapping_key: input.option(Decoder::mapping_key)?,
            event_time: input.instant()?,
            deadline: input.instant()?,
            attempts: input.small()?,
            next_attempt: input.instant()?,
            dead: input.option(|input| match input.byte()? {
                0 => Ok(DeadReason::DeadlinePassed),
                1 => Ok(DeadReason::NoDestination),
                _ => Err(RecordError::Value),
            })?,
        })
    }
}

impl Encoder {
    fn outbox_key(&mut self, key: &OutboxKey) {
        self.byte(role_byte(key.addressee.role));
        self.text(key.addressee.sp.as_str());
        let (kind, id) = subject_bytes(&key.subject);
        self.byte(kind);
        self.raw(id);
        self.number(key.sequence);
    }

    fn message(&mut self, message: &Message) {
        match message {
            Message::Assignment => self.byte(0),
            Message::Result {
                status,
                cause,
                undo,
            } => {
                self.byte(1);
                self.byte(match status {
                    MappingStatus::Pending => 0,
                    MappingStatus::Established => 1,
                    MappingStatus::Failed => 2,
                    MappingStatus::Deleted => 3,
                });
                self.option(*cause, Self::result_cause);
                self.flag(*undo);
            }
            Message::Demapped {
                device_id,
                cause,
                sub_cause,
            } => {
                self.byte(2);
                self.option(device_id.as_ref(), |out, v| out.text(v.as_str()));
                self.demapping_cause(*cause);
                self.option(sub_cause.as_ref(), |out, v| out.text(v.as_str()));
            }
            Message::Test => self.byte(3),
        }
    }

    fn result_cause(&mut self, cause: ResultCause) {
        self.byte(match cause {
            ResultCause::DeviceNotAvailable => 0,
            ResultCause::NoAgreement => 1,
            ResultCause::ConsentRequired => 2,
            ResultCause::Cancelled => 3,
            ResultCause::UtiInUse => 4,
            ResultCause::DeviceRevoked => 5,
            ResultCause::Rejected => 6,
            ResultCause::Unreachable => 7,
            ResultCause::TimedOut => 8,
        });
    }
}

impl Decoder<'_> {
    fn outbox_key(&mut self) -> Result<OutboxKey, RecordError> {
        Ok(OutboxKey {
            addressee: Addressee {
                role: role_of(self.byte()?)?,
                sp: self.sp()?,
            },
            subject: match self.byte()? {
                0 => Subject::Mapping(MappingId::from_bytes(self.array()?)),
                1 => Subject::Subscription(SubscriptionId::from_bytes(self.array()?)),
                _ => return Err(RecordError::Value),
            },
            sequence: self.number()?,
        })
    }

    fn message(&mut self) -> Result<Message, RecordError> {
        Ok(match self.byte()? {
            0 => Message::Assignment,
            1 => Message::Result {
                status: match self.byte()? {
                    0 => MappingStatus::Pending,
                    1 => MappingStatus::Established,
                    2 => MappingStatus::Failed,
                    3 => MappingStatus::Deleted,
                    _ => return Err(RecordError::Value),
                },
                cause: self.option(Self::result_cause)?,
                undo: self.flag()?,
            },
            2 => Message::Demapped {
                device_id: self.option(Self::device_id)?,
                cause: self.demapping_cause()?,
                sub_cause: self.option(Self::cause_code)?,
            },
            3 => Message::Test,
            _ => return Err(RecordError::Value),
        })
    }

    fn result_cause(&mut self) -> Result<ResultCause, RecordError> {
        Ok(match self.byte()? {
            0 => ResultCause::DeviceNotAvailable,
            1 => ResultCause::NoAgreement,
            2 => ResultCause::ConsentRequired,
            3 => ResultCause::Cancelled,
            4 => ResultCause::UtiInUse,
            5 => ResultCause::DeviceRevoked,
            6 => ResultCause::Rejected,
            7 => ResultCause::Unreachable,
            8 => ResultCause::TimedOut,
            _ => return Err(RecordError::Value),
        })
    }
}

/// Kind and id of a subject; keeps the order of [`Subject`].
pub(crate) const fn subject_bytes(subject: &Subject) -> (u8, &[u8; 16]) {
    match subject {
        Subject::Mapping(id) => (0, id.as_bytes()),
        Subject::Subscription(id) => (1, id.as_bytes()),
    }
}
