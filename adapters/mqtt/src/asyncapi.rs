//! What a device developer needs of this interface, as an AsyncAPI 3 document: made from the table
//! of topics and from the messages as `ics-channel` writes them.

mod schema;

use serde_json::{Map, Value, json};

use crate::topic::{DOCUMENT, DOCUMENT_CBOR, PREFIX, PRESENCE};
use schema::Message;

/// Who publishes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The gateway.
    Down,
    /// The device.
    Up,
}

/// One topic under the prefix.
struct Topic {
    /// The name of its channel in the document.
    name: &'static str,
    own: &'static str,
    direction: Direction,
    message: Message,
    about: &'static str,
}

/// Channels.md A. What a device publishes here is what [`crate::topic::Upward`] reads.
const TOPICS: [Topic; 13] = {
    use Direction::{Down, Up};
    [
        Topic {
            name: "document",
            own: DOCUMENT,
            direction: Down,
            message: Message::Document,
            about: "What the device must hold: on subscribe, on change, and again until it is \
                    acknowledged. Take it if `v` is higher than that of your own copy, else drop it.",
        },
        Topic {
            name: "documentCbor",
            own: DOCUMENT_CBOR,
            direction: Down,
            message: Message::Document,
            about: "The same in CBOR, for who subscribes to this and not to the other; `e2e` is a \
                    byte string.",
        },
        Topic {
            name: "acknowledgement",
            own: "doc/ack",
            direction: Up,
            message: Message::Acknowledgement,
            about: "The device has stored that version, and forgotten what is not in it.",
        },
        Topic {
            name: "inquiry",
            own: "inq",
            direction: Up,
            message: Message::Inquiry,
            about: "MQTT 5: answered on the response topic, which must be under the device's own \
                    prefix, with the correlation data.",
        },
        Topic {
            name: "inquiryByTopic",
            own: "inq/{requestId}",
            direction: Up,
            message: Message::Inquiry,
            about: "Answered beside the request.",
        },
        Topic {
            name: "inquiryAccepted",
            own: "inq/{requestId}/accepted",
            direction: Down,
            message: Message::InquiryAnswer,
            about: "The pairs that hold.",
        },
        Topic {
            name: "inquiryRejected",
            own: "inq/{requestId}/rejected",
            direction: Down,
            message: Message::Refusal,
            about: "Why there is no answer.",
        },
        Topic {
            name: "revocation",
            own: "rev",
            direction: Up,
            message: Message::Revocation,
            about: "The device, or its user by it, gives a pair up for ever.",
        },
        Topic {
            name: "revocationByTopic",
            own: "rev/{requestId}",
            direction: Up,
            message: Message::Revocation,
            about: "The same, answered beside the request.",
        },
        Topic {
            name: "revocationAccepted",
            own: "rev/{requestId}/accepted",
            direction: Down,
            message: Message::Done,
            about: "It is given up.",
        },
        Topic {
            name: "revocationRejected",
            own: "rev/{requestId}/rejected",
            direction: Down,
            message: Message::Refusal,
            about: "Why it is not.",
        },
        Topic {
            name: "event",
            own: "evt",
            direction: Up,
            message: Message::Event,
            about: "Goes to the service of that pair, byte by byte.",
        },
        Topic {
            name: "presence",
            own: PRESENCE,
            direction: Up,
            message: Message::Presence,
            about: "The device is there; the only topic a will may have. Behind a broker, where the \
                    gateway does not see who subscribes, say it after subscribing: the document \
                    follows.",
        },
    ]
};

/// The AsyncAPI 3 document of this interface, as JSON.
#[must_use]
pub fn describe() -> String {
    format!("{:#}", document())
}

fn document() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Identity correlation service: hosted devices over MQTT",
            "version": "1",
            "description": "A device learns its (service URI, UTI) pairs, acknowledges them, asks \
                for them, gives them up and forgets what was revoked (ITU-T Y.4462 10.1 to 10.3). \
                MQTT 3.1.1 and 5, QoS 0 and 1. A PUBACK says that what was published is durable.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "{host}:{port}",
                "protocol": "secure-mqtt",
                "variables": {
                    "host": { "description": "The gateway." },
                    "port": { "default": "8883" },
                },
                "security": [
                    { "$ref": "#/components/securitySchemes/certificate" },
                    { "$ref": "#/components/securitySchemes/password" },
                ],
            },
        },
        "channels": object(TOPICS.iter().map(|topic| (topic.name, channel(topic)))),
        "operations": object(TOPICS.iter().map(|topic| (topic.name, operation(topic)))),
        "components": {
            "messages": object(Message::ALL.into_iter().map(|m| (m.name(), m.describe()))),
            "securitySchemes": {
                "certificate": {
                    "type": "X509",
                    "description": "A certificate that names the device.",
                },
                "password": {
                    "type": "userPassword",
                    "description": "The device ID and its password.",
                },
            },
        },
    })
}

fn channel(topic: &Topic) -> Value {
    let message = topic.message.name();
    let mut parameters = Map::new();
    for (name, about) in [
        (
            "deviceId",
            "The device's own ID: its subtree is its own, and nothing beside it.",
        ),
        (
            "requestId",
            "1 to 64 letters, digits, `-` and `_` of the device's choice.",
        ),
    ] {
        if address(topic).contains(name) {
            parameters.insert(name.to_owned(), json!({ "description": about }));
        }
    }
    json!({
        "address": address(topic),
        "description": topic.about,
        "parameters": parameters,
        "messages": { message: { "$ref": format!("#/components/messages/{message}") } },
    })
}

/// AsyncAPI tells it from the side of who is described: the gateway receives what a device sends.
fn operation(topic: &Topic) -> Value {
    let action = match topic.direction {
        Direction::Down => "send",
        Direction::Up => "receive",
    };
    let mut operation = json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{}", topic.name) },
        "bindings": { "mqtt": { "qos": 1, "retain": false } },
    });
    let reply = match (topic.own, operation.as_object_mut()) {
        ("inq", Some(operation)) => Some((
            operation,
            json!({ "address": {
                "description": "The response topic of the question.",
                "location": "$message.header#/responseTopic",
            }}),
        )),
        ("inq/{requestId}", Some(operation)) => Some((
            operation,
            json!({ "channel": { "$ref": "#/channels/inquiryAccepted" } }),
        )),
        ("rev/{requestId}", Some(operation)) => Some((
            operation,
            json!({ "channel": { "$ref": "#/channels/revocationAccepted" } }),
        )),
        _ => None,
    };
    if let Some((operation, reply)) = reply {
        operation.insert("reply".to_owned(), reply);
    }
    operation
}

fn address(topic: &Topic) -> String {
    format!("{PREFIX}{{deviceId}}/{}", topic.own)
}

fn object<'a>(members: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.collect())
}

#[cfg(test)]
mod tests;
