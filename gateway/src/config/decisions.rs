//! `[decisions]`: the decision log, the audit's first form.

use std::path::PathBuf;

use serde::Deserialize;

use super::fault::Fault;
use super::literal::byte_size;
use super::place::Place;

/// `[decisions]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DecisionsSection {
    /// Where `decisions.jsonl` lies; the directory is the gateway's alone (mode 0700).
    pub(crate) directory: PathBuf,
    /// What happens while lines cannot be written.
    pub(crate) on_failure: OnFailure,
    /// Memory for lines that wait to be written.
    #[serde(deserialize_with = "byte_size")]
    pub(crate) queue: usize,
}

/// What happens while the decision log cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnFailure {
    /// What changes something is refused (503); the rest too, once the queue is full.
    #[default]
    Refuse,
    /// Service goes on; lines beyond the queue are lost, and counted.
    Continue,
}

impl Default for DecisionsSection {
    fn default() -> Self {
        Self {
            directory: "decisions".into(),
            on_failure: OnFailure::default(),
            queue: 16 << 20,
        }
    }
}

impl DecisionsSection {
    pub(super) fn check(&mut self, place: &Place) -> Result<(), Fault> {
        place.resolve(&mut self.directory);
        if (64 << 10..=1 << 30).contains(&self.queue) {
            return Ok(());
        }
        Err(Fault::new(
            "decisions.queue",
            "out of range",
            "choose from 64KiB to 1GiB",
        ))
    }
}
