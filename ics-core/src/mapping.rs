//! A row of the mapping table (Y.4462 Table 1) and what may become of it.
//!
//! `Pending -> Established -> Deleted`, `Pending -> Failing -> Failed`, `Pending -> Deleted`.
//! No row is ever established with a column missing: [`State::Established`] carries the device ID,
//! [`State::Pending`] alone the sealed serial number. Nothing comes back from Deleted or Failed.

mod uti_record;

use alloc::string::String;
use core::fmt;

pub use uti_record::UtiRecord;

pub use crate::consent::Consent;
use crate::id::{
    AgreementId, CallbackUri, ConsentId, DeviceId, InvalidId, MappingId, PermanentIdentifier,
    ServiceUri, SpId, SubscriptionId, Uti,
};
use crate::reference_point::Role;
use crate::sealed::{BlindIndex, Sealed};
use crate::time::Timestamp;

/// (service URI, UTI): unique among live rows (Y.4462 10.3 case 2 has one answer).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingKey {
    /// The service, owned by the third party SP.
    pub service_uri: ServiceUri,
    /// The transaction, administered by the third party SP.
    pub uti: Uti,
}

/// One row: Table 1 of Y.4462 and what is needed to run its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// The row's own id.
    pub id: MappingId,
    /// Service URI and UTI.
    pub key: MappingKey,
    /// Who asked for it.
    pub third_party_sp: SpId,
    /// Whom the serial number was routed to; the only one that may assign the device ID.
    pub iot_sp: SpId,
    /// The agreement it stands on (Y.4462 7.4).
    pub agreement: AgreementId,
    /// The consent it stands on, where that was given or asserted before the request.
    pub consent: Option<Consent>,
    /// What is kept of the user's consent.
    pub consent_record: Option<ConsentId>,
    /// Keyed hash of the user who owns the device: while the row is pending, the one who consented,
    /// and who must turn out to be the owner; then the one its IoT SP named.
    pub owner: Option<BlindIndex>,
    /// Keyed hash of the serial number; kept until the row dies, for idempotency.
    pub serial_index: BlindIndex,
    /// Maker's name as the third party gave it, to route by.
    pub device_vendor: Option<Attribute>,
    /// Model as the third party gave it.
    pub device_model: Option<Attribute>,
    /// The third party's own end-to-end value for the device, sealed; opaque to the gateway.
    pub e2e: Option<Sealed>,
    /// Where the third party takes notifications of this row.
    pub destination: Option<CallbackUri>,
    /// Whether the third party takes them over its websocket (TS 29.122 5.2.5.4) while that is open.
    pub websocket: bool,
    /// The device it is for, where the gateway hosts that for the IoT SP.
    pub hosted: Option<DeviceId>,
    /// The registration of the IoT SP it was pushed under, if any.
    pub subscription: Option<SubscriptionId>,
    /// Features negotiated at creation; they hold for the row's life (TS 29.122 5.2.7).
    pub features: Features,
    /// When the UTI stops being valid, if the third party said so.
    pub uti_expiry: Option<Timestamp>,
    /// Where the row is in its life.
    pub state: State,
    /// When step 2 stored it.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Rises by one with every change that is told to anyone; on every notification.
    pub sequence: u64,
    /// Rises by one with every write; what optimistic commits compare.
    pub version: u64,
}

/// Where a row is in its life. Each state carries its own facts and no others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Steps 2 to 7: stored, waiting for the IoT SP and the device.
    Pending {
        /// The serial number, sealed under the row's id; gone when this state is.
        serial: Sealed,
        /// When waiting ends.
        deadline: Timestamp,
        /// Whether the IoT SP has taken it over.
        dispatch: Dispatch,
    },
    /// Step 8: all three columns.
    Established {
        /// The device ID the IoT SP assigned.
        device_id: DeviceId,
        /// When.
        since: Timestamp,
    },
    /// Failed for the IoT SP, still pending for the third party: no quick oracle on serials.
    Failing {
        /// Why.
        cause: FailureCause,
        /// When the third party is told.
        disclose_at: Timestamp,
        /// When it failed.
        at: Timestamp,
        /// When waiting would have ended: what the third party is still shown.
        deadline: Timestamp,
    },
    /// Ended before it was established. A tombstone.
    Failed {
        /// Why.
        cause: FailureCause,
        /// When it failed.
        at: Timestamp,
        /// When the tombstone may go.
        purge_at: Timestamp,
    },
    /// De-mapped (Y.4462 10.2). A tombstone.
    Deleted {
        /// The condition of 10.2, or `None` where the request was cancelled before step 8.
        cause: Option<DemappingCause>,
        /// More about the cause.
        sub_cause: Option<CauseCode>,
        /// Who ended it.
        by: EndedBy,
        /// When.
        at: Timestamp,
        /// When the tombstone may go.
        purge_at: Timestamp,
    },
}

