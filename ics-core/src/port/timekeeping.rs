//! The port of whoever asks how time is kept, and says which clock is right.

use super::{PortFuture, StoreError};
use crate::time::Timestamp;
use crate::timekeeping::ClockStanding;

/// How time is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReport {
    /// The gateway's time.
    pub now: Timestamp,
    /// The wall clock's.
    pub wall: Timestamp,
    /// What is thought of the wall clock.
    pub standing: ClockStanding,
}

/// Watches the clocks (see [`crate::timekeeping`]).
pub trait ClockWatch: Send + Sync {
    /// How time is kept, as of now.
    fn report(&self) -> ClockReport;

    /// The operator says that the wall clock is right. A wrong word of theirs deletes what had not
    /// run out; without it nothing is swept.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be kept over a restart; it holds until then.
    fn accept(&self) -> PortFuture<'_, Result<ClockReport, StoreError>>;
}
