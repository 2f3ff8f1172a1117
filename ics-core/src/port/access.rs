//! The ports of authentication and authorization (Y.4462 7.4, 10.4).

use alloc::sync::Arc;
use core::time::Duration;

use crate::id::{DeviceId, DeviceSerialNumber, ServiceUri};
use crate::mapping::{Attribute, Consent};
use crate::party::{Agreement, Party};
use crate::principal::{AuthenticationFailure, PeerCertificate, Principal};
use crate::reference_point::{ReferencePoint, Role};
use crate::time::Timestamp;

/// What a caller wants to do, with the facts a rule may look at.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// 10.1 step 1: ask for a mapping.
    RequestMapping {
        /// For this service.
        service_uri: &'a ServiceUri,
        /// The agreement with the chosen IoT SP, if one is in force.
        agreement: Option<&'a Agreement>,
        /// The consent the request carries.
        consent: Option<&'a Consent>,
        /// The device, as its user named it.
        device: DeviceFacts<'a>,
    },
    /// 10.1 step 7, the re-check before the row is established. The principal is the IoT SP.
    EstablishMapping {
        /// The third party's service.
        service_uri: &'a ServiceUri,
        /// The agreement the row stands on, if still in force.
        agreement: Option<&'a Agreement>,
        /// The consent the row stands on.
        consent: Option<&'a Consent>,
        /// The device, as its IoT SP named it.
        device: DeviceFacts<'a>,
    },
    /// 10.3: see a row. Asked with the agreement in force, if any.
    Inquire {
        /// The row's service.
        service_uri: &'a ServiceUri,
        /// The agreement the row stands on, if still in force.
        agreement: Option<&'a Agreement>,
        /// The row's device.
        device: DeviceFacts<'a>,
    },
    /// Anything that needs no more than role and scope: own list, own profile, de-mapping own
    /// rows, own subscriptions.
    UseOwn,
}

/// What is known of the device that an operation is about (TS 33.187 4.7: per UE).
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceFacts<'a> {
    /// What is printed on it: while the row is pending.
    pub serial: Option<&'a DeviceSerialNumber>,
    /// Its maker, if told.
    pub vendor: Option<&'a Attribute>,
    /// Its model, if told.
    pub model: Option<&'a Attribute>,
    /// Its ID: from step 7 on.
    pub id: Option<&'a DeviceId>,
}

/// One question to the decision point.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What the operator granted it.
    pub party: &'a Party,
    /// Over which reference point.
    pub reference_point: ReferencePoint,
    /// What it wants.
    pub operation: Operation<'a>,
    /// When.
    pub now: Timestamp,
}

/// Why an operation was denied. Towards a stranger some of these must look like absence; the
/// procedure decides which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// The party is suspended or was removed: nothing is looked at.
    #[error("party not served")]
    NotServed,
    /// The party does not have the role of the reference point.
    #[error("reference point not open to this role")]
    Role(Role),
    /// The token does not open the reference point.
    #[error("token does not carry the scope `{}`", .0.scope())]
    Scope(ReferencePoint),
    /// No agreement in force covers it (Y20).
    #[error("no agreement in force")]
    NoAgreement,
    /// The service URI is not one of the caller's (Y13).
    #[error("service not owned by the caller")]
    ServiceNotOwned,
    /// The service URI is one the caller says is its own, and has not shown (X3).
    #[error("service not proven")]
    ServiceNotProven,
    /// No consent stands (Y21).
    #[error("consent required")]
    ConsentRequired,
    /// A policy of the operator refuses it.
    #[error("refused by a policy of the operator")]
    Policy,
    /// It is refused for this device (T9). No third party may learn that: towards it, it is one of
    /// the many ways in which a device is not available.
    #[error("refused for this device")]
    Device,
}

/// Who may do what. Deny by default; an error while deciding is a denial.
///
/// A wrong permit shows or breaks somebody else's relationship; a wrong denial costs a call to
/// the operator.
pub trait DecisionPoint: Send + Sync {
    /// Decides one request.
    ///
    /// # Errors
    /// [`Denied`] with the first reason, in the order of [`Denied`].
    fn decide(&self, request: &AccessRequest<'_>) -> Result<(), Denied>;

    /// The device ID as the third party of `agreement` may see it: raw or pairwise.
    fn disclose(&self, agreement: &Agreement, device_id: &DeviceId) -> DeviceId;
}

/// Matches a bearer token with the certificate of the connection it came over (RFC 8705).
pub trait Authenticator: Send + Sync {
    /// The principal behind both.
    ///
    /// # Errors
    /// [`AuthenticationFailure`]; equal for unknown, expired, revoked and foreign tokens.
    fn authenticate(
        &self,
        peer: &Arc<PeerCertificate>,
        bearer: &str,
        now: Timestamp,
    ) -> Result<Principal, AuthenticationFailure>;
}

/// A caller asked too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("too many requests")]
pub struct RateLimited {
    /// When to come back.
    pub retry_after: Duration,
}

/// Keeps callers within [`crate::party::Limits`].
pub trait RateLimiter: Send + Sync {
    /// Counts one request.
    ///
    /// # Errors
    /// [`RateLimited`] above the party's requests a second.
    fn admit(&self, party: &Party, now: Timestamp) -> Result<(), RateLimited>;

    /// Counts `requests` more that one admitted request turned out to hold. They are not refused
    /// any more: what is above the limit is owed before the next request is admitted.
    fn charge(&self, party: &Party, requests: u32, now: Timestamp);

    /// Whether the party's failed mappings of the day leave room for another request.
    fn has_failure_quota(&self, party: &Party, now: Timestamp) -> bool;

    /// Counts a mapping that failed on the device's side.
    fn count_failure(&self, third_party_sp: &crate::id::SpId, now: Timestamp);
}
