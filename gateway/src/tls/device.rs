//! Hosted devices in DTLS handshakes: the verifier of the other listeners, asked from outside rustls.

use ics_channel::DeviceCertificate;
use ics_core::port::Clock;
use rustls::pki_types::CertificateDer;

use super::anchor::ClientVerifier;
use super::handshake::refusal_cause;
use super::peer::device_certificate;
use super::server::current_time;

/// The device that `chain` (leaf first) names: its chain holds now under an anchor that may give
/// that name, and it is of the profile.
///
/// # Errors
/// The code of why not, for the decision log and for metrics.
pub(crate) fn verify_device(
    verifier: &ClientVerifier,
    chain: &[CertificateDer<'_>],
    clock: &dyn Clock,
) -> Result<DeviceCertificate, &'static str> {
    let (leaf, intermediates) = chain.split_first().ok_or("CERTIFICATE_MISSING")?;
    let now = current_time(clock).ok_or("CERTIFICATE_REFUSED")?;
    verifier
        .check(leaf, intermediates, now)
        .map_err(|refusal| {
            tracing::info!(reason = %refusal, "device certificate refused");
            refusal_cause(refusal)
        })?;
    // Verified above; the verifier keeps no facts.
    device_certificate(leaf).ok_or("CERTIFICATE_OUTSIDE_NAMESPACE")
}
