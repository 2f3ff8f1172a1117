//! HTTP (TS-0009): a primitive as method, path, query, headers and body.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{address_of, path_of_address, query};
use crate::primitive::number;
use crate::primitive::{Content, InvalidPrimitive, Operation, Request, Response, ResponseType};

/// The largest content, in bytes.
pub(crate) const MOST_CONTENT: usize = 64 << 10;

/// Media types of a content. The parameter `ty` comes with the first of them, or with the second.
pub(crate) const MEDIA_TYPES: &[&str] = &[
    "application/json",
    "application/vnd.onem2m-res+json",
    "application/vnd.onem2m-ntfy+json",
];

/// A request as it lies on the wire; `header` finds one by its lower-case name.
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) header: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// Why a request was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A parameter.
    Invalid(InvalidPrimitive),
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

impl Head<'_> {
    /// The request, its content still to come.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(crate) fn read(&self) -> Result<Request, Unreadable> {
        let request_id = self.text("x-m2m-ri")?.unwrap_or_default();
        let (operation, resource_type) = self.operation()?;
        let to = self.to()?;
        if request_id.is_empty() {
            return Err(InvalidPrimitive::about("rqi").into());
        }
        let mut request = Request::new(operation, to, &request_id);
        let of_request = |invalid: InvalidPrimitive| invalid.of_request(&request_id);
        request.from = self.text("x-m2m-origin")?;
        request.release = self.text("x-m2m-rvi")?;
        request.resource_type = resource_type;
        request.request_expiration = self.text("x-m2m-ret")?;
        request.result_expiration = self.text("x-m2m-rst")?;
        request.operation_execution = self.text("x-m2m-oet")?;
        request.originating_timestamp = self.text("x-m2m-ot")?;
        request.vendor_information = self.text("x-m2m-vsi")?;
        let parameters = form_urlencoded::parse(self.query.as_bytes());
        let targets = (self.header)("x-m2m-rtu").unwrap_or_default();
        query::read(&mut request, parameters, targets).map_err(of_request)?;
        if !self.accepts_json() {
            return Err(Unreadable::NotAcceptable);
        }
        Ok(request)
    }

    fn text(&self, header: &str) -> Result<Option<String>, InvalidPrimitive> {
        Ok((self.header)(header).map(|value| value.trim().to_owned()))
    }

    /// POST with `ty` makes, without it tells (TS-0009 6.2.1).
    fn operation(&self) -> Result<(Operation, Option<u16>), Unreadable> {
        let content_type = (self.header)("content-type");
        let resource_type = content_type.map(read_resource_type).transpose()?.flatten();
        Ok(match (self.method, resource_type) {
            ("POST", Some(ty)) => (Operation::Create, Some(ty)),
            ("POST", None) => (Operation::Notify, None),
            // Only what is made has a type.
            ("GET" | "PUT" | "DELETE", Some(_)) => {
                return Err(InvalidPrimitive::about("ty").into());
            }
            ("GET", None) => (Operation::Retrieve, None),
            ("PUT", None) => (Operation::Update, None),
            ("DELETE", None) => (Operation::Delete, None),
            _ => return Err(Unreadable::Method),
        })
    }

    fn to(&self) -> Result<String, InvalidPrimitive> {
        let wrong = || InvalidPrimitive::about("to");
        let path = percent_decode_str(self.path).decode_utf8();
        let path = path.map_err(|_| wrong())?;
        let path = path.strip_prefix('/').ok_or_else(wrong)?;
        Ok(address_of(path))
    }

    fn accepts_json(&self) -> bool {
        let Some(accept) = (self.header)("accept") else {
            return true;
        };
        let mut types = accept.split(',').map(|part| {
            let essence = part.split(';').next().unwrap_or_default();
            essence.trim().to_ascii_lowercase()
        });
        types.any(|essence| {
            matches!(
                essence.as_str(),
                "" | "*/*"
                    | "application/*"
                    | "application/json"
                    | "application/vnd.onem2m-res+json"
                    | "application/vnd.onem2m-prsp+json"
            )
        })
    }
}

/// `application/json;ty=28`; `None` without the parameter.
fn read_resource_type(content_type: &str) -> Result<Option<u16>, Unreadable> {
    for parameter in content_type.split(';').skip(1) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.trim().eq_ignore_ascii_case("ty") {
            let ty = number(value.trim().trim_matches('"')).and_then(|n| u16::try_from(n).ok());
            let ty = ty.ok_or_else(|| InvalidPrimitive::about("ty"))?;
            return Ok(Some(ty));
        }
    }
    Ok(None)
}

