//! Giving way: whoever walks many pages lets the other tasks of its thread have a turn in between.
//!
//! An embedded store answers at once, so a walk over it never waits by itself; without this a large
//! de-mapping would hold up every request that is served by the same thread.

use core::future::poll_fn;
use core::task::Poll;

/// Waits for one turn of the executor.
pub(super) async fn give_way() {
    let mut has_waited = false;
    poll_fn(|context| {
        if core::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
