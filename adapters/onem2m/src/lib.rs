//! The oneM2M binding: the gateway as a CSE of its own, `/id-ics`, joined to a platform over Mcc, and
//! called directly over Mca (TS-0001, TS-0004; TS-0009 HTTP, TS-0010 MQTT, TS-0008 CoAP).
//!
//! | question | module |
//! |---|---|
//! | what a request and an answer are, whatever carries them | [`primitive`], [`rsc`] |
//! | where a resource is | [`address`] |
//! | who asks, and whether that is proved | [`caller`] |
//! | who answers, and what was asked before | [`handler`], [`repeats`] |
//! | where the platform admits no foreign CSE | [`mailbox`] |
//! | bytes, headers, topics, options | `binding` |
//! | the CSE on a broker, on CoAP | [`mqtt`], [`coap`] |
//! | how requests of ours get out | [`outbound`] |
//! | what is kept for hosted devices | `hosted` |
//!
//! It never believes `X-M2M-Origin` alone, and never returns an external identifier (`mei`), a node
//! id or a serial number to a third party.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod access;
pub mod address;
mod binding;
pub mod caller;
pub mod client;
pub mod coap;
mod cse;
mod discovery;
mod driver;
#[cfg(test)]
mod fake;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handler;
mod hosted;
mod ics;
pub mod mailbox;
pub mod mqtt;
mod notification;
pub mod outbound;
pub mod primitive;
pub mod registration;
pub mod repeats;
mod resource;
mod road;
pub mod rsc;
mod shelf;
mod time;
mod token;
mod tree;

pub use cse::{Answered, Cse, Ports, Settings};
pub use driver::configure;
