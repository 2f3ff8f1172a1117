//! The bindings: what HTTP, MQTT and CoAP make of a primitive (TS-0009, TS-0010, TS-0008). Pure:
//! bytes, headers, topics and options in, primitives out, and back.

pub(crate) mod http;
