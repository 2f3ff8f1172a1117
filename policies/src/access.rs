//! Who may do what (Y.4462 7.4, clause 9, 10.4; TS 33.187 4.7): policies behind the core's port.
//!
//! An answer is kept for every request that agrees in the facts the set looks at, so that policies
//! are asked once for each kind of request, not once a request. This module must never turn a
//! missing fact, or a policy that failed, into a permit.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use ics_core::id::DeviceId;
use ics_core::party::Agreement;
use ics_core::port::{AccessRequest, DecisionPoint, Denied, Sealer};
use quick_cache::sync::Cache;

use crate::disclosure;
use crate::question::{Facts, Question};
use crate::set::{FNV_OFFSET, PolicySet, Ruling, fnv};

/// Answers kept of one set.
const KEPT: usize = 16_384;
/// Verdicts that can be explained: the newest.
const EXPLAINED: usize = 4_096;
/// Differences of a trial that are told one by one: the first.
const DIFFERENCES: usize = 1_000;

/// What was decided, and why.
#[derive(Debug)]
pub struct Verdict {
    /// Names it in logs: 64 bits of set and facts, the same for the same question to the same set.
    pub fingerprint: u64,
    /// The facts.
    pub question: Question,
    /// The answer.
    pub ruling: Ruling,
    asked: AtomicU64,
}

impl Verdict {
    /// How often it was the answer.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Sees every verdict while the request is under way.
pub trait Witness: Send + Sync {
    /// That was decided.
    fn decided(&self, verdict: &Verdict);
}

/// The decision point: policies in force, those on trial, and what they said lately.
pub struct Rules {
    sealer: Arc<dyn Sealer>,
    in_force: ArcSwap<Deciding>,
    on_trial: ArcSwapOption<Trialling>,
    recent: Mutex<VecDeque<Arc<Verdict>>>,
    witness: Option<Box<dyn Witness>>,
}

/// A set with the answers it gave.
struct Deciding {
    set: PolicySet,
    answers: Cache<Box<[u8]>, Arc<Verdict>>,
}

/// A set that is asked, and not heeded.
struct Trialling {
    deciding: Deciding,
    asked: AtomicU64,
    differing: AtomicU64,
    differences: Mutex<Vec<Difference>>,
}

/// A question that the set on trial answers differently.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What is in force.
    pub in_force: Arc<Verdict>,
    /// What would be.
    pub on_trial: Arc<Verdict>,
}

/// How a trial stands.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Names the set on trial.
    pub set: u64,
    /// Decisions since it began.
    pub asked: u64,
    /// Those that would have been different.
    pub differing: u64,
    /// Each kind of them once, oldest first.
    pub differences: Vec<Difference>,
}

impl Rules {
    /// These policies. Pairwise device IDs are made with the index key of `sealer`.
    #[must_use]
    pub fn new(sealer: Arc<dyn Sealer>, policies: PolicySet) -> Self {
        Self {
            sealer,
            in_force: ArcSwap::from_pointee(Deciding::new(policies)),
            on_trial: ArcSwapOption::empty(),
            recent: Mutex::default(),
            witness: None,
        }
    }

    /// These rules, telling `witness`.
    #[must_use]
    pub fn witnessed_by(self, witness: impl Witness + 'static) -> Self {
        Self {
            witness: Some(Box::new(witness)),
            ..self
        }
    }

    /// Puts other policies in force: from the next decision on. The same change nothing.
    pub fn replace(&self, policies: PolicySet) {
        if self.in_force.load().set.fingerprint() == policies.fingerprint() {
            return;
        }
        self.in_force.store(Arc::new(Deciding::new(policies)));
    }

