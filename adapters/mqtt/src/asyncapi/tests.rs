use std::collections::BTreeSet;

use super::*;
use crate::topic::Upward;

#[test]
fn what_a_device_may_publish_is_what_is_read() {
    for topic in &TOPICS {
        let own = topic.own.replace("{requestId}", "7");
        let is_read = Upward::read(&own).is_some();
        assert_eq!(is_read, topic.direction == Direction::Up, "{own}");
    }
    let up = TOPICS
        .iter()
        .filter(|topic| topic.direction == Direction::Up);
    // As many as there are ways to be read: two with a request, and two without.
    assert_eq!(up.count(), 7);
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let names: BTreeSet<_> = TOPICS.iter().map(|topic| topic.name).collect();
    assert_eq!(names.len(), TOPICS.len());
    let text: Value = serde_json::from_str(&describe()).unwrap();
    assert_eq!(text, document);
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("$ref", Value::String(reference)) => references.push(reference.clone()),
                    _ => collect(member, references),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|e| collect(e, references)),
        _ => {}
    }
}

#[test]
fn the_examples_are_of_their_schemas() {
    for message in Message::ALL {
        let examples = message.examples().unwrap();
        assert_eq!(examples.is_empty(), message == Message::Presence);
        let described = message.describe();
        assert_eq!(
            described["examples"].as_array().unwrap().len(),
            examples.len()
        );
        for example in described["examples"].as_array().unwrap() {
            check(&example["payload"], &described["payload"]);
        }
    }
}

/// As much of JSON Schema as these use.
fn check(value: &Value, schema: &Value) {
    if let Some(ways) = schema["oneOf"].as_array() {
        let is = |schema: &&Value| members(value) == members(&schema["properties"]);
        let fitting: Vec<_> = ways.iter().filter(is).collect();
        assert_eq!(fitting.len(), 1, "{value} {schema}");
        check(value, fitting[0]);
        return;
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{value} {schema}");
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().unwrap();
            let required = required.iter().map(|name| name.as_str().unwrap());
            assert!(
                required.clone().all(|name| value.get(name).is_some()),
                "{value}"
            );
            for (name, member) in value.as_object().unwrap() {
                check(member, schema["properties"].get(name).unwrap());
            }
        }
        Some("array") => {
            for element in value.as_array().unwrap() {
                check(element, &schema["items"]);
            }
        }
        Some("string") => assert!(value.is_string(), "{value}"),
        Some("integer") => assert!(value.is_u64(), "{value}"),
        _ => {}
    }
}

fn members(value: &Value) -> BTreeSet<&String> {
    value.as_object().unwrap().keys().collect()
}
