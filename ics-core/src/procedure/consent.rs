//! What is kept of the user's consent (Y.4462 7.4, row Y21), pure: given, used by one row in that
//! row's own transaction, taken back, lapsed, let go.

use super::Knobs;
use super::access::{Authorized, RequestMapping};
use super::mapping::NewMapping;
use crate::change::{Assumption, Change};
use crate::consent::{Consent, ConsentBasis, ConsentRecord, ConsentState};
use crate::id::ConsentId;
use crate::mapping::Mapping;
use crate::party::{Agreement, ConsentMode};
use crate::time::Timestamp;

/// The user gave a consent at the gateway, under this agreement.
#[must_use]
pub fn decide_given(record: ConsentRecord, agreement: &Agreement) -> Change {
    let mut change = Change::default();
    change.assumptions.push(Assumption::AgreementUnchanged {
        id: agreement.id,
        version: agreement.version,
    });
    change.put_consent(None, record);
    change
}

/// A consent that no row stands on is taken back; `None` where one does, or did.
#[must_use]
pub fn decide_taken_back(record: &ConsentRecord) -> Option<Change> {
    matches!(record.state, ConsentState::Given { .. }).then(|| {
        let mut change = Change::default();
        change.drop_consent(record);
        change
    })
}

/// The user withdrew a consent whose row is ended in the same transaction; kept as evidence.
#[must_use]
pub fn decide_withdrawn(record: &ConsentRecord, knobs: &Knobs, now: Timestamp) -> Change {
    let mut change = Change::default();
    if let ConsentState::Used { mapping } = record.state {
        let state = ConsentState::Ended { mapping, at: now };
        let after = record.with_state(state, now.plus(knobs.consent_retention));
        change.put_consent(Some(record), after);
    }
    change
}

/// What time does to a consent; `row` is the row that stands on it, as far as it is there.
/// `None` when nothing is due.
#[must_use]
pub fn decide_due_consent(
    record: &ConsentRecord,
    row: Option<&Mapping>,
    (knobs, now): (&Knobs, Timestamp),
) -> Option<Change> {
    if now < record.due {
        return None;
    }
    let mut change = Change::default();
    if matches!(record.state, ConsentState::Used { .. }) && row.is_some_and(Mapping::is_live) {
        let after = record.with_state(record.state, now.plus(knobs.consent_retention));
        change.put_consent(Some(record), after);
    } else {
        change.drop_consent(record);
    }
    Some(change)
}

/// The new row takes the consent it was permitted on: one given at the gateway is used up by it, of
/// one asserted the evidence is kept.
pub(super) fn keep_consent(
    change: &mut Change,
    permission: &Authorized<RequestMapping>,
    (row, new): (&mut Mapping, &NewMapping),
    (knobs, now): (&Knobs, Timestamp),
) {
    let permitted = permission.facts();
    if let Some(given) = &permitted.given {
        let state = ConsentState::Used { mapping: row.id };
        let after = given.with_state(state, now.plus(knobs.consent_retention));
        change.put_consent(Some(given), after);
        row.consent_record = Some(given.id);
        row.owner = given.owner();
    } else if let (ConsentMode::Asserted, Some(consent)) =
        (permitted.consent_mode, &permitted.consent)
    {
        let basis = ConsentBasis::Asserted {
            evidence: consent.id.clone(),
            subject: consent.subject.clone(),
        };
        let kept = (new.consent_id, basis, consent);
        put_evidence(change, row, kept, (knobs, now));
    }
}

/// The IoT SP accepted, and says by that that its user consents: its evidence is kept.
pub(super) fn confirm_consent(
    change: &mut Change,
    row: &mut Mapping,
    (id, consent): (ConsentId, &Consent),
    (knobs, now): (&Knobs, Timestamp),
) {
    let basis = ConsentBasis::Confirmed {
        evidence: Some(consent.id.clone()),
    };
    put_evidence(change, row, (id, basis, consent), (knobs, now));
    row.consent = Some(consent.clone());
}

fn put_evidence(
    change: &mut Change,
    row: &mut Mapping,
    (id, basis, consent): (ConsentId, ConsentBasis, &Consent),
    (knobs, now): (&Knobs, Timestamp),
) {
    let record = ConsentRecord {
        id,
        third_party_sp: row.third_party_sp.clone(),
        iot_sp: row.iot_sp.clone(),
        agreement: row.agreement,
        service_uri: row.key.service_uri.clone(),
        serial_index: row.serial_index,
        basis,
        purpose: consent.purpose.clone(),
        granted_at: consent.granted_at,
        expires: consent.expires,
        state: ConsentState::Used { mapping: row.id },
        due: now.plus(knobs.consent_retention),
        version: 1,
    };
    change.put_consent(None, record);
    row.consent_record = Some(id);
}
