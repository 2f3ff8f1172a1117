//! CoAP (TS-0008): a primitive as method, options and payload. Messages, tokens and blocks are the
//! transport's affair.
//!
//! The options of oneM2M are all critical, so that only who knows them answers (RFC 7252 5.4.1).

use std::borrow::Cow;

use serde_json::Value;

use super::http::{MOST_CONTENT, read_content};
use super::{address_of, path_of_address, query};
use crate::primitive::{Content, InvalidPrimitive, Operation, Request, Response};
use crate::rsc::Rsc;

/// An option: its number and its value.
pub type CoapOption = (u16, Vec<u8>);

/// A request, as a CoAP listener gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoapRequest {
    /// The detail of its code: 1 GET, 2 POST, 3 PUT, 4 DELETE.
    pub method: u8,
    /// All its options but those of the transport: blocks, conditions.
    pub options: Vec<CoapOption>,
    /// Its payload, put together.
    pub payload: Vec<u8>,
}

const LOCATION_PATH: u16 = 8;
const URI_PATH: u16 = 11;
const CONTENT_FORMAT: u16 = 12;
const URI_QUERY: u16 = 15;
const ACCEPT: u16 = 17;
const OT: u16 = 259;
const RTURI: u16 = 263;
const TY: u16 = 267;
const RVI: u16 = 271;
const ASRI: u16 = 275;
const FR: u16 = 279;
const RQI: u16 = 283;
const RQET: u16 = 291;
const RSET: u16 = 295;
const OET: u16 = 299;
const EC: u16 = 303;
const RSC: u16 = 307;
const GID: u16 = 311;
const CTO: u16 = 319;
const CTS: u16 = 323;
const ATI: u16 = 327;
const VSI: u16 = 331;
const GTM: u16 = 335;
const AUS: u16 = 339;

/// The options of oneM2M.
pub(crate) const OPTIONS: &[u16] = &[
    OT, RTURI, TY, RVI, ASRI, FR, RQI, RQET, RSET, OET, EC, RSC, GID, CTO, CTS, ATI, VSI, GTM, AUS,
];
/// The first segments of a path that are of oneM2M alone.
pub(crate) const ROOTS: &[&str] = &["~", "_"];

/// `application/json`, and what oneM2M calls the same.
const JSON: u16 = 50;
const RESOURCE_JSON: u16 = 10001;
const NOTIFICATION_JSON: u16 = 10003;
const RESPONSE_JSON: u16 = 10009;

/// The longest text of an option.
const LONGEST_TEXT: usize = 1024;

/// Why a request was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A parameter.
    Invalid(InvalidPrimitive),
    /// The content is of a format not spoken here.
    ContentFormat,
    /// No answer that we could give is accepted.
    NotAcceptable,
    /// A method that stands for no operation.
    Method,
}

impl From<InvalidPrimitive> for Unreadable {
    fn from(invalid: InvalidPrimitive) -> Self {
        Self::Invalid(invalid)
    }
}

/// A request that could not be read: what of it every answer needs, and why.
pub(crate) type Partial = Box<(Request, Unreadable)>;

/// Reads a request.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn read_request(said: &CoapRequest) -> Result<Request, Partial> {
    let options = Options(&said.options);
    let mut request = Request::new(Operation::Retrieve, "", "");
    // First what an answer is written by, whatever is wrong with the rest.
    request.request_id = options.text(RQI, "rqi").ok().flatten().unwrap_or_default();
    request.release = options.text(RVI, "rvi").ok().flatten();
    match options.read(&mut request, said) {
        Ok(()) => Ok(request),
        Err(unreadable) => Err(Box::new((request, unreadable))),
    }
}

struct Options<'a>(&'a [CoapOption]);

/// Name and value of a query's parameter.
type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

