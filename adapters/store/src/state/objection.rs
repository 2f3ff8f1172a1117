//! What a state holds that the gateway would not have taken, or made, itself.
//!
//! The file is text, and may have been written by anybody. Stores believe their own bytes, values
//! taken under older rules among them; of a file that is only noted, for whoever imports it to
//! decide.

use std::collections::{BTreeMap, BTreeSet};

use ics_core::directory::DirectoryRecord;
use ics_core::id::SpId;

use super::StateRecord;

/// What is to be said against a state that is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objections {
    /// Lines with an identifier that a request could not bring: a permanent one, or one in another
    /// form.
    pub identifiers: u64,
    /// The first of them and its field.
    pub first: Option<(u64, String)>,
    /// The first line that names a service provider of which there is no record.
    pub orphan: Option<u64>,
}

/// Gathers them over a state.
#[derive(Debug, Default)]
pub(super) struct Judge {
    found: Objections,
    known: BTreeSet<SpId>,
    /// And the line that names it first.
    named: BTreeMap<SpId, u64>,
}

impl Judge {
    /// A line holds an identifier that is not taken, in `field`.
    pub(super) fn note_identifier(&mut self, line: u64, field: String) {
        self.found.identifiers = self.found.identifiers.saturating_add(1);
        self.found.first.get_or_insert((line, field));
    }

    /// Notes which service providers a record names, or is.
    pub(super) fn note_parties(&mut self, line: u64, record: &StateRecord) {
        let named: [Option<&SpId>; 2] = match record {
            StateRecord::Mapping(row) => [Some(&row.third_party_sp), Some(&row.iot_sp)],
            StateRecord::Consent(consent) => [Some(&consent.third_party_sp), Some(&consent.iot_sp)],
            StateRecord::Directory(DirectoryRecord::Party(party)) => {
                self.known.insert(party.id.clone());
                return;
            }
            StateRecord::Directory(DirectoryRecord::Agreement(agreement)) => {
                [Some(&agreement.third_party_sp), Some(&agreement.iot_sp)]
            }
            StateRecord::Directory(DirectoryRecord::Subscription(subscription)) => {
                [Some(&subscription.iot_sp), None]
            }
            _ => return,
        };
        for sp in named.into_iter().flatten() {
            if !self.named.contains_key(sp) {
                self.named.insert(sp.clone(), line);
            }
        }
    }

    /// All of them, at the end.
    pub(super) fn conclude(self) -> Objections {
        let orphans = self.named.into_iter();
        let orphans = orphans.filter(|(sp, _)| !self.known.contains(sp));
        Objections {
            orphan: orphans.map(|(_, line)| line).min(),
            ..self.found
        }
    }
}
