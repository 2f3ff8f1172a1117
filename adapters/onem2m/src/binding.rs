//! The bindings: what HTTP, MQTT and CoAP make of a primitive (TS-0009, TS-0010, TS-0008). Pure:
//! bytes, headers, topics and options in, primitives out, and back.

pub(crate) mod coap;
pub(crate) mod http;
pub(crate) mod mqtt;
mod query;

/// The address that a path without its first slash stands for: `~/` is the slash of an SP-relative
/// one, `_/` the two of an absolute one.
fn address_of(path: &str) -> String {
    if let Some(sp_relative) = path.strip_prefix("~/") {
        format!("/{sp_relative}")
    } else if let Some(absolute) = path.strip_prefix("_/") {
        format!("//{absolute}")
    } else {
        path.to_owned()
    }
}

/// The path that stands for an address, without its first slash.
fn path_of_address(to: &str) -> String {
    match (to.strip_prefix("//"), to.strip_prefix('/')) {
        (Some(absolute), _) => format!("_/{absolute}"),
        (None, Some(sp_relative)) => format!("~/{sp_relative}"),
        (None, None) => to.to_owned(),
    }
}
