//! `[[identifier_scheme]]`: forms of device IDs beside those that are built in.

use ics_core::id::IdentifierSchemes;
use serde::Deserialize;

use super::fault::{Fault, Faults};

/// `[[identifier_scheme]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierSchemeSection {
    /// What it is called.
    name: String,
    /// A regular expression of the whole identifier.
    pattern: String,
}

/// The schemes of the file, each fault noted.
pub(super) fn register(
    sections: &[IdentifierSchemeSection],
    faults: &mut Faults,
) -> IdentifierSchemes {
    use ics_core::id::InvalidScheme::{Admits, Name, Pattern, Taken};
    let mut schemes = IdentifierSchemes::default();
    for (place, section) in sections.iter().enumerate() {
        let IdentifierSchemeSection { name, pattern } = section;
        faults.take(schemes.register(name, pattern).map_err(|invalid| {
            let (key, mend) = match invalid {
                Name => ("name", "write, for example, `acme-unit`"),
                Taken => ("name", "give it another name"),
                Pattern => (
                    "pattern",
                    "write, for example, `unit/[0-9]{4}/[0-9]{10}[A-Z]`",
                ),
                Admits(_) => (
                    "pattern",
                    "write what all identifiers of the scheme begin or end with into it",
                ),
            };
            let key = format!("identifier_scheme[{place}].{key}");
            Fault::new(key, invalid.to_string(), mend)
        }));
    }
    schemes
}
