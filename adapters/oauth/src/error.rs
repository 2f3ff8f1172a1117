//! Why a request was refused, and the one place that says how a client is told (RFC 6749 5.2).

use core::time::Duration;

use ics_core::port::RateLimited;
use ics_core::principal::AuthenticationFailure;
use ics_http::BodyRefusal;

use crate::desk::NotOffered;
use crate::wire::{ErrorBody, ErrorCode, InvalidForm};

/// Why a request was refused. The text is what the client reads: fixed, never an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No certificate, or one that is not admitted. The reason is for the log.
    #[error("the client certificate of this connection is not accepted")]
    Client(AuthenticationFailure),
    /// The form names another client than the certificate.
    #[error("client_id is not the client of this connection's certificate")]
    ClientMismatch,
    /// A password in the Authorization header.
    #[error("clients authenticate with their certificate (tls_client_auth), not with a password")]
    PasswordAuthentication,
    /// A secret or an assertion beside the certificate.
    #[error("clients authenticate with their certificate (tls_client_auth) and nothing beside it")]
    SecondAuthentication,
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    #[error("the body must be application/x-www-form-urlencoded, not compressed")]
    MediaType,
    #[error("the body is too large")]
    BodyTooLarge,
    #[error("the body did not come in time")]
    BodyTooSlow,
    #[error("the body could not be read")]
    BodyBroken,
    #[error("parameters belong into the body, not into the query")]
    Query,
    #[error(transparent)]
    Form(#[from] InvalidForm),
    #[error("the parameter grant_type is missing")]
    GrantTypeMissing,
    #[error("the parameter token is missing")]
    TokenMissing,
    #[error(
        "the grant types are client_credentials and, where consents are asked for, authorization_code"
    )]
    GrantType,
    /// A parameter of a pushed request or of a code's redemption.
    #[error("the parameter {0} is missing")]
    ParameterMissing(&'static str),
    #[error("consents are not asked for here: there is no authorization endpoint")]
    NoConsentPage,
    #[error("the request must be in the form itself, neither request nor request_uri")]
    ByReference,
    #[error("the only response type is code")]
    ResponseType,
    #[error("the only response mode is query")]
    ResponseMode,
    #[error("a code is for ics-mapping:request alone")]
    CodeScope,
    #[error("redirect_uri must be an https URI at an origin registered for this client")]
    RedirectUri,
    #[error("state must be at most 512 visible ASCII characters")]
    State,
    #[error("code_challenge_method must be S256")]
    ChallengeMethod,
    #[error("code_challenge must be the SHA-256 of the verifier as 43 characters of base64url")]
    Challenge,
    #[error("authorization_details: {0}")]
    Details(&'static str),
    #[error("{0}")]
    NotOffered(NotOffered),
    #[error("the code, the redirect_uri or the code_verifier is not valid")]
    Grant,
    #[error("only resource servers may ask what tokens are")]
    NotResourceServer,
    #[error("the scope is malformed, unknown, or not open to this client's roles")]
    Scope,
    #[error("this method is not supported here")]
    Method,
    /// The engine failed; not the client's fault.
    #[error("the token could not be issued")]
    Engine,
}

/// The HTTP authentication challenge that goes with a 401 (RFC 9110 11.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Named after the method of RFC 8705 2.1.1: no registered scheme says "client certificate".
    Certificate,
    /// RFC 6749 5.2: matches the scheme the client used.
    Basic,
}

impl Challenge {
    pub(crate) const fn header(self) -> &'static str {
        match self {
            Self::Certificate => "tls_client_auth realm=\"ics\"",
            Self::Basic => "Basic realm=\"ics\"",
        }
    }
}

