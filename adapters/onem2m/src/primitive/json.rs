//! A primitive as JSON: how MQTT and WebSocket carry it (TS-0004 8.4), and `m2m:rqp` / `m2m:rsp`.
//!
//! Peers write `2.0` for 2, add members nobody knows, and wrap the primitive in one more object:
//! all of that is taken.

use serde_json::{Map, Value, json};

use super::filter::{Filter, number};
use super::{Operation, Request, Response, ResponseType};
use crate::rsc::Rsc;

/// The longest text of a parameter: an address, a name, an id.
const LONGEST: usize = 1024;

/// Why what came is no primitive; what is told of it names a parameter, and never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is missing or not well formed")]
pub struct InvalidPrimitive {
    /// The short name of the parameter; `primitive` for all of it.
    pub name: String,
    /// The id of the request, if that much was read.
    pub request_id: Option<String>,
}

impl InvalidPrimitive {
    pub(crate) fn about(name: &str) -> Self {
        Self {
            name: name.chars().take(16).collect(),
            request_id: None,
        }
    }

    pub(crate) fn of_request(self, request_id: &str) -> Self {
        Self {
            request_id: Some(request_id.to_owned()),
            ..self
        }
    }
}

impl Request {
    /// Reads `{"op":..,"to":..,"fr":..,"rqi":..,..}`, or that within `{"m2m:rqp":..}`.
    ///
    /// # Errors
    /// [`InvalidPrimitive`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidPrimitive> {
        let members = read_object(bytes, "m2m:rqp")?;
        let request_id = text(&members, "rqi")?.ok_or(InvalidPrimitive::about("rqi"))?;
        read_request(&members, &request_id).map_err(|invalid| invalid.of_request(&request_id))
    }

    /// Writes it so.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("op".into(), self.operation.number().into());
        out.insert("to".into(), self.to.clone().into());
        out.insert("rqi".into(), self.request_id.clone().into());
        let texts = [
            ("fr", &self.from),
            ("rvi", &self.release),
            ("rqet", &self.request_expiration),
            ("rset", &self.result_expiration),
            ("oet", &self.operation_execution),
            ("ot", &self.originating_timestamp),
            ("vsi", &self.vendor_information),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                out.insert(name.into(), value.clone().into());
            }
        }
        if let Some(ty) = self.resource_type {
            out.insert("ty".into(), ty.into());
        }
        if let Some(rcn) = self.result_content {
            out.insert("rcn".into(), rcn.into());
        }
        if let Some(content) = &self.content {
            out.insert("pc".into(), Value::Object(content.clone()));
        }
        Value::Object(out)
    }
}

impl Response {
    /// Writes `{"rsc":..,"rqi":..,..}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("rsc".into(), self.rsc.number().into());
        out.insert("rqi".into(), self.request_id.clone().into());
        let texts = [
            ("rvi", &self.release),
            ("fr", &self.from),
            ("to", &self.to),
            ("ot", &self.originating_timestamp),
            ("rset", &self.result_expiration),
            ("vsi", &self.vendor_information),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                out.insert(name.into(), value.clone().into());
            }
        }
        if let Some(content) = &self.content {
            out.insert("pc".into(), content.clone());
        }
        Value::Object(out)
    }

    /// Reads it, as who asked does. A code that is not known here is told as its group's first:
    /// a refusal stays a refusal.
    ///
    /// # Errors
    /// [`InvalidPrimitive`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidPrimitive> {
        let members = read_object(bytes, "m2m:rsp")?;
        let rsc = integer(&members, "rsc")?.ok_or(InvalidPrimitive::about("rsc"))?;
        Ok(Self {
            rsc: known(rsc).ok_or(InvalidPrimitive::about("rsc"))?,
            request_id: text(&members, "rqi")?.ok_or(InvalidPrimitive::about("rqi"))?,
            release: text(&members, "rvi")?,
            content: members.get("pc").cloned(),
            from: text(&members, "fr")?,
            to: text(&members, "to")?,
            originating_timestamp: text(&members, "ot")?,
            result_expiration: scalar(&members, "rset")?,
            vendor_information: text(&members, "vsi")?,
            location: None,
        })
    }
}

/// The code of that number, or what stands for its group.
pub(crate) fn known(number: u64) -> Option<Rsc> {
    Rsc::of_number(number).or(match number {
        1000..2000 => Some(Rsc::Accepted),
        2000..3000 => Some(Rsc::Ok),
        4000..4100 => Some(Rsc::BadRequest),
        4100..5000 => Some(Rsc::OriginatorHasNoPrivilege),
        5000..6000 => Some(Rsc::InternalServerError),
        6000..7000 => Some(Rsc::ExternalObjectNotReachable),
        _ => None,
    })
}

fn read_object(bytes: &[u8], wrapper: &str) -> Result<Map<String, Value>, InvalidPrimitive> {
    let whole = || InvalidPrimitive::about("primitive");
    let mut members: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| whole())?;
    match members.remove(wrapper) {
        None => Ok(members),
        Some(Value::Object(inner)) => Ok(inner),
        Some(_) => Err(whole()),
    }
}

