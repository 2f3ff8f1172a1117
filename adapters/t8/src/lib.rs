//! The T8-style REST API of the identity correlation service: what third party SPs and IoT SPs
//! speak (TS 29.122 conventions, TS 33.187 security, Y.4462 reference points ICS-1 to ICS-8).
//!
//! | question | where |
//! |---|---|
//! | which operations there are, on which reference point | `operation` |
//! | who is calling, and in which order checks are made | `guard` |
//! | bytes to bodies, strictly; answers to bytes | [`wire`] |
//! | bodies to the vocabulary of the core, and back | `translate` |
//! | what each resource does | `resource` |
//! | what each refusal of the core is called on the wire | `error`, `problem` |
//! | sockets and headers; the only files that name actix-web | `driver` |
//! | which SP has its websocket open | [`Sockets`] |
//!
//! Nothing is decided here: every call ends in `ics_core::service::IcsService`, which asks the
//! decision point.
//!
//! [`configure`] mounts the operations; [`openapi()`] describes them.

#![forbid(unsafe_code)]

mod api;
mod driver;
mod error;
mod exchange;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod link;
mod media;
mod negotiation;
mod openapi;
mod operation;
mod problem;
mod query;
mod resource;
mod socket;
mod translate;
pub mod wire;

pub use api::{ChallengeReader, InvalidSettings, Settings, T8Api};
pub use driver::configure;
pub use link::ResourceUris;
pub use openapi::openapi;
pub use socket::Sockets;
