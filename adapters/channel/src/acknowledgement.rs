//! What a device says it holds: `{"v":7}` or `{"v":7,"no":["<mapping id>"]}`.

use ics_core::device_document::{Acknowledgement, DocumentState};
use ics_core::id::MappingId;
use serde::{Deserialize, Serialize};

use crate::cbor::{Reader, Writer, once};
use crate::json::{self, Text};
use crate::{Format, InvalidPayload};

/// Reads the message.
///
/// # Errors
/// [`InvalidPayload`]; more refused rows than a device can hold are none of its own.
pub fn parse(payload: &[u8]) -> Result<Acknowledgement, InvalidPayload> {
    let (version, refused) = match Format::of(payload)? {
        Format::Json => {
            let wire: Wire<'_> = json::read(payload)?;
            let ids = wire.no.unwrap_or_default();
            let ids = ids.iter().map(|id| read_id(&id.0));
            (wire.v, ids.collect::<Result<Vec<_>, _>>()?)
        }
        Format::Cbor => read_cbor(payload)?,
    };
    if version > DocumentState::HIGHEST_VERSION || refused.len() > DocumentState::MOST_ROWS {
        return Err(InvalidPayload::Value);
    }
    Ok(Acknowledgement { version, refused })
}

/// Writes the message, as a device does.
#[must_use]
pub fn encode(acknowledgement: &Acknowledgement, format: Format) -> Vec<u8> {
    let ids: Vec<String> = acknowledgement.refused.iter().map(told).collect();
    match format {
        Format::Json => json::write(&Told {
            v: acknowledgement.version,
            no: (!ids.is_empty()).then_some(ids),
        }),
        Format::Cbor => {
            let mut out = Writer::map_of(if ids.is_empty() { 1 } else { 2 });
            out.text("v").unsigned(acknowledgement.version);
            if !ids.is_empty() {
                out.text("no").array(ids.len());
                for id in &ids {
                    out.text(id);
                }
            }
            out.finish()
        }
    }
}

/// The text of a row's id: the one form the gateway tells.
pub(crate) fn told(id: &MappingId) -> String {
    id.to_string()
}

pub(crate) fn read_id(text: &str) -> Result<MappingId, InvalidPayload> {
    MappingId::parse(text).map_err(|_| InvalidPayload::Value)
}

fn read_cbor(payload: &[u8]) -> Result<(u64, Vec<MappingId>), InvalidPayload> {
    let (mut version, mut refused) = (None, None);
    Reader::read_whole(payload, |name, reader| match name {
        "v" => once(&mut version, reader.unsigned()?),
        "no" => {
            let mut ids = Vec::new();
            reader.array(|reader| {
                ids.push(read_id(reader.text()?)?);
                Ok(())
            })?;
            once(&mut refused, ids)
        }
        _ => Err(InvalidPayload::Members),
    })?;
    let version = version.ok_or(InvalidPayload::Members)?;
    Ok((version, refused.unwrap_or_default()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    v: u64,
    #[serde(borrow, default, deserialize_with = "json::present")]
    no: Option<Vec<Text<'a>>>,
}

#[derive(Serialize)]
struct Told {
    v: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    no: Option<Vec<String>>,
}
