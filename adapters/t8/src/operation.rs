//! Every operation that is served: one list, from which both the routes and the document come.

use ics_core::reference_point::ReferencePoint;

/// An operation of one of the APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    InquireByTransaction,
    InquireByDevice,
    InquireInBulk,
    ResolveDevice,
    CreateMapping,
    ListMappings,
    ReadMapping,
    AmendMapping,
    CancelMapping,
    CreateSubscription,
    ListSubscriptions,
    ReadSubscription,
    ReplaceSubscription,
    AmendSubscription,
    DeleteSubscription,
    ListAssignments,
    ReadAssignment,
    AnswerAssignment,
    ListenToMappings,
    ListenToAssignments,
    Demap,
    ReadJob,
    RegisterDevice,
    ListDevices,
    ReadDevice,
    AmendDevice,
    UnregisterDevice,
    RegisterDevicesInBulk,
    MintPairingCode,
    AddCredential,
    RevokeCredential,
    ReadProfile,
    ProveService,
    Discover,
    ReadDocument,
}

/// An HTTP method an operation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// What it takes to call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// A verified client certificate.
    Certificate,
    /// A token that opens this point.
    Point(ReferencePoint),
    /// A token that opens one of these: the third party SP's, or the IoT SP's.
    Either(ReferencePoint, ReferencePoint),
}

const MAPPINGS: &str = "/ics-mapping/v1/{scsAsId}/mappings";
const MAPPING: &str = "/ics-mapping/v1/{scsAsId}/mappings/{mappingId}";
const SUBSCRIPTIONS: &str = "/ics-device-mapping/v1/{scsAsId}/subscriptions";
const SUBSCRIPTION: &str = "/ics-device-mapping/v1/{scsAsId}/subscriptions/{subscriptionId}";
const ASSIGNMENTS: &str = "/ics-device-mapping/v1/{scsAsId}/assignments";
const MAPPINGS_SOCKET: &str = "/ics-mapping/v1/{scsAsId}/websocket";
const ASSIGNMENTS_SOCKET: &str = "/ics-device-mapping/v1/{scsAsId}/websocket";
const ASSIGNMENT: &str = "/ics-device-mapping/v1/{scsAsId}/assignments/{mappingId}";
const BULK: &str = "/ics-inquiry/v1/retrieve-bulk";
const RESOLUTION: &str = "/ics-inquiry/v1/resolve-device";
const DEVICES: &str = "/ics-device/v1/{scsAsId}/devices";
const DEVICE: &str = "/ics-device/v1/{scsAsId}/devices/{deviceId}";
const DEVICES_IN_BULK: &str = "/ics-device/v1/{scsAsId}/register-bulk";
const PAIRING_CODES: &str = "/ics-device/v1/{scsAsId}/devices/{deviceId}/pairing-codes";
const CREDENTIALS: &str = "/ics-device/v1/{scsAsId}/devices/{deviceId}/credentials";
const CREDENTIAL: &str = "/ics-device/v1/{scsAsId}/devices/{deviceId}/credentials/{credentialId}";
const JOB: &str = "/ics-demapping/v1/{scsAsId}/jobs/{jobId}";
const PROOFS: &str = "/ics-access/v1/{scsAsId}/service-proofs";
/// JSON texts, one a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// Where the document is.
pub(crate) const DOCUMENT: &str = "/openapi.json";
/// Where discovery is.
pub(crate) const DISCOVERY: &str = "/.well-known/ics";

