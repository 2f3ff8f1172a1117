//! `[decisions]`: the decision log, the audit's first form.

use std::path::PathBuf;

use serde::Deserialize;

use super::fault::Fault;
use super::literal::byte_size;
use super::place::Place;
use crate::telemetry::LINE_ROOM;

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
    /// `connections`: those of the service providers, each with a request under way at most.
    pub(super) fn check(&mut self, place: &Place, connections: usize) -> Result<(), Fault> {
        place.resolve(&mut self.directory);
        let fault = |wrong: String, mend: String| Err(Fault::new("decisions.queue", wrong, mend));
        if !(64 << 10..=1 << 30).contains(&self.queue) {
            return fault("out of range".into(), "choose from 64KiB to 1GiB".into());
        }
        // Or requests whose bodies never come would take the room of all others.
        let needed = connections.saturating_mul(LINE_ROOM);
        if needed > self.queue {
            let wrong = format!("too small for `t8.connections.max_connections`, {connections}");
            let mend = format!("choose at least {}KiB", needed.div_ceil(1 << 10));
            return fault(wrong, mend);
        }
        Ok(())
    }
}
