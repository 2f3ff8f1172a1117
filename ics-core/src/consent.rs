//! The user's consent (Y.4462 7.4, row Y21): what is kept of it, apart from tokens and rows.
//!
//! `Given -> Used -> Ended`. One that is not used in time lapses; one that was used is kept as
//! evidence while its row lives, and a while after.

use core::time::Duration;

use crate::id::{AgreementId, ConsentId, MappingId, ServiceUri, SpId};
use crate::mapping::Attribute;
use crate::sealed::BlindIndex;
use crate::time::Timestamp;

/// A user's consent as the third party asserts it (agreement mode ASSERTED).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Consent {
    /// The third party's own reference to its evidence.
    pub id: Attribute,
    /// Purpose, as a term of a vocabulary (`dpv:RequestedServiceProvision`).
    pub purpose: Attribute,
    /// Pseudonym of the user, if told.
    pub subject: Option<Attribute>,
    /// When it was given.
    pub granted_at: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

impl Consent {
    /// What an IoT SP says by accepting, where it says no more (IOT_SP_CONFIRM).
    pub(crate) fn implied(id: ConsentId, now: Timestamp) -> Self {
        Self {
            id: Attribute::of_consent(id),
            purpose: Attribute::of_service_provision(),
            subject: None,
            granted_at: now,
            expires: None,
        }
    }

    /// Whether it stands at `now`: given, and not over. A minute of clock difference is allowed.
    #[must_use]
    pub fn stands_at(&self, now: Timestamp) -> bool {
        self.granted_at <= now.plus(Duration::from_secs(60))
            && self.expires.is_none_or(|end| now < end)
    }
}

/// A consent as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Its id.
    pub id: ConsentId,
    /// Whose service the device may use.
    pub third_party_sp: SpId,
    /// Whose device.
    pub iot_sp: SpId,
    /// The agreement it was given, asserted or confirmed under.
    pub agreement: AgreementId,
    /// The service.
    pub service_uri: ServiceUri,
    /// Keyed hash of the device's serial number.
    pub serial_index: BlindIndex,
    /// How it is known.
    pub basis: ConsentBasis,
    /// Purpose, as a term of a vocabulary.
    pub purpose: Attribute,
    /// When it was given.
    pub granted_at: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// Where it is in its life.
    pub state: ConsentState,
    /// When it next needs looking at by itself: an unused one lapses, evidence is let go.
    pub due: Timestamp,
    /// Rises by one with every write; what optimistic commits compare.
    pub version: u64,
}

/// How a consent is known (Y21).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentBasis {
    /// The user gave it to the gateway (AUTH_CODE).
    User {
        /// Keyed hash of (IoT SP, subject).
        owner: BlindIndex,
    },
    /// The third party SP says so (ASSERTED).
    Asserted {
        /// Its own reference to its evidence.
        evidence: Attribute,
        /// Pseudonym of the user, if told.
        subject: Option<Attribute>,
    },
    /// The IoT SP asked its user, and accepted (IOT_SP_CONFIRM).
    Confirmed {
        /// Its own reference to its evidence, if told.
        evidence: Option<Attribute>,
    },
}

/// Where a consent is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentState {
    /// A mapping may be made on it, once.
    Given {
        /// First instant it no longer may.
        until: Timestamp,
    },
    /// This row stands on it, or did.
    Used {
        /// Which.
        mapping: MappingId,
    },
    /// The user took it back.
    Ended {
        /// The row that stood on it.
        mapping: MappingId,
        /// When.
        at: Timestamp,
    },
}

impl ConsentRecord {
    /// How long a consent given at the gateway may be used: a code (60 s) and a token (300 s).
    pub const USABLE: Duration = Duration::from_secs(360);

    /// What a row says of it.
    #[must_use]
    pub fn statement(&self) -> Consent {
        let (evidence, subject) = match &self.basis {
            ConsentBasis::Asserted { evidence, subject } => {
                (Some(evidence.clone()), subject.clone())
            }
            ConsentBasis::Confirmed { evidence } => (evidence.clone(), None),
            ConsentBasis::User { .. } => (None, None),
        };
        Consent {
            id: evidence.unwrap_or_else(|| Attribute::of_consent(self.id)),
            purpose: self.purpose.clone(),
            subject,
            granted_at: self.granted_at,
            expires: self.expires,
        }
    }

    /// Who gave it, where that was at the gateway.
    #[must_use]
    pub const fn owner(&self) -> Option<BlindIndex> {
        match self.basis {
            ConsentBasis::User { owner } => Some(owner),
            ConsentBasis::Asserted { .. } | ConsentBasis::Confirmed { .. } => None,
        }
    }

    /// The row that stands on it, or did.
    #[must_use]
    pub const fn mapping(&self) -> Option<MappingId> {
        match self.state {
            ConsentState::Given { .. } => None,
            ConsentState::Used { mapping } | ConsentState::Ended { mapping, .. } => Some(mapping),
        }
    }

    /// Whether a request may stand on it at `now`: not used yet, and in time; or used by the very
    /// row, `live`, that the request repeats.
    #[must_use]
    pub fn serves(&self, live: Option<MappingId>, now: Timestamp) -> bool {
        match self.state {
            ConsentState::Given { until } => now < until,
            ConsentState::Used { mapping } => live == Some(mapping),
            ConsentState::Ended { .. } => false,
        }
    }

    /// This consent in its next version and another state.
    pub(crate) fn with_state(&self, state: ConsentState, due: Timestamp) -> Self {
        Self {
            state,
            due,
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }
}
