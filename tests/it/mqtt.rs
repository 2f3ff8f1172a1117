//! Devices over MQTT, in endpoint mode: the real gateway, clients nobody here wrote.

mod acknowledgement;
mod cbor;
mod handshake;
mod isolation;
mod revocation;
mod sleeping;
mod story;
mod world;
