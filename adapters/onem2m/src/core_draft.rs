//! Stand-ins until ics-core has them.

/// What came of telling somebody over oneM2M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoadOutcome {
    Accepted,
    Refused,
    Failed {
        retry_after: Option<std::time::Duration>,
    },
    Unreachable,
}
