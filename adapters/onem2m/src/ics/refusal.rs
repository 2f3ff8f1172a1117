//! What each refusal of the core is on oneM2M (onem2m.md A.5): one match for each of its errors, so
//! that a new one does not compile before it has a code here. All texts are constants.

use ics_core::directory::RoutingFailure;
use ics_core::mapping::{FailureCause, Mapping, ResultCause, State};
use ics_core::port::{Denied, RateLimited, SealError, StoreError};
use ics_core::reference_point::Role;
use ics_core::service::{
    AnswerError, AssignmentError, DemapError, Failure, InquiryError, JobError, MappingError,
    RequestError,
};

use crate::primitive::Refusal;
use crate::rsc::Rsc;

/// The cause an IoT SP states where it knows no such serial number.
const SERIAL_UNKNOWN: &str = "SERIAL_NUMBER_UNKNOWN";

/// Every miss: absent, foreign, not mapped, over.
pub(super) const fn not_found() -> Refusal {
    Refusal::new(Rsc::NotFound, "no such mapping")
}

/// To a third party: whatever failed at the IoT SP or the device.
pub(super) const fn device_not_available() -> Refusal {
    Refusal::new(
        Rsc::DeniedByRemoteEntity,
        "the device is not available for this mapping",
    )
}

pub(super) fn too_fast(limited: RateLimited) -> Refusal {
    let seconds = ics_http::whole_seconds(limited.retry_after);
    let said = format!("too many requests: come back in {seconds} s");
    Refusal {
        rsc: Rsc::InternalServerError,
        diagnostic: said.into(),
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::new(
            Rsc::InternalServerError,
            match failure {
                Failure::Store(StoreError::Unavailable)
                | Failure::Seal(SealError::Unavailable)
                | Failure::Busy => "not now: come back",
                Failure::Store(StoreError::Inconsistent)
                | Failure::Seal(SealError::UnknownKey | SealError::DoesNotOpen) => {
                    "internal server error"
                }
            },
        )
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::new(
            Rsc::OriginatorHasNoPrivilege,
            match denied {
                Denied::NotServed => "the originator is not served",
                Denied::Role(_) | Denied::Scope(_) => {
                    "the operation is not open to the originator's role"
                }
                Denied::NoAgreement => "no agreement in force",
                Denied::ServiceNotOwned => "`svu` is not owned by the originator",
                Denied::ServiceNotProven => "`svu` is not yet shown to be the originator's",
                Denied::ConsentRequired => "the user's consent is required",
                Denied::Policy | Denied::Device => "a policy of the operator refuses it",
            },
        )
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        let unacceptable =
            |name: &str, said: &str| Self::about(Rsc::ContentsUnacceptable, name, said);
        match error {
            RequestError::Denied(denied) => denied.into(),
            // An unknown serial number looks like any other failure on the device's side.
            RequestError::Routing(RoutingFailure::NotFound) => device_not_available(),
            RequestError::Routing(RoutingFailure::Ambiguous) => unacceptable(
                "isp",
                "is needed: more than one IoT service provider answers for the device",
            ),
            RequestError::DestinationNotRegistered => Self::new(
                Rsc::ContentsUnacceptable,
                "the notification destination is not registered",
            ),
            RequestError::ValidityOutOfRange => {
                unacceptable("vper", "is outside the range the operator allows")
            }
            RequestError::UtiExpired => unacceptable("et", "lies in the past"),
            RequestError::UtiInUse => {
                Self::new(Rsc::Conflict, "`uti` is in use with another device, or was")
            }
            RequestError::PairingRequired => Self::about(
                Rsc::BadRequest,
                "pcod",
                "is missing: the agreement takes one",
            ),
            RequestError::QuotaExceeded => Self::new(
                Rsc::OriginatorHasNoPrivilege,
                "quota of failed mappings exceeded",
            ),
            RequestError::Failure(failure) => failure.into(),
        }
    }
}

impl From<MappingError> for Refusal {
    fn from(error: MappingError) -> Self {
        match error {
            MappingError::Denied(denied) => denied.into(),
            MappingError::NotFound => not_found(),
            MappingError::NotPending => not_pending(),
            MappingError::DestinationNotRegistered | MappingError::NowhereToNotify => Self::new(
                Rsc::ContentsUnacceptable,
                "the notification destination is not registered",
            ),
            MappingError::ValidityOutOfRange => Self::about(
                Rsc::ContentsUnacceptable,
                "vper",
                "is outside the range the operator allows",
            ),
            MappingError::Failure(failure) => failure.into(),
        }
    }
}

