//! `mapping`: durable mapping requests a second, against the raw store committing such rows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ics_core::change::Change;
use ics_core::port::Store;
use reqwest::StatusCode;
use serde_json::json;

use super::figures::{Figure, Report, Rounds, median, ours_to_yardstick};
use super::load::{Keys, Loader, Measured, Target};
use super::rows::key_of;
use super::stage::{Stage, row_maker};
use super::{BenchError, CONNECTIONS, Options, progress};
use crate::operator_client::OperatorClient;
use crate::sandbox::BenchDomain;

/// How many rows the raw store is offered for each second; none does that many.
const PREPARED: usize = 20_000;

/// Measures it; the raw store lies below `directory`.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn measure(
    stage: &Stage,
    directory: &Path,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let gateway = stage.serve()?;
    let destination = format!("{}/shop", stage.domain.callback_url());
    let target = Target {
        address: gateway.address,
        pid: gateway.pid(),
        path: "/ics-mapping/v1/shop/mappings",
        token: format!("Bearer {}", stage.domain.fetch_token("shop").await?),
        body: Arc::new(move |n| request_body(&destination, n)),
        answer: StatusCode::CREATED,
    };
    let tls = Arc::new(stage.domain.tls("shop")?);
    let load = (CONNECTIONS, Keys::fresh(stage.rows));
    let mut ours = Loader::connect(target, &tls, load).await?;
    let mut raw = RawStore::open(directory).await?;
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, "measuring mapping requests");
    let operator = stage.domain.operator()?;
    let mut measured = Rounds::default();
    let mut per_fsync = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let synced = count_syncs(&operator).await?;
        let acknowledged = ours.run(span, round as u64).await?;
        let synced = count_syncs(&operator).await?.saturating_sub(synced).max(1);
        let committed = raw.run(span).await?;
        if round > 0 {
            per_fsync.push(acknowledged.answered as f64 / synced as f64);
            measured.add(acknowledged, committed);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    report.begin(
        &format!("durable mapping requests, {CONNECTIONS} kept-alive connections"),
        ["gateway", "raw store"],
    );
    report.tell(&measured.rate("mapping", stage.rows, ours_to_yardstick));
    report.tell(&Figure {
        name: "mapping.per_fsync".into(),
        unit: "mappings",
        value: median(per_fsync),
        yardstick: None,
        ratio: None,
        rows: stage.rows,
    });
    Ok(())
}

/// Syncs of the gateway's store so far, those of its notifications included.
async fn count_syncs(operator: &OperatorClient) -> Result<u64, BenchError> {
    const NAME: &str = "ics_store_syncs_total";
    let metrics = operator.read_text("/metrics").await?;
    let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(NAME));
    lines
        .find_map(|value| value.trim().parse().ok())
        .ok_or(BenchError::NoMetric(NAME))
}

/// The request that makes row `n`, as a third party sends it.
fn request_body(destination: &str, n: usize) -> String {
    let (service_uri, uti) = key_of(n);
    json!({
        "supportedFeatures": "0",
        "serviceUri": service_uri,
        "uti": uti,
        "deviceSerialNumber": format!("ACME-BENCH-{n}"),
        "iotSpId": "acme-iot",
        "userConsent": {
            "consentId": "c-81",
            "grantedAt": "2026-01-01T00:00:00Z",
            "purpose": "dpv:RequestedServiceProvision",
        },
        "notificationDestination": destination,
    })
    .to_string()
}

/// The gateway's store alone, in this process, with rows made beforehand.
struct RawStore {
    store: Arc<dyn Store>,
    maker: super::rows::RowMaker,
    next: usize,
    now: ics_core::time::Timestamp,
}

impl RawStore {
    async fn open(directory: &Path) -> Result<Self, BenchError> {
        let domain = BenchDomain::create(directory)?;
        let parts = domain.open_parts().await?;
        let maker = row_maker(&domain, &parts).await?;
        Ok(Self {
            store: Arc::clone(&maker.store),
            maker,
            next: 0,
            now: parts.clock.now(),
        })
    }

    /// Has as many writers commit one row each, again and again, for `span`.
    async fn run(&mut self, span: Duration) -> Result<Measured, BenchError> {
        let wanted = PREPARED.saturating_mul(usize::try_from(span.as_secs()).unwrap_or(1).max(1));
        let changes = Arc::new(self.maker.requests(self.next, wanted, self.now)?);
        self.next = self.next.saturating_add(wanted);
        let taken = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let mut writers = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let (store, changes, taken) = (
                Arc::clone(&self.store),
                Arc::clone(&changes),
                Arc::clone(&taken),
            );
            writers.push(tokio::spawn(async move {
                let mut committed = 0_u64;
                while start.elapsed() < span {
                    let Some(change) = changes.get(taken.fetch_add(1, Ordering::Relaxed)) else {
                        break;
                    };
                    store.commit(Change::clone(change)).await?;
                    committed = committed.saturating_add(1);
                }
                Ok::<_, BenchError>(committed)
            }));
        }
        let mut committed = 0_u64;
        for writer in writers {
            let count = writer.await.map_err(std::io::Error::other)??;
            committed = committed.saturating_add(count);
        }
        Ok(Measured {
            cpu_per_request: Duration::ZERO,
            requests_per_second: committed as f64 / start.elapsed().as_secs_f64(),
            answered: committed,
        })
    }
}
