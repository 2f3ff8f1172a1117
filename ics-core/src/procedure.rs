//! The procedures of Y.4462 clause 10, pure: facts, input and time in; a change out.
//!
//! One file a procedure. None of them loads, commits, reads a clock or draws a random number;
//! [`crate::service`] does the first two, the gateway hands in the rest.

pub mod access;
pub mod assignment;
pub mod consent;
pub mod delivery;
pub mod demapping;
pub mod expiry;
pub mod hosting;
pub mod inquiry;
pub mod mapping;
pub mod sweep;
pub(crate) mod telling;

use core::num::NonZeroU32;
use core::time::Duration;

pub use telling::Listeners;

/// The times of the state table (t8 A.8) and the like, as the operator set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// How long a request waits for its device when the third party does not say.
    pub pending_default: Duration,
    /// The shortest wait a third party may ask for.
    pub pending_min: Duration,
    /// The longest wait a third party may ask for.
    pub pending_max: Duration,
    /// How long a consent is kept as evidence once its row is gone; checked that often, so up to
    /// twice as long.
    pub consent_retention: Duration,
    /// How long a dead row still answers to its own parties.
    pub tombstone_retention: Duration,
    /// How long a notification is tried before it becomes a dead letter.
    pub notification_lifetime: Duration,
    /// A failure on the device's side is not told to the third party before this has passed since
    /// its request: no fast oracle on serial numbers.
    pub failure_floor: Duration,
    /// Up to this much more, at random.
    pub failure_jitter: Duration,
    /// How long an unregistered device may take to fetch and acknowledge its empty document.
    pub unregistering: Duration,
    /// How many events of a row wait to be told at most, dead letters included.
    pub waiting_events: NonZeroU32,
    /// First wait before a notification is tried again.
    pub retry_first: Duration,
    /// Longest wait before a notification is tried again.
    pub retry_max: Duration,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            pending_default: Duration::from_secs(24 * 3600),
            pending_min: Duration::from_secs(60),
            pending_max: Duration::from_secs(30 * 24 * 3600),
            consent_retention: Duration::from_secs(180 * 24 * 3600),
            tombstone_retention: Duration::from_secs(7 * 24 * 3600),
            notification_lifetime: Duration::from_secs(24 * 3600),
            failure_floor: Duration::from_secs(60),
            failure_jitter: Duration::from_secs(30),
            unregistering: Duration::from_secs(30 * 24 * 3600),
            waiting_events: NonZeroU32::MIN.saturating_add(99),
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests;