fn read_request(
    members: &Map<String, Value>,
    request_id: &str,
) -> Result<Request, InvalidPrimitive> {
    let wrong = InvalidPrimitive::about;
    let op = integer(members, "op")?.ok_or_else(|| wrong("op"))?;
    let operation = Operation::ALL
        .into_iter()
        .find(|known| u64::from(known.number()) == op)
        .ok_or_else(|| wrong("op"))?;
    let to = text(members, "to")?.ok_or_else(|| wrong("to"))?;
    let mut request = Request::new(operation, to, request_id);
    request.from = text(members, "fr")?;
    request.release = release(members)?;
    request.resource_type = small(members, "ty")?;
    request.result_content = small(members, "rcn")?;
    request.request_expiration = scalar(members, "rqet")?;
    request.result_expiration = scalar(members, "rset")?;
    request.result_persistence = scalar(members, "rp")?;
    request.operation_execution = scalar(members, "oet")?;
    request.originating_timestamp = scalar(members, "ot")?;
    request.vendor_information = text(members, "vsi")?;
    request.unstructured_result = read_desired_result(integer(members, "drt")?)?;
    request.content = match members.get("pc") {
        None | Some(Value::Null) => None,
        Some(Value::Object(content)) => Some(content.clone()),
        Some(_) => return Err(wrong("pc")),
    };
    if let Some(rt) = members.get("rt") {
        request.response_type = read_response_type(rt).ok_or_else(|| wrong("rt"))?;
    }
    match members.get("fc") {
        None | Some(Value::Null) => {}
        Some(Value::Object(criteria)) => request.filter = read_filter(criteria)?,
        Some(_) => return Err(wrong("fc")),
    }
    Ok(request)
}

/// `drt`: 1 structured, 2 unstructured.
pub(crate) fn read_desired_result(number: Option<u64>) -> Result<bool, InvalidPrimitive> {
    match number {
        None | Some(1) => Ok(false),
        Some(2) => Ok(true),
        Some(_) => Err(InvalidPrimitive::about("drt")),
    }
}

/// The response type of that number, and whom an answer that comes later goes to.
pub(crate) fn response_type(number: u64, notify: Vec<String>) -> Option<ResponseType> {
    match number {
        1 => Some(ResponseType::NonBlockingSynch),
        2 => Some(ResponseType::NonBlockingAsynch(notify)),
        3 => Some(ResponseType::Blocking),
        4 => Some(ResponseType::Flexible(notify)),
        5 => Some(ResponseType::None),
        _ => None,
    }
}

/// `{"rtv":2,"nu":[..]}`, or the number alone.
fn read_response_type(value: &Value) -> Option<ResponseType> {
    let Value::Object(members) = value else {
        return response_type(as_integer(value)?, Vec::new());
    };
    let notify = match members.get("nu") {
        None => Vec::new(),
        Some(Value::Array(targets)) => {
            let texts = targets.iter().map(|t| t.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()?
        }
        Some(_) => return None,
    };
    response_type(as_integer(members.get("rtv")?)?, notify)
}

fn read_filter(criteria: &Map<String, Value>) -> Result<Filter, InvalidPrimitive> {
    let mut filter = Filter::default();
    for (name, value) in criteria {
        let wrong = || InvalidPrimitive::about(name);
        match value {
            Value::Array(values) => {
                for value in values {
                    filter.take(name, &as_text(value).ok_or_else(wrong)?)?;
                }
            }
            Value::Object(attributes) if name == "atr" => {
                for (name, value) in attributes {
                    filter.take(name, &as_text(value).ok_or_else(wrong)?)?;
                }
            }
            value => filter.take(name, &as_text(value).ok_or_else(wrong)?)?,
        }
    }
    Ok(filter)
}

/// `rvi` is a text; some write the number.
fn release(members: &Map<String, Value>) -> Result<Option<String>, InvalidPrimitive> {
    scalar(members, "rvi")
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, InvalidPrimitive> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= LONGEST => Ok(Some(text.clone())),
        Some(_) => Err(InvalidPrimitive::about(name)),
    }
}

fn scalar(members: &Map<String, Value>, name: &str) -> Result<Option<String>, InvalidPrimitive> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => as_text(value)
            .filter(|text| text.len() <= LONGEST)
            .map(Some)
            .ok_or_else(|| InvalidPrimitive::about(name)),
    }
}

fn integer(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, InvalidPrimitive> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => as_integer(value)
            .map(Some)
            .ok_or_else(|| InvalidPrimitive::about(name)),
    }
}

fn small<N: TryFrom<u64>>(
    members: &Map<String, Value>,
    name: &str,
) -> Result<Option<N>, InvalidPrimitive> {
    let number = integer(members, name)?;
    let small = number.map(|number| N::try_from(number));
    small.transpose().map_err(|_| InvalidPrimitive::about(name))
}

/// A number, also one that was written `2.0`.
fn as_integer(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| number(&value.to_string()))
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map(str::to_owned).unwrap_or(text))
        }
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// `{"m2m:rsp":..}`: an answer that is sent to whoever waits for it.
#[must_use]
pub fn as_notification(response: &Response) -> Value {
    json!({ "m2m:rsp": response.to_json() })
}
