//! What a connection's certificate says of its peer.
//!
//! Where there is no certificate, or one that names nobody of the kind the listener serves,
//! nothing is noted, and whoever asks for the peer finds none: closed, not open.

use std::sync::Arc;

use ics_channel::DeviceCertificate;
use ics_core::id::AeId;
use ics_core::principal::{OperatorCertificate, PeerCertificate};
use ics_onem2m::caller::{AeCertificate, Caller};
use ics_vault::{CertificateFacts, CertificateIdentity, read_certificate};
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;

/// The service provider a handshake named, if it named one.
pub(crate) fn read_service_provider(session: &ServerConnection) -> Option<PeerCertificate> {
    read_facts(session).and_then(peer_certificate)
}

/// The operator a handshake named, if it named one.
pub(crate) fn read_operator(session: &ServerConnection) -> Option<OperatorCertificate> {
    read_facts(session).and_then(operator_certificate)
}

/// The hosted device a handshake named, if it named one.
pub(crate) fn read_device(session: &ServerConnection) -> Option<DeviceCertificate> {
    device_certificate(session.peer_certificates()?.first()?)
}

/// The CSE, AE, hosted device or service provider a handshake named, if it named one of them.
pub(crate) fn read_onem2m(session: &ServerConnection) -> Option<Caller> {
    let facts = read_facts(session)?;
    Some(match &facts.identity {
        CertificateIdentity::OneM2m(name) => match name.ae() {
            None => Caller::Cse(name.cse_id().to_owned()),
            Some(ae) => Caller::Ae(Arc::new(AeCertificate {
                ae: AeId::parse(ae).ok()?,
                thumbprint: facts.thumbprint,
                serial: facts.serial,
                not_after: facts.not_after,
            })),
        },
        CertificateIdentity::Device { .. } => Caller::Certified(Arc::new(read_device(session)?)),
        _ => Caller::Sp(Arc::new(peer_certificate(facts)?)),
    })
}

/// The hosted device that a verified certificate names, if it names one.
pub(super) fn device_certificate(leaf: &CertificateDer<'_>) -> Option<DeviceCertificate> {
    let facts = read_certificate(leaf).ok()?;
    let CertificateIdentity::Device { iot_sp, id } = facts.identity else {
        return None;
    };
    Some(DeviceCertificate {
        iot_sp,
        device_id: id,
        thumbprint: facts.thumbprint,
        not_after: facts.not_after,
    })
}

/// The service provider these facts name, if they name one.
pub(super) fn peer_certificate(facts: CertificateFacts) -> Option<PeerCertificate> {
    let CertificateIdentity::Sp(sp) = facts.identity else {
        return None;
    };
    Some(PeerCertificate {
        sp,
        thumbprint: facts.thumbprint,
        serial: facts.serial,
        issuer: Some(facts.issuer),
        not_after: facts.not_after,
    })
}

fn operator_certificate(facts: CertificateFacts) -> Option<OperatorCertificate> {
    let CertificateIdentity::Operator(name) = facts.identity else {
        return None;
    };
    Some(OperatorCertificate {
        name,
        thumbprint: facts.thumbprint,
        not_after: facts.not_after,
    })
}

fn read_facts(session: &ServerConnection) -> Option<CertificateFacts> {
    let leaf = session.peer_certificates()?.first()?;
    // Verified in the handshake; read again because rustls keeps bytes, not facts.
    read_certificate(leaf).ok()
}
