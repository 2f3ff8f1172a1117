//! `coap-discovery`, `coap-document`, `coap-peers`: the CoAP listener against libcoap's server, which
//! holds a resource of the same size and is asked by the same client.

mod discovery;
mod document;
mod fleet;
mod libcoap;
mod line;
mod load;
mod peers;

pub(super) use discovery::measure as measure_discovery;
pub(super) use document::measure as measure_document;
pub(super) use peers::measure as measure_peers;
