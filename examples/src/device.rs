//! The device's side of the mapping document, as a state machine: no I/O, no clock, no memory but
//! the copy it holds (channels.md; Y.4462 10.1 steps 4 to 6, 10.2).
//!
//! The document is state, not messages. Its version is the one integer a device remembers for
//! ordering: a document with a higher one replaces the copy, the same one is acknowledged again,
//! an older one is nothing. So no loss, duplication or reordering leaves a revoked pair here or
//! brings one back. It may outlive the device ID: a device that is registered anew is sent versions
//! above these. `examples/device/vectors.json` says the same in examples, for any language.

use serde::{Deserialize, Serialize};

/// A pair this device may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The mapping: names the pair in acknowledgements, events and revocations.
    pub id: String,
    /// The service URI.
    pub svc: String,
    /// The unique transaction identifier.
    pub uti: String,
    /// What the third party sealed for this device, base64url without padding; see
    /// [`end_to_end`](crate::end_to_end).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2e: Option<String>,
}

/// What the gateway sends: all that this device shall hold. Members of later versions are not
/// looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Document {
    /// The version.
    pub v: u64,
    /// The pairs.
    pub m: Vec<Pair>,
}

/// What this device says: it has stored that version, but for those pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The version it holds.
    pub v: u64,
    /// The mappings it refuses: its user said no, or its memory is full.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no: Vec<String>,
}

/// What this device holds, and keeps through a loss of power. A new device holds nothing, in
/// version 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The version.
    pub v: u64,
    /// The pairs it took.
    pub m: Vec<Pair>,
    /// Those of this version it refused: an acknowledgement that is repeated says the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no: Vec<String>,
}

/// What is to be done after a document came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was newer: store the copy durably, then acknowledge.
    Newer(Acknowledgement),
    /// It is held already, and the gateway does not know: acknowledge again.
    Again(Acknowledgement),
    /// It was overtaken on its way: nothing to store, nothing to say.
    Overtaken,
}

/// What came is no document. It is not answered: a copy is replaced by a whole document only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no mapping document")]
pub struct NoDocument;

/// The highest version there is: every integer up to it is exact in JSON.
const HIGHEST_VERSION: u64 = (1 << 53) - 1;

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// [`NoDocument`].
    pub fn parse(payload: &[u8]) -> Result<Self, NoDocument> {
        let document: Self = serde_json::from_slice(payload).map_err(|_| NoDocument)?;
        if (1..=HIGHEST_VERSION).contains(&document.v) {
            Ok(document)
        } else {
            Err(NoDocument)
        }
    }
}

impl Copy {
    /// Takes a document: what is newer replaces this copy whole, so what is no longer in it is
    /// forgotten. At most `room` pairs are kept, those held before first, and none that `is_refused`.
    pub fn take(
        &mut self,
        document: Document,
        room: usize,
        is_refused: impl Fn(&Pair) -> bool,
    ) -> Taken {
        if document.v < self.v {
            return Taken::Overtaken;
        }
        if document.v == self.v {
            return Taken::Again(self.acknowledgement());
        }
        let is_known = |pair: &Pair| self.m.iter().any(|held| held.id == pair.id);
        let (mut pairs, new): (Vec<Pair>, Vec<Pair>) = document.m.into_iter().partition(is_known);
        let mut no = Vec::new();
        for pair in new {
            if pairs.len() < room && !is_refused(&pair) {
                pairs.push(pair);
            } else {
                no.push(pair.id);
            }
        }
        *self = Self {
            v: document.v,
            m: pairs,
            no,
        };
        Taken::Newer(self.acknowledgement())
    }

    /// The pair of that mapping, while it is held.
    #[must_use]
    pub fn pair(&self, id: &str) -> Option<&Pair> {
        self.m.iter().find(|pair| pair.id == id)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement {
            v: self.v,
            no: self.no.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
