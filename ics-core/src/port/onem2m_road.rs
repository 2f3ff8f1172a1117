//! The port of NOTIFY to AEs on a oneM2M platform (TS-0004 7.5.1.2.2).

use super::PortFuture;
use crate::service::Consignment;

/// What came of telling an AE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoadOutcome {
    /// It was taken.
    Accepted,
    /// It was refused, and will be again until somebody mends it.
    Refused,
    /// Not now.
    Failed,
    /// Nobody answered.
    Unreachable,
}

/// Carries notifications to the AEs of parties. At least once: a receiver knows one it had by its
/// request id, which is the notification's.
///
/// A wrong "accepted" loses what a party was to be told; a wrong anything else tells it twice.
pub trait OneM2mRoad: Send + Sync {
    /// Tells the AE of the consignment's party, in bounded time.
    fn deliver<'a>(&'a self, consignment: &'a Consignment) -> PortFuture<'a, RoadOutcome>;
}
