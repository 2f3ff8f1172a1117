//! `tok`: how a caller behind another CSE proves itself, since `X-M2M-Origin` is no proof and
//! `Authorization` does not cross Mcc (onem2m.md A.2).
//!
//! A compact JWS (RFC 7515) by the service provider's registered key over `fr`, `op`, `to`, `aud`,
//! `jti`, `iat`, `exp` and `cth`, the SHA-256 of the canonical content without `tok`; over `rqi` too,
//! where no CSE on the way gives the request another one (over MQTT some do). The algorithm is the
//! key's, never the header's choice. Pure: time, key and digest are handed in.

mod canonical;
mod memory;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::party::{SignatureAlgorithm, VerifyingKey};
use ics_core::port::SignatureVerifier;
use ics_core::time::Timestamp;
use serde_json::{Map, Value};

pub(crate) use canonical::canonical;
pub(crate) use memory::{Entered, Memory};

use crate::primitive::{Operation, Refusal};
use crate::rsc::Rsc;

/// The longest token, and the longest `jti`.
const LONGEST: usize = 4096;
const LONGEST_ID: usize = 128;

/// The longest a token may hold, in seconds.
const LIFETIME: i64 = 300;

/// How far ahead the clock of a caller may be, in seconds.
const AHEAD: i64 = 5;

/// Why a token proves nothing. Told to the caller, who has to mend it; it never holds what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum NotProved {
    /// There is none.
    #[error("`tok` is missing: a caller behind another CSE proves itself by it")]
    Missing,
    /// It is no compact JWS of JSON objects.
    #[error("`tok` is no compact JWS")]
    Form,
    /// Its header names an algorithm that is not the registered key's, or something critical.
    #[error("`tok` has a header that is not taken: `alg` is that of the registered key, no `crit`")]
    Header,
    /// A claim is missing, or does not say what the request says.
    #[error("`tok` has a claim that is not the request's: `{0}`")]
    Claim(&'static str),
    /// It is over.
    #[error("`tok` is over, or holds longer than 300 s: sign again")]
    Expired,
    /// It was signed before this process began: whether it was used is not known.
    #[error("`tok` is older than this service's start: sign again")]
    Stale,
    /// The content is not the one that was signed.
    #[error("`tok` was signed over another content")]
    Content,
    /// No key is registered for `fr`, or it did not sign this.
    #[error("`tok` is not signed by the key registered for `fr`")]
    Signature,
    /// Its `jti` was used by another token.
    #[error("`tok` has a `jti` that was used before")]
    Replayed,
}

impl From<NotProved> for Refusal {
    fn from(why: NotProved) -> Self {
        Self {
            rsc: Rsc::OriginatorNotAuthenticated,
            diagnostic: why.to_string().into(),
        }
    }
}

/// What a token must say.
pub(crate) struct Expected<'a> {
    /// `fr`, SP-relative.
    pub(crate) from: &'a str,
    /// `op`.
    pub(crate) operation: Operation,
    /// `rqi`, where it is said.
    pub(crate) request_id: &'a str,
    /// Who it is for: the CSE-ID, SP-relative.
    pub(crate) audience: &'a str,
    /// Whether an address is that of the target.
    pub(crate) is_target: &'a dyn Fn(&str) -> bool,
    /// The value of the content's member, without `tok`.
    pub(crate) content: &'a Map<String, Value>,
}

/// A token that says so, and is yet to be checked against its signature.
#[derive(Debug)]
pub(crate) struct Claimed<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: String,
    /// Its own id.
    pub(crate) jti: String,
    /// First instant it holds no longer.
    pub(crate) expires: Timestamp,
}

