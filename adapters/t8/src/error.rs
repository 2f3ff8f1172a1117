//! What each refusal of the core is called on the wire: one match for each of its errors, so
//! that a new one does not compile before it has a name here (t8 A.7).

use ics_core::directory::RoutingFailure;
use ics_core::id::InvalidId;
use ics_core::port::{AuthorityError, Denied, RateLimited, SealError, StoreError};
use ics_core::principal::AuthenticationFailure;
use ics_core::reference_point::{ReferencePoint, Role};
use ics_core::service::{
    AnswerError, AssignmentError, DemapError, DeviceError, Failure, InquiryError, JobError,
    MappingError, OwnershipError, ProfileError, RequestError, SubscriptionError,
};

use crate::problem::{Cause, Challenge, Companion, Problem};

impl From<AuthenticationFailure> for Problem {
    fn from(failure: AuthenticationFailure) -> Self {
        Self::unauthorized(match failure {
            AuthenticationFailure::InvalidToken => Challenge::InvalidToken,
            // RFC 6750 3.1: no error code where no token was looked at. Which of these it was is
            // nobody's business but the log's; a suspended SP is not served at all (401).
            AuthenticationFailure::NoCertificate
            | AuthenticationFailure::CertificateRevoked
            | AuthenticationFailure::RevocationUnknown
            | AuthenticationFailure::CertificateExpired
            | AuthenticationFailure::PartyNotServed
            | AuthenticationFailure::NoToken => Challenge::Bare,
        })
    }
}

impl From<RateLimited> for Problem {
    fn from(limited: RateLimited) -> Self {
        let seconds = ics_http::whole_seconds(limited.retry_after);
        Self::status_only(429).with(Companion::RetryAfter(seconds))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(StoreError::Unavailable)
            | Failure::Seal(SealError::Unavailable)
            | Failure::Busy => Self::busy(),
            Failure::Store(StoreError::Inconsistent)
            | Failure::Seal(SealError::UnknownKey | SealError::DoesNotOpen) => {
                Cause::SystemFailure.into()
            }
        }
    }
}

/// A denial on `point`. A role that is not the caller's is answered like a scope it lacks; who was
/// suspended since the token was looked at, like who comes later.
pub(crate) fn refuse_denied(denied: Denied, point: ReferencePoint) -> Problem {
    match denied {
        Denied::NotServed => AuthenticationFailure::PartyNotServed.into(),
        Denied::Role(_) => Problem::insufficient_scope(point),
        Denied::Scope(missing) => Problem::insufficient_scope(missing),
        Denied::NoAgreement => Cause::NoAgreement.into(),
        Denied::ServiceNotOwned => {
            Problem::from(Cause::ServiceNotOwned).at("/serviceUri", "is not owned by the caller")
        }
        Denied::ServiceNotProven => {
            Problem::from(Cause::ServiceNotProven).at("/serviceUri", "is not yet proven")
        }
        Denied::ConsentRequired => Cause::ConsentRequired.into(),
        // A request for such a device is not refused: it fails like one for any that is not there.
        Denied::Policy | Denied::Device => Cause::NotAllowed.into(),
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Denied(denied) => refuse_denied(denied, ReferencePoint::Ics1),
            RequestError::Routing(RoutingFailure::NotFound) => Cause::IotSpNotFound.into(),
            RequestError::Routing(RoutingFailure::Ambiguous) => Cause::IotSpAmbiguous.into(),
            RequestError::DestinationNotRegistered => destination_not_registered(),
            RequestError::ValidityOutOfRange => validity_out_of_range(),
            RequestError::UtiExpired => {
                Self::from(Cause::OptionalIeIncorrect).at("/utiExpiry", "lies in the past")
            }
            RequestError::UtiInUse => Cause::UtiInUse.into(),
            RequestError::PairingRequired => Self::from(Cause::MandatoryIeMissing)
                .at("/pairingCode", "is missing: the agreement takes one"),
            RequestError::QuotaExceeded => Cause::QuotaExceeded.into(),
            RequestError::Failure(failure) => failure.into(),
        }
    }
}

impl From<MappingError> for Problem {
    fn from(error: MappingError) -> Self {
        match error {
            MappingError::Denied(denied) => refuse_denied(denied, ReferencePoint::Ics1),
            MappingError::NotFound => Cause::MappingNotFound.into(),
            MappingError::NotPending => Cause::MappingNotPending.into(),
            MappingError::DestinationNotRegistered => destination_not_registered(),
            MappingError::NowhereToNotify => crate::translate::nowhere_to_notify(),
            MappingError::ValidityOutOfRange => validity_out_of_range(),
            MappingError::Failure(failure) => failure.into(),
        }
    }
}

impl From<OwnershipError> for Problem {
    fn from(error: OwnershipError) -> Self {
        match error {
            OwnershipError::Denied(denied) => refuse_denied(denied, ReferencePoint::Ics5),
            OwnershipError::NotClaimed => Cause::ServiceNotFound.into(),
            OwnershipError::Owned => Cause::ServiceOwned.into(),
            OwnershipError::Otherwise => Cause::ChallengeNotMet.into(),
            OwnershipError::Failure(failure) => failure.into(),
        }
    }
}

