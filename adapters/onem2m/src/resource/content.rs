//! Reads what a request says of a resource, and holds it against the table of the type.

use serde_json::{Map, Value};

use crate::primitive::{Content, Refusal};
use crate::rsc::Rsc;

use super::Type;
use super::attribute::Presence;

/// The most attributes in one request.
const MOST: usize = 64;

/// What an update asks for: a new value, or that the attribute goes.
pub(crate) type Changes = Vec<(String, Option<Value>)>;

/// Reads the content of a create. Null stands for "not there", but for `cr`, where it asks that it be
/// filled in.
///
/// # Errors
/// 4000 what is missing, unknown or not permitted; 5001 what is known and not done here.
pub(crate) fn read_create(
    ty: Type,
    content: Option<&Content>,
) -> Result<Map<String, Value>, Refusal> {
    let given = members(ty, content)?;
    let mut read = Map::new();
    for (name, value) in given {
        let attribute = ty.attribute(name).ok_or_else(|| unknown(name))?;
        if attribute.create == Presence::NotPermitted {
            return Err(not_permitted(name));
        }
        if value.is_null() && name == "cr" {
            read.insert(name.clone(), Value::Null);
        } else if value.is_null() {
            return Err(Refusal::about(Rsc::BadRequest, name, "is null"));
        } else {
            read.insert(name.clone(), attribute.read(value)?);
        }
    }
    let is_missing = |name: &str| !read.contains_key(name);
    let mut mandatory = ty.attributes().filter(|a| a.create == Presence::Mandatory);
    match mandatory.find(|attribute| is_missing(attribute.name)) {
        Some(attribute) => Err(Refusal::about(
            Rsc::BadRequest,
            attribute.name,
            "is missing",
        )),
        None => Ok(read),
    }
}

/// Reads the content of an update.
///
/// # Errors
/// As for [`read_create`].
pub(crate) fn read_update(ty: Type, content: Option<&Content>) -> Result<Changes, Refusal> {
    let given = members(ty, content)?;
    let mut read = Changes::new();
    for (name, value) in given {
        let attribute = ty.attribute(name).ok_or_else(|| unknown(name))?;
        if attribute.update == Presence::NotPermitted {
            return Err(not_permitted(name));
        }
        if !value.is_null() {
            read.push((name.clone(), Some(attribute.read(value)?)));
        } else if attribute.create == Presence::Mandatory {
            let said = "is mandatory: it cannot be removed";
            return Err(Refusal::about(Rsc::BadRequest, name, said));
        } else {
            read.push((name.clone(), None));
        }
    }
    Ok(read)
}

/// Of `wanted`, those that a resource of the type may have.
///
/// # Errors
/// 4000 for one that it cannot have.
pub(crate) fn attributes_named(ty: Type, wanted: &[String]) -> Result<(), Refusal> {
    match wanted.iter().find(|name| ty.attribute(name).is_none()) {
        Some(name) => Err(unknown(name)),
        None => Ok(()),
    }
}

fn members(ty: Type, content: Option<&Content>) -> Result<&Map<String, Value>, Refusal> {
    let content = content.ok_or(Refusal::new(Rsc::BadRequest, "there is no content"))?;
    let mut all = content.iter();
    match (all.next(), all.next()) {
        (Some((name, Value::Object(members))), None)
            if name == ty.member() && members.len() <= MOST =>
        {
            Ok(members)
        }
        _ => Err(Refusal::about(
            Rsc::BadRequest,
            ty.member(),
            "and its attributes alone are wanted",
        )),
    }
}

fn unknown(name: &str) -> Refusal {
    // What is not known is not repeated: it may be anything.
    let is_short = name.len() <= 8 && name.bytes().all(|b| b.is_ascii_alphanumeric());
    let said = "is no attribute of this type";
    Refusal::about(Rsc::BadRequest, if is_short { name } else { "pc" }, said)
}

fn not_permitted(name: &str) -> Refusal {
    Refusal::about(Rsc::BadRequest, name, "is not to be set")
}
