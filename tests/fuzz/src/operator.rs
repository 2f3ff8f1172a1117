//! The operator API: bodies, and page tokens.

use std::fmt::Debug;

use ics_core::time::Timestamp;
use ics_operator::fuzzing;
use ics_operator::wire::{
    CertificateOrder, Confirmation, InvalidBody, NewAgreement, NewParty, OutboxRetry, Revocation,
    parse_body,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bodies: the first byte says of which operation.
pub(super) fn body(data: &[u8]) {
    let (kind, bytes) = super::choice(data);
    match kind % 6 {
        0 => {
            if let Some(new) = check::<NewParty>(bytes)
                && let Some(terms) = fuzzing::read_party(&new)
            {
                assert_eq!(terms.id.as_str(), new.id);
                let services = terms.services.iter().map(|prefix| prefix.as_str());
                assert!(services.eq(new.services.iter().map(String::as_str)));
                assert_eq!(terms.serial_namespaces.len(), new.serial_namespaces.len());
                assert_eq!(terms.callback_origins.len(), new.callback_origins.len());
            }
        }
        1 => {
            if let Some(new) = check::<NewAgreement>(bytes) {
                let now = Timestamp::from_millis(1_795_291_200_000);
                if let Some(terms) = fuzzing::read_agreement(&new, now) {
                    assert!(terms.valid_until.is_none_or(|end| end > terms.valid_from));
                    assert_eq!(terms.services.len(), new.services.len());
                }
            }
        }
        2 => {
            if let Some(revocation) = check::<Revocation>(bytes) {
                let name = fuzzing::read_revocation(&revocation);
                assert!(
                    name.is_none_or(|name| {
                        revocation.certificate.is_some() || !name.is_empty()
                    })
                );
            }
        }
        3 => drop(check::<CertificateOrder>(bytes)),
        4 => drop(check::<Confirmation>(bytes)),
        _ => drop(check::<OutboxRetry>(bytes)),
    }
}

/// What was read is written and reads the same; a refusal repeats no value.
fn check<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    match parse_body::<T>(bytes) {
        Ok(value) => {
            let written = serde_json::to_vec(&value).expect("JSON is written");
            assert_eq!(parse_body::<T>(&written).as_ref(), Ok(&value));
            Some(value)
        }
        Err(InvalidBody::Syntax) => None,
        Err(InvalidBody::Missing(param) | InvalidBody::Incorrect(param)) => {
            // Words of ours, however long what was sent.
            assert!(param.param.len() <= 64, "{}", param.param);
            assert!(param.reason.len() <= 256, "{}", param.reason);
            None
        }
    }
}

/// Page tokens: one that is taken names one item, in one spelling but for case and colons.
pub(super) fn query(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    let plain: String = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    for (kind, rendered) in fuzzing::render_tokens(text).into_iter().enumerate() {
        let Some(rendered) = rendered else { continue };
        let again = fuzzing::render_tokens(&rendered);
        assert_eq!(again.get(kind), Some(&Some(rendered.clone())));
        assert_eq!(plain, rendered);
    }
}
