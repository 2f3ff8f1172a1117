//! A number that is noted deep below a request and told where it ends: which decision was made.
//!
//! What decides does not know the request, and what logs does not know the decision. The note goes with the
//! request's task, and with what the request spawns if that is told to [`carry`] it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

tokio::task_local! {
    static NOTED: Arc<AtomicU64>;
}

/// Nothing was noted.
const NOTHING: u64 = 0;

/// What came of `work`, and what was noted last while it was under way.
pub async fn noted_during<T>(work: impl Future<Output = T>) -> (T, Option<u64>) {
    let noted = Arc::new(AtomicU64::new(NOTHING));
    let done = NOTED.scope(Arc::clone(&noted), work).await;
    let last = noted.load(Ordering::Relaxed);
    (done, (last != NOTHING).then_some(last))
}

/// Notes `number` for the request that is under way, if there is one; 0 is nothing.
pub fn note(number: u64) {
    // Outside of a request nobody asks: a sweep, a start.
    let _ = NOTED.try_with(|noted| noted.store(number, Ordering::Relaxed));
}

/// `work` of the request that is under way, to be spawned: what it notes is noted for the request.
pub fn carry<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let noted = NOTED.try_with(Arc::clone).unwrap_or_default();
    NOTED.scope(noted, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn what_a_spawned_part_notes_is_noted_for_its_request_alone() {
        let one = noted_during(async {
            let part = actix_web::rt::spawn(carry(async { note(7) }));
            part.await.unwrap();
        });
        let (((), first), ((), second)) = tokio::join!(one, noted_during(async {}));
        assert_eq!((first, second), (Some(7), None));
        note(9);
    }
}
