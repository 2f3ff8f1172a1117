//! Devices over CoAP and DTLS: the real gateway, clients nobody here wrote; and the devices of the kit
//! at a server nobody here wrote.

mod desk;
mod histories;
mod kit;
pub(crate) mod live;
mod plain;
mod program;
mod refusals;
mod story;
pub(crate) mod tap;
pub(crate) mod threats;
pub(crate) mod world;
