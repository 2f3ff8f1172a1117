//! `coap-peers`: whether an answer costs more where thousands have sessions.

use super::fleet::{DOCUMENT, First, host, open_all};
use super::libcoap::{Libcoap, psk};
use super::line::{CoapLine, Question};
use super::load::{CoapLoader, measure_in_turn};
use crate::bench::figures::{Report, ours_to_yardstick};
use crate::bench::stage::Stage;
use crate::bench::{BenchError, Options};

/// How many are few; so many ask at once, of many too.
const FEW: usize = 10;
/// The numbers of the devices: behind those of `coap-document`.
const FIRST_DEVICE: usize = 100_000;

/// Measures it: a gateway with few peers on one stage, one with many on the other.
///
/// # Errors
/// [`BenchError`].
pub(in crate::bench) async fn measure(
    [few, many]: [&Stage; 2],
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let libcoaps = (
        Libcoap::start_secured(few, 0)?,
        Libcoap::start_secured(few, 1)?,
    );
    let count = options.coap_peers();
    let gateways = (few.serve()?, many.serve()?);
    let of_few = open_ours(few, FEW).await?;
    let length = of_few.1;
    let mut of_few = loader(of_few.0, gateways.0.pid());
    let mut of_many = loader(open_ours(many, count).await?.0, gateways.1.pid());
    let loaders = [&mut of_many, &mut of_few];
    let ours = measure_in_turn(loaders, options, "measuring the gateway").await?;
    drop((of_few, of_many, gateways));
    let mut of_few = loader(
        open_theirs(&libcoaps.0, FEW, length).await?,
        libcoaps.0.pid(),
    );
    let of_many = open_theirs(&libcoaps.1, count, length).await?;
    let mut of_many = loader(of_many, libcoaps.1.pid());
    let loaders = [&mut of_many, &mut of_few];
    let theirs = measure_in_turn(loaders, options, "measuring libcoap").await?;
    report.begin(
        &format!("a document over CoAP and DTLS, by how many have sessions, {FEW} at once"),
        [&format!("{count} peers"), &format!("{FEW} peers")],
    );
    report.tell(&ours.cpu("coap_peers", many.rows, ours_to_yardstick));
    report.tell(&theirs.cpu("coap_peers.libcoap", many.rows, ours_to_yardstick));
    Ok(())
}

/// Sessions of devices with the gateway, and how long their documents are.
async fn open_ours(stage: &Stage, count: usize) -> Result<(Vec<CoapLine>, usize), BenchError> {
    let numbers = FIRST_DEVICE..FIRST_DEVICE.saturating_add(count);
    let devices = host(&stage.domain, numbers, 1).await?;
    let address = stage.domain.coap_address();
    let mut lines = open_all(address, &devices, First::Acknowledge).await?;
    let line = lines.first_mut().ok_or(BenchError::NoServer("a device"))?;
    let document = line.ask(&Question::get(&DOCUMENT)).await?;
    Ok((lines, document.payload.len()))
}

async fn open_theirs(
    libcoap: &Libcoap,
    count: usize,
    length: usize,
) -> Result<Vec<CoapLine>, BenchError> {
    libcoap.hold(&DOCUMENT, length).await?;
    let strangers = vec![psk(); count];
    open_all(libcoap.secured_address(), &strangers, First::Read).await
}

fn loader(lines: Vec<CoapLine>, pid: u32) -> CoapLoader {
    CoapLoader::new(lines, FEW, (Question::get(&DOCUMENT), pid))
}
