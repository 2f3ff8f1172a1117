//! Response status codes (TS-0004 6.6), and what they are on HTTP (TS-0009 table 6.3.2-1) and CoAP
//! (TS-0008). The code is the answer; the status of the binding is its shadow.

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Rsc {
    /// Taken; nothing more will be said.
    Accepted = 1000,
    /// Taken; the answer is to be fetched.
    AcceptedSynch = 1001,
    /// Taken; the answer will come.
    AcceptedAsynch = 1002,
    /// Retrieved, or notified.
    Ok = 2000,
    /// Created.
    Created = 2001,
    /// Deleted.
    Deleted = 2002,
    /// Updated.
    Updated = 2004,
    /// The primitive or its content is not well formed.
    BadRequest = 4000,
    /// A release that is not spoken here, or none.
    ReleaseNotSupported = 4001,
    /// Not there; what may not be seen looks the same.
    NotFound = 4004,
    /// The resource does not take that operation.
    OperationNotAllowed = 4005,
    /// Over before it was answered.
    RequestTimeout = 4008,
    /// The content is of another media type.
    UnsupportedMediaType = 4015,
    /// The creator of a subscription may not retrieve what it watches.
    SubscriptionCreatorHasNoPrivilege = 4101,
    /// Well formed, and of no meaning here.
    ContentsUnacceptable = 4102,
    /// The originator is known, and may not.
    OriginatorHasNoPrivilege = 4103,
    /// In the way of something that is there.
    Conflict = 4105,
    /// The originator is not proved.
    OriginatorNotAuthenticated = 4106,
    /// A security association is wanted.
    SecurityAssociationRequired = 4107,
    /// No child of that type there.
    InvalidChildType = 4108,
    /// The originator is registered already.
    AlreadyRegistered = 4117,
    /// The application is not one that may register.
    AppRuleValidationFailed = 4126,
    /// Somebody else refused; who and why is not told.
    DeniedByRemoteEntity = 4127,
    /// Ours.
    InternalServerError = 5000,
    /// Not implemented.
    NotImplemented = 5001,
    /// The target cannot be reached.
    TargetNotReachable = 5103,
    /// The receiver may not.
    ReceiverHasNoPrivilege = 5105,
    /// It is there already.
    AlreadyExists = 5106,
    /// The remote entity cannot be reached.
    RemoteEntityNotReachable = 5107,
    /// The target cannot be subscribed to.
    TargetNotSubscribable = 5203,
    /// Who is to be notified did not say yes.
    SubscriptionVerificationFailed = 5204,
    /// Who is to be notified may not be.
    SubscriptionHostHasNoPrivilege = 5205,
    /// No form of answer that was asked for.
    NotAcceptable = 5207,
    /// Something outside cannot be reached.
    ExternalObjectNotReachable = 6003,
    /// Something outside is not there.
    ExternalObjectNotFound = 6005,
    /// Something outside did not answer before the request was over.
    ExternalObjectNotReachableBeforeRqet = 6030,
}

