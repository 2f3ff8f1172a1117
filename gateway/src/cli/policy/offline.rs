//! What needs no gateway: check, test, show, and asking policies by facts from a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ics_policies::{
    CaseReport, Question, run_cases, shipped_cases, shipped_policies, shipped_schema,
};
use serde::Serialize;
use serde_json::Value;

use super::{ExplainArguments, SetArguments, ShowArguments, Shown, say_policy, told};
use crate::cli::operator::{Access, UsageError};
use crate::cli::runtime::{Outcome, say};
use crate::policy_directory::{load_cases, load_policies};

/// The largest file of facts that is read.
const LARGEST: u64 = 1 << 20;

/// Cases were answered otherwise; they were told already.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {asked} cases failed")]
struct CasesFailed {
    failed: usize,
    asked: usize,
}

/// There was nothing to run.
#[derive(Debug, thiserror::Error)]
#[error("no file of the directory ends in `_cases.toml`")]
struct NoCases;

/// A file with cases cannot be read as such.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
struct CasesUnread {
    file: String,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    permitted: bool,
    reason: Option<String>,
    policies: &'a [String],
    errors: &'a [String],
    facts: &'a Question,
}

impl SetArguments {
    pub(super) fn check(&self) -> Outcome {
        let set = load_policies(Some(&self.directory), self.default.into())?;
        for warning in set.warnings() {
            say(&format!("warning: {warning}"))?;
        }
        let policies = match set.own_policies() {
            1 => "1 policy".to_owned(),
            n => format!("{n} policies"),
        };
        Ok(say(&format!(
            "{policies} beside the shipped ones, set {:016x}: nothing wrong",
            set.fingerprint()
        ))?)
    }

    pub(super) fn test(&self) -> Outcome {
        let set = load_policies(Some(&self.directory), self.default.into())?;
        let files = load_cases(&self.directory)?;
        if files.is_empty() {
            return Err(NoCases.into());
        }
        let mut total = CaseReport::default();
        for (file, text) in files {
            let report = run_cases(&set, &text).map_err(|error| CasesUnread {
                file: file.clone(),
                reason: error.to_string(),
            })?;
            for fault in &report.faults {
                say(&format!(
                    "{file}: `{}`: expected {}; answered {}",
                    fault.case, fault.expected, fault.answered
                ))?;
            }
            total.asked = total.asked.saturating_add(report.asked);
            total.faults.extend(report.faults);
        }
        if total.faults.is_empty() {
            let cases = if total.asked == 1 { "case" } else { "cases" };
            return Ok(say(&format!("{} {cases}: all as expected", total.asked))?);
        }
        Err(CasesFailed {
            failed: total.faults.len(),
            asked: total.asked,
        }
        .into())
    }
}

impl ShowArguments {
    pub(super) fn show(&self) -> Outcome {
        let text = match self.what {
            Shown::Schema => shipped_schema(),
            Shown::Shipped => shipped_policies(),
            Shown::Cases => shipped_cases(),
        };
        Ok(say(text.trim_end())?)
    }
}

impl ExplainArguments {
    /// Asks policies by facts from a file.
    pub(super) fn ask(&self, access: &Access) -> Outcome {
        let Some(file) = &self.facts else {
            return Err(UsageError("name a verdict, or --facts".into()).into());
        };
        let question = read_facts(file)?;
        let set = load_policies(self.policies.as_deref(), self.default.into())?;
        let ruling = set.ask(&question);
        if access.is_json() {
            let answer = Answer {
                permitted: ruling.denied.is_none(),
                reason: ruling.denied.map(|denied| denied.to_string()),
                policies: &ruling.deciding,
                errors: &ruling.errors,
                facts: &question,
            };
            return Ok(say(&serde_json::to_string(&answer)?)?);
        }
        say(&told(&ruling))?;
        for error in &ruling.errors {
            say(&format!("  failed: {error}"))?;
        }
        for id in &ruling.deciding {
            if let Some(text) = set.text_of(id) {
                say_policy(&text)?;
            }
        }
        Ok(())
    }
}

fn read_facts(file: &Path) -> Result<Question, Box<dyn std::error::Error>> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        io::stdin().lock().take(LARGEST).read_to_string(&mut text)?;
    } else {
        let opened =
            File::open(file).map_err(|error| UsageError(format!("{}: {error}", file.display())))?;
        opened.take(LARGEST).read_to_string(&mut text)?;
    }
    let mut facts: Value = serde_json::from_str(&text)?;
    // A whole verdict, as `--json` told it.
    if let Some(within) = facts.get_mut("facts") {
        facts = within.take();
    }
    Ok(serde_json::from_value(facts)?)
}
