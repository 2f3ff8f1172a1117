//! Verifies a callback of the gateway: HTTP Message Signature (RFC 9421, Ed25519) over method,
//! target URI, content type and content digest (RFC 9530).
//!
//! The receiver takes the target URI from its own configuration and the request line, never from
//! the signature; and it demands the four components, for a signature covers only what it lists.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// How far `created` may lie from the receiver's clock, in seconds, either way.
pub const FRESHNESS: i64 = 300;

/// What every signature must cover.
const NEEDED: [&str; 4] = ["@method", "@target-uri", "content-type", "content-digest"];

/// A request as the receiver's server saw it.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`.
    pub method: String,
    /// Own origin and the request's path with its query.
    pub target_uri: String,
    /// Names in any case; values as they came.
    pub headers: Vec<(String, String)>,
    /// The body, byte by byte.
    pub body: Vec<u8>,
}

/// A public key of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayKey {
    /// `kid`.
    pub id: String,
    /// The 32 bytes of an Ed25519 public key.
    pub public: Vec<u8>,
}

/// Why a callback is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header that is needed is missing, double, or not in its form.
    #[error("no well-formed signature, signature-input and content-digest")]
    Malformed,
    /// The signature does not cover method, target, content type and digest.
    #[error("signature does not cover what it must")]
    Uncovered,
    /// No key of that name.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The body is not the one that was signed.
    #[error("body does not match its digest")]
    Digest,
    /// The signature does not hold: altered, for another target, or by another key.
    #[error("signature does not hold")]
    Signature,
    /// Made too long ago, or in the future.
    #[error("signature is not fresh")]
    Stale,
}

/// Finds the Ed25519 keys in a JWK, a JWK set, or any document that holds some, such as the
/// gateway's `/.well-known/ics`.
#[must_use]
pub fn find_keys(document: &Value) -> Vec<GatewayKey> {
    match document {
        Value::Array(items) => items.iter().flat_map(find_keys).collect(),
        Value::Object(members) => parse_jwk(document).map_or_else(
            || members.values().flat_map(find_keys).collect(),
            |key| vec![key],
        ),
        _ => Vec::new(),
    }
}

fn parse_jwk(jwk: &Value) -> Option<GatewayKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    (text("kty")? == "OKP" && text("crv")? == "Ed25519").then_some(())?;
    Some(GatewayKey {
        id: text("kid")?.to_owned(),
        public: URL_SAFE_NO_PAD.decode(text("x")?).ok()?,
    })
}

/// Whether `request` is a fresh, unaltered callback of the gateway at `now` (seconds since 1970).
/// Returns the signature, which no other request has: the key to recognize a replay by.
///
/// # Errors
/// [`Refusal`].
pub fn verify(request: &Received, keys: &[GatewayKey], now: i64) -> Result<String, Refusal> {
    let header = |name: &str| single_header(request, name).ok_or(Refusal::Malformed);
    let (label, input) = header("signature-input")?
        .split_once('=')
        .ok_or(Refusal::Malformed)?;
    let signature = header("signature")?
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix("=:")?.strip_suffix(':'))
        .ok_or(Refusal::Malformed)?;
    let input_parts = parse_input(input).ok_or(Refusal::Malformed)?;
    if !NEEDED.iter().all(|name| input_parts.covered.contains(name)) {
        return Err(Refusal::Uncovered);
    }
    let key = keys.iter().find(|key| key.id == input_parts.key_id);
    let key = key.ok_or(Refusal::UnknownKey)?;

    let mut base = String::new();
    for name in &input_parts.covered {
        let value = match *name {
            "@method" => request.method.as_str(),
            "@target-uri" => request.target_uri.as_str(),
            name if name.starts_with('@') => return Err(Refusal::Malformed),
            name => header(name)?,
        };
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {input}"));
    let bytes = STANDARD.decode(signature).map_err(|_| Refusal::Malformed)?;
    UnparsedPublicKey::new(&ED25519, &key.public)
        .verify(base.as_bytes(), &bytes)
        .map_err(|_| Refusal::Signature)?;

    // The digest is signed; now the body must be the one it was made of.
    if header("content-digest")? != digest_of(&request.body) {
        return Err(Refusal::Digest);
    }
    let in_time = input_parts.created.abs_diff(now) <= FRESHNESS.unsigned_abs()
        && input_parts.expires.is_none_or(|end| now <= end);
    if in_time {
        Ok(signature.to_owned())
    } else {
        Err(Refusal::Stale)
    }
}

/// `Content-Digest` of `body` with SHA-256.
#[must_use]
pub fn digest_of(body: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, body);
    format!("sha-256=:{}:", STANDARD.encode(digest.as_ref()))
}

fn single_header<'a>(request: &'a Received, name: &str) -> Option<&'a str> {
    let mut values = request
        .headers
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim());
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// What is needed of `("a" "b");created=1;keyid="k"` (RFC 9421 2.3).
struct Input<'a> {
    covered: Vec<&'a str>,
    created: i64,
    expires: Option<i64>,
    key_id: &'a str,
}

/// Reads the one signature the gateway makes; parameters on components and several signatures in
/// one request are not its way, and are refused.
fn parse_input(input: &str) -> Option<Input<'_>> {
    let (list, parameters) = input.strip_prefix('(')?.split_once(')')?;
    let quoted = |item: &str| {
        let inner = item.len().checked_sub(1).and_then(|end| item.get(1..end))?;
        let whole = item.starts_with('"') && item.ends_with('"') && item.len() > 1;
        (whole && !inner.contains(['"', '\\'])).then_some(())
    };
    let mut covered = Vec::new();
    for item in list.split(' ') {
        quoted(item)?;
        covered.push(item.trim_matches('"'));
    }
    let (mut created, mut expires, mut key_id, mut alg) = (None, None, None, None);
    for parameter in parameters.split(';').skip(1) {
        let (name, value) = parameter.split_once('=')?;
        match name {
            "created" => created = Some(value.parse().ok()?),
            "expires" => expires = Some(value.parse().ok()?),
            "keyid" => key_id = quoted(value).map(|()| value.trim_matches('"')),
            "alg" => alg = Some(value),
            _ => {}
        }
    }
    alg.is_none_or(|alg| alg == "\"ed25519\"").then_some(())?;
    Some(Input {
        covered,
        created: created?,
        expires,
        key_id: key_id?,
    })
}

#[cfg(test)]
mod tests;
