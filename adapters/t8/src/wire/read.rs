//! Reading a body, and saying what is wrong with one without repeating it.
//!
//! The way of a good body is one pass of the parser. A bad one is read again, slower, to find the
//! member at fault.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_path_to_error::Segment;

/// What kind of fault a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No JSON, or not one JSON object.
    NotJson,
    /// A mandatory member is missing.
    Missing,
    /// A mandatory member has the wrong type.
    MandatoryIncorrect,
    /// An optional member has the wrong type.
    OptionalIncorrect,
    /// A member that does not belong here.
    Unknown,
    /// A member that came twice.
    Duplicate,
}

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBody {
    /// What kind of fault.
    pub fault: Fault,
    /// JSON Pointer to the member at fault, as far as its name is one of ours.
    pub pointer: Cow<'static, str>,
}

/// A body of a request.
pub trait Body<'de>: Deserialize<'de> {
    /// Members it cannot do without.
    const MANDATORY: &'static [&'static str];
}

/// Reads a body.
///
/// # Errors
/// [`InvalidBody`].
pub fn parse_body<'de, T: Body<'de>>(bytes: &'de [u8]) -> Result<T, InvalidBody> {
    match serde_json::from_slice::<Object<T>>(bytes) {
        Ok(object) => Ok(object.0),
        Err(_) => Err(diagnose::<T>(bytes)),
    }
}

/// A JSON object; derived structures alone would take an array too.
#[derive(Clone, Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// An optional member that is there: null is no value of it.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A member of a merge patch (RFC 7396): absent, null (remove), or a value.
pub(crate) fn removable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The pointer of the first of these members of a patch that is there.
pub(crate) fn first_present<const N: usize>(
    members: [(&Option<IgnoredAny>, &'static str); N],
) -> Option<&'static str> {
    members
        .into_iter()
        .find_map(|(member, pointer)| member.as_ref().map(|_| pointer))
}

/// Every member name of every body. Only these are repeated in a pointer: anything can stand
/// where a name stands, an identifier too.
const NAMES: &[&str] = &[
    "cause",
    "certificate",
    "channels",
    "consentId",
    "createTime",
    "credentials",
    "deviceId",
    "deviceModel",
    "deviceSerialNumber",
    "details",
    "deviceVendor",
    "e2e",
    "expires",
    "grantedAt",
    "iotSpId",
    "mapping",
    "mappingCause",
    "mappingStatus",
    "notificationDestination",
    "notificationId",
    "ownerSubject",
    "pairingCode",
    "password",
    "pattern",
    "prefix",
    "psk",
    "purpose",
    "request",
    "requestTestNotification",
    "requestWebsocketUri",
    "result",
    "self",
    "serialNamespaces",
    "serviceUri",
    "subCause",
    "subject",
    "supportedFeatures",
    "updateTime",
    "userConsent",
    "uti",
    "utiExpiry",
    "validity",
    "validityPeriod",
    "vendor",
    "websockNotifConfig",
    "websocketUri",
];

fn diagnose<'de, T: Body<'de>>(bytes: &'de [u8]) -> InvalidBody {
    let not_json = InvalidBody {
        fault: Fault::NotJson,
        pointer: "".into(),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer) else {
        // The object was good; something follows it.
        return not_json;
    };
    if error.inner().classify() != Category::Data {
        return not_json;
    }
    let segments: Vec<&Segment> = error.path().iter().collect();
    let message = error.inner().to_string();
    let told = told_name(&message);
    // Of a member that is there, the path may have the name already.
    let untold = told.filter(|name| !ends_with_name(&segments, name));
    let (fault, pointer) = if message.starts_with("missing field") {
        (Fault::Missing, pointer(&segments, told))
    } else if message.starts_with("unknown field") {
        (Fault::Unknown, pointer(&segments, untold))
    } else if message.starts_with("duplicate field") {
        (Fault::Duplicate, pointer(&segments, untold))
    } else if segments.is_empty() {
        (Fault::NotJson, Cow::Borrowed(""))
    } else {
        let mandatory = segments.first().is_some_and(
            |top| matches!(top, Segment::Map { key } if T::MANDATORY.contains(&key.as_str())),
        );
        let fault = if mandatory {
            Fault::MandatoryIncorrect
        } else {
            Fault::OptionalIncorrect
        };
        (fault, pointer(&segments, None))
    };
    InvalidBody { fault, pointer }
}

/// The name in the parser's message, if it is one of ours.
fn told_name(message: &str) -> Option<&'static str> {
    let name = message.split('`').nth(1)?;
    NAMES.iter().copied().find(|known| *known == name)
}

fn ends_with_name(segments: &[&Segment], name: &str) -> bool {
    matches!(segments.last(), Some(Segment::Map { key }) if key == name)
}

/// The pointer as far as its names are known, and `last`.
fn pointer(segments: &[&Segment], last: Option<&'static str>) -> Cow<'static, str> {
    let mut pointer = String::new();
    for segment in segments {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } if NAMES.contains(&key.as_str()) => {
                pointer.push('/');
                pointer.push_str(key);
            }
            _ => return pointer.into(),
        }
    }
    if let Some(last) = last {
        pointer.push('/');
        pointer.push_str(last);
    }
    pointer.into()
}
