//! JSON of the messages: one way in, one way out.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::InvalidPayload;

/// A text that borrows from the payload where it can.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Reads a message.
pub(crate) fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, InvalidPayload> {
    serde_json::from_slice(payload).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => InvalidPayload::Members,
        _ => InvalidPayload::Form,
    })
}

/// Writes a message. Ours are structs of texts and numbers: there is none that cannot be written.
pub(crate) fn write<T: Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// A member that may be missing, but is not null when it is there.
pub(crate) fn present<'a, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'a>,
    T: Deserialize<'a>,
{
    T::deserialize(deserializer).map(Some)
}
