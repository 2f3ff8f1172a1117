//! What the gateway knows of itself: metrics, the state of the decision log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use ics_core::party::PartyStatus;
use ics_core::port::{PortFuture, StoreError};
use ics_core::service::{IcsService, Manager};
use ics_core::time::Timestamp;
use ics_operator::{DecisionLogReport, Observation, StatusSource, StoreReport};
use ics_store::Upkeep;

use super::first_list_ends;
use crate::config::{Config, OnFailure};
use crate::telemetry::{COAP, DecisionLog, Metrics, Sample};
use crate::tls::read_validity;

/// At most this many entries of the outbox are looked at for dead letters, for one answer; of a
/// longer one the number is not told.
const OUTBOX_LOOK: usize = 200_000;
/// At most this many hosted devices are looked at for documents that are owed.
const DEVICE_LOOK: usize = 50_000;
/// Devices of one read.
const DEVICE_PAGE: usize = 500;
/// Entries of one read.
const OUTBOX_PAGE: usize = 500;

/// The certificates that a reload changes.
const RELOADED: [&str; 7] = [
    "t8-server",
    "operator-server",
    "operator-authority",
    "mqtt-server",
    "coap-server",
    "onem2m-server",
    "mqtt-broker-client",
];

/// Looks after the gateway itself.
pub(crate) struct SelfObservation {
    pub(super) metrics: Arc<Metrics>,
    pub(super) decisions: Option<DecisionLog>,
    pub(super) on_failure: OnFailure,
    pub(super) service: Arc<IcsService>,
    pub(super) status: Arc<dyn StatusSource>,
    pub(super) upkeep: Arc<dyn Upkeep>,
    pub(super) store: PathBuf,
    pub(super) started: Timestamp,
    /// Devices that are here over CoAP.
    pub(super) coap: Arc<ics_coap::Sessions>,
    /// Ends of the certificates in use; looked up at start and at reload.
    pub(super) certificates: ArcSwap<Vec<(&'static str, i64)>>,
}

impl SelfObservation {
    /// The listeners took the certificates that `config` names; the others are read at start alone,
    /// and those in use stay.
    pub(super) fn note_reloaded(&self, config: &Config) {
        let new = certificate_ends(config).into_iter();
        let in_use = self.certificates.load();
        let kept = in_use.iter().filter(|(of, _)| !RELOADED.contains(of));
        let taken = new.filter(|(of, _)| RELOADED.contains(of));
        let certificates = kept.copied().chain(taken).collect();
        self.certificates.store(Arc::new(certificates));
    }

    async fn sample(&self) -> Sample {
        let coap = i64::try_from(self.coap.count()).unwrap_or(i64::MAX);
        self.metrics.of(COAP).connections.set(coap);
        let mut sample = Sample {
            store_bytes: directory_size(&self.store),
            store_syncs: self.upkeep.syncs(),
            certificates: self.certificates.load().to_vec(),
            started: self.started.millis().div_euclid(1000),
            descriptors: crate::descriptors::count(),
            memory: resident_memory(),
            ..Sample::default()
        };
        if let Some(decisions) = &self.decisions {
            sample.decisions = decisions.health();
        }
        // A store that fails is told by what is there, not by no metrics at all.
        if let Ok(Some(counts)) = self.status.counts().await {
            sample.mappings = vec![
                ("established", counts.established),
                ("pending", counts.live.saturating_sub(counts.established)),
                ("tombstone", counts.mappings.saturating_sub(counts.live)),
            ];
            sample.outbox = Some(counts.outbox);
            sample.devices = Some(counts.devices);
        }
        sample.dead_letters = self.count_dead_letters().await;
        sample.devices_awaited = self.count_awaited_devices().await;
        let directory = self.service.directory();
        let statuses = [
            ("active", PartyStatus::Active),
            ("suspended", PartyStatus::Suspended),
            ("removed", PartyStatus::Removed),
        ];
        for (name, status) in statuses {
            let parties = directory.parties().filter(|p| p.status == status).count();
            sample
                .parties
                .push((name, u64::try_from(parties).unwrap_or(u64::MAX)));
        }
        if let Some(next) = directory.next_expiry() {
            let end = next.not_after.millis().div_euclid(1000);
            sample.certificates.push(("service-provider-next", end));
        }
        sample
    }

    /// Devices that have yet to store, or to forget, what they were last told.
    async fn count_awaited_devices(&self) -> Option<u64> {
        let directory = self.service.directory();
        let hosts = directory.parties().filter(|party| party.iot_sp);
        let (mut awaited, mut looked) = (0_u64, 0_usize);
        for host in hosts.filter(|party| party.status != PartyStatus::Removed) {
            let mut after = None;
            loop {
                let range = (after.as_ref(), DEVICE_PAGE);
                let manager = Manager::Operator(&host.id);
                let page = self
                    .service
                    .list_devices(manager, range, self.started)
                    .await;
                let page = page.ok()?;
                let found = page.iter().filter(|device| device.is_awaited()).count();
                awaited = awaited.saturating_add(u64::try_from(found).ok()?);
                looked = looked.saturating_add(page.len());
                if page.len() < DEVICE_PAGE {
                    break;
                }
                if looked >= DEVICE_LOOK {
                    return None;
                }
                after = page.last().map(|device| device.id.clone());
                tokio::task::yield_now().await;
            }
        }
        Some(awaited)
    }

