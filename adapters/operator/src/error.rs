//! Which code a refusal has: one table from what went wrong to status, cause and text.

use ics_core::id::SpId;
use ics_core::port::{AuthorityError, StoreError};
use ics_core::service::{DeviceError, Failure, OnboardingError};
use ics_http::BodyRefusal;

use crate::wire::{InvalidBody, InvalidParam, ProblemView};

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no client certificate on this connection")]
    NoCertificate,
    #[error("client certificate expired")]
    CertificateExpired,
    #[error("no such resource")]
    NoResource,
    #[error("method not allowed")]
    Method(&'static str),
    #[error("media type not supported")]
    MediaType,
    #[error("body too large")]
    BodyTooLarge,
    #[error("body too slow")]
    BodyTooSlow,
    #[error("body not readable")]
    Syntax,
    #[error("member missing")]
    Missing(Vec<InvalidParam>),
    #[error("value not valid")]
    Incorrect(Vec<InvalidParam>),
    #[error("confirmation required")]
    Unconfirmed { rows: usize },
    #[error("no such service provider")]
    NoParty,
    #[error("no such service provider")]
    NoPartyOf(&'static str),
    #[error("no such agreement")]
    NoAgreement,
    #[error("no such mapping")]
    NoMapping,
    #[error("no such job")]
    NoJob,
    #[error("no such notification")]
    NoNotification,
    #[error("no such certificate")]
    NoCertificateKnown,
    #[error("as many services as a service provider may have")]
    TooManyServices,
    #[error("no such verdict")]
    NoVerdict,
    #[error("no such device")]
    NoDevice,
    #[error("no such credential")]
    NoCredential,
    #[error("serial number not granted")]
    SerialNotGranted,
    #[error("serial number registered")]
    DeviceExists,
    #[error("device is unregistering")]
    DeviceUnregistering,
    #[error("device has as many credentials as it may")]
    CredentialsFull,
    #[error("service provider exists")]
    PartyExists,
    #[error("service provider removed")]
    PartyRemoved,
    #[error("service provider lacks the role")]
    WrongRole(&'static str),
    #[error("grants do not fit the roles")]
    GrantsDoNotFitRoles,
    #[error("service prefix taken")]
    ServiceOwned { owner: SpId },
    #[error("AE speaks for another service provider")]
    AeTaken { owner: SpId },
    #[error("agreement exists")]
    AgreementExists(String),
    #[error("serial number of another certificate")]
    SerialTaken(SpId),
    #[error(transparent)]
    Authority(AuthorityError),
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error("no enrolment served")]
    NoEnrolment,
    #[error("no platform configured")]
    NoPlatform,
    #[error("the platform did not take it")]
    Platform(String),
    #[error("too many backups and exports at once")]
    Extracting,
    #[error("interrupted")]
    Interrupted,
}

/// Status, cause, title, and what can be done.
struct Code(u16, &'static str, &'static str, Option<&'static str>);

impl Refusal {
    /// A refusal for one place of the request.
    pub(crate) fn incorrect(param: impl Into<String>, reason: impl Into<String>) -> Self {
        let (param, reason) = (param.into(), reason.into());
        Self::Incorrect(vec![InvalidParam { param, reason }])
    }

    /// What the core said. Of an id in the body, the caller adds the place.
    pub(crate) fn of_onboarding(error: OnboardingError) -> Self {
        match error {
            OnboardingError::PartyExists(_) => Self::PartyExists,
            OnboardingError::NoParty(_) => Self::NoParty,
            OnboardingError::PartyRemoved(_) => Self::PartyRemoved,
            OnboardingError::WrongRole(_) => Self::WrongRole(""),
            OnboardingError::GrantsDoNotFitRoles(_) => Self::GrantsDoNotFitRoles,
            OnboardingError::ServiceOwned { owner, .. } => Self::ServiceOwned { owner },
            OnboardingError::AeTaken(owner) => Self::AeTaken { owner },
            OnboardingError::TooManyServices(_) => Self::TooManyServices,
            OnboardingError::AgreementExists(id) => Self::AgreementExists(id.to_string()),
            OnboardingError::NoAgreement(_) => Self::NoAgreement,
            OnboardingError::Failure(failure) => Self::Failure(failure),
        }
    }

    /// What the core said of a hosted device of an IoT SP that there is.
    pub(crate) fn of_device(error: DeviceError) -> Self {
        match error {
            // Removed, or its role taken, a moment ago.
            DeviceError::Denied(_) => Self::WrongRole(""),
            DeviceError::NotFound => Self::NoDevice,
            DeviceError::SerialNotGranted => Self::SerialNotGranted,
            DeviceError::SerialRegistered => Self::DeviceExists,
            DeviceError::Unregistering => Self::DeviceUnregistering,
            // None at all was refused for its form, and so was a validity.
            DeviceError::Credentials => Self::CredentialsFull,
            DeviceError::ValidityOutOfRange => Self::incorrect("", "has a validity out of range"),
            DeviceError::PasswordNotTaken => Self::incorrect(
                "",
                "names a chosen password, and none is taken without `chosen_passwords` in `[devices]`",
            ),
            DeviceError::Certificate(error) => Self::Authority(error),
            DeviceError::Failure(failure) => Self::Failure(failure),
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.code().0
    }

    /// The machine-readable cause.
    pub(crate) fn cause(&self) -> &'static str {
        self.code().1
    }

    /// The methods of the resource, where another was used.
    pub(crate) fn allowed_methods(&self) -> Option<&'static str> {
        match self {
            Self::Method(methods) => Some(methods),
            _ => None,
        }
    }

    /// Seconds to wait before asking again, where that helps.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        (self.status() == 503).then_some(1)
    }

    /// The body of the answer.
    pub(crate) fn problem(&self) -> ProblemView {
        let Code(status, cause, title, detail) = self.code();
        ProblemView {
            status,
            title: title.into(),
            cause: cause.into(),
            detail: match self {
                Self::Platform(said) => Some(said.clone()),
                _ => detail.map(Into::into),
            },
            invalid_params: match self {
                Self::Missing(params) | Self::Incorrect(params) => params.clone(),
                Self::NoPartyOf(param) => vec![InvalidParam {
                    param: (*param).into(),
                    reason: "no such service provider".into(),
                }],
                Self::WrongRole(param) => vec![InvalidParam {
                    param: (*param).into(),
                    reason: "does not have the role of this side".into(),
                }],
                _ => Vec::new(),
            },
            affected_mappings: match self {
                Self::Unconfirmed { rows } => Some(*rows),
                _ => None,
            },
            conflicts_with: match self {
                Self::ServiceOwned { owner }
                | Self::AeTaken { owner }
                | Self::SerialTaken(owner) => Some(owner.to_string()),
                Self::AgreementExists(id) => Some(id.clone()),
                _ => None,
            },
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::NoCertificate | Self::CertificateExpired => self.code_of_caller(),
            Self::NoResource
            | Self::Method(_)
            | Self::MediaType
            | Self::BodyTooLarge
            | Self::BodyTooSlow
            | Self::Syntax
            | Self::Missing(_)
            | Self::Incorrect(_) => self.code_of_message(),
            Self::Authority(error) => code_of_authority(*error),
            Self::Failure(failure) => code_of_failure(*failure),
            Self::Interrupted => Code(500, "SYSTEM_FAILURE", "Internal failure", None),
            Self::NoDevice
            | Self::NoCredential
            | Self::SerialNotGranted
            | Self::DeviceExists
            | Self::DeviceUnregistering
            | Self::CredentialsFull => self.code_of_device(),
            _ => self.code_of_state(),
        }
    }

    const fn code_of_device(&self) -> Code {
        match self {
            Self::NoDevice => Code(404, "DEVICE_NOT_FOUND", "No such hosted device", None),
            Self::NoCredential => Code(
                404,
                "CREDENTIAL_NOT_FOUND",
                "No such credential of a hosted device",
                None,
            ),
            Self::SerialNotGranted => Code(
                409,
                "SERIAL_NAMESPACE_NOT_GRANTED",
                "Serial number is not within what the service provider was granted",
                Some("serial namespaces are granted with `sp add --serial-namespace`"),
            ),
            Self::DeviceExists => Code(
                409,
                "DEVICE_ALREADY_REGISTERED",
                "A device of this serial number is hosted already",
                None,
            ),
            Self::DeviceUnregistering => Code(
                409,
                "DEVICE_REVOKED",
                "Device is unregistering",
                Some("giving a device up is final; register it anew"),
            ),
            _ => Code(
                409,
                "CREDENTIALS_FULL",
                "Device has as many credentials as it may",
                Some("revoke one that is not needed any more first"),
            ),
        }
    }

    const fn code_of_caller(&self) -> Code {
        match self {
            Self::CertificateExpired => Code(
                401,
                "CERTIFICATE_EXPIRED",
                "Client certificate expired",
                Some("connect again with a certificate that is valid"),
            ),
            _ => Code(
                401,
                "CERTIFICATE_REQUIRED",
                "No operator certificate on this connection",
                Some("connect with a client certificate of the operator's authority"),
            ),
        }
    }

    const fn code_of_message(&self) -> Code {
        match self {
            Self::NoResource => Code(404, "RESOURCE_NOT_FOUND", "No such resource", None),
            Self::Method(_) => Code(405, "METHOD_NOT_ALLOWED", "Method not allowed", None),
            Self::MediaType => Code(
                415,
                "UNSUPPORTED_MEDIA_TYPE",
                "Media type not supported",
                Some("send application/json without content encoding"),
            ),
            Self::BodyTooLarge => Code(413, "BODY_TOO_LARGE", "Body too large", None),
            Self::BodyTooSlow => Code(408, "BODY_TOO_SLOW", "Body did not come in time", None),
            Self::Missing(_) => Code(400, "MANDATORY_IE_MISSING", "Member missing", None),
            Self::Incorrect(_) => Code(400, "MANDATORY_IE_INCORRECT", "Value not valid", None),
            _ => Code(400, "INVALID_MSG_FORMAT", "Body is not readable JSON", None),
        }
    }

    const fn code_of_state(&self) -> Code {
        match self {
            Self::NoParty | Self::NoPartyOf(_) => {
                Code(404, "SP_NOT_FOUND", "No such service provider", None)
            }
            Self::NoAgreement => Code(404, "AGREEMENT_NOT_FOUND", "No such agreement", None),
            Self::AeTaken { .. } => Code(
                409,
                "AE_TAKEN",
                "The AE speaks for another service provider",
                None,
            ),
            Self::NoEnrolment => Code(
                404,
                "NO_ENROLMENT",
                "No enrolment is served",
                Some("add `listen` to `[enrolment]` of the configuration, and start anew"),
            ),
            Self::NoPlatform => Code(
                404,
                "NO_PLATFORM",
                "No oneM2M platform is configured",
                Some("add `[onem2m.registrar]` to the configuration, and start anew"),
            ),
            Self::Platform(_) => Code(
                502,
                "PLATFORM_REFUSED",
                "The oneM2M platform did not take it",
                None,
            ),
            Self::NoMapping => Code(404, "MAPPING_NOT_FOUND", "No such mapping", None),
            Self::NoJob => Code(404, "JOB_NOT_FOUND", "No such job", None),
            Self::Extracting => Code(
                503,
                "EXTRACTS_UNDER_WAY",
                "Two backups or exports are under way",
                Some("try again when one of them has ended"),
            ),
            Self::NoNotification => Code(
                404,
                "NOTIFICATION_NOT_FOUND",
                "No such notification",
                Some("it was delivered meanwhile, or never was"),
            ),
            Self::TooManyServices => Code(
                409,
                "TOO_MANY_SERVICES",
                "As many services as a service provider may have",
                Some("name a shorter prefix that covers several"),
            ),
            Self::NoVerdict => Code(
                404,
                "VERDICT_NOT_FOUND",
                "No such verdict",
                Some("it is not among those decided lately, or a restart was since"),
            ),
            Self::NoCertificateKnown => Code(
                404,
                "CERTIFICATE_NOT_FOUND",
                "No such certificate",
                Some("name it by its PEM file, or by serial number and service provider"),
            ),
            Self::Unconfirmed { .. } => Code(
                409,
                "CONFIRMATION_REQUIRED",
                "Confirmation required",
                Some("live mappings would be de-mapped for good; repeat with \"confirm\": true"),
            ),
            Self::PartyExists => Code(
                409,
                "SP_EXISTS",
                "Service provider id was given out before",
                Some("ids are not given out again; choose another"),
            ),
            Self::PartyRemoved => Code(
                409,
                "SP_REMOVED",
                "Service provider was removed",
                Some("off-boarding is final; onboard it under another id"),
            ),
            Self::WrongRole(_) => Code(
                409,
                "ROLE_MISMATCH",
                "Service provider does not have the role",
                None,
            ),
            Self::GrantsDoNotFitRoles => Code(
                400,
                "GRANTS_DO_NOT_FIT_ROLES",
                "Grants do not fit the roles",
                Some("services need THIRD_PARTY_SP, serial namespaces need IOT_SP"),
            ),
            Self::ServiceOwned { .. } => Code(
                409,
                "SERVICE_OWNED",
                "Service prefix overlaps one of another service provider",
                Some("a service has one owner"),
            ),
            Self::AgreementExists(_) => Code(
                409,
                "AGREEMENT_EXISTS",
                "An agreement already covers these services",
                Some("end that one first, or choose other services or times"),
            ),
            Self::SerialTaken(_) => Code(
                409,
                "SERIAL_TAKEN",
                "Another certificate with this serial number is on record",
                Some(
                    "certificates of two authorities share the number; suspend the service provider instead",
                ),
            ),
            _ => Code(500, "SYSTEM_FAILURE", "Internal failure", None),
        }
    }
}

