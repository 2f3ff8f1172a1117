//! `coap-document`: the mapping document over DTLS with a pre-shared key; a handshake, and what an
//! idle session takes.

use std::net::SocketAddr;

use super::fleet::{DOCUMENT, First, host, open_all, visit_all};
use super::libcoap::{Libcoap, psk};
use super::line::{CoapLine, Question};
use super::load::{CoapLoader, measure_in_turn, run_fresh};
use crate::bench::figures::{Figure, Report, Rounds, ours_to_yardstick, yardstick_to_ours};
use crate::bench::load::resident;
use crate::bench::stage::Stage;
use crate::bench::{BenchError, CONNECTIONS, Options, progress};
use crate::coap_client::PreSharedKey;

/// Rows of each device.
const ROWS: usize = 3;
/// How many have a session before memory is weighed: what is made once is made by then.
const FIRST: usize = 8;

/// Measures it.
///
/// # Errors
/// [`BenchError`].
pub(in crate::bench) async fn measure(
    stage: &Stage,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let libcoap = Libcoap::start_secured(stage, 0)?;
    let gateway = stage.serve()?;
    let address = stage.domain.coap_address();
    let count = options.idle_connections().max(2 * CONNECTIONS) + FIRST;
    let devices = host(&stage.domain, 0..count, ROWS).await?;
    drop(open_all(address, &devices, First::Acknowledge).await?);
    let (asking, greeting) = devices.split_at(CONNECTIONS.min(devices.len()));
    let greeting = greeting.get(..CONNECTIONS).unwrap_or_default();
    let length = length_of(address, asking).await?;
    libcoap.hold(&DOCUMENT, length).await?;
    let ours = (address, gateway.pid());
    let theirs = (libcoap.secured_address(), libcoap.pid());
    let documents = ask_documents([ours, theirs], asking, options).await?;
    let handshakes = shake_hands([ours, theirs], greeting, options).await?;
    gateway.end()?;
    drop(libcoap);
    let idle = weigh_idle(stage, &devices, length).await?;
    report.begin(
        &format!(
            "documents of {ROWS} rows, {length} bytes, to {CONNECTIONS} devices over CoAP and DTLS"
        ),
        ["gateway", "libcoap"],
    );
    let rows = stage.rows;
    report.tell(&documents.rate("coap_document", rows, ours_to_yardstick));
    report.tell(&documents.cpu("coap_document", rows, yardstick_to_ours));
    report.tell(&handshakes.cpu("coap_document.handshake", rows, yardstick_to_ours));
    let [ours, theirs] = idle;
    report.tell(&Figure {
        name: "coap_document.idle_session".into(),
        unit: "bytes",
        value: ours,
        yardstick: Some(theirs),
        ratio: Some(ours_to_yardstick(ours, theirs)),
        rows,
    });
    Ok(())
}

/// How long the document of one of these is.
async fn length_of(server: SocketAddr, devices: &[PreSharedKey]) -> Result<usize, BenchError> {
    let device = devices.first().ok_or(BenchError::NoServer("a device"))?;
    let mut line = CoapLine::open(server, device).await?;
    Ok(line.ask(&Question::get(&DOCUMENT)).await?.payload.len())
}

/// Each of these asks in a session that stays.
async fn ask_documents(
    [ours, theirs]: [(SocketAddr, u32); 2],
    devices: &[PreSharedKey],
    options: Options,
) -> Result<Rounds, BenchError> {
    let strangers = vec![psk(); devices.len()];
    let loader = |lines, pid| {
        let question = Question::get(&DOCUMENT);
        CoapLoader::new(lines, CONNECTIONS, (question, pid))
    };
    let mut ours = loader(open_all(ours.0, devices, First::Read).await?, ours.1);
    let mut theirs = loader(open_all(theirs.0, &strangers, First::Read).await?, theirs.1);
    measure_in_turn([&mut ours, &mut theirs], options, "measuring documents").await
}

/// Each of these asks once in a session, again and again.
async fn shake_hands(
    [ours, theirs]: [(SocketAddr, u32); 2],
    devices: &[PreSharedKey],
    options: Options,
) -> Result<Rounds, BenchError> {
    let strangers = vec![psk(); devices.len()];
    let question = Question::get(&DOCUMENT);
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, "measuring handshakes");
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let ours = run_fresh(ours, devices, (&question, span)).await?;
        let theirs = run_fresh(theirs, &strangers, (&question, span)).await?;
        // The first round warms both up.
        if round > 0 {
            measured.add(ours, theirs);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(measured)
}

/// What each of many idle sessions takes, of the gateway and of libcoap, both started anew.
async fn weigh_idle(
    stage: &Stage,
    devices: &[PreSharedKey],
    length: usize,
) -> Result<[f64; 2], BenchError> {
    let gateway = stage.serve()?;
    let ours = weigh((stage.domain.coap_address(), gateway.pid()), devices).await?;
    let libcoap = Libcoap::start_secured(stage, 0)?;
    libcoap.hold(&DOCUMENT, length).await?;
    let strangers = vec![psk(); devices.len()];
    let theirs = weigh((libcoap.secured_address(), libcoap.pid()), &strangers).await?;
    Ok([ours, theirs])
}

async fn weigh((server, pid): (SocketAddr, u32), keys: &[PreSharedKey]) -> Result<f64, BenchError> {
    visit_all(server, keys, FIRST).await?;
    let (first, rest) = keys.split_at(FIRST.min(keys.len()));
    let first = open_all(server, first, First::Read).await?;
    let before = resident(pid)?;
    let idle = open_all(server, rest, First::Read).await?;
    let more = resident(pid)?.saturating_sub(before);
    let count = idle.len().max(1) as f64;
    drop((first, idle));
    Ok(more as f64 / count)
}