/// Reads a token, and holds what it says against the request. `started` is when this process began.
pub(crate) fn read<'a>(
    token: &'a str,
    expected: &Expected<'_>,
    verifier: &dyn SignatureVerifier,
    (started, now): (Timestamp, Timestamp),
) -> Result<Claimed<'a>, NotProved> {
    if token.len() > LONGEST {
        return Err(NotProved::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(NotProved::Form)?;
    let (header, payload) = signed.split_once('.').ok_or(NotProved::Form)?;
    let (header, claims) = (decode_object(header)?, decode_object(payload)?);
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| NotProved::Form)?;
    let algorithm = header.get("alg").and_then(Value::as_str);
    // RFC 7515 4.1.11: what is critical and not understood makes it invalid; nothing is understood.
    let algorithm = algorithm.filter(|_| !header.contains_key("crit"));
    let algorithm = algorithm.ok_or(NotProved::Header)?.to_owned();
    let (jti, expires) = check_claims(&claims, expected, (started, now))?;
    let content = canonical(&Value::Object(expected.content.clone()));
    let digest = URL_SAFE_NO_PAD.encode(verifier.sha256(content.as_bytes()));
    if text(&claims, "cth")? != digest {
        return Err(NotProved::Content);
    }
    Ok(Claimed {
        signed,
        signature,
        algorithm,
        jti,
        expires,
    })
}

impl Claimed<'_> {
    /// Whether `key` signed it.
    pub(crate) fn verify(
        &self,
        key: Option<&VerifyingKey>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), NotProved> {
        let key = key.ok_or(NotProved::Signature)?;
        // RFC 8725 3.1: the algorithm goes with the key.
        let algorithms: &[&str] = match key.algorithm() {
            SignatureAlgorithm::Es256 => &["ES256"],
            // RFC 8037, and its name in RFC 9864.
            SignatureAlgorithm::EdDsa => &["EdDSA", "Ed25519"],
        };
        if !algorithms.contains(&self.algorithm.as_str()) {
            return Err(NotProved::Header);
        }
        let holds = verifier.is_signed(key, self.signed.as_bytes(), &self.signature);
        holds.then_some(()).ok_or(NotProved::Signature)
    }
}

fn check_claims(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    (started, now): (Timestamp, Timestamp),
) -> Result<(String, Timestamp), NotProved> {
    let same = |name, own: &str| {
        let said = text(claims, name)?;
        (said == own).then_some(()).ok_or(NotProved::Claim(name))
    };
    same("fr", expected.from)?;
    same("aud", expected.audience)?;
    // A CSE may hand a request on under an id of its own: who expects that names none.
    if claims.contains_key("rqi") {
        same("rqi", expected.request_id)?;
    }
    if number(claims, "op")? != i64::from(expected.operation.number()) {
        return Err(NotProved::Claim("op"));
    }
    let to = text(claims, "to")?;
    // Relative to another CSE, or to none, it would name another resource there.
    if !to.starts_with('/') || !(expected.is_target)(to) {
        return Err(NotProved::Claim("to"));
    }
    let jti = text(claims, "jti")?;
    if !(1..=LONGEST_ID).contains(&jti.len()) {
        return Err(NotProved::Claim("jti"));
    }
    let (issued, expires) = (number(claims, "iat")?, number(claims, "exp")?);
    let second = |instant: Timestamp| instant.millis().div_euclid(1000);
    if issued > second(now).saturating_add(AHEAD) {
        return Err(NotProved::Claim("iat"));
    }
    let lifetime = expires.saturating_sub(issued);
    if expires <= second(now) || !(1..=LIFETIME).contains(&lifetime) {
        return Err(NotProved::Expired);
    }
    // What was used before is remembered by this process alone.
    if issued < second(started) {
        return Err(NotProved::Stale);
    }
    let expires = Timestamp::from_millis(expires.saturating_mul(1000));
    Ok((jti.to_owned(), expires))
}

fn decode_object(part: &str) -> Result<Map<String, Value>, NotProved> {
    let bytes = URL_SAFE_NO_PAD.decode(part);
    let bytes = bytes.map_err(|_| NotProved::Form)?;
    serde_json::from_slice(&bytes).map_err(|_| NotProved::Form)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, NotProved> {
    let text = claims.get(name).and_then(Value::as_str);
    text.ok_or(NotProved::Claim(name))
}

/// A whole number; nobody signs by fractions of a second (RFC 7519 2).
fn number(claims: &Map<String, Value>, name: &'static str) -> Result<i64, NotProved> {
    let value = claims.get(name).ok_or(NotProved::Claim(name))?;
    value.as_i64().ok_or(NotProved::Claim(name))
}

#[cfg(test)]
mod tests;