impl From<AssignmentError> for Problem {
    fn from(error: AssignmentError) -> Self {
        match error {
            AssignmentError::Denied(denied) => refuse_denied(denied, ReferencePoint::Ics2),
            AssignmentError::NotFound => Cause::MappingNotFound.into(),
            AssignmentError::Failure(failure) => failure.into(),
        }
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Assignment(error) => error.into(),
            AnswerError::DeviceId(invalid) => refuse_member("/deviceId", true, invalid),
            AnswerError::NotPending => Cause::MappingNotPending.into(),
            AnswerError::DeviceAlreadyAssigned => Cause::DeviceAlreadyAssigned.into(),
            AnswerError::NoAgreement => Cause::NoAgreementAnyMore.into(),
            AnswerError::ConsentRequired => Cause::ConsentRequiredAnyMore.into(),
            AnswerError::UtiInUse => Cause::UtiInUse.into(),
            AnswerError::DeviceRevoked => Cause::DeviceRevoked.into(),
            AnswerError::NotAllowed => Cause::NotAllowedAnyMore.into(),
            AnswerError::NotOwner => Cause::NotOwner.into(),
            AnswerError::DeviceFull => Cause::DeviceFull.into(),
        }
    }
}

/// Why nothing was de-mapped, over the point of `role`.
pub(crate) fn refuse_demap(error: DemapError, role: Role) -> Problem {
    let point = match role {
        Role::ThirdPartySp => ReferencePoint::Ics3,
        Role::IotSp => ReferencePoint::Ics4,
    };
    match error {
        DemapError::Denied(denied) => refuse_denied(denied, point),
        DemapError::NotFound => Cause::MappingNotFound.into(),
        DemapError::SelectorOfOtherRole => {
            Problem::from(Cause::MandatoryIeIncorrect).at("", "is a selector of the other role")
        }
        DemapError::Failure(failure) => failure.into(),
    }
}

/// Why an inquiry over `point` was not answered.
pub(crate) fn refuse_inquiry(error: InquiryError, point: ReferencePoint) -> Problem {
    match error {
        InquiryError::Denied(denied) => refuse_denied(denied, point),
        InquiryError::NotFound => Cause::MappingNotFound.into(),
        InquiryError::Failure(failure) => failure.into(),
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        match error {
            // The caller's token opens the other of the two points: not there, for it.
            JobError::Denied(Denied::NotServed) => AuthenticationFailure::PartyNotServed.into(),
            JobError::Denied(_) | JobError::NotFound => Cause::JobNotFound.into(),
        }
    }
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::Denied(denied) => refuse_denied(denied, ReferencePoint::Ics2),
            SubscriptionError::NotFound => Cause::SubscriptionNotFound.into(),
            SubscriptionError::NamespaceNotGranted => Self::from(Cause::NamespaceNotGranted)
                .at("/serialNamespaces", "is not within what was granted"),
            SubscriptionError::DestinationNotRegistered => destination_not_registered(),
            SubscriptionError::NowhereToNotify => crate::translate::nowhere_to_notify(),
            SubscriptionError::TooMany => Cause::QuotaExceeded.into(),
            SubscriptionError::Failure(failure) => failure.into(),
        }
    }
}

/// Why a hosted device was not registered, seen or changed; `orders` is where the body names
/// credentials.
pub(crate) fn refuse_device(error: DeviceError, orders: &'static str) -> Problem {
    let refuse_order = |cause: Cause, reason| Problem::from(cause).at(orders, reason);
    match error {
        DeviceError::Denied(denied) => refuse_denied(denied, ReferencePoint::Ics2),
        DeviceError::NotFound => Cause::DeviceNotFound.into(),
        DeviceError::SerialNotGranted => Problem::from(Cause::SerialNotGranted)
            .at("/deviceSerialNumber", "is not within what was granted"),
        DeviceError::SerialRegistered => Cause::DeviceAlreadyRegistered.into(),
        DeviceError::Unregistering => Cause::DeviceRevoked.into(),
        // A registration of none, or of too many, was refused for its form.
        DeviceError::Credentials => Cause::QuotaExceeded.into(),
        DeviceError::ValidityOutOfRange => refuse_order(
            Cause::OptionalIeIncorrect,
            "has a validity that is none, or over ten years",
        ),
        DeviceError::PasswordNotTaken => refuse_order(
            Cause::OptionalIeIncorrect,
            "names a password of your own, and the operator takes none: have one minted",
        ),
        DeviceError::Certificate(AuthorityError::BadRequest) => refuse_order(
            Cause::MandatoryIeIncorrect,
            "has a certificate request that is not readable, or not signed by its own key",
        ),
        DeviceError::Certificate(AuthorityError::KeyNotAllowed) => refuse_order(
            Cause::MandatoryIeIncorrect,
            "has a key that is not allowed: P-256, P-384 or RSA of at least 2048 bits are",
        ),
        DeviceError::Certificate(AuthorityError::Unavailable) => Problem::busy(),
        DeviceError::Failure(failure) => failure.into(),
    }
}

/// Why a profile was not shown over `point`.
pub(crate) fn refuse_profile(error: ProfileError, point: ReferencePoint) -> Problem {
    match error {
        ProfileError::Denied(denied) => refuse_denied(denied, point),
    }
}

/// A member of the body whose value is no identifier of its kind.
pub(crate) fn refuse_member(param: &'static str, mandatory: bool, invalid: InvalidId) -> Problem {
    let cause = match invalid {
        InvalidId::Permanent(_) => Cause::PermanentIdNotAllowed,
        InvalidId::NotAnonymous => Cause::UtiNotAnonymous,
        _ if mandatory => Cause::MandatoryIeIncorrect,
        _ => Cause::OptionalIeIncorrect,
    };
    // The core's words name kinds and lengths, never the text.
    Problem::from(cause).at(param, invalid.to_string())
}

fn destination_not_registered() -> Problem {
    Problem::from(Cause::MandatoryIeIncorrect).at(
        "/notificationDestination",
        "is not at an origin registered for the caller",
    )
}

fn validity_out_of_range() -> Problem {
    Problem::from(Cause::OptionalIeIncorrect).at(
        "/validityPeriod",
        "is outside the range the operator allows",
    )
}

#[cfg(test)]
mod tests;
