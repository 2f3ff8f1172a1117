//! Sample clients of the gateway, over its public interfaces only: what a service provider would
//! write on its own side. Small, to be read and copied.
//!
//! - [`verify`]: is this callback from the gateway, unaltered, fresh, and not a replay?
//! - [`ledger`]: was it taken before, and is it the newest word on its mapping?
//! - [`inbox`]: a callback as it was received, read from JSON.

#![forbid(unsafe_code)]

pub mod inbox;
pub mod ledger;
pub mod verify;