/// How far step 3 has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dispatch {
    /// The push is under way.
    Dispatching,
    /// The IoT SP has it (a 2xx, a GET of the assignment, or pull mode from the start).
    AwaitingDevice,
    /// It is in the document of a hosted device, which has yet to acknowledge it.
    Offered,
}

/// What a row's state is called on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingStatus {
    /// Waiting.
    Pending,
    /// All three columns.
    Established,
    /// Never established.
    Failed,
    /// De-mapped or cancelled.
    Deleted,
}

/// The conditions of Y.4462 10.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DemappingCause {
    /// "IoT device is unregistered from IoT service provider".
    DeviceUnregistered,
    /// "the UTI is invalid".
    UtiInvalid,
    /// "third party service is invalid".
    ServiceInvalid,
    /// "third party service no longer authorized by the user".
    UserAuthorizationWithdrawn,
}

/// Who ended a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// One of its two service providers.
    Party(Role),
    /// The device, or its user by it.
    Device,
    /// The user, at the gateway.
    User,
    /// The service itself: agreement or SP ended, expiry, consent withdrawn.
    Ics,
}

/// Why a row never became established, as the IoT SP and the audit know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailureCause {
    /// The IoT SP said no (step 7), with its reason.
    Rejected(CauseCode),
    /// The IoT SP refused the push itself.
    Unreachable,
    /// Nobody answered in time.
    TimedOut,
    /// The agreement had ended by step 7.
    NoAgreement,
    /// The consent had ended by step 7.
    ConsentRequired,
    /// The UTI already belongs to another device.
    UtiInUse,
    /// The IoT SP had unregistered that device ID.
    DeviceRevoked,
    /// A policy of the operator refuses that device.
    NotAllowed,
    /// The device is not the consenting user's.
    NotOwner,
}

/// Why a row ended, as a party is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultCause {
    /// Everything that happened at the IoT SP or the device, collapsed into one.
    DeviceNotAvailable,
    /// No agreement any more.
    NoAgreement,
    /// No consent any more.
    ConsentRequired,
    /// Cancelled before it was established.
    Cancelled,
    /// The UTI belongs to another device (towards the IoT SP only).
    UtiInUse,
    /// The device ID was unregistered (towards the IoT SP only).
    DeviceRevoked,
    /// Refused by the IoT SP (towards the IoT SP only).
    Rejected,
    /// The IoT SP did not take the push (towards the IoT SP only).
    Unreachable,
    /// Nobody answered in time (towards the IoT SP only).
    TimedOut,
    /// Refused by a policy of the operator (towards the IoT SP only).
    NotAllowed,
    /// The device is not the consenting user's (towards the IoT SP only).
    NotOwner,
}

impl MappingStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::Established,
        Self::Failed,
        Self::Deleted,
    ];

    /// Its name on every interface (t8 A.6).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Established => "ESTABLISHED",
            Self::Failed => "FAILED",
            Self::Deleted => "DELETED",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl DemappingCause {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::DeviceUnregistered,
        Self::UtiInvalid,
        Self::ServiceInvalid,
        Self::UserAuthorizationWithdrawn,
    ];

    /// Its name on every interface (t8 A.3).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceUnregistered => "DEVICE_UNREGISTERED",
            Self::UtiInvalid => "UTI_INVALID",
            Self::ServiceInvalid => "SERVICE_INVALID",
            Self::UserAuthorizationWithdrawn => "USER_AUTHORIZATION_WITHDRAWN",
        }
    }

    /// The condition of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

impl ResultCause {
    /// Its name on every interface (t8 A.6).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceNotAvailable => "DEVICE_NOT_AVAILABLE",
            Self::NoAgreement => "NO_AGREEMENT",
            Self::ConsentRequired => "CONSENT_REQUIRED",
            Self::Cancelled => "CANCELLED",
            Self::UtiInUse => "UTI_IN_USE",
            Self::DeviceRevoked => "DEVICE_REVOKED",
            Self::Rejected => "REJECTED",
            Self::Unreachable => "UNREACHABLE",
            Self::TimedOut => "TIMED_OUT",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotOwner => "NOT_OWNER",
        }
    }
}

impl FailureCause {
    /// Whether it is a re-check's refusal of an ACCEPTED answer (t8 A.7).
    #[must_use]
    pub const fn overrules(&self) -> bool {
        !matches!(self, Self::Rejected(_) | Self::Unreachable | Self::TimedOut)
    }

