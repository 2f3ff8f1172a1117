//! CoAP over DTLS 1.2 as a device with a pre-shared key speaks it.
//!
//! Used by the demo's devices and the bench; never by the service.

mod association;
mod exchange;
mod session;

pub(crate) use association::{Association, AssociationError, PreSharedKey};
/// How it went, as an answer says.
pub(crate) use coap_lite::ResponseType as Code;
pub(crate) use exchange::{Answer, Request};
pub(crate) use session::{Session, SessionError};
