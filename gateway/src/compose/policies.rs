//! The policies in force and those on trial: loaded, replaced, shown to operators.

use std::sync::Arc;

use ics_operator::Policies;
use ics_operator::wire::{DifferenceView, PolicyText, PolicyView, TrialView, VerdictView};
use ics_policies::{PolicySet, Rules, Verdict};

use super::StartError;
use crate::config::Config;
use crate::policy_directory::load_policies;

/// The policies of a configuration: those in force, and those on trial.
///
/// # Errors
/// [`StartError`] with what is wrong with a file.
pub(super) fn read_policies(config: &Config) -> Result<(PolicySet, Option<PolicySet>), StartError> {
    let section = &config.policy;
    let load = |directory| {
        let loaded = load_policies(directory, section.default_answer());
        loaded.map_err(StartError::Policies)
    };
    let in_force = load(section.directory.as_deref())?;
    let on_trial = section.trial.as_deref().map(|trial| load(Some(trial)));
    Ok((in_force, on_trial.transpose()?))
}

/// What operators see of them.
pub(super) struct ShownPolicies(pub(super) Arc<Rules>);

impl Policies for ShownPolicies {
    fn show(&self) -> PolicyView {
        let (set, own_policies) = self.0.set_in_force();
        let trial = self.0.trial().map(|trial| TrialView {
            set: name(trial.set),
            asked: trial.asked,
            differing: trial.differing,
            differences: trial
                .differences
                .iter()
                .map(|difference| DifferenceView {
                    in_force: self.view(&difference.in_force),
                    on_trial: self.view(&difference.on_trial),
                })
                .collect(),
        });
        PolicyView {
            set: name(set),
            own_policies,
            trial,
        }
    }

    fn decisions(&self) -> Vec<VerdictView> {
        let recent = self.0.recent();
        recent.iter().map(|verdict| self.view(verdict)).collect()
    }
}

impl ShownPolicies {
    fn view(&self, verdict: &Verdict) -> VerdictView {
        let ruling = &verdict.ruling;
        VerdictView {
            verdict: name(verdict.fingerprint),
            permitted: ruling.denied.is_none(),
            reason: ruling.denied.map(|denied| denied.to_string()),
            policies: ruling
                .deciding
                .iter()
                .map(|id| PolicyText {
                    id: id.clone(),
                    text: self.0.text_of(id),
                })
                .collect(),
            errors: ruling.errors.clone(),
            asked: verdict.asked(),
            // Texts and flags: it has a JSON form.
            facts: serde_json::to_value(&verdict.question).unwrap_or_default(),
        }
    }
}

/// As the decision log names it.
fn name(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}