    /// What `role` is told: the third party cannot tell an unknown serial number from a refusal.
    #[must_use]
    pub const fn towards(&self, role: Role) -> ResultCause {
        match (self, role) {
            (Self::NoAgreement, _) => ResultCause::NoAgreement,
            (Self::ConsentRequired, _) => ResultCause::ConsentRequired,
            (_, Role::ThirdPartySp) => ResultCause::DeviceNotAvailable,
            (Self::Rejected(_), Role::IotSp) => ResultCause::Rejected,
            (Self::Unreachable, Role::IotSp) => ResultCause::Unreachable,
            (Self::TimedOut, Role::IotSp) => ResultCause::TimedOut,
            (Self::UtiInUse, Role::IotSp) => ResultCause::UtiInUse,
            (Self::DeviceRevoked, Role::IotSp) => ResultCause::DeviceRevoked,
            (Self::NotAllowed, Role::IotSp) => ResultCause::NotAllowed,
            (Self::NotOwner, Role::IotSp) => ResultCause::NotOwner,
        }
    }
}

/// A machine-readable reason: `A-Z 0-9 _`, starting with a letter, at most 64 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CauseCode(String);

impl CauseCode {
    /// Reads a code.
    ///
    /// # Errors
    /// [`InvalidId::Form`] for anything but the form above; [`InvalidId::Permanent`] when it holds
    /// a number as long as a subscriber's or a device's.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !plain || text.len() > 64 || !text.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Err(InvalidId::Form);
        }
        // Letters beside it do not make a number opaque: nothing but a code belongs here.
        let mut runs = text.split(|c: char| !c.is_ascii_digit());
        if runs.any(|digits| digits.len() >= 10) {
            return Err(InvalidId::Permanent(PermanentIdentifier::Digits));
        }
        Ok(Self(text.into()))
    }

    /// A code of ours: one of the constants of [`sub_cause`].
    #[must_use]
    pub(crate) fn fixed(text: &'static str) -> Self {
        Self(text.into())
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sub-causes the service itself states.
pub mod sub_cause {
    /// The agreement between the two SPs ended.
    pub const AGREEMENT_ENDED: &str = "AGREEMENT_ENDED";
    /// One of the two SPs was off-boarded.
    pub const SP_REMOVED: &str = "SP_REMOVED";
    /// The UTI's own expiry passed.
    pub const EXPIRED: &str = "EXPIRED";
    /// The user took the consent back at the gateway.
    pub const WITHDRAWN_BY_USER: &str = "WITHDRAWN_BY_USER";
    /// The consent's expiry passed.
    pub const CONSENT_EXPIRED: &str = "CONSENT_EXPIRED";
    /// The device, or its user by it, gave the mapping up.
    pub const DEVICE_REVOKED: &str = "DEVICE_REVOKED";
    /// The device, or its user by it, refused to store the pair.
    pub const DEVICE_REFUSED: &str = "DEVICE_REFUSED";
    /// The pairing code was none of the device's, or no longer.
    pub const PAIRING_FAILED: &str = "PAIRING_FAILED";
    /// The device holds as many pairs as it can.
    pub const DEVICE_FULL: &str = "DEVICE_FULL";
}

/// Vendor or model: 1 to 64 printable characters, provenance of the device, never part of an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute(String);

impl Attribute {
    /// Reads an attribute.
    ///
    /// # Errors
    /// [`InvalidId::Form`] when empty, too long, or with control characters;
    /// [`InvalidId::Permanent`] when it looks like a permanent identifier.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
            return Err(InvalidId::Form);
        }
        crate::id::find_permanent_identifier(text).map_or_else(
            || Ok(Self(text.into())),
            |kind| Err(InvalidId::Permanent(kind)),
        )
    }

    /// Takes back what [`Self::parse`] accepted before it was stored; for stores alone.
    ///
    /// Checks length and alphabet only: a value taken under older rules stays readable, and an
    /// inquiry does not pay for the full check on every row.
    ///
    /// # Errors
    /// [`InvalidId`] for what `parse` can never have accepted.
    pub fn from_store(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
            return Err(InvalidId::Form);
        }
        Ok(Self(text.into()))
    }

    /// The purpose that is meant where none is told (Data Privacy Vocabulary).
    pub(crate) fn of_service_provision() -> Self {
        Self("dpv:RequestedServiceProvision".into())
    }

    /// The name of a consent the gateway keeps.
    pub(crate) fn of_consent(id: ConsentId) -> Self {
        Self(alloc::format!("{id}"))
    }

    /// The attribute as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Negotiated features: bit n-1 is feature n of the API (TS 29.500 6.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(pub u32);

