//! The messages: their members, and an example of each as `ics-channel` writes it.

use ics_channel::refusal::{Refusal, encode_done};
use ics_channel::{Format, acknowledgement, document, event, inquiry, revocation};
use ics_core::device_document::{Acknowledgement, DeviceDocument, DocumentEntry, DocumentState};
use ics_core::id::{DeviceId, InvalidId, MappingId, ServiceUri, Uti};
use ics_core::mapping::MappingKey;
use ics_core::service::{Given, OwnMapping};
use serde_json::{Value, json};

/// A message of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Document,
    Acknowledgement,
    Inquiry,
    InquiryAnswer,
    Revocation,
    Done,
    Event,
    Refusal,
    Presence,
}

impl Message {
    pub(super) const ALL: [Self; 9] = [
        Self::Document,
        Self::Acknowledgement,
        Self::Inquiry,
        Self::InquiryAnswer,
        Self::Revocation,
        Self::Done,
        Self::Event,
        Self::Refusal,
        Self::Presence,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Acknowledgement => "acknowledgement",
            Self::Inquiry => "inquiry",
            Self::InquiryAnswer => "inquiryAnswer",
            Self::Revocation => "revocation",
            Self::Done => "done",
            Self::Event => "event",
            Self::Refusal => "refusal",
            Self::Presence => "presence",
        }
    }

    pub(super) fn describe(self) -> Value {
        let examples: Vec<Value> = self
            .examples()
            .unwrap_or_default()
            .iter()
            .filter_map(|example| serde_json::from_slice(example).ok())
            .map(|payload: Value| json!({ "payload": payload }))
            .collect();
        json!({
            "name": self.name(),
            "payload": self.schema(),
            "examples": examples,
        })
    }

    /// The message as it is written, once for each of its forms.
    pub(super) fn examples(self) -> Result<Vec<Vec<u8>>, InvalidId> {
        let entry = example_entry()?;
        let json = Format::Json;
        Ok(match self {
            Self::Document => vec![document::encode(
                &DeviceDocument {
                    version: 7,
                    entries: vec![entry],
                },
                json,
            )],
            Self::Acknowledgement => [vec![], vec![entry.mapping]]
                .map(|refused| {
                    let version = 7;
                    acknowledgement::encode(&Acknowledgement { version, refused }, json)
                })
                .to_vec(),
            Self::Inquiry => [None, Some(entry.key.service_uri)]
                .map(|service_uri| inquiry::encode(&inquiry::Inquiry { service_uri }, json))
                .to_vec(),
            Self::InquiryAnswer => {
                let device = DeviceId::parse("d-kpmhgbdoejfcalniaijkbgmpohcfdeln")?;
                let row = OwnMapping {
                    mapping: entry.mapping,
                    key: entry.key,
                };
                vec![inquiry::encode_answer(&device, &[row], json)]
            }
            Self::Revocation => [Given::Mapping(entry.mapping), Given::Key(entry.key)]
                .map(|given| revocation::encode(&given, json))
                .to_vec(),
            Self::Done => vec![encode_done(json)],
            Self::Event => event::encode(&event::Event {
                mapping: entry.mapping,
                data: br#"{"open":true}"#,
                is_json: true,
            })
            .into_iter()
            .collect(),
            Self::Refusal => Refusal::ALL.map(|refusal| refusal.encode(json)).to_vec(),
            Self::Presence => Vec::new(),
        })
    }

    fn schema(self) -> Value {
        let most = DocumentState::MOST_ROWS;
        match self {
            Self::Document => all_of(json!({
                "v": version(),
                "m": { "type": "array", "maxItems": most, "items": closed(
                    json!({ "id": id(), "svc": service(), "uti": uti(), "e2e": {
                        "type": "string",
                        "description": "Opaque bytes of the service for the device, base64url \
                            without padding.",
                    }}),
                    &["id", "svc", "uti"],
                )},
            })),
            Self::Acknowledgement => closed(
                json!({
                    "v": version(),
                    "no": {
                        "type": "array",
                        "maxItems": most,
                        "items": id(),
                        "description": "What the device or its user refuses to hold.",
                    },
                }),
                &["v"],
            ),
            Self::Inquiry => closed(json!({ "svc": service() }), &[]),
            Self::InquiryAnswer => all_of(json!({
                "did": { "type": "string", "description": "The device ID." },
                "m": { "type": "array", "items": all_of(
                    json!({ "id": id(), "svc": service(), "uti": uti() }),
                )},
            })),
            Self::Revocation => json!({ "oneOf": [
                all_of(json!({ "id": id() })),
                all_of(json!({ "svc": service(), "uti": uti() })),
            ]}),
            Self::Done => all_of(json!({})),
            Self::Event => all_of(json!({
                "id": id(),
                "data": { "description": "Any value; goes through as it stands. In CBOR a byte \
                    string, whose content goes through." },
            })),
            Self::Refusal => all_of(json!({
                "code": { "enum": Refusal::ALL.map(Refusal::code) },
                "err": { "enum": Refusal::ALL.map(Refusal::word) },
            })),
            Self::Presence => json!({ "description": "Whatever the device likes." }),
        }
    }
}

fn example_entry() -> Result<DocumentEntry, InvalidId> {
    Ok(DocumentEntry {
        mapping: MappingId::parse("019a1f3e-5c00-7b3a-9c41-2f60d7a3e815")?,
        key: MappingKey {
            service_uri: ServiceUri::parse("https://shop.example/services/eggs")?,
            uti: Uti::parse("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11")?,
        },
        e2e: Some(b"opaque".to_vec()),
    })
}

fn version() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": DocumentState::HIGHEST_VERSION })
}

fn id() -> Value {
    json!({ "type": "string", "format": "uuid", "description": "Names the pair." })
}

fn service() -> Value {
    json!({ "type": "string", "format": "uri", "maxLength": ServiceUri::MAX })
}

fn uti() -> Value {
    json!({ "type": "string", "minLength": Uti::MIN, "maxLength": Uti::MAX })
}

/// An object of these members and no other.
fn closed(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
    });
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("properties".to_owned(), properties);
    }
    schema
}

/// One that needs all of its members.
fn all_of(properties: Value) -> Value {
    let required: Vec<String> = properties
        .as_object()
        .map(|members| members.keys().cloned().collect())
        .unwrap_or_default();
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    closed(properties, &required)
}
