//! What time does by itself, and the watch over the clocks it does it by.
//!
//! A sweep deletes. So nothing is swept while the wall clock is not believed
//! ([`ics_core::timekeeping`]); requests are served all the same.

use std::sync::Arc;
use std::time::Duration;

use ics_core::port::{ClockReport, ClockWatch, PortFuture, StoreError};
use ics_core::service::{Failure, IcsService};
use ics_core::timekeeping::{ClockStanding, Timekeeper};

use crate::ambient::SystemClock;
use crate::background::Stopping;
use crate::telemetry::Metrics;

/// How often what is due by itself is looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How many sweeps of due rows there are to one of ended agreements.
const SWEEPS_PER_RECONCILIATION: u32 = 60;

/// How many sweeps there are to one writing down of the time.
const SWEEPS_PER_MARK: u32 = 300;

/// The clocks, and the store that remembers them over a restart.
pub(crate) struct ClockKeeper {
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) service: Arc<IcsService>,
}

impl ClockWatch for ClockKeeper {
    fn report(&self) -> ClockReport {
        report_of(self.clock.look())
    }

    fn accept(&self) -> PortFuture<'_, Result<ClockReport, StoreError>> {
        Box::pin(async move {
            let before = self.clock.accept();
            let after = self.clock.look();
            if before.standing().is_trusted() {
                return Ok(report_of(after));
            }
            tracing::warn!(was = before.standing().name(), "wall clock accepted");
            self.remember(after).await.map_err(store_error)?;
            if after.now() < before.now() {
                let recalled = self.service.recall_put_off(after.now()).await;
                report("notifications put off", recalled);
            }
            Ok(report_of(after))
        })
    }
}

impl ClockKeeper {
    async fn remember(&self, keeper: Timekeeper) -> Result<(), Failure> {
        self.service.remember_time(keeper.mark()).await
    }
}

fn report_of(keeper: Timekeeper) -> ClockReport {
    ClockReport {
        now: keeper.now(),
        wall: keeper.wall(),
        standing: keeper.standing(),
    }
}

const fn store_error(failure: Failure) -> StoreError {
    match failure {
        Failure::Store(error) => error,
        _ => StoreError::Unavailable,
    }
}

/// Does what time does by itself, until told to stop.
pub(super) async fn sweep(keeper: Arc<ClockKeeper>, metrics: Arc<Metrics>, mut stopping: Stopping) {
    let service = &keeper.service;
    let mut round = 0_u32;
    let mut believed = true;
    loop {
        let look = keeper.clock.look();
        let trusted = look.standing().is_trusted();
        if trusted != believed {
            note_standing(look.standing());
        }
        // A doubt must outlive the process: a restart does not make a clock right.
        if trusted != believed || round.is_multiple_of(SWEEPS_PER_MARK) {
            let remembered = keeper.remember(look).await;
            report("clock mark", remembered.map(|()| 0));
        }
        believed = trusted;
        if trusted {
            // At start too: an operator's `agreement end` may have been cut off half way.
            if round.is_multiple_of(SWEEPS_PER_RECONCILIATION) {
                let ended = service.sweep_ended_agreements(look.now()).await;
                report("ended agreements", ended);
            }
            report("due rows", service.sweep_due(look.now()).await);
            let forgotten = service.sweep_devices(look.now()).await;
            report("unregistered devices", forgotten);
            let let_go = service.sweep_consents(look.now()).await;
            report("consents let go", let_go);
            report("old jobs", service.purge_jobs(look.now()).await);
        }
        round = round.wrapping_add(1);
        metrics.sweeps.inc();
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = stopping.asked() => break,
        }
    }
    let remembered = keeper.remember(keeper.clock.look()).await;
    report("clock mark", remembered.map(|()| 0));
}

fn note_standing(standing: ClockStanding) {
    match standing {
        ClockStanding::Trusted => tracing::warn!("wall clock believed again; sweeps go on"),
        ClockStanding::Ahead(by) | ClockStanding::Behind(by) => tracing::error!(
            wall_clock = standing.name(),
            seconds = by.as_secs(),
            "wall clock moved and is not believed; nothing is swept until it is back, or until \
             `ics-gateway clock accept`"
        ),
    }
}

fn report(what: &'static str, outcome: Result<usize, Failure>) {
    match outcome {
        Ok(0) => {}
        Ok(rows) => tracing::info!(what, rows, "swept"),
        Err(error) => tracing::warn!(what, %error, "sweep failed; it is tried again"),
    }
}