    /// Asks these as well from now on, without heeding them; `None` ends the trial. The same go on
    /// with theirs.
    pub fn try_out(&self, policies: Option<PolicySet>) {
        let known = self.on_trial.load();
        let known = known.as_ref().map(|trial| trial.deciding.set.fingerprint());
        if known.is_some() && known == policies.as_ref().map(PolicySet::fingerprint) {
            return;
        }
        let trial = policies.map(|policies| {
            Arc::new(Trialling {
                deciding: Deciding::new(policies),
                asked: AtomicU64::new(0),
                differing: AtomicU64::new(0),
                differences: Mutex::default(),
            })
        });
        self.on_trial.store(trial);
    }

    /// Names the set in force, and tells how many policies of it are the operator's.
    #[must_use]
    pub fn set_in_force(&self) -> (u64, usize) {
        let deciding = self.in_force.load();
        (deciding.set.fingerprint(), deciding.set.own_policies())
    }

    /// The text of a policy in force.
    #[must_use]
    pub fn text_of(&self, policy: &str) -> Option<String> {
        self.in_force.load().set.text_of(policy)
    }

    /// What was decided lately, oldest first: each question to each set once.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Verdict>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().map(Arc::clone).collect()
    }

    /// How the trial stands, if there is one.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        let trial = self.on_trial.load_full()?;
        let differences = trial.differences.lock();
        let differences = differences.unwrap_or_else(PoisonError::into_inner).clone();
        Some(Trial {
            set: trial.deciding.set.fingerprint(),
            asked: trial.asked.load(Ordering::Relaxed),
            differing: trial.differing.load(Ordering::Relaxed),
            differences,
        })
    }

    fn note(&self, verdict: &Arc<Verdict>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= EXPLAINED {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(verdict));
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules(..)")
    }
}

impl DecisionPoint for Rules {
    fn decide(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let (verdict, is_new) = self.in_force.load().answer(request);
        if is_new {
            self.note(&verdict);
        }
        if let Some(witness) = &self.witness {
            witness.decided(&verdict);
        }
        if let Some(trial) = self.on_trial.load().as_ref() {
            trial.compare(request, &verdict);
        }
        verdict.ruling.denied.map_or(Ok(()), Err)
    }

    fn disclose(&self, agreement: &Agreement, device_id: &DeviceId) -> DeviceId {
        disclosure::disclose(&*self.sealer, agreement, device_id)
    }
}

impl Deciding {
    fn new(set: PolicySet) -> Self {
        Self {
            set,
            answers: Cache::new(KEPT),
        }
    }

    /// The answer, and whether it was not known before.
    fn answer(&self, request: &AccessRequest<'_>) -> (Arc<Verdict>, bool) {
        let facts = Facts::of(request, &self.set.devices);
        let key = facts.key(&self.set.mentions);
        if let Some(verdict) = self.answers.get(key.as_slice()) {
            verdict.asked.fetch_add(1, Ordering::Relaxed);
            return (verdict, false);
        }
        let question = facts.question(&self.set.mentions);
        let verdict = Arc::new(Verdict {
            fingerprint: fnv(fnv(FNV_OFFSET, &self.set.fingerprint().to_be_bytes()), &key),
            ruling: self.set.ask(&question),
            question,
            asked: AtomicU64::new(1),
        });
        self.answers.insert(key.into(), Arc::clone(&verdict));
        (verdict, true)
    }
}

impl Trialling {
    fn compare(&self, request: &AccessRequest<'_>, in_force: &Arc<Verdict>) {
        let (verdict, _) = self.deciding.answer(request);
        self.asked.fetch_add(1, Ordering::Relaxed);
        if verdict.ruling.denied == in_force.ruling.denied {
            return;
        }
        self.differing.fetch_add(1, Ordering::Relaxed);
        let mut differences = self
            .differences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_known = differences.iter().any(|known| {
            known.in_force.fingerprint == in_force.fingerprint
                && known.on_trial.fingerprint == verdict.fingerprint
        });
        if !is_known && differences.len() < DIFFERENCES {
            differences.push(Difference {
                in_force: Arc::clone(in_force),
                on_trial: verdict,
            });
        }
    }
}

#[cfg(test)]
mod tests;
