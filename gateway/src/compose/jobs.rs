//! Runs the jobs of large de-mappings. What there is to do is in the store: a job that a crash cut
//! off goes on here after the restart.

use std::sync::Arc;
use std::time::Duration;

use ics_core::port::Clock;
use ics_core::service::IcsService;

use crate::background::Stopping;

/// How often new jobs are looked for, in memory.
const LOOK: Duration = Duration::from_millis(100);
/// How long a store that fails is left alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes jobs a step on for as long as there are any, until told to stop; a step under way ends.
pub(super) async fn run_jobs(
    service: Arc<IcsService>,
    clock: Arc<dyn Clock>,
    mut stopping: Stopping,
) {
    loop {
        let wait = match service.step_jobs(clock.now()).await {
            Ok(0) => LOOK,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "a step of a job failed; it is made again");
                PATIENCE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stopping.asked() => return,
        }
    }
}
