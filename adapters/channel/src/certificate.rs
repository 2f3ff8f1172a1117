//! What a device's certificate says, once it is verified.

use ics_core::id::{DeviceId, SpId};
use ics_core::principal::CertificateThumbprint;
use ics_core::time::Timestamp;

/// What a verified certificate of a hosted device says: its chain held, and its one SAN URI is
/// `urn:ics:dev:<iot_sp>:<device_id>`, in the namespace of its trust anchor.
#[derive(Clone)]
pub struct DeviceCertificate {
    /// The IoT SP it names.
    pub iot_sp: SpId,
    /// The device it names.
    pub device_id: DeviceId,
    /// SHA-256 of the leaf.
    pub thumbprint: CertificateThumbprint,
    /// When it ends.
    pub not_after: Timestamp,
}

impl std::fmt::Debug for DeviceCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceCertificate(of a device of {})", self.iot_sp)
    }
}
