//! Inquiries, case 1 (by device) and case 2 (by transaction), against the bare handler; and their
//! cost in a large store against that in a small one.

use std::sync::Arc;

use reqwest::StatusCode;
use rustls::ClientConfig;

use super::figures::{Report, Rounds, ours_to_yardstick, yardstick_to_ours};
use super::load::{Keys, Loader, Target};
use super::rows::{device_of, key_of};
use super::stage::{Server, Stage};
use super::{AnswerSizes, BenchError, CONNECTIONS, Options, progress};

const CASES: [&str; 2] = ["by_device", "by_transaction"];

/// `inquiry`: CPU time as bare/ours, requests a second as ours/bare.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn against_bare_handler(
    stage: &Stage,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let gateway = stage.serve()?;
    let mut ours = connect(stage, &gateway, CONNECTIONS).await?;
    let yardstick = stage.serve_yardstick(sizes(&mut ours).await?)?;
    let mut bare = connect_bare(stage, &yardstick).await?;
    let measured = measure(&mut ours, &mut bare, options).await?;
    report.begin(
        &format!(
            "inquiry, {} rows, {CONNECTIONS} kept-alive mutual-TLS connections",
            stage.rows
        ),
        ["gateway", "bare"],
    );
    for (case, rounds) in CASES.iter().zip(&measured) {
        let name = format!("inquiry.{case}");
        report.tell(&rounds.cpu(&name, stage.rows, yardstick_to_ours));
        report.tell(&rounds.rate(&name, stage.rows, ours_to_yardstick));
    }
    Ok(())
}

/// `growth`: CPU time of an inquiry in the large store for that in the small one.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn against_small_store(
    (large, small): (&Stage, &Stage),
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let servers = (large.serve()?, small.serve()?);
    let mut of_large = connect(large, &servers.0, CONNECTIONS).await?;
    let mut of_small = connect(small, &servers.1, CONNECTIONS).await?;
    let measured = measure(&mut of_large, &mut of_small, options).await?;
    let columns = [large.rows, small.rows].map(|rows| format!("{rows} rows"));
    report.begin(
        "growth of an inquiry's cost with the store",
        [&columns[0], &columns[1]],
    );
    for (case, rounds) in CASES.iter().zip(&measured) {
        let name = format!("growth.{case}");
        report.tell(&rounds.cpu(&name, large.rows, ours_to_yardstick));
    }
    Ok(())
}

/// Connections that ask the gateway for rows of `stage`.
async fn connect(
    stage: &Stage,
    gateway: &Server,
    connections: usize,
) -> Result<[Loader; 2], BenchError> {
    let paths = [
        "/ics-inquiry/v1/retrieve-by-device",
        "/ics-inquiry/v1/retrieve-by-transaction",
    ];
    let tokens = [
        stage.domain.fetch_token("acme-iot").await?,
        stage.domain.fetch_token("shop").await?,
    ];
    open((stage, gateway), (paths, tokens), connections).await
}

/// How long the gateway's answers are.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn answer_sizes(
    stage: &Stage,
    gateway: &Server,
) -> Result<AnswerSizes, BenchError> {
    sizes(&mut connect(stage, gateway, 1).await?).await
}

/// Connections that ask the bare handler; its token is as long as a real one.
async fn connect_bare(stage: &Stage, yardstick: &Server) -> Result<[Loader; 2], BenchError> {
    let token = "x".repeat(43);
    let paths = ["/by-device", "/by-transaction"];
    let tokens = [token.clone(), token];
    open((stage, yardstick), (paths, tokens), CONNECTIONS).await
}

async fn open(
    (stage, server): (&Stage, &Server),
    ([by_device, by_transaction], [iot_sp, third_party_sp]): ([&'static str; 2], [String; 2]),
    connections: usize,
) -> Result<[Loader; 2], BenchError> {
    let target = |path, token, body: fn(usize) -> String| Target {
        address: server.address,
        pid: server.pid(),
        path,
        token: format!("Bearer {token}"),
        body: Arc::new(body),
        answer: StatusCode::OK,
    };
    let tls = |sp| -> Result<Arc<ClientConfig>, BenchError> { Ok(Arc::new(stage.domain.tls(sp)?)) };
    let by_device = target(by_device, iot_sp, device_body);
    let by_transaction = target(by_transaction, third_party_sp, transaction_body);
    let keys = || Keys::random(stage.rows);
    Ok([
        Loader::connect(by_device, &tls("acme-iot")?, (connections, keys())).await?,
        Loader::connect(by_transaction, &tls("shop")?, (connections, keys())).await?,
    ])
}

async fn sizes([by_device, by_transaction]: &mut [Loader; 2]) -> Result<AnswerSizes, BenchError> {
    Ok(AnswerSizes {
        by_device: by_device.ask(0).await?.len(),
        by_transaction: by_transaction.ask(0).await?.len(),
    })
}

/// Loads both in turn, round by round.
async fn measure(
    ours: &mut [Loader; 2],
    yardstick: &mut [Loader; 2],
    options: Options,
) -> Result<[Rounds; 2], BenchError> {
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, "measuring inquiries");
    let mut measured = <[Rounds; 2]>::default();
    for round in 0..rounds {
        let servers = ours.iter_mut().zip(yardstick.iter_mut());
        for (case, (ours, yardstick)) in servers.enumerate() {
            let seed = (round * 2 + case) as u64;
            let span = if round > 0 { span } else { options.warm_up() };
            let pair = (
                ours.run(span, seed).await?,
                yardstick.run(span, seed).await?,
            );
            // The first round warms both up.
            if let Some(kept) = measured.get_mut(case).filter(|_| round > 0) {
                kept.add(pair.0, pair.1);
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(measured)
}

fn device_body(n: usize) -> String {
    format!(r#"{{"deviceId":"{}"}}"#, device_of(n))
}

/// The body that asks for row `n` by transaction.
pub(super) fn transaction_body(n: usize) -> String {
    let (service_uri, uti) = key_of(n);
    format!(r#"{{"serviceUri":"{service_uri}","uti":"{uti}"}}"#)
}
