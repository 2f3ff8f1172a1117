//! Stand-ins until ics-core has them.

use std::sync::Arc;

use ics_core::directory::Directory;
use ics_core::id::SpId;
use ics_core::party::Party;
use ics_core::principal::{CertificateSerial, CertificateThumbprint, PeerCertificate, Proof};
use ics_core::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyingKey {
    Es256(Vec<u8>),
    Ed25519([u8; 32]),
}

pub trait SignatureVerifier: Send + Sync {
    fn verify(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool;
    fn sha256(&self, bytes: &[u8]) -> [u8; 32];
}

/// `/id-in/C<sp>`, whose key begins with the name.
pub(crate) fn party_of_ae(
    directory: &Directory,
    ae: &str,
) -> Option<(Arc<Party>, Option<VerifyingKey>)> {
    let sp = ae.strip_prefix("/id-in/C")?;
    let party = directory.party(&SpId::parse(sp).ok()?)?;
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(sp.bytes()) {
        *to = from;
    }
    Some((party.clone(), Some(VerifyingKey::Ed25519(key))))
}

pub(crate) fn ae_of(party: &Party) -> Option<String> {
    Some(format!("/id-in/C{}", party.id))
}

pub(crate) fn proof(sp: &SpId) -> Proof {
    Proof::Certificate(Arc::new(PeerCertificate {
        sp: sp.clone(),
        thumbprint: CertificateThumbprint([0; 32]),
        serial: CertificateSerial::from_der_integer(&[1]),
        not_after: Timestamp::MAX,
    }))
}

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
