//! TLS: who may connect, with what, and what a verified certificate says of the peer.
//!
//! TS 33.187 4.7 and 5.5.1: mutual authentication on every listener; TS 33.310 6.1.3a and
//! Annex E for certificates and profile. Nothing here can be talked into accepting less: the
//! profile is a list in the code, the only switch is TLS 1.2. What a good certificate is, the
//! vault knows: it holds to it what it issues, and we hold to it what we are shown.
//!
//! Over DTLS, which is not rustls, a device's chain is judged by the same verifier.
//!
//! Identity is the one SAN URI of a certificate whose anchor may speak for that name. It is
//! checked in the handshake, read again into the connection's data, and asked for on every
//! request; where any of the three gives nothing, there is no peer.

mod anchor;
mod client;
mod credential;
mod device;
mod handshake;
mod namespace;
mod peer;
mod profile;
mod server;
mod validity;

pub(crate) use anchor::{ClientVerifier, TrustAnchor};
pub(crate) use client::{by_clock, client_config, served_certificate};
pub(crate) use credential::{
    Credential, CredentialError, ServerCredential, load_authorities, load_certificates,
};
pub(crate) use device::verify_device;
pub(crate) use handshake::handshake_cause;
pub(crate) use namespace::Namespace;
pub(crate) use peer::{read_device, read_onem2m, read_operator, read_service_provider};
pub(crate) use server::{callback_server_config, server_config};
pub(crate) use validity::{Validity, read_validity};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
