//! Devices over MQTT: the real gateway, clients nobody here wrote; straight and through a broker.

mod broker;
mod story;
