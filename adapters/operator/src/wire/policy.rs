//! Policies: which are in force, what they decided and why, how those on trial differ.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The policies in force, and those on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// Names the set: changes with any policy, `devices.toml` and the default.
    pub set: String,
    /// How many policies of it are the operator's own.
    pub own_policies: usize,
    /// How the trial stands, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialView>,
}

/// A set of policies that is asked, and not heeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialView {
    /// Names the set.
    pub set: String,
    /// Decisions since it began.
    pub asked: u64,
    /// Those that would have been different.
    pub differing: u64,
    /// Each kind of them once, oldest first; at most 1,000.
    pub differences: Vec<DifferenceView>,
}

/// A decision that would be different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceView {
    /// What was decided.
    pub in_force: VerdictView,
    /// What would have been.
    pub on_trial: VerdictView,
}

/// What was decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictView {
    /// As `verdict` of the decision log names it: the same question to the same policies.
    pub verdict: String,
    /// The answer.
    pub permitted: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policies that decided; none where nothing permitted.
    pub policies: Vec<PolicyText>,
    /// Policies that failed, and why: the answer is no then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// How often it was the answer.
    pub asked: u64,
    /// What the policies looked at, under the names of the schema. What none of them mentions is
    /// that of the first request that was answered so.
    pub facts: Value,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyText {
    /// Its name: `@id`, or file and place.
    pub id: String,
    /// As it was written, if it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What was decided lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictsView {
    /// Oldest first; at most 4,096.
    pub verdicts: Vec<VerdictView>,
}
