use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../device/vectors.json");

#[derive(Deserialize)]
struct File {
    pairs: BTreeMap<String, Pair>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(rename = "why")]
    _why: String,
    #[serde(default = "plenty")]
    room: usize,
    #[serde(default)]
    refuses: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    send: Option<Sent>,
    raw: Option<String>,
    #[serde(default)]
    restart: bool,
    #[serde(default, rename = "reconnect")]
    _reconnect: bool,
    #[serde(default, rename = "lost")]
    _lost: bool,
    #[serde(default)]
    acknowledged: Option<Told>,
    held: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    v: u64,
    m: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    v: u64,
    #[serde(default)]
    no: Vec<String>,
}

const fn plenty() -> usize {
    16
}

/// Takes what came as a device would; what it says, if anything.
fn take(
    copy: &mut Copy,
    payload: &[u8],
    vector: &Vector,
    refused: &[&str],
) -> Option<Acknowledgement> {
    let document = Document::parse(payload).ok()?;
    let is_refused = |pair: &Pair| refused.contains(&pair.id.as_str());
    match copy.take(document, vector.room, is_refused) {
        Taken::Newer(said) | Taken::Again(said) => Some(said),
        Taken::Overtaken => None,
    }
}

#[test]
fn every_vector_holds() {
    let file: File = serde_json::from_str(VECTORS).unwrap();
    assert!(file.vectors.len() >= 12);
    let id = |name: &String| file.pairs[name].id.clone();
    for vector in &file.vectors {
        let refused: Vec<&str> = vector
            .refuses
            .iter()
            .map(|n| file.pairs[n].id.as_str())
            .collect();
        let mut copy = Copy::default();
        for (n, step) in vector.steps.iter().enumerate() {
            let at = format!("{} step {n}", vector.name);
            let payload = match (&step.send, &step.raw) {
                (Some(sent), None) => {
                    let pairs: Vec<&Pair> = sent.m.iter().map(|name| &file.pairs[name]).collect();
                    Some(serde_json::json!({"v": sent.v, "m": pairs}).to_string())
                }
                (None, raw) => raw.clone(),
                _ => panic!("{at}: one of send and raw"),
            };
            let said = payload.and_then(|p| take(&mut copy, p.as_bytes(), vector, &refused));
            if step.restart {
                // What a loss of power leaves: what was stored.
                let stored = serde_json::to_vec(&copy).unwrap();
                copy = serde_json::from_slice(&stored).unwrap();
            }
            let expected = step.acknowledged.as_ref().map(|told| Acknowledgement {
                v: told.v,
                no: told.no.iter().map(id).collect(),
            });
            assert_eq!(said, expected, "{at}");
            let mut held: Vec<&str> = copy.m.iter().map(|pair| pair.id.as_str()).collect();
            held.sort_unstable();
            let mut expected: Vec<String> = step.held.iter().map(id).collect();
            expected.sort_unstable();
            assert_eq!(held, expected, "{at}");
        }
    }
}

#[test]
fn an_acknowledgement_without_refusals_has_one_member() {
    let said = Acknowledgement {
        v: 7,
        no: Vec::new(),
    };
    assert_eq!(
        serde_json::to_value(&said).unwrap(),
        serde_json::json!({"v": 7})
    );
}

#[test]
fn pairs_are_as_the_gateway_wrote_them() {
    let text = r#"{"v":1,"m":[{"id":"a","svc":"https://s.example","uti":"u","e2e":"_-8"}]}"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let mut copy = Copy::default();
    copy.take(document, 16, |_| false);
    let stored: Value = serde_json::to_value(&copy).unwrap();
    assert_eq!(stored, serde_json::from_str::<Value>(text).unwrap());
}
