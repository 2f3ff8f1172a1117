//! A callback as it was received, in JSON: an item of the sandbox's inbox
//! `{receivedAt, path, headers, body}`, or `{method, url, headers, body}`.
//!
//! `body` is a text, byte by byte what came; a JSON value is written compactly with its members in
//! the order they have, which is how the gateway writes its callbacks.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::verify::Received;

#[derive(Deserialize)]
struct Item {
    method: Option<String>,
    url: Option<String>,
    path: Option<String>,
    headers: Json,
    body: Json,
}

/// The text is no callback as described above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a received callback: {{path, headers, body}}")]
pub struct InvalidItem;

/// Reads a callback; `origin` is the receiver's own scheme, host and port.
///
/// # Errors
/// [`InvalidItem`].
pub fn parse_item(text: &str, origin: &str) -> Result<Received, InvalidItem> {
    let item: Item = serde_json::from_str(text).map_err(|_| InvalidItem)?;
    let target = item.path.or(item.url).ok_or(InvalidItem)?;
    // Only path and query count: the origin is the receiver's own business.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target.as_str(),
    };
    let Json::Object(headers) = item.headers else {
        return Err(InvalidItem);
    };
    let headers: Option<Vec<_>> = headers
        .into_iter()
        .map(|(name, value)| match value {
            Json::Text(value) => Some((name, value)),
            _ => None,
        })
        .collect();
    let body = match item.body {
        Json::Text(text) => text.into_bytes(),
        value => serde_json::to_vec(&value).map_err(|_| InvalidItem)?,
    };
    Ok(Received {
        method: item.method.unwrap_or_else(|| "POST".to_owned()),
        target_uri: format!("{}{path}", origin.trim_end_matches('/')),
        headers: headers.ok_or(InvalidItem)?,
        body,
    })
}

/// JSON that keeps the order of its members.
enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Json::Number).ok_or_else(|| E::custom("number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => {
                let mut array = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    array.serialize_element(item)?;
                }
                array.end()
            }
            Self::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    object.serialize_entry(name, value)?;
                }
                object.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://127.0.0.1:8445";

    #[test]
    fn item_of_the_sandbox_is_read_with_its_body_as_text_or_as_json() {
        let body = r#"{"z":1,"a":"x/y","n":null,"l":[true,-2,0.5]}"#;
        let text = serde_json::to_string(body).unwrap();
        for body_member in [text.as_str(), body] {
            let item = format!(
                "{{\"receivedAt\":\"2026-11-21T20:00:00.000Z\",\"path\":\"/shop?x=1\",\
                 \"headers\":{{\"Content-Type\":\"application/json\"}}, \"body\": {body_member}}}"
            );
            let received = parse_item(&item, ORIGIN).unwrap();
            assert_eq!(received.method, "POST");
            assert_eq!(received.target_uri, "https://127.0.0.1:8445/shop?x=1");
            let header = ("Content-Type".to_owned(), "application/json".to_owned());
            assert_eq!(received.headers, [header]);
            assert_eq!(received.body, body.as_bytes());
        }
    }

    #[test]
    fn origin_of_a_url_is_not_believed() {
        let item = r#"{"method":"PUT","url":"https://evil.example/p","headers":{},"body":""}"#;
        let received = parse_item(item, ORIGIN).unwrap();
        assert_eq!(received.target_uri, "https://127.0.0.1:8445/p");
        assert_eq!(received.method, "PUT");
    }

    #[test]
    fn anything_else_is_no_item() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"path":"/","headers":[],"body":""}"#,
            r#"{"path":"/","headers":{"a":1},"body":""}"#,
        ] {
            assert_eq!(parse_item(text, ORIGIN).err(), Some(InvalidItem), "{text}");
        }
    }
}
