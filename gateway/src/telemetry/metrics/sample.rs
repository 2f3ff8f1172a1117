//! What is not counted as it happens but looked up when somebody asks.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use super::Label;
use crate::telemetry::decision::DecisionLogHealth;

/// The state of things as of now. What could not be found out is left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Rows by state: `established`, `pending`, `tombstone`.
    pub(crate) mappings: Vec<(&'static str, u64)>,
    /// Bytes of the store's files.
    pub(crate) store_bytes: Option<u64>,
    /// Syncs of the store's files since the start.
    pub(crate) store_syncs: u64,
    /// Notifications that wait, dead letters included.
    pub(crate) outbox: Option<u64>,
    /// Notifications that were given up.
    pub(crate) dead_letters: Option<u64>,
    /// Hosted devices.
    pub(crate) devices: Option<u64>,
    /// Hosted devices that did not acknowledge the newest version of their documents.
    pub(crate) devices_awaited: Option<u64>,
    /// Ends of certificates, seconds since 1970, by what they are for.
    pub(crate) certificates: Vec<(&'static str, i64)>,
    /// Service providers by status.
    pub(crate) parties: Vec<(&'static str, u64)>,
    /// The decision log.
    pub(crate) decisions: DecisionLogHealth,
    /// Start of the process, seconds since 1970.
    pub(crate) started: i64,
    /// Open file descriptors, and how many there may be.
    pub(crate) descriptors: Option<(u64, u64)>,
    /// Resident memory, bytes.
    pub(crate) memory: Option<u64>,
}

/// Where a sample is shown.
#[derive(Default)]
pub(super) struct Gauges {
    mappings: Family<[Label; 1], Gauge>,
    store_bytes: Found,
    store_syncs: Counter,
    outbox: Found,
    dead_letters: Found,
    devices: Found,
    devices_awaited: Found,
    certificates: Family<[Label; 1], Gauge>,
    parties: Family<[Label; 1], Gauge>,
    decisions_failing: Found,
    decisions_waiting: Found,
    decisions_written: Found,
    decisions_lost: Found,
    decisions_taken_away: Found,
    started: Gauge,
    descriptors: Found,
    most_descriptors: Found,
    memory: Found,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let of = Self::default();
        registry.register("mappings", "Rows by state", of.mappings.clone());
        let text = "Bytes of the store's files";
        registry.register("store_bytes", text, of.store_bytes.clone());
        let text = "Syncs of the store's files (fsync, fdatasync)";
        registry.register("store_syncs", text, of.store_syncs.clone());
        let text = "Notifications that wait, dead letters included";
        registry.register("outbox_entries", text, of.outbox.clone());
        let text =
            "Notifications that were given up; absent when the outbox is too long to look through";
        registry.register("outbox_dead_letters", text, of.dead_letters.clone());
        let text = "Hosted devices, those that are unregistering included";
        registry.register("hosted_devices", text, of.devices.clone());
        let text = "Hosted devices that did not acknowledge the newest version of what they must hold; absent when there are too many to look through";
        registry.register("hosted_devices_awaited", text, of.devices_awaited.clone());
        let text = "End of a certificate in seconds since 1970; service-provider-next: the first to end of the newest ones of all active service providers, which may be over";
        registry.register(
            "certificate_expiry_timestamp_seconds",
            text,
            of.certificates.clone(),
        );
        let text = "Service providers by status";
        registry.register("service_providers", text, of.parties.clone());
        let text = "1 while the decision log cannot be written";
        registry.register("decision_log_failing", text, of.decisions_failing.clone());
        let text = "Bytes of the decision log that are reserved or wait to be written";
        registry.register(
            "decision_log_waiting_bytes",
            text,
            of.decisions_waiting.clone(),
        );
        let text = "Lines of the decision log written since the start";
        registry.register(
            "decision_log_written_lines",
            text,
            of.decisions_written.clone(),
        );
        let text = "Lines of the decision log lost since the start";
        registry.register("decision_log_lost_lines", text, of.decisions_lost.clone());
        let text =
            "How often since the start the file of the decision log was found deleted or shortened";
        registry.register(
            "decision_log_taken_away",
            text,
            of.decisions_taken_away.clone(),
        );
        let text = "Start of the process in seconds since 1970";
        registry.register("start_time_seconds", text, of.started.clone());
        let text = "Open file descriptors";
        registry.register("open_descriptors", text, of.descriptors.clone());
        let text = "The most file descriptors there may be";
        registry.register("most_descriptors", text, of.most_descriptors.clone());
        let text = "Resident memory in bytes";
        registry.register("resident_memory_bytes", text, of.memory.clone());
        of
    }

    /// Shows `sample`, and nothing of the one before it.
    pub(super) fn set(&self, sample: &Sample) {
        show(&self.mappings, "state", &sample.mappings);
        show(&self.parties, "status", &sample.parties);
        show(&self.certificates, "certificate", &sample.certificates);
        let (open, most) = sample.descriptors.unzip();
        let decisions = &sample.decisions;
        let found = [
            (&self.store_bytes, sample.store_bytes),
            (&self.outbox, sample.outbox),
            (&self.dead_letters, sample.dead_letters),
            (&self.devices, sample.devices),
            (&self.devices_awaited, sample.devices_awaited),
            (&self.descriptors, open),
            (&self.most_descriptors, most),
            (&self.memory, sample.memory),
            (&self.decisions_failing, Some(decisions.failing.into())),
            (
                &self.decisions_waiting,
                u64::try_from(decisions.waiting_bytes).ok(),
            ),
            (&self.decisions_written, Some(decisions.written)),
            (&self.decisions_lost, Some(decisions.lost)),
            (&self.decisions_taken_away, Some(decisions.taken_away)),
        ];
        for (gauge, value) in found {
            gauge.set(value);
        }
        let counter = self.store_syncs.inner();
        counter.store(sample.store_syncs, Ordering::Relaxed);
        self.started.set(sample.started);
    }
}

/// One series for each value, and no other.
fn show<T: Copy + TryInto<i64>>(
    family: &Family<[Label; 1], Gauge>,
    label: &'static str,
    values: &[(&'static str, T)],
) {
    family.clear();
    for (name, value) in values {
        let gauge = family.get_or_create_owned(&[(label, *name)]);
        gauge.set((*value).try_into().unwrap_or(i64::MAX));
    }
}

/// A gauge of what may not be found out: then there is none, rather than one of long ago.
#[derive(Clone, Default)]
struct Found(Arc<Mutex<Option<u64>>>);

impl Found {
    fn set(&self, value: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn value(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Found").field(&self.value()).finish()
    }
}

impl TypedMetric for Found {
    const TYPE: MetricType = MetricType::Gauge;
}

impl EncodeMetric for Found {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self.value() {
            Some(value) => encoder.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX)),
            None => Ok(()),
        }
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }

    fn is_empty(&self) -> bool {
        self.value().is_none()
    }
}
