//! Joins the decision log to the decision point: the last verdict while a request was under way is
//! named in its line, for `ics-gateway policy explain`.

use ics_policies::{Verdict, Witness};

/// Sees the verdicts of the request that is under way.
pub(crate) struct VerdictWitness;

impl Witness for VerdictWitness {
    fn decided(&self, verdict: &Verdict) {
        ics_http::note(verdict.fingerprint);
    }
}
