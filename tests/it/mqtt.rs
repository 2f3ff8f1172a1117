//! Devices over MQTT: the real gateway, clients nobody here wrote; straight and through a broker.

mod acknowledgement;
mod attempts;
mod broker;
mod cbor;
mod handshake;
mod isolation;
mod revocation;
mod sleeping;
pub(crate) mod story;
mod world;
