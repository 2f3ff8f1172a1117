//! Enrolment over Secure Transport (RFC 7030): how a service provider gets its certificate, with
//! openssl and curl alone, and the next one before that ends (Y.4462 7.4, 10.4).
//!
//! | question | module |
//! |---|---|
//! | what stands in bodies: base64, PKCS#10, PKCS#7 | `message` |
//! | who may come with a code, once | `invitation` |
//! | what is asked, and who asks | `enrolment` |
//! | which status a refusal has | `refusal` |
//! | routes, headers, sockets | `driver` |
//!
//! The operator invites a service provider (`sp invite`): a code of 128 bits, good once, for a time,
//! and kept as its hash. Nothing but the public key is taken from a request; the certificate is of the
//! authority's profile, and on record before it is given out. A code is used up by the certificate that was
//! recorded for it, in this order: a crash between both leaves one certificate more of the same
//! service provider, and no lost code.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attempts;
mod driver;
mod enrolment;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod invitation;
mod message;
mod refusal;

pub use driver::configure;
pub use enrolment::{Enrolment, OpenError, Ports, Settings};
pub use invitation::{Invitation, InviteError};