const fn code_of_authority(error: AuthorityError) -> Code {
    match error {
        AuthorityError::BadRequest => Code(
            400,
            "CERTIFICATE_REQUEST_INVALID",
            "Not readable, or not signed by its own key",
            Some("send one PEM block: a PKCS#10 request, or a certificate naming an SP"),
        ),
        AuthorityError::KeyNotAllowed => Code(
            400,
            "KEY_NOT_ALLOWED",
            "Key not allowed",
            Some("use P-256, P-384 or RSA of at least 2048 bits"),
        ),
        AuthorityError::Unavailable => Code(
            503,
            "AUTHORITY_UNAVAILABLE",
            "Certificate authority unavailable",
            None,
        ),
    }
}

const fn code_of_failure(failure: Failure) -> Code {
    match failure {
        Failure::Store(StoreError::Inconsistent) => Code(
            500,
            "STORE_DAMAGED",
            "The store is damaged",
            Some(
                "stop the gateway and look: ics-gateway store check --config FILE; what is not sound is restored: \
                 ics-gateway restore --config FILE --from BACKUP --replace",
            ),
        ),
        Failure::Seal(_) => Code(500, "SYSTEM_FAILURE", "Internal failure", None),
        Failure::Store(StoreError::Unavailable) => {
            Code(503, "INSUFFICIENT_RESOURCES", "Store unavailable", None)
        }
        Failure::Busy => Code(
            503,
            "INSUFFICIENT_RESOURCES",
            "Too many changes at once",
            None,
        ),
    }
}

