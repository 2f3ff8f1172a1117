//! Numbers for Prometheus: what is counted as it happens, and what is looked up when asked.
//!
//! Labels are reference points, outcomes, listeners, names of files' roles: never an identifier,
//! that of a service provider included. All series of a listener exist from the start, at 0.

mod sample;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ics_core::reference_point::ReferencePoint;
use ics_store::CommitWatch;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::decision::Verdict;

use sample::Gauges;
pub(crate) use sample::Sample;

type Label = (&'static str, &'static str);

/// Upper bounds of answer times, in seconds.
const ANSWER_TIMES: [f64; 15] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5,
    10.0,
];
/// Upper bounds of the time a transaction takes to become durable, in seconds.
const COMMIT_TIMES: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
];
/// Upper bounds of changes in one transaction.
const BATCH_SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Why a connection ended before it was one.
pub(crate) const CONNECTION_REFUSALS: [&str; 22] = [
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_EXTENDED_KEY_USAGE",
    "CERTIFICATE_IDENTITY",
    "CERTIFICATE_KEY",
    "CERTIFICATE_KEY_USAGE",
    "CERTIFICATE_MISSING",
    "CERTIFICATE_NOT_YET_VALID",
    "CERTIFICATE_OF_AUTHORITY",
    "CERTIFICATE_OUTSIDE_NAMESPACE",
    "CERTIFICATE_REFUSED",
    "CERTIFICATE_REVOCATION_UNKNOWN",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_SIGNATURE",
    "CERTIFICATE_UNKNOWN_ISSUER",
    "CERTIFICATE_UNREADABLE",
    "HANDSHAKE_TIMEOUT",
    "NOT_TLS",
    "PEER_WENT_AWAY",
    "REVOCATION_LIST_EXPIRED",
    "TLS_INCOMPATIBLE",
    "TOO_MANY_CONNECTIONS",
    "TOO_MANY_HANDSHAKES",
];

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    t8: Arc<ListenerMetrics>,
    mqtt: Arc<ListenerMetrics>,
    coap: Arc<ListenerMetrics>,
    onem2m: Arc<ListenerMetrics>,
    enrolment: Arc<ListenerMetrics>,
    operator: Arc<ListenerMetrics>,
    /// The store's transactions.
    pub(crate) commits: Arc<CommitMetrics>,
    /// Rounds of what time does by itself.
    pub(crate) sweeps: Counter,
    gauges: Gauges,
    /// Held while a sample is shown: that of another answer must not come between.
    showing: Mutex<()>,
}

/// What is counted of one listener.
pub(crate) struct ListenerMetrics {
    requests: Vec<[Counter; 3]>,
    answer_times: Vec<Histogram>,
    unlogged: Counter,
    unanswered: Counter,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Connections whose handshake was whole.
    pub(crate) accepted: Counter,
    /// TLS handshakes under way.
    pub(crate) handshakes: Gauge,
    refused: BTreeMap<&'static str, Counter>,
}

/// What is counted of the store's transactions.
#[derive(Debug)]
pub(crate) struct CommitMetrics {
    began: Mutex<Option<Instant>>,
    changes: Counter,
    failed: Counter,
    failing: Gauge,
    damage: Counter,
    batch_sizes: Histogram,
    times: Histogram,
}

impl CommitMetrics {
    /// A transaction of `changes` changes took `took`, and is durable or not.
    pub(crate) fn count(&self, changes: u64, took: Duration, durable: bool) {
        if !durable {
            self.failed.inc();
            self.failing.set(1);
            return;
        }
        // Nothing was to be kept: that tells nothing of the disk.
        if changes == 0 {
            return;
        }
        self.failing.set(0);
        self.changes.inc_by(changes);
        #[expect(clippy::cast_precision_loss, reason = "at most some hundreds")]
        self.batch_sizes.observe(changes as f64);
        self.times.observe(took.as_secs_f64());
    }