    async fn count_dead_letters(&self) -> Option<u64> {
        let (mut dead, mut looked, mut after) = (0_u64, 0_usize, None);
        loop {
            let page = self
                .service
                .list_outbox(after.as_ref(), OUTBOX_PAGE)
                .await
                .ok()?;
            let found = page.iter().filter(|entry| entry.dead.is_some()).count();
            dead = dead.saturating_add(u64::try_from(found).ok()?);
            looked = looked.saturating_add(page.len());
            if page.len() < OUTBOX_PAGE {
                return Some(dead);
            }
            if looked >= OUTBOX_LOOK {
                return None;
            }
            after = page.last().map(|entry| entry.key.clone());
            // The store answers at once: requests of this thread have their turn.
            tokio::task::yield_now().await;
        }
    }
}

impl Observation for SelfObservation {
    fn metrics(&self) -> PortFuture<'_, Result<String, StoreError>> {
        Box::pin(async move { Ok(self.metrics.render(&self.sample().await)) })
    }

    fn decision_log(&self) -> DecisionLogReport {
        let health = self.decisions.as_ref().map(DecisionLog::health);
        let health = health.unwrap_or_default();
        DecisionLogReport {
            failing: health.failing,
            refuses: self.on_failure == OnFailure::Refuse,
            lost: health.lost,
            taken_away: health.taken_away,
        }
    }

    fn store(&self) -> StoreReport {
        StoreReport {
            failing: self.metrics.commits.fails(),
            damaged: self.metrics.commits.is_damaged(),
        }
    }
}

/// When the certificates that a configuration names end, by what they are for.
pub(super) fn certificate_ends(config: &Config) -> Vec<(&'static str, i64)> {
    let devices = config.devices.as_ref();
    let devices = devices.map(|section| ("device-authority", &section.certificate));
    let mqtt = config.mqtt.as_ref();
    let mqtt = mqtt.map(|section| ("mqtt-server", &section.certificate));
    let coap = config.coap.as_ref();
    let coap = coap.map(|section| ("coap-server", &section.certificate));
    let onem2m = config.onem2m.as_ref();
    let onem2m = onem2m.map(|section| ("onem2m-server", &section.certificate));
    let enrolment = config.enrolment.as_ref();
    let enrolment = enrolment.map(|section| ("enrolment-server", &section.certificate));
    let broker = config.mqtt_broker.as_ref();
    let broker = broker.map(|section| ("mqtt-broker-client", &section.certificate));
    let files = [
        ("t8-server", &config.t8.certificate),
        ("operator-server", &config.operator.certificate),
        ("notify-client", &config.notify.certificate),
        ("operator-authority", &config.operator.anchor),
        ("service-provider-authority", &config.authority.certificate),
    ];
    let end = |path: &PathBuf| Some(read_validity(path)?.not_after.millis().div_euclid(1000));
    // Nobody of that authority is admitted from then on.
    let list = first_list_ends(config).map(|ends| ("revocation-list", ends));
    let list = list.map(|(of, ends)| (of, ends.millis().div_euclid(1000)));
    files
        .into_iter()
        .chain(devices)
        .chain(mqtt)
        .chain(coap)
        .chain(onem2m)
        .chain(enrolment)
        .chain(broker)
        .filter_map(|(of, path)| Some((of, end(path)?)))
        .chain(list)
        .collect()
}

/// The bytes of all files below `directory`; sled keeps its own in a directory within it.
fn directory_size(directory: &Path) -> Option<u64> {
    let mut size = 0_u64;
    for entry in std::fs::read_dir(directory).ok()? {
        // What goes while it is looked at takes no space.
        let Ok(entry) = entry else { continue };
        let Ok(found) = entry.metadata() else {
            continue;
        };
        let more = if found.is_dir() {
            directory_size(&entry.path()).unwrap_or_default()
        } else {
            found.len()
        };
        size = size.saturating_add(more);
    }
    Some(size)
}

/// From `/proc`; `None` elsewhere.
fn resident_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_store_is_that_of_all_files_below_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(directory_size(directory.path()), Some(0));
        let inner = directory.path().join("ics.sled/blobs");
        std::fs::create_dir_all(&inner).unwrap();
        for (file, size) in [
            (directory.path().join("witness"), 40),
            (directory.path().join("ics.sled/db"), 5000),
            (inner.join("1"), 700),
        ] {
            std::fs::write(file, vec![1; size]).unwrap();
        }
        assert_eq!(directory_size(directory.path()), Some(5740));
        assert_eq!(directory_size(&directory.path().join("none")), None);
    }
}
