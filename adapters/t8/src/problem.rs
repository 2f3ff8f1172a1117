//! ProblemDetails (RFC 9457 with the members of TS 29.122 5.2.1.2.12): how a refusal is told.
//!
//! Text is fixed per cause and per reason: nothing a caller sent is ever in it. Two refusals of
//! one kind are the same bytes, whoever they are for, so absence and somebody else's look alike.

use std::borrow::Cow;

use ics_core::reference_point::ReferencePoint;
use ics_http::BodyRefusal;
use serde::Serialize;

/// The media type of RFC 9457.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! causes {
    ($($name:ident = $code:literal, $status:literal, $detail:literal;)*) => {
        /// The machine-readable `cause` of a refusal (t8 A.7), each with its one status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Cause { $($name,)* }

        impl Cause {
            /// All of them, for the document.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status it goes with.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail,)* }
            }
        }
    };
}

causes! {
    MandatoryIeMissing = "MANDATORY_IE_MISSING", 400, "a mandatory member is missing";
    MandatoryIeIncorrect = "MANDATORY_IE_INCORRECT", 400, "a mandatory member is not correct";
    OptionalIeIncorrect = "OPTIONAL_IE_INCORRECT", 400, "an optional member or parameter is not correct";
    InvalidMsgFormat = "INVALID_MSG_FORMAT", 400, "the request is not in the form this operation takes";
    PermanentIdNotAllowed = "PERMANENT_ID_NOT_ALLOWED", 400,
        "a value looks like a permanent identifier where an opaque one belongs";
    UtiNotAnonymous = "UTI_NOT_ANONYMOUS", 400, "the UTI is a UUID of a version that is not anonymous";
    InsufficientScope = "INSUFFICIENT_SCOPE", 403, "the access token does not open this reference point";
    ScsAsIdMismatch = "SCS_AS_ID_MISMATCH", 403, "the path names another SCS/AS than the access token";
    NoAgreement = "NO_AGREEMENT", 403, "no agreement in force covers this";
    ServiceNotOwned = "SERVICE_NOT_OWNED", 403, "the service URI is not one of the caller's";
    ServiceNotProven = "SERVICE_NOT_PROVEN", 403,
        "the service URI is not yet shown to be the caller's: serve its challenge, and call proveService";
    ConsentRequired = "CONSENT_REQUIRED", 403, "no consent of the user stands";
    NotAllowed = "NOT_ALLOWED", 403, "a policy of the operator refuses it";
    ModificationNotAllowed = "MODIFICATION_NOT_ALLOWED", 403, "this cannot be modified, or not any more";
    NamespaceNotGranted = "SERIAL_NAMESPACE_NOT_GRANTED", 403,
        "a serial namespace is wider than what the operator granted";
    SerialNotGranted = "SERIAL_NAMESPACE_NOT_GRANTED", 403,
        "the serial number is not within what the operator granted";
    QuotaExceeded = "QUOTA_EXCEEDED", 403, "the quota of the caller is used up";
    ResourceUnknown = "RESOURCE_URI_STRUCTURE_NOT_FOUND", 404, "there is no such resource";
    MappingNotFound = "MAPPING_NOT_FOUND", 404, "no such mapping";
    SubscriptionNotFound = "SUBSCRIPTION_NOT_FOUND", 404, "no such subscription";
    ServiceNotFound = "SERVICE_NOT_FOUND", 404, "no such service of the caller";
    DeviceNotFound = "DEVICE_NOT_FOUND", 404, "no such hosted device";
    CredentialNotFound = "CREDENTIAL_NOT_FOUND", 404, "no such credential of a hosted device";
    JobNotFound = "JOB_NOT_FOUND", 404, "no such job";
    IotSpNotFound = "IOT_SP_NOT_FOUND", 404, "no agreed IoT service provider answers for this device";
    UtiInUse = "UTI_IN_USE", 409, "the UTI belongs to another device";
    IotSpAmbiguous = "IOT_SP_AMBIGUOUS", 409,
        "several agreed IoT service providers answer for this device: name one in iotSpId";
    MappingNotPending = "MAPPING_NOT_PENDING", 409, "the mapping is not pending";
    DeviceAlreadyAssigned = "DEVICE_ALREADY_ASSIGNED", 409, "the mapping has another device";
    DeviceRevoked = "DEVICE_REVOKED", 409, "the device ID was unregistered";
    DeviceAlreadyRegistered = "DEVICE_ALREADY_REGISTERED", 409,
        "a device of this serial number is hosted already";
    ChallengeNotRead = "CHALLENGE_NOT_READ", 409,
        "the challenge could not be read: no answer with 200 came from its URL";
    ChallengeNotMet = "CHALLENGE_NOT_MET", 409, "what was read is not the challenge";
    ServiceOwned = "SERVICE_OWNED", 409, "another service provider has shown that the service is its own";
    DeviceFull = "DEVICE_FULL", 409, "the device holds as many mappings as it can";
    NoAgreementAnyMore = "NO_AGREEMENT", 409, "the agreement ended meanwhile";
    ConsentRequiredAnyMore = "CONSENT_REQUIRED", 409, "the consent ended meanwhile";
    NotOwner = "NOT_OWNER", 409, "the device is not the consenting user's";
    NotAllowedAnyMore = "NOT_ALLOWED", 409, "a policy of the operator refuses the device";
    SystemFailure = "SYSTEM_FAILURE", 500, "the service failed";
    InsufficientResources = "INSUFFICIENT_RESOURCES", 503, "the service cannot take this now";
}

