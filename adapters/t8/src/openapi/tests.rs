use serde_json::Value;

use crate::operation::Operation;

fn document() -> Value {
    serde_json::from_str(&super::openapi().to_json().unwrap()).unwrap()
}

fn objects<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            if members.get("type") == Some(&Value::from("object")) {
                found.push(value);
            }
            members.values().for_each(|member| objects(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        _ => {}
    }
}

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members
                .values()
                .for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_operation_is_described_once() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let described: usize = paths
        .values()
        .map(|item| item.as_object().unwrap().len())
        .sum();
    assert_eq!(described, Operation::ALL.len());
    for operation in Operation::ALL {
        let verb = format!("{:?}", operation.verb()).to_lowercase();
        let entry = &paths[operation.path()][&verb];
        assert_eq!(
            entry["requestBody"].is_object(),
            !operation.body().is_empty()
        );
        assert!(entry["responses"]["401"].is_object());
        for refusal in ["408", "411", "413", "415"] {
            assert_eq!(
                entry["responses"][refusal].is_object(),
                !operation.body().is_empty(),
                "{operation:?} {refusal}"
            );
        }
        assert!(entry["security"][0]["mutualTLS"].is_array());
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_structure_is_closed() {
    let document = document();
    let mut found = Vec::new();
    objects(&document["components"], &mut found);
    let open = found
        .iter()
        .filter(|object| object["additionalProperties"] != Value::Bool(false));
    // A JWK is somebody else's structure.
    assert_eq!(open.count(), 1);
}

#[test]
fn mandatory_members_are_required() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let required = |name: &str| {
        let mut names: Vec<_> = schemas[name]["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(
        required("IdentityMappingRequest"),
        ["deviceSerialNumber", "serviceUri", "uti"]
    );
    assert!(required("IdentityMapping").contains(&"mappingCause"));
    assert!(!required("IdentityMapping").contains(&"validityPeriod"));
    let mapping = schemas["IdentityMapping"]["properties"]
        .as_object()
        .unwrap();
    for secret in ["deviceSerialNumber", "userConsent", "deviceId", "e2e"] {
        assert!(!mapping.contains_key(secret), "{secret}");
    }
}
