//! Y.4462 10.1 steps 7 to 9: the IoT SP answers, the row is established or fails, both are told.

use super::Knobs;
use super::access::{Authorized, EstablishMapping};
use super::consent::confirm_consent;
use super::demapping::{RowFacts, release_uti};
use super::telling::tell_result;
use crate::change::{Assumption, Change};
use crate::consent::Consent;
use crate::id::{ConsentId, DeviceId};
use crate::mapping::{CauseCode, FailureCause, Mapping, State, UtiRecord};
use crate::port::Denied;
use crate::reference_point::Role;
use crate::sealed::BlindIndex;
use crate::time::Timestamp;

/// What the IoT SP says in step 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The device stored the pair and acknowledged (steps 4 to 6); this is its ID.
    Accepted {
        /// The device ID.
        device_id: DeviceId,
        /// Keyed hash of (IoT SP, device ID).
        device_index: BlindIndex,
        /// Whether this IoT SP had unregistered it.
        device_dead: bool,
        /// Keyed hash of the user who owns it, as its IoT SP says.
        owner: Option<BlindIndex>,
        /// The consent that comes with the acceptance, and the id it shall be kept under.
        consent: Option<(ConsentId, Consent)>,
    },
    /// No mapping.
    Rejected {
        /// The IoT SP's reason.
        cause: CauseCode,
    },
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerOutcome {
    /// Established or failed as the answer said, once `change` is committed.
    Settled {
        /// The row.
        mapping: Mapping,
        /// What to commit.
        change: Change,
    },
    /// The same answer came before: its row.
    Replayed(Mapping),
    /// Accepted, but a re-check failed: the row fails with this cause, once committed.
    Overruled {
        /// Why.
        cause: FailureCause,
        /// The row.
        mapping: Mapping,
        /// What to commit.
        change: Change,
    },
}

/// Why an answer changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefusal {
    /// The row failed, was de-mapped or ran out meanwhile: the IoT SP must make the device forget.
    #[error("mapping is not pending")]
    NotPending,
    /// The row is established with another device ID (one device ID per row, for ever).
    #[error("mapping has another device")]
    DeviceAlreadyAssigned,
}

/// Decides steps 8 and 9. `disclose_at` is when the third party may learn of a failure; `since` is
/// the instant an established row is dated with: `now`, or later, behind a fence over its device.
///
/// # Errors
/// [`AnswerRefusal`].
pub fn decide_answer(
    row: &Mapping,
    answer: Answer,
    (permission, facts): (Result<Authorized<EstablishMapping>, Denied>, &RowFacts),
    (knobs, disclose_at): (&Knobs, Timestamp),
    (now, since): (Timestamp, Timestamp),
) -> Result<AnswerOutcome, AnswerRefusal> {
    match (&row.state, answer) {
        // Whether or not the row was ended already: its time is over, and the sweep will tell. By the
        // time of the decision: how its row would be dated says nothing of when the answer came.
        (State::Pending { deadline, .. }, Answer::Accepted { .. })
            if *deadline <= now || row.uti_expiry.is_some_and(|end| end <= now) =>
        {
            Err(AnswerRefusal::NotPending)
        }
        (
            State::Pending { .. },
            Answer::Accepted {
                device_id,
                device_index,
                device_dead,
                owner,
                consent,
            },
        ) => {
            let record = facts.uti.unwrap_or_default();
            Ok(
                match check_establishment(
                    (&permission, row),
                    &record,
                    (device_index, device_dead),
                    owner,
                ) {
                    Ok(permission) => {
                        let device = (device_id, device_index, owner, consent);
                        let (mapping, change) =
                            establish(row, permission, device, facts, (knobs, now, since));
                        AnswerOutcome::Settled { mapping, change }
                    }
                    Err(cause) => {
                        let (mapping, change) =
                            decide_failure(row, cause.clone(), facts, (knobs, disclose_at), now);
                        AnswerOutcome::Overruled {
                            cause,
                            mapping,
                            change,
                        }
                    }
                },
            )
        }
        (State::Pending { .. }, Answer::Rejected { cause }) => {
            let cause = FailureCause::Rejected(cause);
            let (mapping, change) = decide_failure(row, cause, facts, (knobs, disclose_at), now);
            Ok(AnswerOutcome::Settled { mapping, change })
        }
        // t8 A.2: the same device ID again is a replay; another one is refused.
        (
            State::Established {
                device_id: known, ..
            },
            Answer::Accepted { device_id, .. },
        ) => {
            if *known == device_id {
                Ok(AnswerOutcome::Replayed(row.clone()))
            } else {
                Err(AnswerRefusal::DeviceAlreadyAssigned)
            }
        }
        (
            State::Failing {
                cause: FailureCause::Rejected(_),
                ..
            }
            | State::Failed {
                cause: FailureCause::Rejected(_),
                ..
            },
            Answer::Rejected { .. },
        ) => Ok(AnswerOutcome::Replayed(row.clone())),
        // The same answer again is overruled again, with the same cause.
        (State::Failing { cause, .. } | State::Failed { cause, .. }, Answer::Accepted { .. })
            if cause.overrules() =>
        {
            Ok(AnswerOutcome::Overruled {
                cause: cause.clone(),
                mapping: row.clone(),
                change: Change::default(),
            })
        }
        // Not "not pending": that would make the device forget what it rightly holds.
        (State::Established { .. }, Answer::Rejected { .. }) => {
            Err(AnswerRefusal::DeviceAlreadyAssigned)
        }
        // No resurrection: a de-mapped or failed row stays so, whatever comes late (Y54).
        _ => Err(AnswerRefusal::NotPending),
    }
}

