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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ics_core::id::{AgreementId, DeviceId, SpId};
    use ics_core::party::{Agreement, ConsentMode, Exposure};
    use ics_core::port::DecisionPoint as _;
    use ics_core::time::Timestamp;
    use ics_policies::PolicySources;
    use ics_vault::{Keyring, Vault};

    use super::*;
    use crate::ambient::SystemEntropy;

    fn pairwise(third_party_sp: &str) -> Agreement {
        Agreement {
            id: AgreementId::from_bytes([7; 16]),
            iot_sp: SpId::parse("acme").unwrap(),
            third_party_sp: SpId::parse(third_party_sp).unwrap(),
            services: Vec::new(),
            valid_from: Timestamp::from_millis(0),
            valid_until: None,
            consent_mode: ConsentMode::Asserted,
            exposure: Exposure::Pairwise,
            pairing_required: false,
            ended: None,
            version: 1,
        }
    }

    /// Y25: what two third parties see of the same 50,000 devices, 100,000 IDs, cannot be joined, and
    /// is nothing that the devices are really called.
    #[test]
    fn what_two_third_parties_see_of_the_same_devices_has_no_id_in_common() {
        let entropy = Arc::new(SystemEntropy::default());
        let keyring = Keyring::generate(&*entropy);
        let vault = Arc::new(Vault::new(&keyring, entropy).unwrap());
        let rules = Rules::new(
            vault,
            PolicySet::compile(&PolicySources::default()).unwrap(),
        );
        let [shop, music] = ["shop", "music"].map(pairwise);
        let mut all = HashSet::new();
        for n in 0..50_000 {
            let device = DeviceId::parse(&format!("device-{n:06}-x")).unwrap();
            for shown in [
                rules.disclose(&shop, &device),
                rules.disclose(&music, &device),
                device,
            ] {
                assert!(all.insert(shown.as_str().to_owned()), "{n}");
            }
        }
        assert_eq!(all.len(), 150_000);
    }
}
