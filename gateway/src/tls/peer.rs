//! What a connection's data says of its peer.
//!
//! actix hands every new connection to a hook as `&dyn Any`. If it is not the stream type we
//! expect, nothing is noted, and whoever asks for the peer finds none: closed, not open.

use std::any::Any;
use std::sync::Arc;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use ics_core::principal::{OperatorCertificate, PeerCertificate};
use ics_vault::{CertificateFacts, CertificateIdentity, read_certificate};

/// Notes `Arc<PeerCertificate>` of a connection to the listener of the service providers.
pub(crate) fn note_service_provider(stream: &dyn Any, data: &mut Extensions) {
    if let Some(peer) = read_facts(stream).and_then(peer_certificate) {
        data.insert(Arc::new(peer));
    }
}

/// Notes `Arc<OperatorCertificate>` of a connection to the operator's listener.
pub(crate) fn note_operator(stream: &dyn Any, data: &mut Extensions) {
    if let Some(operator) = read_facts(stream).and_then(operator_certificate) {
        data.insert(Arc::new(operator));
    }
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

fn read_facts(stream: &dyn Any) -> Option<CertificateFacts> {
    let Some(stream) = stream.downcast_ref::<TlsStream<TcpStream>>() else {
        tracing::error!("a connection is of an unexpected type; its peer is not known");
        return None;
    };
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates()?.first()?;
    // Verified in the handshake; read again because rustls keeps bytes, not facts.
    read_certificate(leaf).ok()
}
