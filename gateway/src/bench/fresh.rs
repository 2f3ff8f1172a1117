//! `fresh`: a new mutual-TLS connection, one inquiry, and its end; ours for the bare handler's.

use std::sync::Arc;

use reqwest::StatusCode;

use super::figures::{Report, Rounds, ours_to_yardstick};
use super::inquiry::{answer_sizes, transaction_body};
use super::load::{Target, run_fresh};
use super::stage::Stage;
use super::{BenchError, Options, progress};

/// How many connect at once.
const PARALLEL: usize = 8;

/// Measures it.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn measure(
    stage: &Stage,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let gateway = stage.serve()?;
    let sizes = answer_sizes(stage, &gateway).await?;
    let yardstick = stage.serve_yardstick(sizes)?;
    let tls = Arc::new(stage.domain.tls("shop")?);
    let target = |server: &super::stage::Server, path, token: &str| {
        Arc::new(Target {
            address: server.address,
            pid: server.pid(),
            path,
            token: format!("Bearer {token}"),
            body: Arc::new(transaction_body),
            answer: StatusCode::OK,
        })
    };
    let token = stage.domain.fetch_token("shop").await?;
    let ours = target(&gateway, "/ics-inquiry/v1/retrieve-by-transaction", &token);
    let bare = target(&yardstick, "/by-transaction", &"x".repeat(43));
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, "measuring new connections");
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let load = (PARALLEL, stage.rows, span);
        let pair = (
            run_fresh(&ours, &tls, load).await?,
            run_fresh(&bare, &tls, load).await?,
        );
        if round > 0 {
            measured.add(pair.0, pair.1);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    report.begin(
        &format!("new mutual-TLS connection and one request, {PARALLEL} at once"),
        ["gateway", "bare"],
    );
    report.tell(&measured.cpu("fresh", stage.rows, ours_to_yardstick));
    report.tell(&measured.rate("fresh", stage.rows, ours_to_yardstick));
    Ok(())
}
