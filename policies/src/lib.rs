//! The decision point of the gateway: who may do what, how often, and what a third party may see.
//!
//! | question | clause | answer |
//! |---|---|---|
//! | may this caller do this? | Y.4462 7.4, 9, 10.4; TS 33.187 4.7 | [`Rules`], `DecisionPoint::decide` |
//! | why? | | [`Verdict`]: the policies that decided, and the facts they looked at |
//! | which device ID may this third party see? | Y.4462 10.1, 11.1 | [`Rules`], `DecisionPoint::disclose` |
//! | has this caller asked too often? | TS 29.122 5.2.6 (429) | [`Limiter`] |
//!
//! Policies are Cedar: those in `rules/` are shipped and are a ceiling, operators add their own
//! ([`PolicySet`]). Everything a policy looks at is a fact computed before it is asked
//! ([`Question`]): the caller as it was authenticated, what the operator granted it, the agreement,
//! the consent, the device's groups, the time. Nothing here knows HTTP, MQTT or a store, opens a
//! file, reads a clock, or makes a log line. The default answer is no, and so is that of a policy
//! that fails.
//!
//! ```
//! # use std::sync::Arc;
//! # use ics_core::port::{DecisionPoint, RateLimiter, Sealer};
//! use ics_policies::{Limiter, PolicySet, PolicySources, Rules};
//! # fn compose(vault: Arc<dyn Sealer>) -> Result<(), ics_policies::InvalidPolicies> {
//! let policies = PolicySet::compile(&PolicySources::default())?; // the shipped ones alone
//! let decisions = Rules::new(vault, policies); // pairwise device IDs need the vault's index key
//! let limits = Limiter::new();
//! # Ok(())
//! # }
//! ```

mod access;
mod cases;
mod devices;
mod disclosure;
mod mention;
mod question;
mod rate;
mod set;

pub use access::{Difference, Rules, Trial, Verdict, Witness};
pub use cases::{CaseFault, CaseReport, InvalidCases, run_cases, shipped_cases};
pub use question::{
    Action, AgreementFacts, CallerFacts, ConsentFacts, DeviceFacts, Question, ServiceFacts,
};
pub use rate::Limiter;
pub use set::{
    DefaultAnswer, InvalidPolicies, PolicySet, PolicySources, Ruling, shipped_policies,
    shipped_schema,
};
