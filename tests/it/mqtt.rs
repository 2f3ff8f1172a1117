//! Devices over MQTT, in endpoint mode: the real gateway, clients nobody here wrote.

mod story;
