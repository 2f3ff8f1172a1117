//! `[tokens]`, `[limits]` and `[mapping]`: the knobs of `spec/t8.md` A.8.

use std::num::NonZeroU32;
use std::time::Duration;

use ics_core::id::SpId;
use ics_core::procedure::Knobs;
use serde::Deserialize;

use super::fault::{Fault, Faults};
use super::literal::{duration, sp_ids, within};
use super::notify::NotifySection;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// `[tokens]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokensSection {
    /// How long an access token opens anything.
    #[serde(deserialize_with = "duration")]
    pub(crate) lifetime: Duration,
    /// Who may ask what the tokens of others are (RFC 7662).
    #[serde(deserialize_with = "sp_ids")]
    pub(crate) resource_servers: Vec<SpId>,
}

impl Default for TokensSection {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(600),
            resource_servers: Vec::new(),
        }
    }
}

impl TokensSection {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let range = Duration::from_secs(30)..=Duration::from_secs(HOUR);
        within("tokens.lifetime", self.lifetime, range)
    }
}

/// `[limits]`: for a service provider that was onboarded without limits of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsSection {
    /// Requests a second, with a burst of the same size.
    pub(crate) requests_per_second: NonZeroU32,
    /// Mappings a day that may fail on the device's side.
    pub(crate) failed_mappings_per_day: NonZeroU32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let of = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            requests_per_second: of(100),
            failed_mappings_per_day: of(1000),
        }
    }
}

/// `[mapping]`: deadlines of a row and of those who are told.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MappingSection {
    /// How long a device may take to answer, unless the request asks for less.
    #[serde(deserialize_with = "duration")]
    pub(crate) pending: Duration,
    /// How long a deleted or failed row can still be looked at.
    #[serde(deserialize_with = "duration")]
    pub(crate) tombstone_retention: Duration,
    /// How long delivery of a notification is tried before it becomes a dead letter.
    #[serde(deserialize_with = "duration")]
    pub(crate) notification_deadline: Duration,
    /// A failure on the device's side is not told earlier than this after the request: how fast
    /// it came tells which serial numbers exist.
    #[serde(deserialize_with = "duration")]
    pub(crate) failure_floor: Duration,
    /// A random span up to this is added to the floor.
    #[serde(deserialize_with = "duration")]
    pub(crate) failure_jitter: Duration,
}

impl Default for MappingSection {
    fn default() -> Self {
        let knobs = Knobs::default();
        Self {
            pending: knobs.pending_default,
            tombstone_retention: knobs.tombstone_retention,
            notification_deadline: knobs.notification_lifetime,
            failure_floor: knobs.failure_floor,
            failure_jitter: knobs.failure_jitter,
        }
    }
}

impl MappingSection {
    pub(super) fn check(&self, faults: &mut Faults) {
        let seconds = Duration::from_secs;
        let Knobs {
            pending_min,
            pending_max,
            ..
        } = Knobs::default();
        faults.take(within(
            "mapping.pending",
            self.pending,
            pending_min..=pending_max,
        ));
        let retention = seconds(HOUR)..=seconds(365 * DAY);
        faults.take(within(
            "mapping.tombstone_retention",
            self.tombstone_retention,
            retention,
        ));
        let deadline = seconds(60)..=seconds(30 * DAY);
        faults.take(within(
            "mapping.notification_deadline",
            self.notification_deadline,
            deadline,
        ));
        faults.take(within(
            "mapping.failure_floor",
            self.failure_floor,
            seconds(0)..=seconds(HOUR),
        ));
        faults.take(within(
            "mapping.failure_jitter",
            self.failure_jitter,
            seconds(0)..=seconds(HOUR),
        ));
    }

    /// The core's knobs, with the retries of `[notify]`.
    pub(super) fn knobs(&self, notify: &NotifySection) -> Knobs {
        Knobs {
            pending_default: self.pending,
            tombstone_retention: self.tombstone_retention,
            notification_lifetime: self.notification_deadline,
            failure_floor: self.failure_floor,
            failure_jitter: self.failure_jitter,
            retry_first: notify.first_retry,
            retry_max: notify.longest_retry,
            ..Knobs::default()
        }
    }
}
