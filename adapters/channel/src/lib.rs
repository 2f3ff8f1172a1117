//! What all device channels share: the payloads, what they ask of the service, how much a device may
//! do; and nothing of how it travels.
//!
//! | message | shape (JSON; CBOR has the same members) | step of Y.4462 |
//! |---|---|---|
//! | [`document`] | `{"v":7,"m":[{"id","svc","uti","e2e"?}]}` | 10.1 step 4, 10.2 |
//! | [`acknowledgement`] | `{"v":7,"no":["<id>"]?}` | 10.1 step 6 |
//! | [`inquiry`] | nothing or `{"svc"?}`; `{"did","m":[{"id","svc","uti"}]}` | 10.3 case 1 |
//! | [`revocation`] | `{"id"}` or `{"svc","uti"}` | 10.2 |
//! | [`event`] | `{"id","data"}` | Appendix I.1 |
//! | [`refusal`] | `{"code":404,"err":"no_mapping"}` | 11.1 |
//!
//! | module | what it answers |
//! |---|---|
//! | `service` | what of the service a channel needs |
//! | `certificate` | what a verified certificate of a device says |
//! | `attempt` | what is refused before the service is asked |
//! | `delivery` | when its document goes out by itself |
//! | `allowance` | how much a device may do in a time |
//!
//! Reading is total and strict: a member that is unknown, twice there or of another kind is
//! refused, and so is what stands behind the message. An identifier is parsed before anybody sees
//! it. In CBOR (RFC 8949) opaque values (`e2e`, `data`) are byte strings; in JSON `e2e` is base64url
//! without padding and `data` is any value, taken byte by byte as it stands.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod acknowledgement;
mod allowance;
mod attempt;
mod cbor;
mod certificate;
mod delivery;
pub mod document;
pub mod event;
#[cfg(feature = "fake")]
#[doc(hidden)]
#[allow(missing_docs, clippy::missing_panics_doc, reason = "for tests alone")]
pub mod fake;
mod format;
pub mod inquiry;
mod json;
pub mod refusal;
pub mod revocation;
mod service;

pub use allowance::{Meter, Rate, TOLD_AGAIN, Taken, Usage};
pub use attempt::RefusedAttempt;
pub use certificate::DeviceCertificate;
pub use delivery::{AGAIN, Delivery, FRESH};
pub use format::{Format, InvalidPayload};
pub use service::DeviceService;

#[cfg(test)]
mod tests;
