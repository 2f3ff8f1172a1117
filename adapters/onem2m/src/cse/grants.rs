//! Who may do what with the ICS, as access control policies: generated from the directory, so that the
//! owner of a platform can read them with his own tools (onem2m.md A.4). They show what the core
//! decides; nothing is decided by them.

use ics_core::directory::Directory;
use ics_core::party::{Party, PartyStatus};

use crate::tree::{Grant, Tree};

// `acop` (TS-0004 6.3.4.2.29).
const CREATE: u8 = 1;
const RETRIEVE: u8 = 2;
const UPDATE: u8 = 4;
const DELETE: u8 = 8;
const DISCOVER: u8 = 32;

/// Of each collection: what a third party may do there, and what an IoT service provider may.
const RULES: [(&str, u8, u8); 4] = [
    (
        "map",
        CREATE | RETRIEVE | DELETE | DISCOVER,
        RETRIEVE | DELETE,
    ),
    ("inq", CREATE, CREATE),
    ("pnd", 0, RETRIEVE | UPDATE | DISCOVER),
    ("dmp", CREATE, CREATE),
];

/// Writes the policies as of now.
pub(super) fn show(tree: &Tree, directory: &Directory) {
    let active = directory
        .parties()
        .filter(|party| party.status == PartyStatus::Active && party.onem2m.is_some());
    let active: Vec<&Party> = active.map(AsRef::as_ref).collect();
    for (collection, third_party, iot) in RULES {
        let sides = [
            grant(&active, third_party, |party| party.third_party_sp),
            grant(&active, iot, |party| party.iot_sp),
        ];
        let grants: Vec<Grant> = sides.into_iter().flatten().collect();
        tree.show_grants(collection, &grants);
    }
}

fn grant(parties: &[&Party], operations: u8, has_role: impl Fn(&Party) -> bool) -> Option<Grant> {
    let of_role = parties.iter().filter(|party| has_role(party));
    let originators = of_role.filter_map(|party| Some(party.onem2m.as_ref()?.ae.as_str().into()));
    let originators: Vec<String> = originators.collect();
    (operations != 0 && !originators.is_empty()).then_some(Grant {
        originators,
        operations,
    })
}
