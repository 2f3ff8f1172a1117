//! Bodies: bytes to structures, strictly, and structures to bytes. No I/O.
//!
//! One file for each API. Requests borrow from the bytes they came in. What is not named here is
//! refused (design.md 6.5), null included; what leaves is listed member by member, so that each
//! is a decision. Reasons are built here and never repeat what was sent.

mod access;
mod demapping;
mod device;
mod device_mapping;
mod discovery;
mod frame;
mod inquiry;
mod mapping;
mod notification;
mod number;
mod read;
pub(crate) mod schema;
mod text;

pub use access::ServiceProofOrder;
pub use demapping::Demap;
pub use device::{CredentialOrder, DevicePatch, DeviceRegistration, PairingOrder};
pub use device_mapping::{Answer, SerialNamespace, Subscription, SubscriptionPatch};
pub use frame::{FrameGate, FrameTooLarge};
pub use inquiry::{DeviceInquiry, Resolution, TransactionInquiry};
pub use mapping::{IdentityMapping, IdentityMappingPatch, UserConsent, WebsockNotifConfig};
pub use notification::Acknowledgement;
pub use read::{Body, Fault, InvalidBody, parse_body};

pub(crate) use access::{
    AgreementView, LimitsView, ProfileView, ServiceProofView, UnprovenServiceView,
};
pub(crate) use demapping::{DemappedView, JobView};
pub(crate) use device::{CredentialView, DeviceView, DocumentView, PairingView};
pub(crate) use device_mapping::{
    AssignmentView, ConsentView, SerialNamespaceView, SubscriptionView,
};
pub(crate) use discovery::{ApiView, CallbackSignatureView, DiscoveryView};
pub(crate) use inquiry::{
    DeviceAnswerView, PairView, ResolutionView, TransactionAnswerView, point_of_line,
};
pub(crate) use mapping::{MappingView, WebsocketView};
pub(crate) use number::Whole;
pub(crate) use read::Object;
pub(crate) use text::{Shown, Text};

/// The bytes of an answer.
pub(crate) fn write(view: &impl serde::Serialize) -> Result<Vec<u8>, crate::problem::Problem> {
    serde_json::to_vec(view).map_err(|_| crate::problem::Cause::SystemFailure.into())
}

#[cfg(test)]
mod tests;
