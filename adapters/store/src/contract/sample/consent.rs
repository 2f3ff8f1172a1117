//! Consents, and rows that stand on them.

use ics_core::consent::{ConsentBasis, ConsentRecord, ConsentState};
use ics_core::id::{AgreementId, ConsentId};
use ics_core::mapping::Mapping;

use super::{at, attribute, hash, mapping_id, service, sp};

/// A consent id of its own for each number.
#[must_use]
pub fn consent_id(number: u64) -> ConsentId {
    let mut random = [0xc0; 10];
    random
        .first_chunk_mut()
        .into_iter()
        .for_each(|b| *b = number.to_be_bytes());
    ConsentId::mint(at(0), random)
}

/// A consent to [`super::pending`] row `number`, given by a user at the gateway.
#[must_use]
pub fn given(number: u64) -> ConsentRecord {
    ConsentRecord {
        id: consent_id(number),
        third_party_sp: sp("shop1"),
        iot_sp: sp("maker1"),
        agreement: AgreementId::from_bytes([7; 16]),
        service_uri: service("https://shop.example/eggs"),
        serial_index: hash(number),
        basis: ConsentBasis::User {
            owner: hash(number + 300),
        },
        purpose: attribute("dpv:RequestedServiceProvision"),
        granted_at: at(0),
        expires: Some(at(2_000_000)),
        state: ConsentState::Given { until: at(360_000) },
        due: at(360_000),
        version: 1,
    }
}

/// One that a third party asserts, with the pseudonym of its user.
#[must_use]
pub fn asserted(number: u64) -> ConsentRecord {
    let basis = ConsentBasis::Asserted {
        evidence: attribute("consent-1"),
        subject: Some(attribute("user-1")),
    };
    ConsentRecord {
        basis,
        expires: None,
        ..used(&given(number))
    }
}

/// The next version of a consent, used by the first row.
#[must_use]
pub fn used(record: &ConsentRecord) -> ConsentRecord {
    let mapping = mapping_id(1);
    next(record, ConsentState::Used { mapping })
}

/// The next version of a consent, taken back by its user.
#[must_use]
pub fn ended(record: &ConsentRecord) -> ConsentRecord {
    let mapping = mapping_id(1);
    let state = ConsentState::Ended {
        mapping,
        at: at(400_000),
    };
    next(record, state)
}

fn next(record: &ConsentRecord, state: ConsentState) -> ConsentRecord {
    ConsentRecord {
        state,
        due: at(9_000_000),
        version: record.version + 1,
        ..record.clone()
    }
}

/// A row that stands on a consent which is kept, for a device whose owner is known.
#[must_use]
pub fn owned(row: &Mapping) -> Mapping {
    Mapping {
        consent_record: Some(consent_id(1)),
        owner: Some(hash(301)),
        ..row.clone()
    }
}