impl Options<'_> {
    fn read(&self, request: &mut Request, said: &CoapRequest) -> Result<(), Unreadable> {
        let resource_type = self.small(TY, "ty")?;
        request.operation = operation(said.method, resource_type)?;
        request.resource_type = resource_type;
        request.to = self.to()?;
        request.request_id = self
            .text(RQI, "rqi")?
            .filter(|id| !id.is_empty())
            .ok_or_else(|| InvalidPrimitive::about("rqi"))?;
        request.release = self.text(RVI, "rvi")?;
        request.from = self.text(FR, "fr")?;
        request.request_expiration = self.text(RQET, "rqet")?;
        request.result_expiration = self.text(RSET, "rset")?;
        request.operation_execution = self.text(OET, "oet")?;
        request.originating_timestamp = self.text(OT, "ot")?;
        request.vendor_information = self.text(VSI, "vsi")?;
        let targets = self.text(RTURI, "rt")?.unwrap_or_default();
        query::read(request, self.parameters()?.into_iter(), &targets)?;
        if !self.small(ACCEPT, "accept")?.is_none_or(is_accepted) {
            return Err(Unreadable::NotAcceptable);
        }
        request.content = self.content(&said.payload)?;
        Ok(())
    }

    fn content(&self, payload: &[u8]) -> Result<Option<Content>, Unreadable> {
        if payload.len() > MOST_CONTENT {
            return Err(InvalidPrimitive::about("pc").into());
        }
        let is_read = self.small(CONTENT_FORMAT, "pc")?.is_none_or(is_read);
        if !payload.is_empty() && !is_read {
            return Err(Unreadable::ContentFormat);
        }
        Ok(read_content(payload)?)
    }

    fn all(&self, number: u16) -> impl Iterator<Item = &[u8]> {
        let wanted = self.0.iter().filter(move |(known, _)| *known == number);
        wanted.map(|(_, value)| value.as_slice())
    }

    /// The one option of that number: more than one is none that we know (RFC 7252 5.4.5).
    fn only(&self, number: u16, name: &str) -> Result<Option<&[u8]>, InvalidPrimitive> {
        let mut all = self.all(number);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(_) => Err(InvalidPrimitive::about(name)),
        }
    }

    fn text(&self, number: u16, name: &str) -> Result<Option<String>, InvalidPrimitive> {
        let Some(value) = self.only(number, name)? else {
            return Ok(None);
        };
        match text_of(value) {
            Some(text) if text.len() <= LONGEST_TEXT => Ok(Some(text.to_owned())),
            _ => Err(InvalidPrimitive::about(name)),
        }
    }

    /// An unsigned integer of at most two bytes.
    fn small(&self, number: u16, name: &str) -> Result<Option<u16>, InvalidPrimitive> {
        match self.only(number, name)? {
            None => Ok(None),
            Some([]) => Ok(Some(0)),
            Some([low]) => Ok(Some((*low).into())),
            Some([high, low]) => Ok(Some(u16::from_be_bytes([*high, *low]))),
            Some(_) => Err(InvalidPrimitive::about(name)),
        }
    }

    fn to(&self) -> Result<String, InvalidPrimitive> {
        let wrong = || InvalidPrimitive::about("to");
        let segment = |value| text_of(value).filter(|text| !text.contains('/'));
        let segments: Option<Vec<&str>> = self.all(URI_PATH).map(segment).collect();
        Ok(address_of(&segments.ok_or_else(wrong)?.join("/")))
    }

    /// `name=value` each; what was escaped in the URI is not any more (RFC 7252 6.4).
    fn parameters(&self) -> Result<Vec<Parameter<'_>>, InvalidPrimitive> {
        let parameter = |value| {
            let text = text_of(value).filter(|text| text.len() <= LONGEST_TEXT)?;
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Some((name.into(), value.into()))
        };
        let all: Option<Vec<_>> = self.all(URI_QUERY).map(parameter).collect();
        all.ok_or_else(|| InvalidPrimitive::about("query"))
    }
}

fn text_of(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// POST with `ty` makes, without it tells (TS-0008 6.2.1); nothing else has a type.
fn operation(method: u8, resource_type: Option<u16>) -> Result<Operation, Unreadable> {
    Ok(match (method, resource_type) {
        (2, Some(_)) => Operation::Create,
        (2, None) => Operation::Notify,
        (1 | 3 | 4, Some(_)) => return Err(InvalidPrimitive::about("ty").into()),
        (1, None) => Operation::Retrieve,
        (3, None) => Operation::Update,
        (4, None) => Operation::Delete,
        _ => return Err(Unreadable::Method),
    })
}

const fn is_read(format: u16) -> bool {
    matches!(format, JSON | RESOURCE_JSON | NOTIFICATION_JSON)
}

const fn is_accepted(format: u16) -> bool {
    matches!(format, JSON | RESOURCE_JSON | RESPONSE_JSON)
}

/// An answer, as a CoAP listener takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoapAnswer {
    /// Class and detail of its code.
    pub code: (u8, u8),
    /// Its options, by ascending number.
    pub options: Vec<CoapOption>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// An answer to a request of that operation.
pub(crate) fn write_response(response: &Response, operation: Operation) -> CoapAnswer {
    let is_notify = operation == Operation::Notify;
    // TS-0008 6.2.2: 2.04 to a notification, and nothing in it.
    let is_silent = is_notify && response.rsc == Rsc::Ok;
    let content = response.content.as_ref();
    let content = content.filter(|content| !is_silent && !content.is_null());
    let mut options = Vec::new();
    if let Some(location) = &response.location {
        let path = path_of_address(location);
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        options.extend(segments.map(|segment| (LOCATION_PATH, segment.into())));
    }
    if content.is_some() {
        options.push((CONTENT_FORMAT, shortest(JSON)));
    }
    let texts = [
        (OT, response.originating_timestamp.as_ref()),
        (RVI, response.release.as_ref()),
        (RQI, Some(&response.request_id)),
        (RSET, response.result_expiration.as_ref()),
    ];
    for (number, text) in texts {
        let text = text.filter(|text| !text.is_empty());
        options.extend(text.map(|text| (number, text.clone().into_bytes())));
    }
    options.push((RSC, shortest(response.rsc.number())));
    let vendor = response.vendor_information.as_ref();
    options.extend(vendor.map(|text| (VSI, text.clone().into_bytes())));
    CoapAnswer {
        code: response.rsc.coap_code(is_notify),
        options,
        payload: content.map(write_content).unwrap_or_default(),
    }
}

fn write_content(content: &Value) -> Vec<u8> {
    serde_json::to_vec(content).unwrap_or_default()
}

/// An unsigned integer as an option's value (RFC 7252 3.2): no byte more than needed.
fn shortest(number: u16) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod peer;
#[cfg(test)]
mod tests;