impl Refusal {
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Client(_) | Self::ClientMismatch | Self::PasswordAuthentication => 401,
            Self::RateLimited(_) => 429,
            Self::MediaType => 415,
            Self::BodyTooLarge => 413,
            Self::BodyTooSlow => 408,
            Self::Method => 405,
            Self::NotResourceServer => 403,
            Self::Engine | Self::NotOffered(NotOffered::Failed) => 500,
            Self::SecondAuthentication
            | Self::BodyBroken
            | Self::Query
            | Self::Form(_)
            | Self::GrantTypeMissing
            | Self::TokenMissing
            | Self::GrantType
            | Self::Scope
            | Self::ParameterMissing(_)
            | Self::NoConsentPage
            | Self::ByReference
            | Self::ResponseType
            | Self::ResponseMode
            | Self::CodeScope
            | Self::RedirectUri
            | Self::State
            | Self::ChallengeMethod
            | Self::Challenge
            | Self::Details(_)
            | Self::NotOffered(_)
            | Self::Grant => 400,
        }
    }

    pub(crate) const fn challenge(&self) -> Option<Challenge> {
        match self {
            Self::PasswordAuthentication => Some(Challenge::Basic),
            Self::Client(_) | Self::ClientMismatch => Some(Challenge::Certificate),
            _ => None,
        }
    }

    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(limited) => Some(limited.retry_after),
            _ => None,
        }
    }

    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody {
            error: self.code(),
            error_description: self.to_string(),
        }
    }

    /// The code for the decision log.
    pub(crate) const fn cause(&self) -> &'static str {
        match self.code() {
            ErrorCode::AccessDenied => "ACCESS_DENIED",
            ErrorCode::InvalidAuthorizationDetails => "INVALID_AUTHORIZATION_DETAILS",
            ErrorCode::InvalidClient => "INVALID_CLIENT",
            ErrorCode::InvalidGrant => "INVALID_GRANT",
            ErrorCode::InvalidRequest => "INVALID_REQUEST",
            ErrorCode::InvalidScope => "INVALID_SCOPE",
            ErrorCode::ServerError => "SERVER_ERROR",
            ErrorCode::TemporarilyUnavailable => "TEMPORARILY_UNAVAILABLE",
            ErrorCode::UnauthorizedClient => "UNAUTHORIZED_CLIENT",
            ErrorCode::UnsupportedGrantType => "UNSUPPORTED_GRANT_TYPE",
            ErrorCode::UnsupportedResponseType => "UNSUPPORTED_RESPONSE_TYPE",
        }
    }

    const fn code(&self) -> ErrorCode {
        match self {
            Self::Client(_) | Self::ClientMismatch | Self::PasswordAuthentication => {
                ErrorCode::InvalidClient
            }
            Self::RateLimited(_) => ErrorCode::TemporarilyUnavailable,
            Self::GrantType => ErrorCode::UnsupportedGrantType,
            Self::Scope | Self::CodeScope => ErrorCode::InvalidScope,
            Self::Engine | Self::NotOffered(NotOffered::Failed) => ErrorCode::ServerError,
            Self::NotResourceServer => ErrorCode::UnauthorizedClient,
            Self::Grant => ErrorCode::InvalidGrant,
            Self::NoConsentPage | Self::ResponseType => ErrorCode::UnsupportedResponseType,
            Self::Details(_) | Self::NotOffered(NotOffered::Routing | NotOffered::Over) => {
                ErrorCode::InvalidAuthorizationDetails
            }
            Self::NotOffered(NotOffered::Denied(_) | NotOffered::NoLogin) => {
                ErrorCode::AccessDenied
            }
            Self::SecondAuthentication
            | Self::MediaType
            | Self::BodyTooLarge
            | Self::BodyTooSlow
            | Self::BodyBroken
            | Self::Query
            | Self::Form(_)
            | Self::GrantTypeMissing
            | Self::TokenMissing
            | Self::ParameterMissing(_)
            | Self::ByReference
            | Self::ResponseMode
            | Self::RedirectUri
            | Self::State
            | Self::ChallengeMethod
            | Self::Challenge
            | Self::Method => ErrorCode::InvalidRequest,
        }
    }
}

impl From<BodyRefusal> for Refusal {
    fn from(refusal: BodyRefusal) -> Self {
        match refusal {
            BodyRefusal::MediaType => Self::MediaType,
            BodyRefusal::TooLarge => Self::BodyTooLarge,
            BodyRefusal::TooSlow => Self::BodyTooSlow,
            // A length is not asked for here: without one the body is empty.
            BodyRefusal::Broken | BodyRefusal::LengthRequired => Self::BodyBroken,
        }
    }
}
