//! Y.4462 10.2: rows are removed at the request of either side, or by the service itself.
//!
//! Local and immediate: what is committed is gone, whoever has been told by then. A deleted row
//! stays as a tombstone, so that no late message can bring it back.

use super::Knobs;
use super::telling::{Listeners, audience, tell_demapped, tell_result};
use crate::change::Change;
use crate::mapping::{CauseCode, DemappingCause, EndedBy, Mapping, State, UtiRecord};
use crate::outbox::OutboxEntry;
use crate::sealed::BlindIndex;
use crate::time::Timestamp;

/// What must be known of a row to end it.
#[derive(Clone, Debug)]
pub struct RowFacts {
    /// Who can be told.
    pub listeners: Listeners,
    /// Keyed hash of (third party SP, UTI).
    pub uti_index: BlindIndex,
    /// The permanent record of the UTI.
    pub uti: Option<UtiRecord>,
    /// The push, if it still lies in the outbox.
    pub push: Option<OutboxEntry>,
}

/// Why, in what words, by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demapping {
    /// The condition of 10.2.
    pub cause: DemappingCause,
    /// More about it.
    pub sub_cause: Option<CauseCode>,
    /// Who says so.
    pub by: EndedBy,
}

/// Ends rows of **one** UTI together; `rows` that are no longer live are passed over.
///
/// UTI_INVALID kills the UTI: the caller hands in all its live rows, and the UTI never comes
/// back. `None` when no row was live.
#[must_use]
pub fn decide_demapping(
    rows: &[(Mapping, RowFacts)],
    demapping: &Demapping,
    knobs: &Knobs,
    now: Timestamp,
) -> Option<Change> {
    let mut change = Change::default();
    let mut ended = 0_u32;
    for (row, facts) in rows
        .iter()
        .filter(|(row, _)| is_live_for(row, demapping.by))
    {
        end_row(&mut change, row, facts, demapping, knobs, now);
        ended = ended.saturating_add(1);
    }
    let (_, facts) = rows.first().filter(|_| ended > 0)?;
    let dead = demapping.cause == DemappingCause::UtiInvalid;
    release_uti(&mut change, facts, ended, dead);
    Some(change)
}

/// A row that failed at the device's side is gone for the IoT SP, though not yet for the other.
pub(crate) fn is_live_for(row: &Mapping, by: EndedBy) -> bool {
    match row.state {
        State::Failing { .. } => by != EndedBy::Party(crate::reference_point::Role::IotSp),
        _ => row.is_live(),
    }
}

fn end_row(
    change: &mut Change,
    row: &Mapping,
    facts: &RowFacts,
    demapping: &Demapping,
    knobs: &Knobs,
    now: Timestamp,
) {
    let established = matches!(row.state, State::Established { .. });
    let next = ended(row, demapping, knobs, now);
    if let Some(push) = &facts.push {
        // Nothing to push any more; the undo must not wait behind it.
        change.settle(push);
    }
    for role in audience(demapping.by) {
        let told = (&next, facts.listeners);
        if established {
            let why = (row, demapping.cause, demapping.sub_cause.as_ref());
            tell_demapped(change, told, role, why, (knobs, now));
        } else {
            tell_result(change, told, role, (knobs, now));
        }
    }
    change.put_mapping(Some(row), next);
}

/// What becomes of `row`.
pub(crate) fn ended(
    row: &Mapping,
    demapping: &Demapping,
    knobs: &Knobs,
    now: Timestamp,
) -> Mapping {
    let established = matches!(row.state, State::Established { .. });
    row.with_state(
        State::Deleted {
            cause: established.then_some(demapping.cause),
            sub_cause: demapping.sub_cause.clone(),
            by: demapping.by,
            at: now,
            purge_at: now.plus(knobs.tombstone_retention),
        },
        now,
    )
}

/// Ends one row that was never established: cancelled.
pub(crate) fn end_pending(
    row: &Mapping,
    facts: &RowFacts,
    (by, sub_cause): (EndedBy, Option<CauseCode>),
    knobs: &Knobs,
    now: Timestamp,
) -> Change {
    let mut change = Change::default();
    let demapping = Demapping {
        cause: DemappingCause::UserAuthorizationWithdrawn,
        sub_cause,
        by,
    };
    end_row(&mut change, row, facts, &demapping, knobs, now);
    release_uti(&mut change, facts, 1, false);
    change
}

/// Takes `ended` rows off the UTI's record. The serial number's hash goes with the last of them;
/// the device stays for ever.
pub(crate) fn release_uti(change: &mut Change, facts: &RowFacts, ended: u32, dead: bool) {
    let before = facts.uti.unwrap_or_default();
    let live = before.live.saturating_sub(ended);
    let after = UtiRecord {
        serial: before.serial.filter(|_| live > 0),
        live,
        dead: before.dead || dead,
        ..before
    };
    change.put_uti_record(facts.uti_index, facts.uti, after);
}

/// Marks a device ID dead for ever (its IoT SP unregistered it).
#[must_use]
pub fn decide_device_death(device: BlindIndex) -> Change {
    Change {
        dead_devices: alloc::vec![device],
        ..Change::default()
    }
}