    /// Whether the last transaction was not kept.
    pub(crate) fn fails(&self) -> bool {
        self.failing.get() != 0
    }

    /// Whether something met damage since the start: none of it goes by itself.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damage.get() != 0
    }
}

impl CommitWatch for CommitMetrics {
    fn begin(&self) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn end(&self, changes: usize, durable: bool) {
        let began = self
            .began
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let took = began.map(|began| began.elapsed()).unwrap_or_default();
        self.count(u64::try_from(changes).unwrap_or(u64::MAX), took, durable);
    }

    fn note_damage(&self) {
        self.damage.inc();
    }
}

impl ListenerMetrics {
    /// A request was answered.
    pub(crate) fn count_request(
        &self,
        point: Option<ReferencePoint>,
        verdict: Verdict,
        took: Duration,
    ) {
        let row = point.map_or(0, |point| point as usize + 1);
        if let Some(counter) = self
            .requests
            .get(row)
            .and_then(|row| row.get(verdict.index()))
        {
            counter.inc();
        }
        if let Some(times) = self.answer_times.get(row) {
            times.observe(took.as_secs_f64());
        }
    }

    /// A request was refused because the decision log has no room.
    pub(crate) fn count_unlogged_refusal(&self) {
        self.unlogged.inc();
    }

    /// A request ended without an answer.
    pub(crate) fn count_unanswered(&self) {
        self.unanswered.inc();
    }

    /// A connection was not taken, for one of [`CONNECTION_REFUSALS`].
    pub(crate) fn count_refused_connection(&self, cause: &str) {
        if let Some(counter) = self.refused.get(cause) {
            counter.inc();
        }
    }
}

