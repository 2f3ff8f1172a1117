//! The vectors of the device kit (`examples/device/vectors.json`), as far as they can be played over a
//! wire: what a user refuses, how much room there is and payloads that are none are the state machine's.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::device_document::{DeviceDocument, DocumentEntry};
use ics_core::id::{MappingId, ServiceUri, Uti};
use ics_core::mapping::MappingKey;
use serde::Deserialize;

const FILE: &str = include_str!("../../../../../examples/device/vectors.json");

/// A sequence of steps, from whatever the device held before.
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One step, and what the device then holds.
pub(super) struct Step {
    pub(super) act: Act,
    pub(super) held: Vec<DocumentEntry>,
}

/// What is done to the device.
pub(super) enum Act {
    /// It is sent this document. It acknowledges its version, or says nothing of it.
    Send {
        document: DeviceDocument,
        is_acknowledged: bool,
        /// The connection breaks before its acknowledgement is answered.
        is_lost: bool,
    },
    /// Its power is taken away and given back.
    Restart,
    /// Its connection breaks.
    Reconnect,
}

/// The committed file is none. A test of this file reads it.
#[derive(Debug, thiserror::Error)]
#[error("the vectors of the device kit cannot be read")]
pub(super) struct NoVectors;

impl Vector {
    pub(super) fn needs_restart(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step.act, Act::Restart))
    }
}

/// Those that can be played.
pub(super) fn parse_vectors() -> Result<Vec<Vector>, NoVectors> {
    let file: Wire = serde_json::from_str(FILE).map_err(|_| NoVectors)?;
    let mut pairs = BTreeMap::new();
    for (name, pair) in &file.pairs {
        pairs.insert(name.as_str(), read_pair(pair).ok_or(NoVectors)?);
    }
    let playable = file.vectors.into_iter().filter(|vector| {
        let is_plain = |step: &WireStep| step.raw.is_none();
        vector.refuses.is_empty() && vector.room.is_none() && vector.steps.iter().all(is_plain)
    });
    let read = playable.map(|vector| {
        let steps = vector.steps.iter().map(|step| read_step(step, &pairs));
        Some(Vector {
            steps: steps.collect::<Option<_>>()?,
            name: vector.name,
        })
    });
    read.collect::<Option<_>>().ok_or(NoVectors)
}

fn read_step(step: &WireStep, pairs: &BTreeMap<&str, DocumentEntry>) -> Option<Step> {
    let named = |names: &[String]| -> Option<Vec<DocumentEntry>> {
        let entries = names.iter().map(|name| pairs.get(name.as_str()).cloned());
        entries.collect()
    };
    let act = match &step.send {
        Some(sent) => Act::Send {
            document: DeviceDocument {
                version: sent.v,
                entries: named(&sent.m)?,
            },
            is_acknowledged: step.acknowledged.is_some(),
            is_lost: step.lost,
        },
        None if step.restart => Act::Restart,
        None if step.reconnect => Act::Reconnect,
        None => return None,
    };
    Some(Step {
        act,
        held: named(&step.held)?,
    })
}

fn read_pair(pair: &WirePair) -> Option<DocumentEntry> {
    let e2e = pair.e2e.as_ref().map(|e2e| URL_SAFE_NO_PAD.decode(e2e));
    Some(DocumentEntry {
        mapping: MappingId::parse(&pair.id).ok()?,
        key: MappingKey {
            service_uri: ServiceUri::parse(&pair.svc).ok()?,
            uti: Uti::parse(&pair.uti).ok()?,
        },
        e2e: e2e.transpose().ok()?,
    })
}

#[derive(Deserialize)]
struct Wire {
    pairs: BTreeMap<String, WirePair>,
    vectors: Vec<WireVector>,
}

#[derive(Deserialize)]
struct WirePair {
    id: String,
    svc: String,
    uti: String,
    e2e: Option<String>,
}

#[derive(Deserialize)]
struct WireVector {
    name: String,
    room: Option<usize>,
    #[serde(default)]
    refuses: Vec<String>,
    steps: Vec<WireStep>,
}

#[derive(Deserialize)]
struct WireStep {
    send: Option<WireSent>,
    raw: Option<String>,
    #[serde(default)]
    restart: bool,
    #[serde(default)]
    reconnect: bool,
    #[serde(default)]
    lost: bool,
    acknowledged: Option<serde::de::IgnoredAny>,
    held: Vec<String>,
}

#[derive(Deserialize)]
struct WireSent {
    v: u64,
    m: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_kit_are_played_but_for_those_of_the_state_machine() {
        let vectors = parse_vectors().unwrap();
        assert_eq!(vectors.len(), 15);
        assert_eq!(vectors.iter().filter(|v| v.needs_restart()).count(), 2);
        for vector in &vectors {
            // A trial knows that an older document was passed over by what comes after it.
            let last = vector.steps.last().map(|step| &step.act);
            let is_told = matches!(
                last,
                Some(Act::Send {
                    is_acknowledged: true,
                    ..
                })
            );
            assert!(is_told, "{}", vector.name);
        }
    }
}