/// What must still hold when the device ID comes back.
fn check_establishment<'p>(
    (permission, row): (&'p Result<Authorized<EstablishMapping>, Denied>, &Mapping),
    record: &UtiRecord,
    (device_index, device_dead): (BlindIndex, bool),
    owner: Option<BlindIndex>,
) -> Result<&'p EstablishMapping, FailureCause> {
    let permission = match permission {
        Ok(permission) => permission.facts(),
        Err(Denied::ConsentRequired) => return Err(FailureCause::ConsentRequired),
        Err(Denied::Policy | Denied::Device) => return Err(FailureCause::NotAllowed),
        Err(_) => return Err(FailureCause::NoAgreement),
    };
    // Y.4462 10.1: only the IoT SP revokes a device ID, and a revoked one stays revoked.
    if device_dead {
        return Err(FailureCause::DeviceRevoked);
    }
    // Y21: whoever consented must be who owns the device.
    if row.owner.is_some() && row.owner != owner {
        return Err(FailureCause::NotOwner);
    }
    // Y45: one UTI of a third party = one device, for ever. A UTI killed meanwhile has no device.
    if record.dead || record.device.is_some_and(|device| device != device_index) {
        return Err(FailureCause::UtiInUse);
    }
    Ok(permission)
}

/// The device of a row, its keyed hash, that of its owner, and the consent that came with it.
type Established = (
    DeviceId,
    BlindIndex,
    Option<BlindIndex>,
    Option<(ConsentId, Consent)>,
);

fn establish(
    row: &Mapping,
    permission: &EstablishMapping,
    (device_id, device_index, owner, consent): Established,
    facts: &RowFacts,
    (knobs, now, since): (&Knobs, Timestamp, Timestamp),
) -> (Mapping, Change) {
    // The serial number is in no other state than Pending: it is erased by this line.
    let mut next = row.with_state(State::Established { device_id, since }, since);
    let mut change = Change::default();
    next.owner = owner;
    if let Some((id, consent)) = consent.filter(|_| row.consent_record.is_none()) {
        confirm_consent(&mut change, &mut next, (id, &consent), (knobs, now));
    }
    change.assumptions.push(Assumption::AgreementUnchanged {
        id: permission.agreement,
        version: permission.agreement_version,
    });
    change
        .assumptions
        .push(Assumption::DeviceAlive(device_index));
    let record = facts.uti.unwrap_or_default();
    let bound = UtiRecord {
        device: Some(device_index),
        ..record
    };
    change.put_uti_record(facts.uti_index, facts.uti, bound);
    if let Some(push) = &facts.push {
        change.settle(push);
    }
    for role in [Role::ThirdPartySp, Role::IotSp] {
        tell_result(&mut change, (&next, facts.listeners), role, (knobs, since));
    }
    change.put_mapping(Some(row), next.clone());
    (next, change)
}

/// A pending row fails. The IoT SP is told at once; the third party not before `disclose_at`.
#[must_use]
pub fn decide_failure(
    row: &Mapping,
    cause: FailureCause,
    facts: &RowFacts,
    (knobs, disclose_at): (&Knobs, Timestamp),
    now: Timestamp,
) -> (Mapping, Change) {
    let mut change = Change::default();
    if let Some(push) = &facts.push {
        change.settle(push);
    }
    let disclosed = disclose_at <= now;
    let state = if disclosed {
        release_uti(&mut change, facts, 1, false);
        State::Failed {
            cause,
            at: now,
            purge_at: now.plus(knobs.tombstone_retention),
        }
    } else {
        State::Failing {
            cause,
            disclose_at,
            at: now,
            deadline: row.deadline_towards(Role::ThirdPartySp).unwrap_or(now),
        }
    };
    let mut next = row.with_state(state, now);
    if !disclosed {
        // The third party must not see that anything happened.
        next.updated = row.updated;
    }
    if disclosed {
        tell_result(
            &mut change,
            (&next, facts.listeners),
            Role::ThirdPartySp,
            (knobs, now),
        );
    }
    tell_result(
        &mut change,
        (&next, facts.listeners),
        Role::IotSp,
        (knobs, now),
    );
    change.put_mapping(Some(row), next.clone());
    (next, change)
}
