//! How the gateway is.

use ics_core::directory::Directory;
use ics_core::party::PartyStatus;
use ics_core::port::{ClockReport, StoreError};
use ics_core::service::Failure;
use ics_core::timekeeping::ClockStanding;

use super::{Caller, OperatorApi, StoreCounts, StoreReport};
use crate::error::Refusal;
use crate::wire::{
    CertificateExpiry, ClockView, DecisionLogState, DecisionLogView, HealthView, MappingCounts,
    PartyCounts, StatusView, StoreState,
};

impl OperatorApi {
    pub(crate) async fn show_status(&self) -> Result<StatusView, Refusal> {
        let now = self.now();
        let counts = match self.ports.status.counts().await {
            // Whoever asks how the gateway is learns of the damage, not of nothing.
            Err(StoreError::Inconsistent) => None,
            counts => counts?,
        };
        let directory = self.service().directory();
        Ok(StatusView {
            version: self.settings.version.into(),
            start_time: self.settings.started.to_rfc3339(),
            uptime_seconds: now.since(self.settings.started).as_secs(),
            service_providers: count_parties(&directory),
            active_agreements: directory.agreements().filter(|a| a.is_active(now)).count(),
            mappings: counts.map(count_mappings),
            outbox_depth: counts.map(|counts| counts.outbox),
            hosted_devices: counts.map(|counts| counts.devices),
            next_certificate_expiry: next_expiry(&directory),
            clock: show_clock(&self.ports.clocks.report()),
            decision_log: self.show_decision_log(),
            store: Some(self.show_store()),
        })
    }

    /// Ready when the store answers a read. A doubted clock stops what deletes and nothing else, so
    /// it is told and does not take the gateway out of service.
    pub(crate) async fn show_readiness(&self) -> Result<HealthView, Refusal> {
        self.service().list_outbox(None, 1).await?;
        let (decision_log, store) = (self.show_decision_log(), self.show_store());
        let status = match (decision_log.state, store) {
            (DecisionLogState::Writing, StoreState::Writing) => "ready",
            _ => "degraded",
        };
        Ok(HealthView {
            status: status.into(),
            decision_log: Some(decision_log),
            clock: Some(show_clock(&self.ports.clocks.report())),
            store: Some(store),
        })
    }

    /// All metrics as OpenMetrics text.
    pub(crate) async fn show_metrics(&self) -> Result<String, Refusal> {
        Ok(self.ports.observation.metrics().await?)
    }

    fn show_store(&self) -> StoreState {
        match self.ports.observation.store() {
            // It does not go by itself, and is often why changes fail.
            StoreReport { damaged: true, .. } => StoreState::Damaged,
            StoreReport { failing: true, .. } => StoreState::Failing,
            _ => StoreState::Writing,
        }
    }

    fn show_decision_log(&self) -> DecisionLogView {
        let report = self.ports.observation.decision_log();
        DecisionLogView {
            state: match (report.failing, report.refuses) {
                (false, _) => DecisionLogState::Writing,
                (true, true) => DecisionLogState::FailingRefused,
                (true, false) => DecisionLogState::FailingContinued,
            },
            lost_lines: report.lost,
            taken_away: report.taken_away,
        }
    }

    /// Takes the wall clock for right.
    pub(crate) async fn accept_clock(&self, caller: &Caller) -> Result<ClockView, Refusal> {
        let accepted = self.ports.clocks.accept().await;
        let outcome = accepted.map_err(|error| Failure::from(error).into());
        let report = caller.note("clock accept", "clock", outcome)?;
        Ok(show_clock(&report))
    }

    /// Alive when it answers at all.
    pub(crate) fn show_liveness() -> HealthView {
        HealthView {
            status: "live".into(),
            decision_log: None,
            clock: None,
            store: None,
        }
    }
}

fn count_parties(directory: &Directory) -> PartyCounts {
    let with = |status| {
        directory
            .parties()
            .filter(|party| party.status == status)
            .count()
    };
    PartyCounts {
        active: with(PartyStatus::Active),
        suspended: with(PartyStatus::Suspended),
        removed: with(PartyStatus::Removed),
    }
}

const fn count_mappings(counts: StoreCounts) -> MappingCounts {
    MappingCounts {
        pending: counts.live.saturating_sub(counts.established),
        established: counts.established,
        tombstones: counts.mappings.saturating_sub(counts.live),
    }
}

fn show_clock(report: &ClockReport) -> ClockView {
    let detail = match report.standing {
        ClockStanding::Trusted => "the wall clock is believed".to_owned(),
        ClockStanding::Ahead(by) | ClockStanding::Behind(by) => format!(
            "the wall clock is {} s {}; nothing expires until it is back or accepted",
            by.as_secs(),
            report.standing.name(),
        ),
    };
    ClockView {
        state: report.standing.name().into(),
        detail,
        time: report.now.to_rfc3339(),
        wall_time: report.wall.to_rfc3339(),
    }
}

/// The party whose certificate ends next, or ended first.
fn next_expiry(directory: &Directory) -> Option<CertificateExpiry> {
    let next = directory.next_expiry()?;
    Some(CertificateExpiry {
        sp_id: next.sp.to_string(),
        serial: next.serial.to_string(),
        not_after: next.not_after.to_rfc3339(),
    })
}
