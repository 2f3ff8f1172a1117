//! Policies, as far as operators see them over the API: they are changed on disk.

use super::OperatorApi;
use crate::error::Refusal;
use crate::wire::{PolicyView, VerdictView, VerdictsView};

/// The policies of the decision point.
pub trait Policies: Send + Sync {
    /// Which are in force, and how the trial stands.
    fn show(&self) -> PolicyView;

    /// What was decided lately, oldest first.
    fn decisions(&self) -> Vec<VerdictView>;
}

impl OperatorApi {
    pub(crate) fn show_policies(&self) -> PolicyView {
        self.ports.policies.show()
    }

    pub(crate) fn list_verdicts(&self) -> VerdictsView {
        VerdictsView {
            verdicts: self.ports.policies.decisions(),
        }
    }

    /// The newest of that name: the policies may have been others meanwhile, and are the same again.
    pub(crate) fn explain_verdict(&self, verdict: &str) -> Result<VerdictView, Refusal> {
        let recent = self.ports.policies.decisions().into_iter().rev();
        let mut of_name = recent.filter(|known| known.verdict == verdict);
        of_name.next().ok_or(Refusal::NoVerdict)
    }
}
