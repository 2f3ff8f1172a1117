//! The identity correlation service (ICS) of Recommendation ITU-T Y.4462, without any I/O.
//!
//! | clause of Y.4462 | what | module |
//! |---|---|---|
//! | 3.1.5, 3.2.2, 3.2.3, 10.1 | device ID, UTI, serial number, service URI | [`id`] |
//! | 8, 10.1 Table 1 | a row of the mapping table and its life cycle | [`mapping`] |
//! | 9 | the eight reference points | [`reference_point`] |
//! | 10.1 | mapping | [`procedure::mapping`], [`procedure::assignment`] |
//! | 10.1 steps 3 and 9 | what each party is told, and when | [`outbox`], [`procedure::delivery`] |
//! | 10.2 | de-mapping; in bulk | [`procedure::demapping`]; [`fence`], [`job`], [`procedure::sweep`] |
//! | 10.3 | inquiry | [`procedure::inquiry`] |
//! | 6, 10.1 steps 4 to 6 | devices the gateway hosts, and what they must hold | [`device`], [`device_document`], [`procedure::hosting`] |
//! | - | what adapters remember for themselves | [`keepsake`] |
//! | row X6 | what is left for the decision log | [`audit`] |
//! | 7.4 (Y21) | the user's consent | [`consent`] |
//! | 7.4, 10.4 | who may do what | [`procedure::access`], [`principal`], [`party`] |
//!
//! Procedures are pure: facts and time in, a [`change::Change`] out. [`service`] joins them to
//! the [`port`]s that adapters implement. This crate names no runtime, no wire format, no clock
//! and no random source.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

pub mod audit;
pub mod change;
pub mod consent;
pub mod correlation;
pub mod device;
pub mod device_document;
pub mod directory;
pub mod fence;
mod hex;
pub mod id;
pub mod job;
pub mod keepsake;
pub mod mapping;
pub mod outbox;
pub mod party;
pub mod port;
pub mod principal;
pub mod procedure;
pub mod reference_point;
pub mod sealed;
pub mod service;
pub mod time;
pub mod timekeeping;
