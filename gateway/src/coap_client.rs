//! CoAP over DTLS 1.2 as a device with a pre-shared key speaks it.
//!
//! Used by the demo's devices and the bench; never by the service.

mod association;

pub(crate) use association::{Association, AssociationError, PreSharedKey};