/// The content of a request. No bytes, or white space alone, are none.
///
/// # Errors
/// [`InvalidPrimitive`] for what is not one JSON object.
pub(crate) fn read_content(body: &[u8]) -> Result<Option<Content>, InvalidPrimitive> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|_| InvalidPrimitive::about("pc"))
}

/// What an answer is on the wire, beside its status.
pub(crate) struct Written {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer as headers and body.
pub(crate) fn write_response(response: &Response) -> Written {
    let mut headers = vec![("X-M2M-RSC", response.rsc.number().to_string())];
    let texts = [
        ("X-M2M-RI", Some(&response.request_id)),
        ("X-M2M-RVI", response.release.as_ref()),
        ("X-M2M-OT", response.originating_timestamp.as_ref()),
        ("X-M2M-RST", response.result_expiration.as_ref()),
        ("X-M2M-VSI", response.vendor_information.as_ref()),
        ("Content-Location", response.location.as_ref()),
    ];
    for (name, value) in texts {
        let value = value.filter(|value| !value.is_empty() && is_header_value(value));
        headers.extend(value.map(|value| (name, value.clone())));
    }
    let body = match &response.content {
        None | Some(Value::Null) => Vec::new(),
        Some(content) => {
            headers.push(("Content-Type", "application/json".into()));
            serde_json::to_vec(content).unwrap_or_default()
        }
    };
    Written { headers, body }
}

fn is_header_value(value: &str) -> bool {
    value.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// A request of ours as path, query, headers and body.
pub(crate) struct Outgoing {
    pub(crate) method: &'static str,
    /// `/~/id-in/..`; to be put behind the point of access.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// Writes a request of ours.
pub(crate) fn write_request(request: &Request) -> Outgoing {
    let method = match request.operation {
        Operation::Create | Operation::Notify => "POST",
        Operation::Retrieve => "GET",
        Operation::Update => "PUT",
        Operation::Delete => "DELETE",
    };
    let mut headers = vec![("X-M2M-RI", request.request_id.clone())];
    let texts = [
        ("X-M2M-Origin", &request.from),
        ("X-M2M-RVI", &request.release),
        ("X-M2M-RET", &request.request_expiration),
        ("X-M2M-OT", &request.originating_timestamp),
        ("X-M2M-VSI", &request.vendor_information),
    ];
    for (name, value) in texts {
        let value = value.as_ref().filter(|value| is_header_value(value));
        headers.extend(value.map(|value| (name, value.clone())));
    }
    headers.push(("Accept", "application/json".into()));
    if let ResponseType::NonBlockingAsynch(targets) | ResponseType::Flexible(targets) =
        &request.response_type
        && !targets.is_empty()
    {
        headers.push(("X-M2M-RTU", targets.join("&")));
    }
    let body = match &request.content {
        None => Vec::new(),
        Some(content) => {
            let media_type = match request.resource_type {
                Some(ty) => format!("application/json;ty={ty}"),
                None => "application/json".into(),
            };
            headers.push(("Content-Type", media_type));
            serde_json::to_vec(content).unwrap_or_default()
        }
    };
    Outgoing {
        method,
        path: path_of(&request.to, request.result_content),
        headers,
        body,
    }
}

fn path_of(to: &str, result_content: Option<u8>) -> String {
    let path = format!("/{}", path_of_address(to));
    let query = result_content.map_or(String::new(), |rcn| format!("?rcn={rcn}"));
    let encoded = percent_encoding::utf8_percent_encode(&path, PATH);
    format!("{encoded}{query}")
}

/// What a path may not hold as it is.
const PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Reads an answer to a request of ours: the code is in a header, and the status says nothing.
///
/// # Errors
/// [`InvalidPrimitive`].
pub(crate) fn read_response<'a>(
    header: &dyn Fn(&str) -> Option<&'a str>,
    body: &[u8],
    request: &Request,
) -> Result<Response, InvalidPrimitive> {
    let wrong = || InvalidPrimitive::about("rsc");
    let rsc = header("x-m2m-rsc").and_then(|text| number(text.trim()));
    let rsc = crate::primitive::known(rsc.ok_or_else(wrong)?).ok_or_else(wrong)?;
    let request_id = header("x-m2m-ri").map_or_else(String::new, |id| id.trim().to_owned());
    // A peer may leave it out; one that names another request answers another one.
    if !request_id.is_empty() && request_id != request.request_id {
        return Err(InvalidPrimitive::about("rqi"));
    }
    let content = if body.iter().all(u8::is_ascii_whitespace) {
        None
    } else {
        serde_json::from_slice(body).ok()
    };
    Ok(Response {
        rsc,
        request_id: request.request_id.clone(),
        release: header("x-m2m-rvi").map(str::to_owned),
        content,
        from: None,
        to: None,
        originating_timestamp: None,
        result_expiration: None,
        vendor_information: None,
        location: None,
    })
}
