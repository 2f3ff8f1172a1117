//! Which status a refusal has, and what is said of it: problem+json (RFC 9457), which RFC 7030 4.2.3 leaves to us.

use ics_core::audit::RefusalCause;
use ics_core::port::AuthorityError;
use ics_core::service::{Failure, OnboardingError};
use ics_http::BodyRefusal;

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No code came with the request.
    #[error("come with HTTP Basic: the service provider's id, and the code of its invitation")]
    NoCode,
    /// Not the code of that service provider, not any more, or never.
    #[error("no invitation stands under this id and code")]
    WrongCode,
    /// Too many codes were tried from there.
    #[error("too many attempts; come back in a second")]
    TooFast,
    /// There is no certificate to be renewed on this connection.
    #[error("show the certificate that is to be renewed")]
    NoCertificate,
    /// It was suspended or off-boarded since it was invited.
    #[error("the service provider is not served now")]
    NotServed,
    /// It was revoked, or its service provider is frozen or gone.
    #[error("the certificate of this connection is not good any more")]
    NotAdmitted,
    /// The body.
    #[error(transparent)]
    Body(#[from] BodyRefusal),
    /// It is not base64.
    #[error("the body must be a PKCS#10 request in base64 (RFC 7030 4.2.1)")]
    NotBase64,
    /// The request itself.
    #[error(transparent)]
    Request(AuthorityError),
    /// The service failed.
    #[error("not now; come back")]
    Failed(Failure),
    /// No such method there.
    #[error("method not allowed")]
    Method(&'static str),
}

impl Refusal {
    pub(crate) fn of_onboarding(error: &OnboardingError) -> Self {
        match error {
            OnboardingError::Failure(failure) => Self::Failed(*failure),
            _ => Self::NotAdmitted,
        }
    }

    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::NoCode | Self::WrongCode => 401,
            Self::NotServed | Self::NoCertificate | Self::NotAdmitted => 403,
            Self::Method(_) => 405,
            Self::Body(BodyRefusal::MediaType) => 415,
            Self::Body(BodyRefusal::TooLarge) => 413,
            Self::Body(BodyRefusal::LengthRequired) => 411,
            Self::Body(BodyRefusal::TooSlow) => 408,
            Self::Body(BodyRefusal::Broken) | Self::NotBase64 => 400,
            Self::TooFast => 429,
            Self::Request(AuthorityError::Unavailable) | Self::Failed(_) => 503,
            Self::Request(_) => 400,
        }
    }

    /// The same, in a word.
    pub(crate) const fn cause(&self) -> RefusalCause {
        RefusalCause(match self {
            Self::NoCode => "CODE_MISSING",
            Self::WrongCode => "CODE_WRONG",
            Self::TooFast => "TOO_MANY_ATTEMPTS",
            Self::NotServed => "SERVICE_PROVIDER_NOT_SERVED",
            Self::NoCertificate => "CERTIFICATE_MISSING",
            Self::NotAdmitted => "CERTIFICATE_NOT_ADMITTED",
            Self::Body(BodyRefusal::MediaType) => "MEDIA_TYPE",
            Self::Body(BodyRefusal::TooLarge) => "BODY_TOO_LARGE",
            Self::Body(BodyRefusal::LengthRequired) => "LENGTH_REQUIRED",
            Self::Body(BodyRefusal::TooSlow) => "BODY_TOO_SLOW",
            Self::Body(BodyRefusal::Broken) | Self::NotBase64 => "REQUEST_UNREADABLE",
            Self::Request(AuthorityError::BadRequest) => "REQUEST_UNSIGNED",
            Self::Request(AuthorityError::KeyNotAllowed) => "KEY_NOT_ALLOWED",
            Self::Request(AuthorityError::Unavailable) | Self::Failed(_) => "UNAVAILABLE",
            Self::Method(_) => "METHOD_NOT_ALLOWED",
        })
    }
}
