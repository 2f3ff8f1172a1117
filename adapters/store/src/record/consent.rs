//! What is kept of a user's consent. Its id is the tail of its key.

use ics_core::consent::{ConsentBasis, ConsentRecord, ConsentState};
use ics_core::id::{AgreementId, ConsentId, MappingId};

use super::fields::{Sink, Source};
use super::value::{attribute, index, put_attribute, put_index, service_uri, sp};
use super::{Record, RecordError};

impl Record for ConsentRecord {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.key_id("consentId", self.id.as_bytes());
        out.text("thirdPartySpId", self.third_party_sp.as_str());
        out.text("iotSpId", self.iot_sp.as_str());
        out.id("agreementId", self.agreement.as_bytes());
        out.text("serviceUri", self.service_uri.as_str());
        put_index(out, "serialIndex", self.serial_index);
        out.group("basis", |out| write_basis(out, &self.basis));
        put_attribute(out, "purpose", &self.purpose);
        out.instant("grantedAt", self.granted_at);
        out.option("expiresAt", self.expires, Sink::instant);
        out.group("state", |out| write_state(out, self.state));
        out.instant("due", self.due);
        out.number("version", self.version);
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            id: ConsentId::from_bytes(input.key_id("consentId")?),
            third_party_sp: sp(input, "thirdPartySpId")?,
            iot_sp: sp(input, "iotSpId")?,
            agreement: AgreementId::from_bytes(input.id("agreementId")?),
            service_uri: service_uri(input, "serviceUri")?,
            serial_index: index(input, "serialIndex")?,
            basis: input.group("basis", read_basis)?,
            purpose: attribute(input, "purpose")?,
            granted_at: input.instant("grantedAt")?,
            expires: input.option("expiresAt", Source::instant)?,
            state: input.group("state", read_state)?,
            due: input.instant("due")?,
            version: input.number("version")?,
        })
    }
}

const BASES: [&str; 3] = ["USER", "ASSERTED", "CONFIRMED"];

fn write_basis(out: &mut impl Sink, basis: &ConsentBasis) {
    let mut tag = |number| out.tag("by", number, &BASES);
    match basis {
        ConsentBasis::User { owner } => {
            tag(0);
            put_index(out, "ownerIndex", *owner);
        }
        ConsentBasis::Asserted { evidence, subject } => {
            tag(1);
            put_attribute(out, "evidence", evidence);
            out.option("subject", subject.as_ref(), put_attribute);
        }
        ConsentBasis::Confirmed { evidence } => {
            tag(2);
            out.option("evidence", evidence.as_ref(), put_attribute);
        }
    }
}

fn read_basis<S: Source>(input: &mut S) -> Result<ConsentBasis, RecordError> {
    Ok(match input.tag("by", &BASES)? {
        0 => ConsentBasis::User {
            owner: index(input, "ownerIndex")?,
        },
        1 => ConsentBasis::Asserted {
            evidence: attribute(input, "evidence")?,
            subject: input.option("subject", attribute)?,
        },
        2 => ConsentBasis::Confirmed {
            evidence: input.option("evidence", attribute)?,
        },
        _ => return Err(RecordError::Value),
    })
}

const STATES: [&str; 3] = ["GIVEN", "USED", "ENDED"];

fn write_state(out: &mut impl Sink, state: ConsentState) {
    let mut tag = |number| out.tag("status", number, &STATES);
    match state {
        ConsentState::Given { until } => {
            tag(0);
            out.instant("until", until);
        }
        ConsentState::Used { mapping } => {
            tag(1);
            out.id("mappingId", mapping.as_bytes());
        }
        ConsentState::Ended { mapping, at } => {
            tag(2);
            out.id("mappingId", mapping.as_bytes());
            out.instant("at", at);
        }
    }
}

fn read_state<S: Source>(input: &mut S) -> Result<ConsentState, RecordError> {
    Ok(match input.tag("status", &STATES)? {
        0 => ConsentState::Given {
            until: input.instant("until")?,
        },
        1 => ConsentState::Used {
            mapping: input.id("mappingId").map(MappingId::from_bytes)?,
        },
        2 => ConsentState::Ended {
            mapping: input.id("mappingId").map(MappingId::from_bytes)?,
            at: input.instant("at")?,
        },
        _ => return Err(RecordError::Value),
    })
}
