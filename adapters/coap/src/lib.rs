//! The device channel over CoAP (channels.md C; Y.4462 10.1 steps 4 to 6, 10.2, 10.3 case 1, I.4).
//!
//! | module | what it answers |
//! |---|---|
//! | `endpoint` | the public face: one socket is served |
//! | `listener` | the one task of a socket: datagrams, sessions, what the service is asked |
//! | `dtls` | datagrams in, who speaks and what they say out |
//! | `message` | what that is: a request, a ping, an acknowledgement, nothing |
//! | `exchange` | what was said before, what must arrive |
//! | `session` | one device: what it asks, what it is told by itself |
//! | `resource` | what there is to ask for |
//! | `upload` | a payload that comes in parts |
//! | `conversation` | what a device asks for, done |
//! | `guest` | what is asked of another protocol on the same sessions |
//! | `sessions` | which devices are here; the core's `DeviceBell` |
//! | `usage` | what each of them has used of what it may |
//! | `plain` | without DTLS: discovery, for anybody on loopback |
//!
//! Identity comes from the handshake and is bound to the association once; whether the device is still
//! served is asked on every request. What is answered is durable. The document is state: only its
//! newest version is ever on its way.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod conversation;
mod dtls;
mod endpoint;
mod exchange;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod listener;
mod message;
mod plain;
mod resource;
mod session;
mod sessions;
mod upload;
mod usage;

pub use dtls::{ServerCredential, Trust, UnusableCredential, Verify};
pub use endpoint::{Endpoint, Limits};
pub use guest::{Guest, GuestAnswer, GuestRequest, Serve};
pub use sessions::Sessions;
