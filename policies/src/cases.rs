//! Table tests beside the policies: what shall be answered to whom, in a file an operator can read.
//!
//! A case starts from a request that the shipped policies permit and says what is different.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::question::{Action, Question};
use crate::set::PolicySet;

/// The cases of the shipped policies.
const SHIPPED: &str = include_str!("../rules/access_cases.toml");

/// What running a file of cases came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseReport {
    /// How many were asked.
    pub asked: usize,
    /// Those that were answered otherwise.
    pub faults: Vec<CaseFault>,
}

/// A case that was answered otherwise than it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFault {
    /// Its name.
    pub case: String,
    /// What it says.
    pub expected: String,
    /// What was answered.
    pub answered: String,
}

/// Why a file holds no cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCases(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    action: Action,
    expect: Expected,
    /// The policies that decide, all of them.
    by: Option<Vec<String>>,
    /// What is different from a request that passes, merged into its facts.
    #[serde(default)]
    facts: Map<String, Value>,
    /// Facts that are absent, as `agreement` or `device.vendor`.
    #[serde(default)]
    without: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Permit,
    Deny,
}

/// The cases that come with the shipped policies: they hold for any set of an operator with
/// `default = "permit"` that forbids none of them.
#[must_use]
pub const fn shipped_cases() -> &'static str {
    SHIPPED
}

/// Asks `set` each case of a file.
///
/// # Errors
/// [`InvalidCases`] with what cannot be read.
pub fn run_cases(set: &PolicySet, text: &str) -> Result<CaseReport, InvalidCases> {
    let file: File = toml::from_str(text).map_err(|error| InvalidCases(error.to_string()))?;
    let mut report = CaseReport::default();
    for case in file.case {
        let question = case.question()?;
        let ruling = set.ask(&question);
        report.asked = report.asked.saturating_add(1);
        let permitted = ruling.denied.is_none();
        let same_answer = permitted == (case.expect == Expected::Permit);
        let mut by = case.by.clone();
        if let Some(by) = &mut by {
            by.sort_unstable();
        }
        let same_policies = by.as_ref().is_none_or(|by| *by == ruling.deciding);
        if !(same_answer && same_policies) {
            report.faults.push(CaseFault {
                case: case.name,
                expected: told(case.expect == Expected::Permit, by.as_deref()),
                answered: told(permitted, Some(&ruling.deciding)),
            });
        }
    }
    Ok(report)
}

fn told(permitted: bool, by: Option<&[String]>) -> String {
    let answer = if permitted { "permit" } else { "deny" };
    match by {
        None => answer.to_owned(),
        Some([]) => format!("{answer}, by no policy"),
        Some(by) => format!("{answer}, by {}", by.join(", ")),
    }
}

impl Case {
    fn question(&self) -> Result<Question, InvalidCases> {
        let wrong = |why: String| InvalidCases(format!("case `{}`: {why}", self.name));
        let mut facts = passing(self.action);
        merge(&mut facts, &Value::Object(self.facts.clone()));
        for path in &self.without {
            if remove(&mut facts, path).is_none() {
                return Err(wrong(format!("there is no `{path}` to leave out")));
            }
        }
        serde_json::from_value(facts).map_err(|error| wrong(error.to_string()))
    }
}

/// The facts of a request that passes.
fn passing(action: Action) -> Value {
    let (point, iot) = match action {
        Action::RequestMapping => ("ICS-1", false),
        Action::EstablishMapping => ("ICS-2", true),
        Action::Inquire => ("ICS-7", false),
        Action::UseOwn => ("ICS-5", false),
    };
    let mut facts = json!({
        "action": action.name(),
        "referencePoint": point,
        "caller": {
            "sp": if iot { "vendor" } else { "shop" },
            "authenticated": true,
            "served": true,
            "thirdPartySp": !iot,
            "iotSp": iot,
            "proof": "certificate",
            "holdsScope": true,
        },
        "now": "2026-11-23T12:00:00.000Z",
    });
    let of_service = json!({
        "service": { "uri": "https://shop.example/services/eggs", "owned": !iot, "proven": !iot },
        "agreement": {
            "agreementId": "0193a5b2-1c1f-7cc0-8000-000000000001",
            "iotSpId": "vendor",
            "thirdPartySpId": "shop",
            "ofCaller": true,
            "inForce": true,
            "coversService": true,
            "consentMode": "ASSERTED",
            "exposure": "raw",
        },
        "device": { "groups": [], "restricted": false, "granted": false },
    });
    let with_consent = json!({
        "consent": { "purpose": "dpv:RequestedServiceProvision", "stands": true },
    });
    if action != Action::UseOwn {
        merge(&mut facts, &of_service);
    }
    if matches!(action, Action::RequestMapping | Action::EstablishMapping) {
        merge(&mut facts, &with_consent);
    }
    facts
}

/// Members of `patch` replace those of `facts`, objects member by member.
fn merge(facts: &mut Value, patch: &Value) {
    match (facts, patch) {
        (Value::Object(facts), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(facts.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (facts, patch) => *facts = patch.clone(),
    }
}

fn remove(facts: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        Some((first, rest)) => remove(facts.get_mut(first)?, rest),
        None => facts.as_object_mut()?.remove(path),
    }
}

#[cfg(test)]
mod tests;
