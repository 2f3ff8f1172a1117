//! DTLS 1.2 (RFC 6347) over one socket.
//!
//! Nothing is kept of an address before it has shown that it gets what is sent to it: the first
//! ClientHello is answered with a cookie that only its answer brings back (`cookie`), and the
//! association begins with the second one (`association`). What the client sends then is put
//! together here (`record`, `flight`), and handed to rtc-dtls whole: of what anybody could have
//! sent, nothing reaches an association that stands.

mod association;
mod cookie;
mod crowd;
mod flight;
mod hello;
mod peer;
mod provider;
mod record;
mod trust;

pub(crate) use association::{Associations, DtlsLimits, Heard, Shown};
pub use trust::{ServerCredential, Trust, UnusableCredential, Verify};
