//! The TLS profile (row T12; TS 33.310 Annex E, TS 33.210 6.2) as one explicit list.
//!
//! The one mandatory DHE suite of TS 33.210 for TLS 1.2 is not offered: the provider has no
//! finite-field groups, and none is wanted.

use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs::{cipher_suite as suite, default_provider, kx_group as group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms};
use rustls::pki_types::{SignatureVerificationAlgorithm, alg_id};
use rustls::version::{TLS12, TLS13};
use rustls::{SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion};

/// TLS 1.3, in order of preference.
const SUITES_13: [SupportedCipherSuite; 3] = [
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// TLS 1.2, behind the switch: ECDHE with AEAD, nothing else.
const SUITES_12: [SupportedCipherSuite; 6] = [
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Key exchange: the post-quantum hybrids first, then the classical curves.
fn groups() -> Vec<&'static dyn SupportedKxGroup> {
    vec![
        group::X25519MLKEM768,
        group::SECP256R1MLKEM768,
        group::X25519,
        group::SECP256R1,
        group::SECP384R1,
    ]
}

/// Signatures in handshakes: SHA-256 and better with P-256, P-384 or RSA.
const SCHEMES: [SignatureScheme; 8] = [
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

type Verification = &'static dyn SignatureVerificationAlgorithm;

/// Signatures in chains: those of the provider (SHA-256 and better, RSA from 2048 bits) whose
/// keys are of a kind the profile has.
static CHAIN_SIGNATURES: LazyLock<Vec<Verification>> = LazyLock::new(|| {
    let keys = [
        alg_id::ECDSA_P256,
        alg_id::ECDSA_P384,
        alg_id::RSA_ENCRYPTION,
    ];
    let all = default_provider().signature_verification_algorithms.all;
    all.iter()
        .copied()
        .filter(|known| keys.contains(&known.public_key_alg_id()))
        .collect()
});

static HANDSHAKE_SIGNATURES: LazyLock<Vec<(SignatureScheme, &'static [Verification])>> =
    LazyLock::new(|| {
        let known = default_provider().signature_verification_algorithms.mapping;
        known
            .iter()
            .copied()
            .filter(|(scheme, _)| SCHEMES.contains(scheme))
            .collect()
    });

/// Signatures that are believed, of clients and servers alike.
pub(super) fn signatures() -> WebPkiSupportedAlgorithms {
    WebPkiSupportedAlgorithms {
        all: &CHAIN_SIGNATURES,
        mapping: &HANDSHAKE_SIGNATURES,
    }
}

const VERSIONS_13: &[&SupportedProtocolVersion] = &[&TLS13];
const VERSIONS_12_13: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// The provider with exactly these suites and groups.
pub(super) fn provider(tls12: bool) -> Arc<CryptoProvider> {
    let mut cipher_suites = SUITES_13.to_vec();
    if tls12 {
        cipher_suites.extend(SUITES_12);
    }
    Arc::new(CryptoProvider {
        cipher_suites,
        kx_groups: groups(),
        signature_verification_algorithms: signatures(),
        ..default_provider()
    })
}

/// The protocol versions to go with it.
pub(super) const fn versions(tls12: bool) -> &'static [&'static SupportedProtocolVersion] {
    if tls12 { VERSIONS_12_13 } else { VERSIONS_13 }
}
