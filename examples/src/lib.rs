//! Sample clients of the gateway, over its public interfaces only: what a service provider, or who
//! makes a device, would write on its own side. Small, to be read and copied.
//!
//! Service providers:
//! - [`verify`]: is this callback from the gateway, unaltered, fresh, and not a replay?
//! - [`ledger`]: was it taken before, and is it the newest word on its mapping?
//! - [`inbox`]: a callback as it was received, read from JSON.
//!
//! Devices:
//! - [`device`]: what is held, what is acknowledged; a state machine without I/O
//! - [`mqtt_device`]: the same over MQTT 5
//! - [`coap_device`]: the same over CoAP and DTLS, with a pre-shared key
//! - [`thing`]: what either is asked to do and tells, and a file for its copy
//! - [`end_to_end`]: a value that the third party seals and the device alone opens
//! - [`lossy`]: a bad line to try a device on, with [`chance`] that can be repeated
//! - [`tls`]: certificates from files

#![forbid(unsafe_code)]

pub mod chance;
pub mod coap_device;
pub mod device;
pub mod end_to_end;
pub mod inbox;
pub mod ledger;
pub mod lossy;
pub mod mqtt_device;
pub mod thing;
pub mod tls;
pub mod verify;
