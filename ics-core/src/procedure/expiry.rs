//! What time does to a row by itself: waiting ends, a failure is disclosed, a UTI or a consent
//! runs out, a tombstone goes.

use super::Knobs;
use super::assignment::decide_failure;
use super::demapping::{Demapping, RowFacts, end_pending, release_uti};
use super::telling::tell_result;
use crate::change::Change;
use crate::mapping::{CauseCode, DemappingCause, EndedBy, FailureCause, Mapping, State, sub_cause};
use crate::reference_point::Role;
use crate::time::Timestamp;

/// What is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// Commit this.
    Change(Change),
    /// De-map: with UTI_INVALID all rows of the UTI, else this one.
    Demap(Demapping),
}

/// Decides what is due of `row` at `now`; `None` when nothing is.
#[must_use]
pub fn decide_due(
    row: &Mapping,
    facts: &RowFacts,
    (knobs, disclose_at): (&Knobs, Timestamp),
    now: Timestamp,
) -> Option<Due> {
    let consent_over = row
        .consent
        .as_ref()
        .and_then(|c| c.expires)
        .is_some_and(|end| end <= now);
    let uti_over = row.uti_expiry.is_some_and(|end| end <= now);
    match &row.state {
        State::Pending { .. } | State::Established { .. } | State::Failing { .. } if uti_over => {
            Some(Due::Demap(by_service(
                DemappingCause::UtiInvalid,
                sub_cause::EXPIRED,
            )))
        }
        State::Pending { .. } if consent_over => {
            let why = Some(CauseCode::fixed(sub_cause::CONSENT_EXPIRED));
            Some(Due::Change(end_pending(
                row,
                facts,
                (EndedBy::Ics, why),
                knobs,
                now,
            )))
        }
        State::Established { .. } if consent_over => Some(Due::Demap(by_service(
            DemappingCause::UserAuthorizationWithdrawn,
            sub_cause::CONSENT_EXPIRED,
        ))),
        State::Pending { deadline, .. } if *deadline <= now => {
            let times = (knobs, disclose_at);
            let (_, change) = decide_failure(row, FailureCause::TimedOut, facts, times, now);
            Some(Due::Change(change))
        }
        State::Failing {
            cause,
            disclose_at,
            at,
            ..
        } if *disclose_at <= now => Some(Due::Change(disclose_failure(
            row,
            (cause, *at),
            facts,
            knobs,
            now,
        ))),
        State::Failed { purge_at, .. } | State::Deleted { purge_at, .. } if *purge_at <= now => {
            let mut change = Change::default();
            change.drop_mapping(row);
            Some(Due::Change(change))
        }
        _ => None,
    }
}

fn by_service(cause: DemappingCause, sub_cause: &'static str) -> Demapping {
    Demapping {
        cause,
        sub_cause: Some(CauseCode::fixed(sub_cause)),
        by: EndedBy::Ics,
    }
}

/// The third party learns of a failure the IoT SP has known for a while.
fn disclose_failure(
    row: &Mapping,
    (cause, at): (&FailureCause, Timestamp),
    facts: &RowFacts,
    knobs: &Knobs,
    now: Timestamp,
) -> Change {
    let purge_at = now.plus(knobs.tombstone_retention);
    let next = row.with_state(
        State::Failed {
            cause: cause.clone(),
            at,
            purge_at,
        },
        now,
    );
    let mut change = Change::default();
    release_uti(&mut change, facts, 1, false);
    tell_result(
        &mut change,
        (&next, facts.listeners),
        Role::ThirdPartySp,
        (knobs, now),
    );
    change.put_mapping(Some(row), next);
    change
}
