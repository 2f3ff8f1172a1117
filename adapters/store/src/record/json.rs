//! A record as one JSON object: fields by name, absent options left out, bytes as base64url,
//! instants as RFC 3339, ids as UUIDs.
//!
//! Reading is strict and total: a member that is unknown, doubled, missing, or written in another
//! way than [`JsonSink`] writes it is refused, by its place and never with its value.

mod node;
mod sink;
mod source;

pub(crate) use sink::JsonSink;
pub(crate) use source::{JsonSource, Misfit};

fn render_uuid(id: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in id.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
    let id = number.to_be_bytes();
    // One id has one spelling.
    (render_uuid(&id) == text).then_some(id)
}

#[cfg(test)]
mod tests;
