//! The payloads that all device channels share, and nothing of how they travel.
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
//! Reading is total and strict: a member that is unknown, twice there or of another kind is
//! refused, and so is what stands behind the message. An identifier is parsed before anybody sees
//! it. In CBOR (RFC 8949) opaque values (`e2e`, `data`) are byte strings; in JSON `e2e` is base64url
//! without padding and `data` is any value, taken byte by byte as it stands.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod acknowledgement;
mod cbor;
pub mod document;
pub mod event;
mod format;
pub mod inquiry;
mod json;
pub mod refusal;
pub mod revocation;

pub use format::{Format, InvalidPayload};

#[cfg(test)]
mod tests;
