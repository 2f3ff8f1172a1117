//! What the gateway is asked: why, what if, how the trial stands.

use ics_operator::wire::{PolicyView, VerdictView, VerdictsView};
use ics_policies::{PolicySet, Question, Ruling};
use serde::Serialize;
use serde_json::Value;

use super::{WhatIfArguments, say_policy, told, told_of};
use crate::cli::operator::Access;
use crate::cli::runtime::{Outcome, say};
use crate::operator_client::OperatorClient;
use crate::policy_directory::load_policies;

/// A question that other policies answer differently.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Otherwise {
    verdict: String,
    asked: u64,
    now: String,
    then: String,
    facts: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    questions: usize,
    /// Could not be asked: what the other policies look at was not written down.
    unknown: usize,
    different: Vec<Otherwise>,
}

pub(super) async fn explain(access: &Access, client: &OperatorClient, verdict: &str) -> Outcome {
    // It goes into a path.
    if verdict.is_empty() || !verdict.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let wrong = "a verdict is 16 hexadecimal digits";
        return Err(crate::cli::operator::UsageError(wrong.into()).into());
    }
    let path = format!("/policy/verdicts/{verdict}");
    let shown: VerdictView = client.read(&path).await?;
    if access.is_json() {
        return Ok(say(&serde_json::to_string(&shown)?)?);
    }
    say(&format!("{} ({})", answer_of(&shown), times(shown.asked)))?;
    for error in &shown.errors {
        say(&format!("  failed: {error}"))?;
    }
    for policy in &shown.policies {
        match &policy.text {
            Some(text) => say_policy(text)?,
            None => say(&format!("    {} is no longer in force", policy.id))?,
        }
    }
    say("on these facts:")?;
    say_facts(&shown.facts)
}

pub(super) async fn status(access: &Access, client: &OperatorClient) -> Outcome {
    let shown: PolicyView = client.read("/policy").await?;
    let trial = shown.trial.as_ref();
    let facts = [
        ("set", shown.set.clone()),
        ("own policies", shown.own_policies.to_string()),
        (
            "trial",
            trial.map(|trial| trial.set.clone()).unwrap_or_default(),
        ),
        (
            "asked",
            trial
                .map(|trial| trial.asked.to_string())
                .unwrap_or_default(),
        ),
        (
            "different",
            trial
                .map(|trial| trial.differing.to_string())
                .unwrap_or_default(),
        ),
    ];
    access.tell(&shown, &facts)?;
    if access.is_json() {
        return Ok(());
    }
    for difference in trial.iter().flat_map(|trial| &trial.differences) {
        say("")?;
        say(&format!("in force  {}", answer_of(&difference.in_force)))?;
        say(&format!("on trial  {}", answer_of(&difference.on_trial)))?;
        say_facts(&difference.on_trial.facts)?;
    }
    Ok(())
}

impl WhatIfArguments {
    pub(super) async fn compare(&self, access: &Access, client: &OperatorClient) -> Outcome {
        let set = load_policies(Some(&self.set.directory), self.set.default.into())?;
        let asked: VerdictsView = client.read("/policy/verdicts").await?;
        let mut compared = Compared {
            questions: asked.verdicts.len(),
            unknown: 0,
            different: Vec::new(),
        };
        for verdict in asked.verdicts {
            match ask(&set, &verdict)? {
                None => compared.unknown = compared.unknown.saturating_add(1),
                Some(ruling) if ruling.denied.is_none() == verdict.permitted => {}
                Some(ruling) => compared.different.push(Otherwise {
                    now: answer_of(&verdict),
                    then: told(&ruling),
                    verdict: verdict.verdict,
                    asked: verdict.asked,
                    facts: verdict.facts,
                }),
            }
        }
        if access.is_json() {
            return Ok(say(&serde_json::to_string(&compared)?)?);
        }
        let Compared {
            questions,
            unknown,
            different,
        } = compared;
        let asked = if questions == 1 {
            "1 question was".to_owned()
        } else {
            format!("{questions} questions were")
        };
        say(&format!(
            "{asked} asked lately: {} would be answered differently",
            different.len()
        ))?;
        if unknown > 0 {
            say(&format!(
                "{unknown} could not be asked: the policies look at device IDs, which were not written down"
            ))?;
        }
        if set.knows_devices() {
            say(
                "`devices.toml` of the directory was not applied: serial numbers are not written down",
            )?;
        }
        for difference in different {
            say("")?;
            say(&format!(
                "verdict   {} ({})",
                difference.verdict,
                times(difference.asked)
            ))?;
            say(&format!("in force  {}", difference.now))?;
            say(&format!("what if   {}", difference.then))?;
            say_facts(&difference.facts)?;
        }
        Ok(())
    }
}

/// `None` when a fact the set looks at was not written down.
fn ask(set: &PolicySet, verdict: &VerdictView) -> Result<Option<Ruling>, serde_json::Error> {
    let question: Question = serde_json::from_value(verdict.facts.clone())?;
    Ok(set.can_ask(&question).then(|| set.ask(&question)))
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

fn answer_of(verdict: &VerdictView) -> String {
    let policies = verdict.policies.iter().map(|policy| policy.id.as_str());
    let reason = verdict.reason.as_deref().unwrap_or("refused");
    told_of((!verdict.permitted).then_some(reason), policies)
}

/// A line for each fact: its path and its value.
fn say_facts(facts: &Value) -> Outcome {
    let mut lines = Vec::new();
    flatten("", facts, &mut lines);
    let width = lines.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    for (path, value) in lines {
        say(&format!("    {path:width$}  {value}"))?;
    }
    Ok(())
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, lines);
            }
        }
        Value::String(text) => lines.push((path.to_owned(), text.clone())),
        other => lines.push((path.to_owned(), other.to_string())),
    }
}
