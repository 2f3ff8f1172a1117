//! A device, or its user by it, gives a pair up: `{"id":".."}` or `{"svc":"..","uti":".."}`.

use ics_core::service::Given;
use serde::{Deserialize, Serialize};

use crate::acknowledgement::{read_id, told};
use crate::cbor::{Reader, Writer, once};
use crate::document::read_key;
use crate::json::{self, Text};
use crate::{Format, InvalidPayload};

/// Reads the message.
///
/// # Errors
/// [`InvalidPayload`]; a row is named in one way, not in two.
pub fn parse(payload: &[u8]) -> Result<Given, InvalidPayload> {
    match Format::of(payload)? {
        Format::Json => {
            let wire: Wire<'_> = json::read(payload)?;
            let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.to_string());
            let (id, svc, uti) = (text(&wire.id), text(&wire.svc), text(&wire.uti));
            read_given(id.as_deref(), svc.as_deref(), uti.as_deref())
        }
        Format::Cbor => {
            let (mut id, mut svc, mut uti) = (None, None, None);
            Reader::read_whole(payload, |name, reader| match name {
                "id" => once(&mut id, reader.text()?),
                "svc" => once(&mut svc, reader.text()?),
                "uti" => once(&mut uti, reader.text()?),
                _ => Err(InvalidPayload::Members),
            })?;
            read_given(id, svc, uti)
        }
    }
}

/// Writes the message, as a device does.
#[must_use]
pub fn encode(given: &Given, format: Format) -> Vec<u8> {
    let (id, key) = match given {
        Given::Mapping(id) => (Some(told(id)), None),
        Given::Key(key) => (None, Some(key)),
    };
    let (svc, uti) = (
        key.map(|key| key.service_uri.as_str()),
        key.map(|key| key.uti.as_str()),
    );
    match format {
        Format::Json => json::write(&Told {
            id: id.as_deref(),
            svc,
            uti,
        }),
        Format::Cbor => {
            let members = [("id", id.as_deref()), ("svc", svc), ("uti", uti)];
            let present = members
                .into_iter()
                .filter_map(|(name, text)| Some((name, text?)));
            let mut out = Writer::map_of(present.clone().count());
            for (name, text) in present {
                out.text(name).text(text);
            }
            out.finish()
        }
    }
}

fn read_given(
    id: Option<&str>,
    svc: Option<&str>,
    uti: Option<&str>,
) -> Result<Given, InvalidPayload> {
    match (id, svc, uti) {
        (Some(id), None, None) => read_id(id).map(Given::Mapping),
        (None, Some(svc), Some(uti)) => read_key(svc, uti).map(Given::Key),
        _ => Err(InvalidPayload::Members),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    svc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    uti: Option<Text<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    svc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uti: Option<&'a str>,
}