impl Features {
    /// `Notification_test_event`, feature 1 of the APIs that negotiate.
    pub const TEST_EVENT: Self = Self(0b01);
    /// `Notification_websocket`, feature 2 of the APIs that negotiate.
    pub const WEBSOCKET: Self = Self(0b10);

    /// Whether all of `wanted` were negotiated.
    #[must_use]
    pub const fn contain(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

impl Mapping {
    /// Whether its third party can be told at all.
    #[must_use]
    pub const fn has_listener(&self) -> bool {
        self.destination.is_some() || self.websocket
    }

    /// The state's name, as the IoT SP and the operator see it.
    #[must_use]
    pub const fn status(&self) -> MappingStatus {
        match self.state {
            State::Pending { .. } => MappingStatus::Pending,
            State::Established { .. } => MappingStatus::Established,
            State::Failing { .. } | State::Failed { .. } => MappingStatus::Failed,
            State::Deleted { .. } => MappingStatus::Deleted,
        }
    }

    /// The state's name as `role` may know it: a failure is disclosed to the third party late.
    #[must_use]
    pub const fn status_towards(&self, role: Role) -> MappingStatus {
        match (&self.state, role) {
            (State::Failing { .. }, Role::ThirdPartySp) => MappingStatus::Pending,
            _ => self.status(),
        }
    }

    /// Why it failed or was cancelled, as `role` may know it.
    #[must_use]
    pub const fn cause_towards(&self, role: Role) -> Option<ResultCause> {
        match (&self.state, role) {
            (State::Failing { .. }, Role::ThirdPartySp) => None,
            (State::Failing { cause, .. } | State::Failed { cause, .. }, role) => {
                Some(cause.towards(role))
            }
            (State::Deleted { cause: None, .. }, _) => Some(ResultCause::Cancelled),
            _ => None,
        }
    }

    /// When waiting ends, as `role` may know it; `None` where nobody waits.
    #[must_use]
    pub const fn deadline_towards(&self, role: Role) -> Option<Timestamp> {
        match (&self.state, role) {
            (State::Pending { deadline, .. }, _)
            | (State::Failing { deadline, .. }, Role::ThirdPartySp) => Some(*deadline),
            _ => None,
        }
    }

    /// When it last changed, as `role` may know it.
    #[must_use]
    pub const fn updated_towards(&self, role: Role) -> Timestamp {
        match (&self.state, role) {
            (State::Failing { at, .. }, Role::IotSp) => *at,
            _ => self.updated,
        }
    }

    /// Whether the row holds its (service URI, UTI): anything but a tombstone.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(
            self.state,
            State::Pending { .. } | State::Established { .. } | State::Failing { .. }
        )
    }

    /// The device ID, on an established row alone.
    #[must_use]
    pub const fn device_id(&self) -> Option<&DeviceId> {
        match &self.state {
            State::Established { device_id, .. } => Some(device_id),
            _ => None,
        }
    }

    /// Whether a device the gateway hosts is to hold it now.
    #[must_use]
    pub fn is_to_be_held(&self) -> bool {
        match (&self.state, &self.hosted) {
            (State::Pending { dispatch, .. }, Some(_)) => *dispatch == Dispatch::Offered,
            (State::Established { device_id, .. }, Some(hosted)) => device_id == hosted,
            _ => false,
        }
    }

    /// When the row next needs looking at by itself: a deadline, an expiry, a purge.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let consent_end = self.consent.as_ref().and_then(|c| c.expires);
        match &self.state {
            State::Pending { deadline, .. } => [Some(*deadline), self.uti_expiry, consent_end]
                .into_iter()
                .flatten()
                .min(),
            State::Established { .. } => [self.uti_expiry, consent_end].into_iter().flatten().min(),
            State::Failing { disclose_at, .. } => [Some(*disclose_at), self.uti_expiry]
                .into_iter()
                .flatten()
                .min(),
            State::Failed { purge_at, .. } | State::Deleted { purge_at, .. } => Some(*purge_at),
        }
    }

    /// This row in its next version, of another owner's device; `None` where that changes nothing.
    /// A pending row waits for whoever consented.
    pub(crate) fn with_owner(&self, owner: Option<BlindIndex>) -> Option<Self> {
        let moves = matches!(self.state, State::Established { .. }) && self.owner != owner;
        moves.then(|| Self {
            owner,
            version: self.version.saturating_add(1),
            ..self.clone()
        })
    }

    /// This row in its next version and another state, told to somebody.
    pub(crate) fn with_state(&self, state: State, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.state = state;
        next.updated = now;
        next.sequence = self.sequence.saturating_add(1);
        next.version = self.version.saturating_add(1);
        next
    }
}