/// Every path and the methods on it. Inquiries first: routes are tried in this order.
pub(crate) const PATHS: [(&str, &str); 24] = [
    ("/ics-inquiry/v1/retrieve-by-transaction", "POST"),
    ("/ics-inquiry/v1/retrieve-by-device", "POST"),
    (BULK, "POST"),
    (RESOLUTION, "POST"),
    (MAPPINGS, "GET, POST"),
    (MAPPING, "GET, PATCH, DELETE"),
    (SUBSCRIPTIONS, "GET, POST"),
    (SUBSCRIPTION, "GET, PUT, PATCH, DELETE"),
    (ASSIGNMENTS, "GET"),
    (ASSIGNMENT, "GET, PUT"),
    (MAPPINGS_SOCKET, "GET"),
    (ASSIGNMENTS_SOCKET, "GET"),
    ("/ics-demapping/v1/{scsAsId}/demap", "POST"),
    (JOB, "GET"),
    (DEVICES, "GET, POST"),
    (DEVICE, "GET, PATCH, DELETE"),
    (DEVICES_IN_BULK, "POST"),
    (PAIRING_CODES, "POST"),
    (CREDENTIALS, "POST"),
    (CREDENTIAL, "DELETE"),
    ("/ics-access/v1/{scsAsId}/profile", "GET"),
    (PROOFS, "POST"),
    (DISCOVERY, "GET"),
    (DOCUMENT, "GET"),
];

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 35] = [
        Self::InquireByTransaction,
        Self::InquireByDevice,
        Self::InquireInBulk,
        Self::ResolveDevice,
        Self::CreateMapping,
        Self::ListMappings,
        Self::ReadMapping,
        Self::AmendMapping,
        Self::CancelMapping,
        Self::CreateSubscription,
        Self::ListSubscriptions,
        Self::ReadSubscription,
        Self::ReplaceSubscription,
        Self::AmendSubscription,
        Self::DeleteSubscription,
        Self::ListAssignments,
        Self::ReadAssignment,
        Self::AnswerAssignment,
        Self::ListenToMappings,
        Self::ListenToAssignments,
        Self::Demap,
        Self::ReadJob,
        Self::RegisterDevice,
        Self::ListDevices,
        Self::ReadDevice,
        Self::AmendDevice,
        Self::UnregisterDevice,
        Self::RegisterDevicesInBulk,
        Self::MintPairingCode,
        Self::AddCredential,
        Self::RevokeCredential,
        Self::ReadProfile,
        Self::ProveService,
        Self::Discover,
        Self::ReadDocument,
    ];

    /// Its path, with parameters in braces.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::InquireByTransaction => "/ics-inquiry/v1/retrieve-by-transaction",
            Self::InquireByDevice => "/ics-inquiry/v1/retrieve-by-device",
            Self::InquireInBulk => BULK,
            Self::ResolveDevice => RESOLUTION,
            Self::CreateMapping | Self::ListMappings => MAPPINGS,
            Self::ReadMapping | Self::AmendMapping | Self::CancelMapping => MAPPING,
            Self::CreateSubscription | Self::ListSubscriptions => SUBSCRIPTIONS,
            Self::ReadSubscription
            | Self::ReplaceSubscription
            | Self::AmendSubscription
            | Self::DeleteSubscription => SUBSCRIPTION,
            Self::ListAssignments => ASSIGNMENTS,
            Self::ReadAssignment | Self::AnswerAssignment => ASSIGNMENT,
            Self::ListenToMappings => MAPPINGS_SOCKET,
            Self::ListenToAssignments => ASSIGNMENTS_SOCKET,
            Self::Demap => "/ics-demapping/v1/{scsAsId}/demap",
            Self::ReadJob => JOB,
            Self::RegisterDevice | Self::ListDevices => DEVICES,
            Self::ReadDevice | Self::AmendDevice | Self::UnregisterDevice => DEVICE,
            Self::RegisterDevicesInBulk => DEVICES_IN_BULK,
            Self::MintPairingCode => PAIRING_CODES,
            Self::AddCredential => CREDENTIALS,
            Self::RevokeCredential => CREDENTIAL,
            Self::ReadProfile => "/ics-access/v1/{scsAsId}/profile",
            Self::ProveService => PROOFS,
            Self::Discover => DISCOVERY,
            Self::ReadDocument => DOCUMENT,
        }
    }

    /// Its method.
    pub(crate) const fn verb(self) -> Verb {
        match self {
            Self::ListMappings
            | Self::ReadMapping
            | Self::ListSubscriptions
            | Self::ReadSubscription
            | Self::ListAssignments
            | Self::ReadAssignment
            | Self::ListenToMappings
            | Self::ListenToAssignments
            | Self::ReadJob
            | Self::ListDevices
            | Self::ReadDevice
            | Self::ReadProfile
            | Self::Discover
            | Self::ReadDocument => Verb::Get,
            Self::InquireByTransaction
            | Self::InquireByDevice
            | Self::InquireInBulk
            | Self::ResolveDevice
            | Self::CreateMapping
            | Self::CreateSubscription
            | Self::RegisterDevice
            | Self::RegisterDevicesInBulk
            | Self::MintPairingCode
            | Self::AddCredential
            | Self::ProveService
            | Self::Demap => Verb::Post,
            Self::ReplaceSubscription | Self::AnswerAssignment => Verb::Put,
            Self::AmendMapping | Self::AmendSubscription | Self::AmendDevice => Verb::Patch,
            Self::CancelMapping
            | Self::DeleteSubscription
            | Self::UnregisterDevice
            | Self::RevokeCredential => Verb::Delete,
        }
    }

    /// What it takes to call it.
    pub(crate) const fn gate(self) -> Gate {
        use ReferencePoint::{Ics1, Ics2, Ics3, Ics4, Ics5, Ics6, Ics7, Ics8};
        match self {
            Self::InquireByTransaction => Gate::Point(Ics7),
            // 10.3 case 1 says ICS-6; clause 9 gives inquiry to ICS-8 (t8 B.1).
            Self::InquireByDevice | Self::ResolveDevice => Gate::Point(Ics8),
            // Each line is asked over the point of its case.
            Self::InquireInBulk => Gate::Either(Ics7, Ics8),
            Self::CreateMapping
            | Self::ListMappings
            | Self::ReadMapping
            | Self::AmendMapping
            | Self::CancelMapping
            | Self::ListenToMappings => Gate::Point(Ics1),
            Self::CreateSubscription
            | Self::ListSubscriptions
            | Self::ReadSubscription
            | Self::ReplaceSubscription
            | Self::AmendSubscription
            | Self::DeleteSubscription
            | Self::ListAssignments
            | Self::ReadAssignment
            | Self::AnswerAssignment
            | Self::ListenToAssignments
            // An IoT SP has its devices managed where it has them assigned.
            | Self::RegisterDevice
            | Self::ListDevices
            | Self::ReadDevice
            | Self::AmendDevice
            | Self::UnregisterDevice
            | Self::RegisterDevicesInBulk
            | Self::MintPairingCode
            | Self::AddCredential
            | Self::RevokeCredential => Gate::Point(Ics2),
            Self::Demap | Self::ReadJob => Gate::Either(Ics3, Ics4),
            Self::ReadProfile => Gate::Either(Ics5, Ics6),
            Self::ProveService => Gate::Point(Ics5),
            Self::Discover | Self::ReadDocument => Gate::Certificate,
        }
    }

    /// The media types of its body, if it has one.
    pub(crate) const fn body(self) -> &'static [&'static str] {
        match self.verb() {
            Verb::Post if self.is_bulk() => &[NDJSON],
            Verb::Get | Verb::Delete => &[],
            Verb::Post | Verb::Put => &["application/json"],
            Verb::Patch => &["application/merge-patch+json", "application/json"],
        }
    }

    /// Whether it is a list with pages.
    pub(crate) const fn is_paged(self) -> bool {
        matches!(
            self,
            Self::ListMappings | Self::ListAssignments | Self::ListDevices
        )
    }

    /// The filter of a list with pages, if it has one.
    pub(crate) const fn filter(self) -> Option<&'static str> {
        match self {
            Self::ListMappings => Some("mapping-status"),
            Self::ListAssignments => Some("status"),
            _ => None,
        }
    }

    /// The largest body it takes, in bytes (t8 A.7).
    pub(crate) const fn largest_body(self) -> usize {
        match self {
            _ if self.is_bulk() => 8 * 1024 * 1024,
            _ => 64 * 1024,
        }
    }

    /// The media type of its answer when all is well, if it has a body.
    pub(crate) const fn answer(self) -> Option<&'static str> {
        match self {
            _ if self.is_bulk() => Some(NDJSON),
            _ if self.is_socket() => None,
            _ if matches!(self.verb(), Verb::Delete) => None,
            _ => Some("application/json"),
        }
    }

    /// Whether it is answered line by line.
    pub(crate) const fn is_bulk(self) -> bool {
        matches!(self, Self::InquireInBulk | Self::RegisterDevicesInBulk)
    }

    /// Whether it turns the connection into a websocket.
    pub(crate) const fn is_socket(self) -> bool {
        matches!(self, Self::ListenToMappings | Self::ListenToAssignments)
    }

    /// Whether it shows what may have run out by a clock that is not believed.
    pub(crate) const fn is_inquiry(self) -> bool {
        matches!(
            self,
            Self::InquireByTransaction
                | Self::InquireByDevice
                | Self::InquireInBulk
                | Self::ResolveDevice
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_allows_exactly_the_methods_of_its_operations() {
        for (path, allow) in PATHS {
            let mut allowed: Vec<_> = allow.split(", ").map(str::to_owned).collect();
            let mut served: Vec<_> = Operation::ALL
                .into_iter()
                .filter(|operation| operation.path() == path)
                .map(|operation| format!("{:?}", operation.verb()).to_uppercase())
                .collect();
            allowed.sort();
            served.sort();
            assert_eq!(allowed, served, "{path}");
        }
        for operation in Operation::ALL {
            assert!(
                PATHS.iter().any(|(path, _)| *path == operation.path()),
                "{operation:?}"
            );
        }
    }
}