impl From<InvalidBody> for Refusal {
    fn from(invalid: InvalidBody) -> Self {
        match invalid {
            InvalidBody::Syntax => Self::Syntax,
            InvalidBody::Missing(param) => Self::Missing(vec![param]),
            InvalidBody::Incorrect(param) => Self::Incorrect(vec![param]),
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
            BodyRefusal::Broken | BodyRefusal::LengthRequired => Self::Syntax,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failure(Failure::Store(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_is_told_where_asking_again_helps() {
        let unavailable = Refusal::from(StoreError::Unavailable);
        assert_eq!(
            (unavailable.status(), unavailable.retry_after()),
            (503, Some(1))
        );
        let inconsistent = Refusal::from(StoreError::Inconsistent);
        assert_eq!(
            (inconsistent.status(), inconsistent.retry_after()),
            (500, None)
        );
    }

    #[test]
    fn every_refusal_of_the_core_has_a_code_of_its_own() {
        let sp = || SpId::parse("shop").unwrap();
        let id = ics_core::id::AgreementId::from_bytes([7; 16]);
        let prefix = "https://shop.example/".to_owned();
        let told = [
            (OnboardingError::PartyExists(sp()), 409, "SP_EXISTS"),
            (OnboardingError::NoParty(sp()), 404, "SP_NOT_FOUND"),
            (OnboardingError::PartyRemoved(sp()), 409, "SP_REMOVED"),
            (OnboardingError::WrongRole(sp()), 409, "ROLE_MISMATCH"),
            (
                OnboardingError::GrantsDoNotFitRoles(sp()),
                400,
                "GRANTS_DO_NOT_FIT_ROLES",
            ),
            (
                OnboardingError::ServiceOwned {
                    prefix,
                    owner: sp(),
                },
                409,
                "SERVICE_OWNED",
            ),
            (
                OnboardingError::AgreementExists(id),
                409,
                "AGREEMENT_EXISTS",
            ),
            (OnboardingError::NoAgreement(id), 404, "AGREEMENT_NOT_FOUND"),
            (
                OnboardingError::Failure(Failure::Busy),
                503,
                "INSUFFICIENT_RESOURCES",
            ),
        ];
        for (error, status, cause) in told {
            let problem = Refusal::of_onboarding(error.clone()).problem();
            assert_eq!(
                (problem.status, problem.cause.as_str()),
                (status, cause),
                "{error:?}"
            );
        }
    }

    #[test]
    fn count_and_obstacle_are_told() {
        let problem = Refusal::Unconfirmed { rows: 3 }.problem();
        assert_eq!((problem.status, problem.affected_mappings), (409, Some(3)));
        let owner = SpId::parse("shop").unwrap();
        let problem = Refusal::ServiceOwned { owner }.problem();
        assert_eq!(problem.conflicts_with.as_deref(), Some("shop"));
    }
}
