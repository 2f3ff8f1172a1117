//! Whole connections: a device on a foreign MQTT library, an endpoint, a service in memory.

mod client;
mod connecting;
mod document;
mod ending;
mod hostile;
mod upward;
