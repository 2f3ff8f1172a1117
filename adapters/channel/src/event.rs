//! A device says something to the service one of its rows maps it to: `{"id":"..","data":..}`.
//! What `data` is, is between device and service: its bytes go through as they are (Appendix I.1).

use ics_core::id::MappingId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::acknowledgement::{read_id, told};
use crate::cbor::{Reader, Writer, once};
use crate::json::{self, Text};
use crate::{Format, InvalidPayload};

/// What a device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// To the service of this row.
    pub mapping: MappingId,
    /// In JSON the text of the value as it stands, in CBOR the content of the byte string.
    pub data: &'a [u8],
    /// Whether `data` is the text of a JSON value.
    pub is_json: bool,
}

/// Reads the message.
///
/// # Errors
/// [`InvalidPayload`].
pub fn parse(payload: &[u8]) -> Result<Event<'_>, InvalidPayload> {
    match Format::of(payload)? {
        Format::Json => {
            let wire: Wire<'_> = json::read(payload)?;
            Ok(Event {
                mapping: read_id(&wire.id.0)?,
                data: wire.data.get().as_bytes(),
                is_json: true,
            })
        }
        Format::Cbor => {
            let (mut id, mut data) = (None, None);
            Reader::read_whole(payload, |name, reader| match name {
                "id" => once(&mut id, read_id(reader.text()?)?),
                "data" => once(&mut data, reader.bytes()?),
                _ => Err(InvalidPayload::Members),
            })?;
            let (mapping, data) = id.zip(data).ok_or(InvalidPayload::Members)?;
            Ok(Event {
                mapping,
                data,
                is_json: false,
            })
        }
    }
}

/// Writes the message, as a device does: JSON when `data` is JSON, else CBOR.
///
/// # Errors
/// [`InvalidPayload::Value`] when `data` is said to be JSON and is not.
pub fn encode(event: &Event<'_>) -> Result<Vec<u8>, InvalidPayload> {
    let id = told(&event.mapping);
    if event.is_json {
        let data = serde_json::from_slice(event.data).map_err(|_| InvalidPayload::Value)?;
        Ok(json::write(&Told { id, data }))
    } else {
        let mut out = Writer::map_of(2);
        out.text("id").text(&id);
        out.text("data").byte_string(event.data);
        Ok(out.finish())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Serialize)]
struct Told<'a> {
    id: String,
    data: &'a RawValue,
}
