//! What a device must hold: `{"v":7,"m":[{"id":"..","svc":"..","uti":"..","e2e":".."}]}`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::device_document::{DeviceDocument, DocumentEntry, DocumentState};
use ics_core::id::{ServiceUri, Uti};
use ics_core::mapping::MappingKey;
use serde::{Deserialize, Serialize};

use crate::acknowledgement::{read_id, told};
use crate::cbor::{Reader, Writer, once};
use crate::json::{self, Text};
use crate::{Format, InvalidPayload};

/// Writes the message.
#[must_use]
pub fn encode(document: &DeviceDocument, format: Format) -> Vec<u8> {
    match format {
        Format::Json => json::write(&Told {
            v: document.version,
            m: document.entries.iter().map(tell_entry).collect(),
        }),
        Format::Cbor => {
            let mut out = Writer::map_of(2);
            out.text("v").unsigned(document.version);
            out.text("m").array(document.entries.len());
            for entry in &document.entries {
                out.map(if entry.e2e.is_some() { 4 } else { 3 });
                out.text("id").text(&told(&entry.mapping));
                out.text("svc").text(entry.key.service_uri.as_str());
                out.text("uti").text(entry.key.uti.as_str());
                if let Some(sealed) = &entry.e2e {
                    out.text("e2e").byte_string(sealed);
                }
            }
            out.finish()
        }
    }
}

/// Reads the message, as a device does.
///
/// # Errors
/// [`InvalidPayload`].
pub fn parse(payload: &[u8]) -> Result<DeviceDocument, InvalidPayload> {
    let (version, entries) = match Format::of(payload)? {
        Format::Json => {
            let wire: Wire<'_> = json::read(payload)?;
            let entries = wire.m.iter().map(read_entry);
            (wire.v, entries.collect::<Result<Vec<_>, _>>()?)
        }
        Format::Cbor => read_cbor(payload)?,
    };
    if version > DocumentState::HIGHEST_VERSION || entries.len() > DocumentState::MOST_ROWS {
        return Err(InvalidPayload::Value);
    }
    Ok(DeviceDocument { version, entries })
}

/// Service URI and UTI, parsed.
pub(crate) fn read_key(service_uri: &str, uti: &str) -> Result<MappingKey, InvalidPayload> {
    Ok(MappingKey {
        service_uri: read_service(service_uri)?,
        uti: Uti::parse(uti).map_err(|_| InvalidPayload::Value)?,
    })
}

pub(crate) fn read_service(text: &str) -> Result<ServiceUri, InvalidPayload> {
    ServiceUri::parse(text).map_err(|_| InvalidPayload::Value)
}

fn read_entry(entry: &Entry<'_>) -> Result<DocumentEntry, InvalidPayload> {
    let decode = |text: &Text<'_>| URL_SAFE_NO_PAD.decode(text.0.as_bytes());
    let e2e = entry.e2e.as_ref().map(decode).transpose();
    Ok(DocumentEntry {
        mapping: read_id(&entry.id.0)?,
        key: read_key(&entry.svc.0, &entry.uti.0)?,
        e2e: e2e.map_err(|_| InvalidPayload::Value)?,
    })
}

fn tell_entry(entry: &DocumentEntry) -> ToldEntry<'_> {
    ToldEntry {
        id: told(&entry.mapping),
        svc: entry.key.service_uri.as_str(),
        uti: entry.key.uti.as_str(),
        e2e: entry.e2e.as_ref().map(|e2e| URL_SAFE_NO_PAD.encode(e2e)),
    }
}

fn read_cbor(payload: &[u8]) -> Result<(u64, Vec<DocumentEntry>), InvalidPayload> {
    let (mut version, mut entries) = (None, None);
    Reader::read_whole(payload, |name, reader| match name {
        "v" => once(&mut version, reader.unsigned()?),
        "m" => {
            let mut read = Vec::new();
            reader.array(|reader| {
                read.push(read_cbor_entry(reader)?);
                Ok(())
            })?;
            once(&mut entries, read)
        }
        _ => Err(InvalidPayload::Members),
    })?;
    match (version, entries) {
        (Some(version), Some(entries)) => Ok((version, entries)),
        _ => Err(InvalidPayload::Members),
    }
}

fn read_cbor_entry(reader: &mut Reader<'_>) -> Result<DocumentEntry, InvalidPayload> {
    let (mut id, mut svc, mut uti, mut e2e) = (None, None, None, None);
    reader.map(|name, reader| match name {
        "id" => once(&mut id, read_id(reader.text()?)?),
        "svc" => once(&mut svc, reader.text()?),
        "uti" => once(&mut uti, reader.text()?),
        "e2e" => once(&mut e2e, reader.bytes()?.to_vec()),
        _ => Err(InvalidPayload::Members),
    })?;
    match (id, svc, uti) {
        (Some(mapping), Some(svc), Some(uti)) => Ok(DocumentEntry {
            mapping,
            key: read_key(svc, uti)?,
            e2e,
        }),
        _ => Err(InvalidPayload::Members),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    v: u64,
    #[serde(borrow)]
    m: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    svc: Text<'a>,
    #[serde(borrow)]
    uti: Text<'a>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    e2e: Option<Text<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    v: u64,
    m: Vec<ToldEntry<'a>>,
}

#[derive(Serialize)]
struct ToldEntry<'a> {
    id: String,
    svc: &'a str,
    uti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    e2e: Option<String>,
}
