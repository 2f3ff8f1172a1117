//! A device asks for its own pairs: nothing, `{}` or `{"svc":".."}`; it gets
//! `{"did":"..","m":[{"id":"..","svc":"..","uti":".."}]}`, all three identifiers (Y.4462 7.3).

use ics_core::id::{DeviceId, ServiceUri};
use ics_core::service::OwnMapping;
use serde::{Deserialize, Serialize};

use crate::acknowledgement::{read_id, told};
use crate::cbor::{Reader, Writer, once};
use crate::document::{read_key, read_service};
use crate::json::{self, Text};
use crate::{Format, InvalidPayload};

/// What a device asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inquiry {
    /// Of this service alone.
    pub service_uri: Option<ServiceUri>,
}

/// Reads the question. Nothing at all asks for everything, in JSON.
///
/// # Errors
/// [`InvalidPayload`].
pub fn parse(payload: &[u8]) -> Result<Inquiry, InvalidPayload> {
    if payload.is_empty() {
        return Ok(Inquiry::default());
    }
    let service_uri = match Format::of(payload)? {
        Format::Json => {
            let wire: Wire<'_> = json::read(payload)?;
            wire.svc.map(|svc| read_service(&svc.0)).transpose()?
        }
        Format::Cbor => {
            let mut svc = None;
            Reader::read_whole(payload, |name, reader| match name {
                "svc" => once(&mut svc, read_service(reader.text()?)?),
                _ => Err(InvalidPayload::Members),
            })?;
            svc
        }
    };
    Ok(Inquiry { service_uri })
}

/// Writes the question, as a device does.
#[must_use]
pub fn encode(inquiry: &Inquiry, format: Format) -> Vec<u8> {
    let service = inquiry.service_uri.as_ref().map(ServiceUri::as_str);
    match format {
        Format::Json => json::write(&Told { svc: service }),
        Format::Cbor => {
            let mut out = Writer::map_of(usize::from(service.is_some()));
            if let Some(service) = service {
                out.text("svc").text(service);
            }
            out.finish()
        }
    }
}

/// Writes the answer.
#[must_use]
pub fn encode_answer(device: &DeviceId, mappings: &[OwnMapping], format: Format) -> Vec<u8> {
    match format {
        Format::Json => json::write(&ToldAnswer {
            did: device.as_str(),
            m: mappings.iter().map(tell_row).collect(),
        }),
        Format::Cbor => {
            let mut out = Writer::map_of(2);
            out.text("did").text(device.as_str());
            out.text("m").array(mappings.len());
            for row in mappings {
                out.map(3).text("id").text(&told(&row.mapping));
                out.text("svc").text(row.key.service_uri.as_str());
                out.text("uti").text(row.key.uti.as_str());
            }
            out.finish()
        }
    }
}

/// Reads the answer, as a device does.
///
/// # Errors
/// [`InvalidPayload`].
pub fn parse_answer(payload: &[u8]) -> Result<(DeviceId, Vec<OwnMapping>), InvalidPayload> {
    match Format::of(payload)? {
        Format::Json => {
            let wire: WireAnswer<'_> = json::read(payload)?;
            let row = |row: &Row<'_>| read_row(&row.id.0, &row.svc.0, &row.uti.0);
            let rows = wire.m.iter().map(row).collect::<Result<Vec<_>, _>>()?;
            Ok((read_device(&wire.did.0)?, rows))
        }
        Format::Cbor => read_cbor_answer(payload),
    }
}

fn read_cbor_answer(payload: &[u8]) -> Result<(DeviceId, Vec<OwnMapping>), InvalidPayload> {
    let (mut device, mut rows) = (None, None);
    Reader::read_whole(payload, |name, reader| match name {
        "did" => once(&mut device, read_device(reader.text()?)?),
        "m" => {
            let mut read = Vec::new();
            reader.array(|reader| {
                read.push(read_cbor_row(reader)?);
                Ok(())
            })?;
            once(&mut rows, read)
        }
        _ => Err(InvalidPayload::Members),
    })?;
    device.zip(rows).ok_or(InvalidPayload::Members)
}

fn read_cbor_row(reader: &mut Reader<'_>) -> Result<OwnMapping, InvalidPayload> {
    let (mut id, mut svc, mut uti) = (None, None, None);
    reader.map(|name, reader| match name {
        "id" => once(&mut id, reader.text()?),
        "svc" => once(&mut svc, reader.text()?),
        "uti" => once(&mut uti, reader.text()?),
        _ => Err(InvalidPayload::Members),
    })?;
    match (id, svc, uti) {
        (Some(id), Some(svc), Some(uti)) => read_row(id, svc, uti),
        _ => Err(InvalidPayload::Members),
    }
}

fn read_row(id: &str, svc: &str, uti: &str) -> Result<OwnMapping, InvalidPayload> {
    Ok(OwnMapping {
        mapping: read_id(id)?,
        key: read_key(svc, uti)?,
    })
}

fn read_device(text: &str) -> Result<DeviceId, InvalidPayload> {
    DeviceId::parse(text).map_err(|_| InvalidPayload::Value)
}

fn tell_row(row: &OwnMapping) -> ToldRow<'_> {
    ToldRow {
        id: told(&row.mapping),
        svc: row.key.service_uri.as_str(),
        uti: row.key.uti.as_str(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    svc: Option<Text<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    svc: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    did: Text<'a>,
    #[serde(borrow)]
    m: Vec<Row<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    svc: Text<'a>,
    #[serde(borrow)]
    uti: Text<'a>,
}

#[derive(Serialize)]
struct ToldAnswer<'a> {
    did: &'a str,
    m: Vec<ToldRow<'a>>,
}

#[derive(Serialize)]
struct ToldRow<'a> {
    id: String,
    svc: &'a str,
    uti: &'a str,
}
