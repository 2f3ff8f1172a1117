//! `coap-discovery`: what there is to ask for, over bare UDP.

use super::libcoap::Libcoap;
use super::line::{CoapLine, Question};
use super::load::{CoapLoader, measure_in_turn};
use crate::bench::figures::{Report, ours_to_yardstick, yardstick_to_ours};
use crate::bench::stage::Stage;
use crate::bench::{BenchError, CONNECTIONS, Options};

/// What anybody may ask for (RFC 6690 4).
const DISCOVERY: [&str; 2] = [".well-known", "core"];
/// As long; libcoap's discovery tells of its own resources.
const AS_LONG: [&str; 2] = ["bench-known", "core"];

/// Measures it.
///
/// # Errors
/// [`BenchError`].
pub(in crate::bench) async fn measure(
    stage: &Stage,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let libcoap = Libcoap::start_plain(stage)?;
    let gateway = stage.serve()?;
    let address = stage.domain.plain_coap_address();
    let mut line = CoapLine::plain(address).await?;
    let length = line.ask(&Question::get(&DISCOVERY)).await?.payload.len();
    libcoap.hold(&AS_LONG, length).await?;
    let ours = (address, gateway.pid());
    let mut ours = CoapLoader::plain(ours, Question::get(&DISCOVERY)).await?;
    let theirs = (libcoap.plain_address(), libcoap.pid());
    let mut theirs = CoapLoader::plain(theirs, Question::get(&AS_LONG)).await?;
    let loaders = [&mut ours, &mut theirs];
    let measured = measure_in_turn(loaders, options, "measuring discovery").await?;
    report.begin(
        &format!("discovery by {CONNECTIONS} clients over CoAP without DTLS, {length} bytes"),
        ["gateway", "libcoap"],
    );
    report.tell(&measured.rate("coap_discovery", stage.rows, ours_to_yardstick));
    report.tell(&measured.cpu("coap_discovery", stage.rows, yardstick_to_ours));
    Ok(())
}
