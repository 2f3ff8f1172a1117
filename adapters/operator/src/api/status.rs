//! How the gateway is.

use std::collections::BTreeMap;
use std::sync::Arc;

use ics_core::directory::Directory;
use ics_core::id::SpId;
use ics_core::party::{CertificateRecord, PartyStatus};
use ics_core::time::Timestamp;

use super::{OperatorApi, StoreCounts};
use crate::error::Refusal;
use crate::wire::{CertificateExpiry, HealthView, MappingCounts, PartyCounts, StatusView};

impl OperatorApi {
    pub(crate) async fn show_status(&self) -> Result<StatusView, Refusal> {
        let now = self.now();
        let counts = self.ports.status.counts().await?;
        let directory = self.service().directory();
        Ok(StatusView {
            version: self.settings.version.into(),
            start_time: self.settings.started.to_rfc3339(),
            uptime_seconds: now.since(self.settings.started).as_secs(),
            service_providers: count_parties(&directory),
            active_agreements: directory.agreements().filter(|a| a.is_active(now)).count(),
            mappings: counts.map(count_mappings),
            outbox_depth: counts.map(|counts| counts.outbox),
            next_certificate_expiry: next_expiry(&directory, now),
        })
    }

    /// Ready when the store answers a read.
    pub(crate) async fn show_readiness(&self) -> Result<HealthView, Refusal> {
        self.service().list_outbox(None, 1).await?;
        Ok(HealthView {
            status: "ready".into(),
        })
    }

    /// Alive when it answers at all.
    pub(crate) fn show_liveness() -> HealthView {
        HealthView {
            status: "live".into(),
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

/// The active party whose newest certificate ends first. One that was renewed has time.
fn next_expiry(directory: &Directory, now: Timestamp) -> Option<CertificateExpiry> {
    let mut newest: BTreeMap<&SpId, &Arc<CertificateRecord>> = BTreeMap::new();
    let valid = directory
        .certificates()
        .filter(|c| c.revoked.is_none() && now <= c.not_after)
        .filter(|c| {
            directory
                .party(&c.sp)
                .is_some_and(|p| p.status == PartyStatus::Active)
        });
    for certificate in valid {
        let held = newest.entry(&certificate.sp).or_insert(certificate);
        if held.not_after < certificate.not_after {
            *held = certificate;
        }
    }
    let next = newest.into_values().min_by_key(|c| c.not_after)?;
    Some(CertificateExpiry {
        sp_id: next.sp.to_string(),
        serial: next.serial.to_string(),
        not_after: next.not_after.to_rfc3339(),
    })
}
