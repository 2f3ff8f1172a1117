//! Signatures of callbacks: HTTP Message Signatures (RFC 9421) over a content digest (RFC 9530).
//!
//! The set of covered components is fixed, for it is part of the interface. Written by hand: the
//! crates there are bring a second stack of cryptography, and what is needed of the standard is
//! this file; it is checked against the standard's own example (RFC 9421 B.2.6).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ics_core::time::Timestamp;

/// How long a signature may be taken for fresh, in seconds (`expires` - `created`).
const LIFETIME: i64 = 300;

/// What a verifier can tell our signatures from others by (RFC 9421 7.2.5).
const TAG: &str = "ics-callback";

/// Signs callbacks with the gateway's Ed25519 key.
pub trait CallbackSigner: Send + Sync {
    /// The name the key is published under (`kid` of its JWK).
    fn key_id(&self) -> &str;

    /// The pure Ed25519 signature (RFC 8032) of `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// The values of the three headers that make a request a signed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignatureHeaders {
    /// `Content-Digest`.
    pub(crate) content_digest: String,
    /// `Signature-Input`.
    pub(crate) signature_input: String,
    /// `Signature`.
    pub(crate) signature: String,
}

/// What is signed: a POST of `body` to `target_uri`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedRequest<'a> {
    pub(crate) target_uri: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
}

/// Signs `request` as made at `now`. `nonce` is fresh: two tries of one notification differ, so
/// that a receiver can tell a repeated delivery from a replayed request.
pub(crate) fn sign_request(
    signer: &dyn CallbackSigner,
    request: SignedRequest<'_>,
    (now, nonce): (Timestamp, [u8; 16]),
) -> SignatureHeaders {
    let content_digest = digest_body(request.body);
    let components = [
        ("@method", "POST"),
        ("@target-uri", request.target_uri),
        ("content-type", request.content_type),
        ("content-digest", content_digest.as_str()),
    ];
    let created = now.millis().div_euclid(1000);
    let parameters = [
        ("created", Parameter::Integer(created)),
        (
            "expires",
            Parameter::Integer(created.saturating_add(LIFETIME)),
        ),
        ("nonce", Parameter::Text(&URL_SAFE_NO_PAD.encode(nonce))),
        ("alg", Parameter::Text("ed25519")),
        ("keyid", Parameter::Text(signer.key_id())),
        ("tag", Parameter::Text(TAG)),
    ];
    let input = write_input(&components, &parameters);
    let signature = signer.sign(write_base(&components, &input).as_bytes());
    SignatureHeaders {
        signature_input: format!("ics={input}"),
        signature: format!("ics=:{}:", STANDARD.encode(signature)),
        content_digest,
    }
}

/// `Content-Digest` of `body` (RFC 9530 2).
pub(crate) fn digest_body(body: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, body);
    format!("sha-256=:{}:", STANDARD.encode(digest.as_ref()))
}

/// A signature parameter (RFC 9421 2.3).
#[derive(Clone, Copy, Debug)]
enum Parameter<'a> {
    Integer(i64),
    Text(&'a str),
}

/// The inner list of covered components with its parameters, as in `Signature-Input`.
fn write_input(components: &[(&str, &str)], parameters: &[(&str, Parameter<'_>)]) -> String {
    let names: Vec<_> = components
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let mut input = format!("({})", names.join(" "));
    for (name, value) in parameters {
        input.push(';');
        input.push_str(name);
        input.push('=');
        match value {
            Parameter::Integer(number) => input.push_str(&number.to_string()),
            Parameter::Text(text) => push_quoted(&mut input, text),
        }
    }
    input
}

/// A string of RFC 8941 3.3.3. What cannot stand in one is left out; our own values can.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// The signature base (RFC 9421 2.5): a line for each component, the parameters last.
fn write_base(components: &[(&str, &str)], input: &str) -> String {
    let mut base = String::new();
    for (name, value) in components {
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {input}"));
    base
}

#[cfg(test)]
mod tests;
