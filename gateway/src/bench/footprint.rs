//! `footprint`: memory and disk for a row, start-up, memory for an idle connection.

use std::path::Path;
use std::sync::Arc;

use reqwest::StatusCode;

use super::figures::{Figure, Report, ours_to_yardstick};
use super::inquiry::{answer_sizes, transaction_body};
use super::load::{Keys, Loader, Target};
use super::stage::{Server, Stage};
use super::{BenchError, Options};

/// Measures it; `small` is the same with few rows.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn measure(
    (large, small): (&Stage, &Stage),
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    report.begin(
        &format!("footprint, {} rows", large.rows),
        ["gateway", "yardstick"],
    );
    let plain = |name: &str, unit, value| Figure {
        name: format!("footprint.{name}"),
        unit,
        value,
        yardstick: None,
        ratio: None,
        rows: large.rows,
    };
    let more_rows = large.rows.saturating_sub(small.rows).max(1) as f64;
    let disk = occupied(&large.domain.store())?.saturating_sub(occupied(&small.domain.store())?);
    report.tell(&plain("disk", "bytes/row", disk as f64 / more_rows));
    let memory = warm_memory(large, options)
        .await?
        .saturating_sub(warm_memory(small, options).await?);
    report.tell(&plain("memory", "bytes/row", memory as f64 / more_rows));
    large.serve()?.end()?;
    let clean = large.serve()?;
    report.tell(&plain(
        "start.after_clean_stop",
        "ms",
        clean.took.as_secs_f64() * 1e3,
    ));
    clean.kill()?;
    let unclean = large.serve()?;
    report.tell(&plain(
        "start.after_kill",
        "ms",
        unclean.took.as_secs_f64() * 1e3,
    ));
    unclean.end()?;
    idle_connections(small, options, report).await
}

/// Memory of a gateway whose rows have been asked for.
async fn warm_memory(stage: &Stage, options: Options) -> Result<u64, BenchError> {
    let gateway = stage.serve()?;
    let mut loader = connect(stage, &gateway, (64, true)).await?;
    loader.run(options.warm_up(), 1).await?;
    let resident = gateway.resident()?;
    drop(loader);
    gateway.end()?;
    Ok(resident)
}

/// Memory that each of many idle connections takes, ours for the bare handler's.
async fn idle_connections(
    stage: &Stage,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let count = options.idle_connections();
    let gateway = stage.serve()?;
    let sizes = answer_sizes(stage, &gateway).await?;
    let yardstick = stage.serve_yardstick(sizes)?;
    let mut per_connection = [0.0; 2];
    for (place, (server, is_ours)) in per_connection
        .iter_mut()
        .zip([(&gateway, true), (&yardstick, false)])
    {
        // What is made once is made by then.
        let first = connect(stage, server, (8, is_ours)).await?;
        let before = server.resident()?;
        let idle = connect(stage, server, (count, is_ours)).await?;
        let more = server.resident()?.saturating_sub(before);
        *place = more as f64 / count as f64;
        drop((first, idle));
    }
    let [ours, bare] = per_connection;
    report.tell(&Figure {
        name: "footprint.idle_connection".into(),
        unit: "bytes",
        value: ours,
        yardstick: Some(bare),
        ratio: Some(ours_to_yardstick(ours, bare)),
        rows: stage.rows,
    });
    Ok(())
}

async fn connect(
    stage: &Stage,
    server: &Server,
    (connections, is_ours): (usize, bool),
) -> Result<Loader, BenchError> {
    let (path, token) = if is_ours {
        let token = stage.domain.fetch_token("shop").await?;
        ("/ics-inquiry/v1/retrieve-by-transaction", token)
    } else {
        ("/by-transaction", "x".repeat(43))
    };
    let target = Target {
        address: server.address,
        pid: server.pid(),
        path,
        token: format!("Bearer {token}"),
        body: Arc::new(transaction_body),
        answer: StatusCode::OK,
    };
    let tls = Arc::new(stage.domain.tls("shop")?);
    Loader::connect(target, &tls, (connections, Keys::random(stage.rows))).await
}

/// Bytes on disk below `directory`.
fn occupied(directory: &Path) -> Result<u64, BenchError> {
    let mut bytes = 0_u64;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            bytes = bytes.saturating_add(occupied(&entry.path())?);
        } else {
            let blocks = std::os::unix::fs::MetadataExt::blocks(&metadata);
            bytes = bytes.saturating_add(blocks.saturating_mul(512));
        }
    }
    Ok(bytes)
}
