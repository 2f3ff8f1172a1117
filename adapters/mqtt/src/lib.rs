//! The device channel over MQTT (channels.md A; Y.4462 10.1 steps 4 to 6, 10.2, 10.3 case 1, I.1), in
//! one of two ways or both. Endpoint mode: the gateway terminates MQTT 3.1.1 and 5 itself. Broker
//! mode: it is a client of a broker that the operator runs.
//!
//! | module | what it answers |
//! |---|---|
//! | `endpoint` | the public face: one accepted connection is served to its end |
//! | `roster` | who is connected; the core's `DeviceBell` |
//! | `handshake` | CONNECT: who is it, by its credential alone |
//! | `guesses` | how often a password may be wrong |
//! | `session` | everything after it |
//! | `broker` | the other way: as a client of a broker; a line to one for other protocols |
//! | `conversation` | what a device says, acted upon, whichever way it came |
//! | `topic` | the fixed topics of a device's own subtree, and nothing beside it |
//! | `driver` | the socket: whole packets in, bounded bytes out |
//! | `packet` | MQTT on the wire, without I/O |
//! | `asyncapi` | all of this for who writes firmware |
//!
//! The client id is nothing: identity comes from the credential. A PUBACK says that what was
//! published is durable. The document is state: only its newest version is ever on its way.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod asyncapi;
mod broker;
mod conversation;
mod driver;
mod endpoint;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guesses;
mod handshake;
mod packet;
mod roster;
mod session;
mod topic;

pub use asyncapi::describe;
pub use broker::{
    Awaited, Broker, BrokerSettings, Dial, Disguise, Line, LineSettings, LinkError, ProbeError,
    PublishError, Receive, Stranger, Ways, Wire, probe,
};
pub use endpoint::{Ended, Endpoint, Limits, PeerDevice};
pub use guesses::GuessLimits;
pub use roster::Sessions;