impl Metrics {
    /// All series, at 0.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("ics");
        let families = Families::register(&mut registry);
        let commits = Arc::new(register_commits(&mut registry));
        let sweeps = Counter::default();
        let text = "Rounds of the sweeper: what ran out is ended, what is old purged";
        registry.register("sweeps", text, sweeps.clone());
        let gauges = Gauges::register(&mut registry);
        Self {
            registry,
            t8: Arc::new(families.of_listener(super::T8)),
            mqtt: Arc::new(families.of_listener(super::MQTT)),
            coap: Arc::new(families.of_listener(super::COAP)),
            onem2m: Arc::new(families.of_listener(super::ONEM2M)),
            enrolment: Arc::new(families.of_listener(super::ENROLMENT)),
            operator: Arc::new(families.of_listener(super::OPERATOR)),
            commits,
            sweeps,
            gauges,
            showing: Mutex::new(()),
        }
    }

    /// Those of a listener.
    pub(crate) fn of(&self, listener: &'static str) -> &Arc<ListenerMetrics> {
        match listener {
            super::T8 => &self.t8,
            super::MQTT => &self.mqtt,
            super::COAP => &self.coap,
            super::ONEM2M => &self.onem2m,
            super::ENROLMENT => &self.enrolment,
            _ => &self.operator,
        }
    }

    /// The text of OpenMetrics, `sample` included.
    pub(crate) fn render(&self, sample: &Sample) -> String {
        let _one = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.set(sample);
        let mut text = String::with_capacity(64 << 10);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The metrics that listeners share, told apart by labels.
struct Families {
    requests: Family<[Label; 3], Counter>,
    answer_times: Family<[Label; 2], Histogram>,
    unlogged: Family<[Label; 1], Counter>,
    unanswered: Family<[Label; 1], Counter>,
    connections: Family<[Label; 1], Gauge>,
    accepted: Family<[Label; 1], Counter>,
    handshakes: Family<[Label; 1], Gauge>,
    refused: Family<[Label; 2], Counter>,
}

impl Families {
    fn register(registry: &mut Registry) -> Self {
        let families = Self {
            requests: Family::default(),
            answer_times: Family::new_with_constructor(|| Histogram::new(ANSWER_TIMES)),
            unlogged: Family::default(),
            unanswered: Family::default(),
            connections: Family::default(),
            accepted: Family::default(),
            handshakes: Family::default(),
            refused: Family::default(),
        };
        let text = "Requests answered";
        registry.register("requests", text, families.requests.clone());
        let text = "Seconds from a request's head to its answer's";
        registry.register(
            "request_duration_seconds",
            text,
            families.answer_times.clone(),
        );
        let text = "Requests refused because the decision log has no room or fails";
        registry.register("requests_unlogged", text, families.unlogged.clone());
        let text = "Requests that ended without an answer: their callers went away, the gateway ended, or failed";
        registry.register("requests_unanswered", text, families.unanswered.clone());
        registry.register(
            "connections",
            "Open connections",
            families.connections.clone(),
        );
        let text = "Connections whose handshake was whole";
        registry.register("connections_accepted", text, families.accepted.clone());
        let text = "TLS handshakes under way";
        registry.register("handshakes", text, families.handshakes.clone());
        let text = "Connections that were not taken: failed handshakes, caps";
        registry.register("connections_refused", text, families.refused.clone());
        families
    }

    fn of_listener(&self, name: &'static str) -> ListenerMetrics {
        let listener = ("listener", name);
        // Only service providers speak on reference points.
        let points = if name == super::T8 {
            ReferencePoint::ALL.as_slice()
        } else {
            &[]
        };
        let points = std::iter::once("none").chain(points.iter().map(|point| point.label()));
        let points: Vec<Label> = points.map(|point| ("reference_point", point)).collect();
        let requests = |point| {
            Verdict::ALL.map(|verdict| {
                let labels = [listener, point, ("outcome", verdict.label())];
                self.requests.get_or_create_owned(&labels)
            })
        };
        let times = |point| self.answer_times.get_or_create_owned(&[listener, point]);
        let refused = |cause| {
            let labels = [listener, ("cause", cause)];
            (cause, self.refused.get_or_create_owned(&labels))
        };
        // What is under way below DTLS, and ends there, nobody but its endpoint sees.
        let is_seen = |cause: &&str| name != super::COAP || cause.starts_with("CERTIFICATE_");
        let handshakes = if name == super::COAP {
            Gauge::default()
        } else {
            self.handshakes.get_or_create_owned(&[listener])
        };
        ListenerMetrics {
            requests: points.iter().copied().map(requests).collect(),
            answer_times: points.iter().copied().map(times).collect(),
            unlogged: self.unlogged.get_or_create_owned(&[listener]),
            unanswered: self.unanswered.get_or_create_owned(&[listener]),
            connections: self.connections.get_or_create_owned(&[listener]),
            accepted: self.accepted.get_or_create_owned(&[listener]),
            handshakes,
            refused: CONNECTION_REFUSALS
                .into_iter()
                .filter(is_seen)
                .map(refused)
                .collect(),
        }
    }
}

fn register_commits(registry: &mut Registry) -> CommitMetrics {
    let commits = CommitMetrics {
        began: Mutex::new(None),
        changes: Counter::default(),
        failed: Counter::default(),
        failing: Gauge::default(),
        damage: Counter::default(),
        batch_sizes: Histogram::new(BATCH_SIZES),
        times: Histogram::new(COMMIT_TIMES),
    };
    let text = "Changes made durable";
    registry.register("store_changes", text, commits.changes.clone());
    let text = "Transactions that failed";
    registry.register("store_commits_failed", text, commits.failed.clone());
    let text = "1 while the last transaction was not kept";
    registry.register("store_failing", text, commits.failing.clone());
    let text = "Reads and changes that met damage of the store since the start, its engine's panics included";
    registry.register("store_damage", text, commits.damage.clone());
    let text = "Changes in one transaction";
    registry.register("store_batch_changes", text, commits.batch_sizes.clone());
    let text = "Seconds a transaction takes to be durable, its sync included";
    registry.register("store_commit_seconds", text, commits.times.clone());
    commits
}

#[cfg(test)]
mod tests;
