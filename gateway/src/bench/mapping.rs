//! `mapping`: durable mapping requests a second, against the raw store committing such rows.

use std::path::Path;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::json;

use super::figures::{Figure, Report, Rounds, median, ours_to_yardstick};
use super::load::{Keys, Loader, Target};
use super::raw_store::RawStore;
use super::rows::key_of;
use super::stage::Stage;
use super::{BenchError, CONNECTIONS, Options, progress};
use crate::operator_client::OperatorClient;

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
    let mut raw = RawStore::open(directory, stage.cores).await?;
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
