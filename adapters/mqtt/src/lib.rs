//! The device channel over MQTT 3.1.1 and 5, in endpoint mode: the gateway terminates MQTT itself,
//! there is no broker (channels.md A, A.1; Y.4462 10.1 steps 4 to 6, 10.2, 10.3 case 1, I.1).
//!
//! | module | what it answers |
//! |---|---|
//! | `endpoint` | the public face: one accepted connection is served to its end |
//! | `roster` | who is connected; the core's `DeviceBell` |
//! | `handshake` | CONNECT: who is it, by its credential alone |
//! | `guesses` | how often a password may be wrong |
//! | `session` | everything after it |
//! | `topic` | the fixed topics of a device's own subtree, and nothing beside it |
//! | `driver` | the socket: whole packets in, bounded bytes out |
//! | `packet` | MQTT on the wire, without I/O |
//! | `asyncapi` | all of this for who writes firmware |
//!
//! The client id is nothing: identity comes from the credential. A PUBACK says that what was
//! published is durable. The document is state: only its newest version is ever on its way.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod allowance;
mod asyncapi;
mod driver;
mod endpoint;
#[cfg(any(test, feature = "fuzzing"))]
mod fake;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guesses;
mod handshake;
mod packet;
mod roster;
mod service;
mod session;
mod topic;

pub use allowance::Rate;
pub use asyncapi::describe;
pub use endpoint::{DeviceCertificate, Ended, Endpoint, Limits, PeerDevice};
pub use guesses::GuessLimits;
pub use roster::Sessions;
pub use service::DeviceService;
