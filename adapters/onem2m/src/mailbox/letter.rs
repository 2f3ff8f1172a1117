//! What is written into the mailbox, and out of it: a contentInstance whose `con` is a JSON object, as text
//! or as it is. `op` (`map`, `complete`, `inq`, `demap`), `rid`, for `complete` the row's `id`, and beside
//! them the attributes of the primitive's content, `tok` too. Pure.

use ics_core::id::AeId;
use serde_json::{Map, Value};

use crate::address::Names;
use crate::ics;
use crate::primitive::{Content, Operation, Refusal, Request, Response};
use crate::rsc::Rsc;

/// The release that requests are in.
const RELEASE: &str = "3";
/// The longest `rid`, and the longest name of an instance.
const LONGEST_ID: usize = 128;

/// A request as it lies there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Letter {
    /// The name of its instance.
    pub(crate) name: String,
    /// When it was made, in digits.
    created: String,
    content: Value,
}

/// A request that cannot be asked: what of it could be read, and why.
pub(crate) type Unreadable = Box<(Request, Refusal)>;

impl Letter {
    /// The contentInstance in an answer of the platform.
    pub(crate) fn read(answer: &Value) -> Option<Self> {
        let instance = answer.get("m2m:cin")?;
        let name = instance.get("rn")?.as_str()?;
        let created = instance.get("ct").and_then(Value::as_str);
        let digits = created.unwrap_or_default().chars();
        is_name(name).then(|| Self {
            name: name.to_owned(),
            created: digits.filter(char::is_ascii_alphanumeric).collect(),
            content: instance.get("con").cloned().unwrap_or_default(),
        })
    }

    /// The name of its answer: another one for another request, the same for this one.
    pub(crate) fn answer_name(&self) -> String {
        format!("to.{}.{}", self.name, self.created)
    }

    /// The request it stands for, of that AE.
    pub(crate) fn ask(&self, ae: &AeId, names: &Names) -> Result<Request, Unreadable> {
        let mut partial = Request::new(Operation::Create, "", "");
        partial.from = Some(ae.as_str().to_owned());
        partial.release = Some(RELEASE.into());
        match self.read_into(&mut partial, names) {
            Ok(()) => Ok(partial),
            Err(refusal) => Err(Box::new((partial, refusal))),
        }
    }

    fn read_into(&self, request: &mut Request, names: &Names) -> Result<(), Refusal> {
        let mut members = self.members()?;
        request.request_id = take_id(&mut members, "rid")?;
        let wrong = |name, said| Refusal::about(Rsc::BadRequest, name, said);
        let operation = members.remove("op");
        let operation = operation.as_ref().and_then(Value::as_str);
        let (place, member) = match operation {
            Some("map") => {
                define(&mut members);
                ("map".to_owned(), ics::ROW)
            }
            Some("complete") => {
                request.operation = Operation::Update;
                let id = take_id(&mut members, "id")?;
                if !is_name(&id) {
                    return Err(wrong("id", "is not the name of a row"));
                }
                (format!("pnd/{id}"), ics::ROW)
            }
            Some("inq") => ("inq".to_owned(), ics::INQUIRY),
            Some("demap") => ("dmp".to_owned(), ics::DEMAPPING),
            _ => return Err(wrong("op", "is none of map, complete, inq, demap")),
        };
        let is_create = request.operation == Operation::Create;
        request.resource_type = is_create.then_some(ics::FLEX_CONTAINER);
        request.to = names.sp_relative(&format!("{}/{place}", names.cse_name));
        let mut content = Content::new();
        content.insert(member.to_owned(), Value::Object(members));
        request.content = Some(content);
        Ok(())
    }

    fn members(&self) -> Result<Map<String, Value>, Refusal> {
        let read = match &self.content {
            Value::Object(members) => Some(members.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            _ => None,
        };
        read.ok_or_else(|| Refusal::about(Rsc::BadRequest, "con", "is not a JSON object"))
    }
}

/// `cnd` says nothing that `op` does not. But what is signed stays as it was signed.
fn define(members: &mut Map<String, Value>) {
    if !members.contains_key("tok") {
        let definition = || ics::DEFINITION.into();
        members.entry("cnd").or_insert_with(definition);
    }
}

fn take_id(members: &mut Map<String, Value>, name: &str) -> Result<String, Refusal> {
    match members.remove(name) {
        Some(Value::String(id)) if (1..=LONGEST_ID).contains(&id.len()) => Ok(id),
        _ => {
            let said = "must be a text of 1 to 128 characters";
            Err(Refusal::about(Rsc::BadRequest, name, said))
        }
    }
}

/// One segment of an address, of unreserved characters (RFC 3986 2.3).
fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (1..=LONGEST_ID).contains(&name.len())
        && name.bytes().all(fits)
        && !matches!(name, "." | ".." | "la" | "ol")
}

/// The ID of the contentInstance in an answer of the platform.
pub(crate) fn resource_id(answer: &Value) -> Option<&str> {
    let id = answer.get("m2m:cin")?.get("ri")?.as_str();
    id.filter(|id| is_name(id))
}

/// What is written for an answer: `rid`, `rsc`, and `pc`, or `dbg` of a refusal.
pub(crate) fn tell(response: &Response) -> Value {
    let mut told = Map::new();
    if !response.request_id.is_empty() {
        told.insert("rid".into(), response.request_id.clone().into());
    }
    told.insert("rsc".into(), response.rsc.number().into());
    if let Some(content) = &response.content {
        match content.get("m2m:dbg") {
            Some(said) => told.insert("dbg".into(), said.clone()),
            None => told.insert("pc".into(), content.clone()),
        };
    }
    Value::Object(told)
}

#[cfg(test)]
mod tests;