/// The `WWW-Authenticate` challenge of RFC 6750 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// No credentials came: no error code (RFC 6750 3.1).
    Bare,
    /// The request is malformed: credentials in several places.
    InvalidRequest,
    /// The token is not valid here.
    InvalidToken,
    /// The token does not open this reference point.
    InsufficientScope(ReferencePoint),
}

impl Challenge {
    /// The header's value.
    pub(crate) fn header(self) -> Cow<'static, str> {
        match self {
            Self::Bare => "Bearer realm=\"ics\"".into(),
            Self::InvalidRequest => "Bearer realm=\"ics\", error=\"invalid_request\"".into(),
            Self::InvalidToken => "Bearer realm=\"ics\", error=\"invalid_token\"".into(),
            Self::InsufficientScope(point) => format!(
                "Bearer realm=\"ics\", error=\"insufficient_scope\", scope=\"{}\"",
                point.scope()
            )
            .into(),
        }
    }
}

/// A header that goes with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Companion {
    /// `WWW-Authenticate`.
    Challenge(Challenge),
    /// `Retry-After`, in seconds.
    RetryAfter(u64),
    /// `Allow`.
    Allow(&'static str),
}

/// Which part of the request is wrong, and why. Never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct InvalidParam {
    /// A JSON Pointer into the body, or the name of a header or query parameter.
    pub(crate) param: Cow<'static, str>,
    /// Why it is wrong.
    pub(crate) reason: Cow<'static, str>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: u16,
    cause: Option<Cause>,
    invalid: Option<InvalidParam>,
    companion: Option<Companion>,
}

impl Problem {
    /// The code for the decision log: the cause, or what the challenge says.
    pub(crate) const fn code(&self) -> &'static str {
        match (self.cause, self.companion) {
            (Some(cause), _) => cause.code(),
            (None, Some(Companion::Challenge(challenge))) => match challenge {
                Challenge::Bare => "NO_TOKEN",
                Challenge::InvalidRequest => "INVALID_REQUEST",
                Challenge::InvalidToken => "INVALID_TOKEN",
                Challenge::InsufficientScope(_) => "INSUFFICIENT_SCOPE",
            },
            (None, Some(Companion::RetryAfter(_))) => "TOO_MANY_REQUESTS",
            (None, Some(Companion::Allow(_))) => "METHOD_NOT_ALLOWED",
            (None, None) => match self.status {
                406 => "NOT_ACCEPTABLE",
                408 => "REQUEST_TIMEOUT",
                411 => "LENGTH_REQUIRED",
                413 => "CONTENT_TOO_LARGE",
                414 => "URI_TOO_LONG",
                _ => "REFUSED",
            },
        }
    }

    /// A refusal that its status says all about.
    pub(crate) const fn status_only(status: u16) -> Self {
        Self {
            status,
            cause: None,
            invalid: None,
            companion: None,
        }
    }

    /// RFC 6750's 401.
    pub(crate) const fn unauthorized(challenge: Challenge) -> Self {
        Self::status_only(401).with(Companion::Challenge(challenge))
    }

    /// RFC 6750's 403.
    pub(crate) fn insufficient_scope(point: ReferencePoint) -> Self {
        Self::from(Cause::InsufficientScope)
            .with(Companion::Challenge(Challenge::InsufficientScope(point)))
    }

    /// The service cannot take this now.
    pub(crate) fn busy() -> Self {
        Self::from(Cause::InsufficientResources).with(Companion::RetryAfter(1))
    }

    /// This refusal, with a header.
    pub(crate) const fn with(mut self, companion: Companion) -> Self {
        self.companion = Some(companion);
        self
    }

    /// This refusal, pointing at what is wrong.
    pub(crate) fn at(
        mut self,
        param: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.invalid = Some(InvalidParam {
            param: param.into(),
            reason: reason.into(),
        });
        self
    }

    /// The status code.
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// The header that goes with it.
    pub(crate) const fn companion(&self) -> Option<Companion> {
        self.companion
    }

    /// The cause, if there is one.
    #[cfg(test)]
    pub(crate) const fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// The body.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let body = ProblemDetails {
            title: title(self.status),
            status: self.status,
            detail: self.cause.map(Cause::detail),
            cause: self.cause.map(Cause::code),
            invalid_params: self.invalid.as_ref().map(std::slice::from_ref),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<Cause> for Problem {
    fn from(cause: Cause) -> Self {
        Self {
            cause: Some(cause),
            ..Self::status_only(cause.status())
        }
    }
}

impl From<BodyRefusal> for Problem {
    fn from(refusal: BodyRefusal) -> Self {
        match refusal {
            BodyRefusal::TooSlow => Self::status_only(408),
            BodyRefusal::LengthRequired => Self::status_only(411),
            BodyRefusal::TooLarge => Self::status_only(413),
            BodyRefusal::MediaType => Self::status_only(415),
            BodyRefusal::Broken => Cause::InvalidMsgFormat.into(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemDetails<'p> {
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid_params: Option<&'p [InvalidParam]>,
}

/// The reason phrase of RFC 9110.
pub(crate) const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests;
