//! Who is at the other end of a connection, and whether that proves who `fr` says is asking.
//!
//! `X-M2M-Origin` is a claim. A certificate proves an AE (its AE-ID, or the service provider's own
//! name), a hosted device, or the CSE of the last hop, which vouches for nobody: whoever asks through it
//! proves itself by `tok` (onem2m.md A.2). TS-0003 names the certificates; the check is ours.

use std::sync::Arc;

use ics_core::id::SpId;
use ics_core::principal::{DeviceIdentity, PeerCertificate, Principal};

/// Who a connection belongs to.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A service provider, by the certificate this operator's authority gave it.
    Sp(Arc<PeerCertificate>),
    /// A hosted device.
    Device(Arc<DeviceIdentity>),
    /// The CSE of the last hop; its CSE-ID without the slash.
    Cse(String),
    /// Somebody on this host, in a sandbox: what it says is believed.
    Loopback,
}

/// Who asks, and what is known of that.
#[derive(Clone, Debug)]
pub(crate) struct Originator {
    /// `fr`: SP-relative for an AE or CSE elsewhere, the AE-ID stem for one of ours; empty for an AE
    /// that is to get its name.
    pub(crate) id: String,
    /// What is known of it.
    pub(crate) standing: Standing,
}

/// What is known of an originator.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// The operator's own originator: everything.
    Admin,
    /// A service provider that proved itself.
    Party(Principal),
    /// A hosted device that proved itself.
    Device(Arc<DeviceIdentity>),
    /// The CSE of the last hop itself.
    Hop,
    /// Behind the CSE of the last hop: `fr` lies under its CSE-ID, and that is all that is known.
    BehindHop,
    /// An AE of this CSE, or one to be, in a sandbox that believes it.
    Believed,
}

impl Originator {
    /// The party that asks, if it proved itself.
    pub(crate) fn party(&self) -> Option<&SpId> {
        match &self.standing {
            Standing::Party(principal) => Some(&principal.sp),
            _ => None,
        }
    }
}