impl From<AssignmentError> for Refusal {
    fn from(error: AssignmentError) -> Self {
        match error {
            AssignmentError::Denied(denied) => denied.into(),
            AssignmentError::NotFound => not_found(),
            AssignmentError::Failure(failure) => failure.into(),
        }
    }
}

impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Assignment(error) => error.into(),
            AnswerError::DeviceId(invalid) => {
                Self::about(Rsc::ContentsUnacceptable, "did", &invalid.to_string())
            }
            AnswerError::NotPending => not_pending(),
            AnswerError::DeviceAlreadyAssigned => {
                Self::new(Rsc::Conflict, "the mapping has another device")
            }
            AnswerError::NoAgreement => Denied::NoAgreement.into(),
            AnswerError::ConsentRequired => Denied::ConsentRequired.into(),
            AnswerError::UtiInUse => uti_in_use(),
            AnswerError::DeviceRevoked => device_revoked(),
            AnswerError::NotAllowed | AnswerError::NotOwner => Denied::Device.into(),
            AnswerError::DeviceFull => {
                Self::new(Rsc::Conflict, "the device holds as many mappings as it can")
            }
        }
    }
}

impl From<DemapError> for Refusal {
    fn from(error: DemapError) -> Self {
        match error {
            DemapError::Denied(denied) => denied.into(),
            DemapError::NotFound => not_found(),
            DemapError::SelectorOfOtherRole => {
                Self::new(Rsc::BadRequest, "the selector is one of the other role")
            }
            DemapError::Failure(failure) => failure.into(),
        }
    }
}

impl From<InquiryError> for Refusal {
    fn from(error: InquiryError) -> Self {
        match error {
            InquiryError::Denied(denied) => denied.into(),
            // Y.4462 10.3: one error for wrong pair, foreign row and absent row.
            InquiryError::NotFound => not_found(),
            InquiryError::Failure(failure) => failure.into(),
        }
    }
}

impl From<JobError> for Refusal {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Denied(denied @ Denied::NotServed) => denied.into(),
            JobError::Denied(_) | JobError::NotFound => {
                Self::new(Rsc::NotFound, "no such resource")
            }
        }
    }
}

/// Why a row that is no longer pending cannot be completed, in detail: for its IoT SP alone.
pub(super) fn refuse_completion(row: &Mapping) -> Refusal {
    let (State::Failing { cause, .. } | State::Failed { cause, .. }) = &row.state else {
        return not_pending();
    };
    match cause {
        FailureCause::Rejected(code) if code.as_str() == SERIAL_UNKNOWN => Refusal::new(
            Rsc::ExternalObjectNotFound,
            "failed: the serial number is unknown",
        ),
        FailureCause::Rejected(_) => {
            Refusal::new(Rsc::DeniedByRemoteEntity, "failed: it was rejected")
        }
        FailureCause::Unreachable => Refusal::new(
            Rsc::ExternalObjectNotReachable,
            "failed: the notification was not taken",
        ),
        FailureCause::TimedOut => Refusal::new(
            Rsc::ExternalObjectNotReachableBeforeRqet,
            "failed: nobody answered in time",
        ),
        FailureCause::NoAgreement => Denied::NoAgreement.into(),
        FailureCause::ConsentRequired => Denied::ConsentRequired.into(),
        FailureCause::UtiInUse => uti_in_use(),
        FailureCause::DeviceRevoked => device_revoked(),
        FailureCause::NotAllowed | FailureCause::NotOwner => Denied::Device.into(),
    }
}

/// Why a row was not mapped while its third party waited.
pub(super) fn refuse_waiting(row: &Mapping) -> Refusal {
    match row.cause_towards(Role::ThirdPartySp) {
        Some(ResultCause::NoAgreement) => Denied::NoAgreement.into(),
        Some(ResultCause::ConsentRequired) => Denied::ConsentRequired.into(),
        Some(
            ResultCause::DeviceNotAvailable
            | ResultCause::UtiInUse
            | ResultCause::DeviceRevoked
            | ResultCause::Rejected
            | ResultCause::Unreachable
            | ResultCause::TimedOut
            | ResultCause::NotAllowed
            | ResultCause::NotOwner,
        ) => device_not_available(),
        Some(ResultCause::Cancelled) | None => not_found(),
    }
}

const fn not_pending() -> Refusal {
    Refusal::new(Rsc::Conflict, "the mapping is not pending")
}

const fn uti_in_use() -> Refusal {
    Refusal::new(Rsc::Conflict, "`uti` is in use with another device, or was")
}

const fn device_revoked() -> Refusal {
    Refusal::new(Rsc::Conflict, "`did` was unregistered")
}
