//! Y.4462 10.3: what an inquiry answers. Only rows that hold answer, only to their own parties.

use crate::correlation::Correlation;
use crate::id::SpId;
use crate::time::Timestamp;

/// Case 2: whether the row of (service URI, UTI) may be told to `caller` as its third party.
///
/// Both in one row, else refuse: unknown, pending, deleted and somebody else's look the same.
#[must_use]
pub fn answers_by_transaction(found: &Correlation, caller: &SpId, now: Timestamp) -> bool {
    found.third_party_sp == *caller && found.holds(now)
}

/// Case 1: whether a row found under a device ID may be told to `caller` as its IoT SP.
#[must_use]
pub fn answers_by_device(found: &Correlation, caller: &SpId, now: Timestamp) -> bool {
    found.iot_sp == *caller && found.holds(now)
}
