//! What each party is to be told, written in the transaction of the change that caused it.
//!
//! An entry is named by (addressee, subject, sequence): the same name whatever happens, so a
//! receiver can drop duplicates, and order what one row has to say by `sequence`.

use alloc::string::String;
use core::fmt;

use crate::id::{DeviceId, MappingId, SpId, SubscriptionId};
use crate::mapping::{CauseCode, DemappingCause, MappingKey, MappingStatus, ResultCause};
use crate::reference_point::Role;
use crate::sealed::Sealed;
use crate::time::Timestamp;

/// Whom an entry is for: an SP, in one of its roles.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addressee {
    /// The role it is told in; an SP with both roles has two addressees.
    pub role: Role,
    /// Who.
    pub sp: SpId,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A row.
    Mapping(MappingId),
    /// A subscription on ICS-2.
    Subscription(SubscriptionId),
}

/// The name of an entry, permanent and unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxKey {
    /// Whom it is for.
    pub addressee: Addressee,
    /// What it is about.
    pub subject: Subject,
    /// The row's sequence; 0 is the test notification.
    pub sequence: u64,
}

impl OutboxKey {
    /// A name before all of `addressee`, of no entry of its own (rows have no id of zeros).
    pub(crate) const fn before_all_of(addressee: Addressee) -> Self {
        Self {
            addressee,
            subject: Subject::Mapping(MappingId::from_bytes([0; 16])),
            sequence: 0,
        }
    }

    /// The `notificationId` on the wire.
    #[must_use]
    pub fn notification_id(&self) -> String {
        let role = match self.addressee.role {
            Role::ThirdPartySp => 't',
            Role::IotSp => 'i',
        };
        match self.subject {
            Subject::Mapping(id) => alloc::format!("{id}.{}{role}", self.sequence),
            Subject::Subscription(id) => alloc::format!("{id}.{}{role}", self.sequence),
        }
    }
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Step 3: the assignment. Everything else is read from the row when it is sent, so that no
    /// serial number lies in the outbox, and none is sent for a row that has left PENDING.
    Assignment,
    /// Step 9: the result, or the end of a pending row.
    Result {
        /// Established, failed or deleted.
        status: MappingStatus,
        /// Why, as this addressee may know it.
        cause: Option<ResultCause>,
        /// Whether the IoT SP must make the device forget what it may have been given.
        undo: bool,
    },
    /// 10.2 step 3: an established row is gone.
    Demapped {
        /// The device ID, towards the IoT SP only.
        device_id: Option<DeviceId>,
        /// The condition of 10.2.
        cause: DemappingCause,
        /// More about it.
        sub_cause: Option<CauseCode>,
    },
    /// Something a hosted device says to the service it is mapped to (Appendix I.1).
    Event {
        /// What it says, byte-exact, sealed under the row's id.
        data: Sealed,
        /// Whether those bytes are JSON, as the device said.
        is_json: bool,
    },
    /// `requestTestNotification` of TS 29.122 5.2.5.3.
    Test,
}

/// One thing to tell one party.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutboxEntry {
    /// Its name.
    pub key: OutboxKey,
    /// What.
    pub message: Message,
    /// Service URI and UTI of the row it is about.
    pub mapping_key: Option<MappingKey>,
    /// When the change happened.
    pub event_time: Timestamp,
    /// When trying ends.
    pub deadline: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When to try next.
    pub next_attempt: Timestamp,
    /// Why it was given up, if it was; a dead letter is kept for the operator.
    pub dead: Option<DeadReason>,
}

/// Why an entry became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeadReason {
    /// Its deadline passed.
    DeadlinePassed,
    /// The addressee has no destination for it.
    NoDestination,
}

impl fmt::Display for Addressee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::ThirdPartySp => "third-party-sp",
            Role::IotSp => "iot-sp",
        };
        write!(f, "{role}/{}", self.sp)
    }
}
