//! The forms an address may have (TS-0001 7.2, 9.3.1): CSE-relative, SP-relative, absolute;
//! structured (names) or unstructured (one resource ID); `-` for the name of the CSEBase.

use crate::primitive::Refusal;
use crate::rsc::Rsc;

/// The longest address, and the most levels: no resource of ours lies deeper.
const LONGEST: usize = 1024;
const DEEPEST: usize = 32;

/// What this CSE is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// CSE-ID without its slash: `id-ics`. Also the resource ID of the CSEBase.
    pub cse_id: String,
    /// Name of the CSEBase: `ics`.
    pub cse_name: String,
    /// The M2M-SP-ID without its slashes, a domain name: `ics.example`.
    pub sp_domain: String,
}

impl Names {
    /// `/id-ics`.
    #[must_use]
    pub fn sp_relative_cse_id(&self) -> String {
        format!("/{}", self.cse_id)
    }

    /// The SP-relative form of a CSE-relative address or a local AE-ID: `/id-ics/..`.
    #[must_use]
    pub fn sp_relative(&self, cse_relative: &str) -> String {
        format!("/{}/{cse_relative}", self.cse_id)
    }
}

/// Where a resource of this CSE is, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where to begin: the CSEBase, or the resource of an ID.
    pub start: Start,
    /// The names to follow from there; `la` and `ol` may be the last.
    pub names: Vec<String>,
}

/// Where an address begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the CSEBase.
    Base,
    /// At the resource with this ID.
    Resource(String),
}

impl Address {
    /// Reads `to`.
    ///
    /// # Errors
    /// 4004 where it lies at another CSE: nothing is handed on here. 4000 where it is none; a CSE-ID
    /// alone names a CSE, and no resource.
    pub fn parse(to: &str, names: &Names) -> Result<Self, Refusal> {
        if to.len() > LONGEST || to.chars().any(char::is_control) {
            return Err(Refusal::about(Rsc::BadRequest, "to", "is not an address"));
        }
        let elsewhere = || Refusal::new(Rsc::NotFound, "no such resource");
        let relative = if let Some(absolute) = to.strip_prefix("//") {
            let (domain, rest) = absolute.split_once('/').ok_or_else(elsewhere)?;
            if domain != names.sp_domain {
                return Err(elsewhere());
            }
            of_this_cse(rest, names).ok_or_else(elsewhere)?
        } else if let Some(rest) = to.strip_prefix('/') {
            of_this_cse(rest, names).ok_or_else(elsewhere)?
        } else {
            to
        };
        Self::parse_relative(relative, names)
    }

    fn parse_relative(relative: &str, names: &Names) -> Result<Self, Refusal> {
        let wrong = || Refusal::about(Rsc::BadRequest, "to", "is not an address");
        let mut segments = relative.split('/').map(str::to_owned);
        let first = segments.next().ok_or_else(wrong)?;
        let below: Vec<String> = segments.collect();
        if first.is_empty() || below.len() > DEEPEST || below.iter().any(String::is_empty) {
            return Err(wrong());
        }
        let is_base = first == "-" || first == names.cse_name || first == names.cse_id;
        Ok(Self {
            start: if is_base {
                Start::Base
            } else {
                Start::Resource(first)
            },
            names: below,
        })
    }
}

/// What follows the CSE-ID, if it is this CSE's.
fn of_this_cse<'a>(address: &'a str, names: &Names) -> Option<&'a str> {
    let (cse_id, rest) = address.split_once('/').unwrap_or((address, ""));
    (cse_id == names.cse_id).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            cse_id: "id-ics".into(),
            cse_name: "ics".into(),
            sp_domain: "ics.example".into(),
        }
    }

    fn parse(to: &str) -> Result<Address, Rsc> {
        Address::parse(to, &names()).map_err(|refusal| refusal.rsc)
    }

    #[test]
    fn every_form_of_the_base_is_the_base() {
        for to in [
            "ics",
            "-",
            "id-ics",
            "/id-ics/-",
            "/id-ics/ics",
            "//ics.example/id-ics/-",
        ] {
            let address = parse(to).expect(to);
            assert_eq!(address.start, Start::Base, "{to}");
            assert!(address.names.is_empty(), "{to}");
        }
    }

    #[test]
    fn structured_and_unstructured_are_told_apart() {
        let structured = parse("/id-ics/-/map/la").expect("structured");
        assert_eq!(structured.start, Start::Base);
        assert_eq!(structured.names, ["map", "la"]);
        let unstructured = parse("/id-ics/cnt17/la").expect("unstructured");
        assert_eq!(unstructured.start, Start::Resource("cnt17".into()));
        assert_eq!(unstructured.names, ["la"]);
    }

    #[test]
    fn other_cses_are_not_found_and_nonsense_is_refused() {
        for to in [
            "/id-in",
            "/id-in/ics",
            "//other.example/id-ics/ics",
            "//ics.example",
        ] {
            assert_eq!(parse(to), Err(Rsc::NotFound), "{to}");
        }
        for to in [
            "",
            "/id-ics",
            "/id-ics/",
            "//ics.example/id-ics",
            "ics//map",
            "ics/map/",
            "a\u{0}b",
        ] {
            assert_eq!(parse(to), Err(Rsc::BadRequest), "{to}");
        }
    }
}
