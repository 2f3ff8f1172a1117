use std::time::Duration;

use ics_core::id::PermanentIdentifier;
use ics_core::service::{AnswerError as A, MappingError as M, RequestError as R};

use super::*;

fn told(problem: impl Into<Problem>) -> (u16, Option<&'static str>) {
    let problem = problem.into();
    (problem.status(), problem.cause().map(Cause::code))
}

#[test]
fn each_refusal_of_the_core_has_its_code_of_a_7() {
    for (problem, status, code) in [
        (R::Denied(Denied::NoAgreement).into(), 403, "NO_AGREEMENT"),
        (
            R::Denied(Denied::ConsentRequired).into(),
            403,
            "CONSENT_REQUIRED",
        ),
        (
            R::Denied(Denied::ServiceNotOwned).into(),
            403,
            "SERVICE_NOT_OWNED",
        ),
        (
            R::Denied(Denied::Scope(ReferencePoint::Ics1)).into(),
            403,
            "INSUFFICIENT_SCOPE",
        ),
        (
            R::Denied(Denied::Role(Role::IotSp)).into(),
            403,
            "INSUFFICIENT_SCOPE",
        ),
        (
            R::Routing(RoutingFailure::NotFound).into(),
            404,
            "IOT_SP_NOT_FOUND",
        ),
        (
            R::Routing(RoutingFailure::Ambiguous).into(),
            409,
            "IOT_SP_AMBIGUOUS",
        ),
        (R::UtiInUse.into(), 409, "UTI_IN_USE"),
        (R::QuotaExceeded.into(), 403, "QUOTA_EXCEEDED"),
        (R::UtiExpired.into(), 400, "OPTIONAL_IE_INCORRECT"),
        (
            R::DestinationNotRegistered.into(),
            400,
            "MANDATORY_IE_INCORRECT",
        ),
        (M::NotFound.into(), 404, "MAPPING_NOT_FOUND"),
        (M::NotPending.into(), 409, "MAPPING_NOT_PENDING"),
        (A::DeviceFull.into(), 409, "DEVICE_FULL"),
        (
            A::DeviceAlreadyAssigned.into(),
            409,
            "DEVICE_ALREADY_ASSIGNED",
        ),
        (A::DeviceRevoked.into(), 409, "DEVICE_REVOKED"),
        (A::NoAgreement.into(), 409, "NO_AGREEMENT"),
        (A::ConsentRequired.into(), 409, "CONSENT_REQUIRED"),
        (A::NotOwner.into(), 409, "NOT_OWNER"),
        (A::UtiInUse.into(), 409, "UTI_IN_USE"),
        (
            A::DeviceId(InvalidId::Permanent(PermanentIdentifier::SerialNumber)).into(),
            400,
            "PERMANENT_ID_NOT_ALLOWED",
        ),
        (Failure::Busy.into(), 503, "INSUFFICIENT_RESOURCES"),
        (
            Failure::Store(StoreError::Inconsistent).into(),
            500,
            "SYSTEM_FAILURE",
        ),
        (SubscriptionError::TooMany.into(), 403, "QUOTA_EXCEEDED"),
        (
            refuse_demap(DemapError::NotFound, Role::IotSp),
            404,
            "MAPPING_NOT_FOUND",
        ),
        (
            refuse_inquiry(InquiryError::NotFound, ReferencePoint::Ics7),
            404,
            "MAPPING_NOT_FOUND",
        ),
    ] {
        let problem: Problem = problem;
        assert_eq!(told(problem), (status, Some(code)));
    }
}

#[test]
fn who_is_not_served_learns_no_more_than_that() {
    use AuthenticationFailure as F;
    let bare = Problem::from(F::NoToken);
    for failure in [
        F::NoCertificate,
        F::CertificateRevoked,
        F::CertificateExpired,
        F::PartyNotServed,
    ] {
        assert_eq!(Problem::from(failure), bare);
    }
    assert_ne!(Problem::from(F::InvalidToken), bare);
}

#[test]
fn a_wait_is_told_in_whole_seconds_and_never_as_zero() {
    for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
        let limited = RateLimited {
            retry_after: Duration::from_millis(millis),
        };
        let companion = Problem::from(limited).companion();
        assert_eq!(
            companion,
            Some(Companion::RetryAfter(seconds)),
            "{millis} ms"
        );
    }
}

#[test]
fn who_is_suspended_during_a_call_is_answered_like_who_was_before() {
    let denied = || Denied::NotServed;
    let answers: [Problem; 8] = [
        R::Denied(denied()).into(),
        M::Denied(denied()).into(),
        A::Assignment(AssignmentError::Denied(denied())).into(),
        refuse_demap(DemapError::Denied(denied()), Role::IotSp),
        refuse_inquiry(InquiryError::Denied(denied()), ReferencePoint::Ics7),
        JobError::Denied(denied()).into(),
        SubscriptionError::Denied(denied()).into(),
        refuse_device(DeviceError::Denied(denied()), ""),
    ];
    for answer in answers {
        assert_eq!(told(answer), told(AuthenticationFailure::PartyNotServed));
    }
    assert_eq!(told(AuthenticationFailure::PartyNotServed), (401, None));
}
