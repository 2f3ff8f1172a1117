//! Y.4462 10.3: what an inquiry answers. Only established rows answer, only to their own parties.

use crate::id::SpId;
use crate::mapping::{Mapping, State};
use crate::time::Timestamp;

/// Case 2: the row of (service URI, UTI), if the caller is its third party and it is established.
///
/// Both in one row, else refuse: unknown, pending, deleted and somebody else's look the same.
#[must_use]
pub fn answer_by_transaction<'r>(row: Option<&'r Mapping>, caller: &SpId) -> Option<&'r Mapping> {
    row.filter(|row| {
        row.third_party_sp == *caller && matches!(row.state, State::Established { .. })
    })
}

/// Case 1: whether a row found under the caller's device ID may be told, and since when it holds.
#[must_use]
pub fn answer_by_device(row: &Mapping, caller: &SpId) -> Option<Timestamp> {
    match &row.state {
        State::Established { since, .. } if row.iot_sp == *caller => Some(*since),
        _ => None,
    }
}
