//! The IoT SP and its device, as `channels.md` and t8 A.2 want them.
//!
//! The IoT SP is a forgetful one: it keeps the device document and what it is just about, but
//! remembers no notification it has had. Nothing but the gateway's tombstone tells it that a
//! push came late.

use std::collections::{BTreeMap, BTreeSet};

use ics_core::device_document::{Acknowledgement, DeviceDocument, DocumentEntry};
use ics_core::id::MappingId;

/// What the IoT SP keeps.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct IotSp {
    /// The newest document.
    pub(crate) document: DeviceDocument,
    /// The version the device acknowledged while it was the newest.
    pub(crate) acknowledged: u64,
    /// Rows it accepted or is about to; `true` once the gateway has answered.
    pub(crate) accepted: BTreeMap<MappingId, bool>,
    /// Rows it rejects, until the gateway has answered.
    pub(crate) rejecting: BTreeSet<MappingId>,
    /// Rows it de-maps, until the gateway has answered.
    pub(crate) leaving: BTreeSet<MappingId>,
    /// Under which registration the device has its ID.
    pub(crate) registration: u8,
    /// Whether it unregisters the device, until the gateway has answered.
    pub(crate) unregistering: bool,
}

/// What the gateway says to an answer of step 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200.
    Taken,
    /// 409 to a row that ended: make the device forget.
    Conflict,
    /// 409 `DEVICE_ALREADY_ASSIGNED`: an answer from before the device had this ID; the row lives.
    OtherDevice,
    /// 404.
    NotFound,
}

impl IotSp {
    pub(crate) const fn new() -> Self {
        Self {
            document: DeviceDocument {
                version: 0,
                entries: Vec::new(),
            },
            acknowledged: 0,
            accepted: BTreeMap::new(),
            rejecting: BTreeSet::new(),
            leaving: BTreeSet::new(),
            registration: 1,
            unregistering: false,
        }
    }

    /// Step 3: an assignment came.
    pub(crate) fn offer(&mut self, entry: DocumentEntry) {
        let id = entry.mapping;
        let busy = self.leaving.contains(&id) || self.rejecting.contains(&id) || self.unregistering;
        if !busy && !holds(&self.document, &id) {
            self.document = with(&self.document, entry);
        }
    }

    /// An undo, a de-mapping, a 409: the device must not hold the row.
    pub(crate) fn forget(&mut self, id: &MappingId) {
        if holds(&self.document, id) {
            self.document = without(&self.document, id);
        }
        self.accepted.remove(id);
        self.rejecting.remove(id);
    }

    /// Whether the device holds the newest document, so that its rows can be accepted.
    pub(crate) const fn is_current(&self) -> bool {
        self.acknowledged == self.document.version
    }

    /// Rows whose answer of step 7 is owed: accepted (`true`) or rejected.
    pub(crate) fn owed_answers(&self) -> impl Iterator<Item = (MappingId, bool)> {
        let stored = self
            .document
            .entries
            .iter()
            .map(|entry| entry.mapping)
            .filter(|id| self.is_current() && self.accepted.get(id) != Some(&true))
            .map(|id| (id, true));
        stored.chain(self.rejecting.iter().map(|id| (*id, false)))
    }

    /// The gateway answered an answer.
    pub(crate) fn hear(&mut self, id: MappingId, accepted: bool, outcome: Outcome) {
        match outcome {
            Outcome::Conflict => self.forget(&id),
            Outcome::OtherDevice => {}
            // 404 says nothing about what the device may hold; there is nothing more to ask.
            Outcome::Taken | Outcome::NotFound if accepted => {
                if holds(&self.document, &id) {
                    self.accepted.insert(id, true);
                }
            }
            Outcome::Taken | Outcome::NotFound => {
                self.rejecting.remove(&id);
            }
        }
    }

    /// Step 6 or the proof of forgetting.
    pub(crate) fn take_acknowledgement(&mut self, acknowledgement: &Acknowledgement) {
        if acknowledgement.version == self.document.version {
            self.acknowledged = acknowledgement.version;
        }
    }

    /// Whether nothing is owed to the device or the gateway.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_current()
            && !self.unregistering
            && self.leaving.is_empty()
            && self.owed_answers().next().is_none()
    }
}

/// The next version, with a row in it.
fn with(document: &DeviceDocument, entry: DocumentEntry) -> DeviceDocument {
    let mut next = without(document, &entry.mapping);
    next.entries.push(entry);
    next.entries.sort();
    next
}

/// The next version, without a row.
fn without(document: &DeviceDocument, mapping: &MappingId) -> DeviceDocument {
    let kept = document.entries.iter().filter(|e| e.mapping != *mapping);
    DeviceDocument {
        version: document.version + 1,
        entries: kept.cloned().collect(),
    }
}

/// Whether the row is in it.
pub(crate) fn holds(document: &DeviceDocument, mapping: &MappingId) -> bool {
    document.entries.iter().any(|e| e.mapping == *mapping)
}

/// The device's rule (step 5). Without `versions` it takes whatever comes.
pub(crate) fn take_document(
    held: &mut DeviceDocument,
    received: &DeviceDocument,
    versions: bool,
) -> Acknowledgement {
    *held = if versions {
        held.replaced_by(received)
    } else {
        received.clone()
    };
    Acknowledgement {
        version: held.version,
        refused: Vec::new(),
    }
}
