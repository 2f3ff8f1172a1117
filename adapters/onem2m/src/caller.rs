//! Who is at the other end of a connection, and whether that proves who `fr` says is asking.
//!
//! `X-M2M-Origin` is a claim. A certificate proves an AE (its AE-ID, or the service provider's own
//! name), a hosted device, or the CSE of the last hop, which vouches for nobody: whoever asks through it
//! proves itself by `tok` (onem2m.md A.2). TS-0003 names the certificates; the check is ours.

use std::sync::Arc;

use ics_channel::DeviceCertificate;
use ics_core::id::AeId;
use ics_core::principal::{
    CertificateSerial, CertificateThumbprint, DeviceIdentity, PeerCertificate, Principal,
};
use ics_core::time::Timestamp;

/// Who a connection belongs to.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A service provider, by the certificate this operator's authority gave it.
    Sp(Arc<PeerCertificate>),
    /// An AE of another CSE, calling for the provider it belongs to.
    Ae(Arc<AeCertificate>),
    /// Somebody with the certificate of a hosted device.
    Certified(Arc<DeviceCertificate>),
    /// A hosted device, on a channel that asked who it is.
    Device(Arc<DeviceIdentity>),
    /// The CSE of the last hop; its CSE-ID without the slash.
    Cse(String),
    /// Whoever wrote into its mailbox at the platform's CSE, whose policies let nobody else; the CSE-ID
    /// without the slash.
    Mailbox(String),
    /// Somebody on this host, in a sandbox: what it says is believed.
    Loopback,
}

/// A verified certificate with an absolute AE-ID (TS-0003 10.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AeCertificate {
    /// The AE it names.
    pub ae: AeId,
    /// SHA-256 of the leaf.
    pub thumbprint: CertificateThumbprint,
    /// Its serial number.
    pub serial: CertificateSerial,
    /// When it ends.
    pub not_after: Timestamp,
}

impl Caller {
    /// What tells it from every other one.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Sp(certificate) => format!("sp {:?}", certificate.thumbprint),
            Self::Ae(certificate) => format!("ae {:?}", certificate.thumbprint),
            Self::Certified(certificate) => format!("device {:?}", certificate.thumbprint),
            Self::Device(identity) => format!("device {}", identity.device_id.as_str()),
            Self::Cse(cse_id) => format!("cse {cse_id}"),
            Self::Mailbox(cse_id) => format!("mailbox {cse_id}"),
            Self::Loopback => "loopback".to_owned(),
        }
    }

    /// Who it is, for logs: of a device, whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sp(certificate) => certificate.sp.as_str(),
            Self::Ae(certificate) => certificate.ae.as_str(),
            Self::Certified(certificate) => certificate.iot_sp.as_str(),
            Self::Device(identity) => identity.iot_sp.as_str(),
            Self::Cse(cse_id) | Self::Mailbox(cse_id) => cse_id,
            Self::Loopback => "loopback",
        }
    }
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
    /// The party that asks, if the connection proves it.
    pub(crate) const fn principal(&self) -> Option<&Principal> {
        match &self.standing {
            Standing::Party(principal) => Some(principal),
            _ => None,
        }
    }
}
