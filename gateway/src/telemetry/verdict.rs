//! Joins the decision log to the decision point: the last verdict while a request was under way is
//! named in its line, for `ics-gateway policy explain`.

use std::cell::Cell;
use std::future::Future;

use ics_policies::{Verdict, Witness};

tokio::task_local! {
    static LAST: Cell<Option<u64>>;
}

/// Sees the verdicts of the request that is under way.
pub(crate) struct VerdictWitness;

impl Witness for VerdictWitness {
    fn decided(&self, verdict: &Verdict) {
        // Outside of a request nobody asks: a sweep, a start.
        let _ = LAST.try_with(|last| last.set(Some(verdict.fingerprint)));
    }
}

/// What came of `work`, and the last verdict while it was under way.
pub(super) async fn witnessed<T>(work: impl Future<Output = T>) -> (T, Option<u64>) {
    let work = async {
        let done = work.await;
        (done, LAST.with(Cell::get))
    };
    LAST.scope(Cell::new(None), work).await
}
