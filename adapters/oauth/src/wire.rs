//! Bytes to forms, answers to JSON. No I/O; any input gives a form or a reason.
//!
//! The form reader is strict where the usual ones guess: a broken escape, a byte that is not
//! UTF-8 or a repeated name (RFC 6749 3.2) is an error, so that no two readers can differ.

mod schema;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use schema::{IntrospectionRequest, PushedForm, RevocationRequest, TokenRequest};

/// The parameters of a form body, each at most once.
#[derive(Debug)]
pub(crate) struct Form(BTreeMap<String, String>);

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidForm {
    #[error("the body is not a well-formed form")]
    Malformed,
    #[error("a parameter is repeated")]
    Repeated,
}

impl Form {
    /// Reads an `application/x-www-form-urlencoded` body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, InvalidForm> {
        let mut parameters = BTreeMap::new();
        for pair in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if parameters.insert(name, value).is_some() {
                return Err(InvalidForm::Repeated);
            }
        }
        Ok(Self(parameters))
    }

    /// All of them.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn into_parameters(self) -> Vec<(String, String)> {
        self.0.into_iter().collect()
    }

    /// The value of a parameter. RFC 6749 3.2: sent without a value is not sent.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

fn decode(text: &[u8]) -> Result<String, InvalidForm> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = hex_digit(rest.next()).ok_or(InvalidForm::Malformed)?;
                let low = hex_digit(rest.next()).ok_or(InvalidForm::Malformed)?;
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| InvalidForm::Malformed)
}

fn hex_digit(byte: Option<u8>) -> Option<u8> {
    let digit = char::from(byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// An error of RFC 6749 5.2.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthError)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorBody {
    pub(crate) error: ErrorCode,
    /// For the developer of the client; fixed text.
    pub(crate) error_description: String,
}

/// What went wrong, for the client's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OAuthErrorCode)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    /// RFC 9396 5.
    InvalidAuthorizationDetails,
    UnauthorizedClient,
    AccessDenied,
    UnsupportedGrantType,
    UnsupportedResponseType,
    TemporarilyUnavailable,
    ServerError,
}

/// An access token (RFC 6749 5.1), bound to the certificate of the connection (RFC 8705).
#[derive(Serialize, ToSchema)]
#[schema(as = AccessTokenResponse)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenResponse {
    /// Opaque; sent as `Authorization: Bearer` over connections of the same certificate.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    pub(crate) access_token: String,
    #[schema(pattern = "^Bearer$")]
    pub(crate) token_type: &'static str,
    /// Seconds from now.
    #[schema(minimum = 1)]
    pub(crate) expires_in: u64,
    /// What it opens, separated by spaces.
    pub(crate) scope: String,
}

/// Where a pushed request waits for its user (RFC 9126 2.2).
#[derive(Serialize, ToSchema)]
#[schema(as = PushedAuthorizationResponse)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushedResponse {
    /// For the authorization endpoint, with `client_id`; good once.
    #[schema(pattern = "^urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{43}$")]
    pub(crate) request_uri: String,
    /// Seconds from now.
    #[schema(minimum = 1)]
    pub(crate) expires_in: u64,
}

/// What introspection tells (RFC 7662 2.2): all of it, or that there is nothing.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum IntrospectionResponse {
    Active(ActiveToken),
    Inactive { active: bool },
}

impl IntrospectionResponse {
    pub(crate) const INACTIVE: Self = Self::Inactive { active: false };
}

/// A token that would work now, on this connection.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ActiveToken {
    pub(crate) active: bool,
    pub(crate) scope: String,
    pub(crate) client_id: String,
    pub(crate) token_type: &'static str,
    /// Seconds since 1970.
    pub(crate) exp: i64,
    /// Seconds since 1970.
    pub(crate) iat: i64,
    pub(crate) iss: String,
    pub(crate) cnf: Confirmation,
}

/// RFC 8705 3.2.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Confirmation {
    #[serde(rename = "x5t#S256")]
    pub(crate) certificate_thumbprint: String,
}

#[cfg(test)]
mod tests;