impl Rsc {
    /// All of them, ascending.
    pub const ALL: [Self; 36] = [
        Self::Accepted,
        Self::AcceptedSynch,
        Self::AcceptedAsynch,
        Self::Ok,
        Self::Created,
        Self::Deleted,
        Self::Updated,
        Self::BadRequest,
        Self::ReleaseNotSupported,
        Self::NotFound,
        Self::OperationNotAllowed,
        Self::RequestTimeout,
        Self::UnsupportedMediaType,
        Self::SubscriptionCreatorHasNoPrivilege,
        Self::ContentsUnacceptable,
        Self::OriginatorHasNoPrivilege,
        Self::Conflict,
        Self::OriginatorNotAuthenticated,
        Self::SecurityAssociationRequired,
        Self::InvalidChildType,
        Self::AlreadyRegistered,
        Self::AppRuleValidationFailed,
        Self::DeniedByRemoteEntity,
        Self::InternalServerError,
        Self::NotImplemented,
        Self::TargetNotReachable,
        Self::ReceiverHasNoPrivilege,
        Self::AlreadyExists,
        Self::RemoteEntityNotReachable,
        Self::TargetNotSubscribable,
        Self::SubscriptionVerificationFailed,
        Self::SubscriptionHostHasNoPrivilege,
        Self::NotAcceptable,
        Self::ExternalObjectNotReachable,
        Self::ExternalObjectNotFound,
        Self::ExternalObjectNotReachableBeforeRqet,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The name of TS-0004 table 6.6.3, in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::AcceptedSynch => "ACCEPTED_SYNCH",
            Self::AcceptedAsynch => "ACCEPTED_ASYNCH",
            Self::Ok => "OK",
            Self::Created => "CREATED",
            Self::Deleted => "DELETED",
            Self::Updated => "UPDATED",
            Self::BadRequest => "BAD_REQUEST",
            Self::ReleaseNotSupported => "RELEASE_NOT_SUPPORTED",
            Self::NotFound => "NOT_FOUND",
            Self::OperationNotAllowed => "OPERATION_NOT_ALLOWED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::SubscriptionCreatorHasNoPrivilege => "SUBSCRIPTION_CREATOR_HAS_NO_PRIVILEGE",
            Self::ContentsUnacceptable => "CONTENTS_UNACCEPTABLE",
            Self::OriginatorHasNoPrivilege => "ORIGINATOR_HAS_NO_PRIVILEGE",
            Self::Conflict => "CONFLICT",
            Self::OriginatorNotAuthenticated => "ORIGINATOR_NOT_AUTHENTICATED",
            Self::SecurityAssociationRequired => "SECURITY_ASSOCIATION_REQUIRED",
            Self::InvalidChildType => "INVALID_CHILD_TYPE",
            Self::AlreadyRegistered => "ALREADY_REGISTERED",
            Self::AppRuleValidationFailed => "APP_RULE_VALIDATION_FAILED",
            Self::DeniedByRemoteEntity => "DENIED_BY_REMOTE_ENTITY",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::TargetNotReachable => "TARGET_NOT_REACHABLE",
            Self::ReceiverHasNoPrivilege => "RECEIVER_HAS_NO_PRIVILEGE",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::RemoteEntityNotReachable => "REMOTE_ENTITY_NOT_REACHABLE",
            Self::TargetNotSubscribable => "TARGET_NOT_SUBSCRIBABLE",
            Self::SubscriptionVerificationFailed => "SUBSCRIPTION_VERIFICATION_FAILED",
            Self::SubscriptionHostHasNoPrivilege => "SUBSCRIPTION_HOST_HAS_NO_PRIVILEGE",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::ExternalObjectNotReachable => "EXTERNAL_OBJECT_NOT_REACHABLE",
            Self::ExternalObjectNotFound => "EXTERNAL_OBJECT_NOT_FOUND",
            Self::ExternalObjectNotReachableBeforeRqet => {
                "EXTERNAL_OBJECT_NOT_REACHABLE_BEFORE_RQET"
            }
        }
    }

    /// The code of that number; `None` for one that is not spoken here.
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        let mut known = Self::ALL.into_iter();
        known.find(|rsc| u64::from(rsc.number()) == number)
    }

    /// Whether the request was done, or was taken.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.number() < 3000
    }

    /// The HTTP status (TS-0009 table 6.3.2-1).
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Accepted | Self::AcceptedSynch | Self::AcceptedAsynch => 202,
            Self::Ok | Self::Deleted | Self::Updated => 200,
            Self::Created => 201,
            Self::BadRequest | Self::ContentsUnacceptable => 400,
            Self::SubscriptionCreatorHasNoPrivilege
            | Self::OriginatorHasNoPrivilege
            | Self::OriginatorNotAuthenticated
            | Self::SecurityAssociationRequired
            | Self::InvalidChildType
            | Self::AlreadyRegistered
            | Self::AppRuleValidationFailed
            | Self::DeniedByRemoteEntity
            | Self::ReceiverHasNoPrivilege
            | Self::TargetNotSubscribable
            | Self::SubscriptionHostHasNoPrivilege => 403,
            Self::NotFound
            | Self::TargetNotReachable
            | Self::RemoteEntityNotReachable
            | Self::ExternalObjectNotReachable
            | Self::ExternalObjectNotFound => 404,
            Self::OperationNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::Conflict | Self::AlreadyExists => 409,
            Self::UnsupportedMediaType => 415,
            Self::InternalServerError | Self::SubscriptionVerificationFailed => 500,
            Self::ReleaseNotSupported | Self::NotImplemented => 501,
            Self::RequestTimeout | Self::ExternalObjectNotReachableBeforeRqet => 504,
        }
    }

    /// The CoAP code (TS-0008): class and detail.
    #[must_use]
    pub const fn coap_code(self, is_notify: bool) -> (u8, u8) {
        match self {
            Self::Accepted | Self::AcceptedSynch | Self::AcceptedAsynch | Self::Created => (2, 1),
            Self::Deleted => (2, 2),
            Self::Updated => (2, 4),
            Self::Ok if is_notify => (2, 4),
            Self::Ok => (2, 5),
            Self::BadRequest | Self::ContentsUnacceptable => (4, 0),
            Self::NotFound
            | Self::TargetNotReachable
            | Self::RemoteEntityNotReachable
            | Self::ExternalObjectNotReachable
            | Self::ExternalObjectNotFound => (4, 4),
            Self::OperationNotAllowed => (4, 5),
            Self::NotAcceptable => (4, 6),
            Self::UnsupportedMediaType => (4, 15),
            Self::SubscriptionCreatorHasNoPrivilege
            | Self::OriginatorHasNoPrivilege
            | Self::Conflict
            | Self::OriginatorNotAuthenticated
            | Self::SecurityAssociationRequired
            | Self::InvalidChildType
            | Self::AlreadyRegistered
            | Self::AppRuleValidationFailed
            | Self::DeniedByRemoteEntity
            | Self::ReceiverHasNoPrivilege
            | Self::AlreadyExists
            | Self::TargetNotSubscribable
            | Self::SubscriptionHostHasNoPrivilege => (4, 3),
            Self::InternalServerError | Self::SubscriptionVerificationFailed => (5, 0),
            Self::ReleaseNotSupported | Self::NotImplemented => (5, 1),
            Self::RequestTimeout | Self::ExternalObjectNotReachableBeforeRqet => (5, 4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number_and_has_the_status_of_its_group() {
        for rsc in Rsc::ALL {
            assert_eq!(Rsc::of_number(rsc.number().into()), Some(rsc));
            assert_eq!(rsc.is_success(), rsc.http_status() < 300, "{rsc:?}");
            assert_eq!(rsc.is_success(), rsc.coap_code(false).0 == 2, "{rsc:?}");
        }
        assert_eq!(Rsc::of_number(2999), None);
    }
}
