//! Inquiries over oneM2M: at the gateway, and through a platform, against ACME's own retrieve. Plain
//! HTTP on loopback for both, by one client: ACME speaks TLS as a server only, and closes each
//! connection, which is part of what it costs.

mod line;
mod platform;
mod stand;

use std::path::Path;

use serde_json::json;

use self::line::{Ask, Line};
use self::platform::Platform;
use self::stand::Stand;
use super::cores::Cores;
use super::figures::{Report, Rounds, ours_to_yardstick};
use super::{BenchError, Options, progress};

/// How many ask at a time: more would wait in ACME's queue alone.
const PARALLEL: usize = 8;
const INQ: &str = "/id-ics/ics/inq";

/// Measures both: `onem2m_inquiry`, requests a second at the gateway for ACME's; `onem2m_hop`, time of a
/// request through ACME to the gateway and back for that of ACME's own retrieve.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn measure(
    (directory, acmecse): (&Path, &Path),
    cores: Option<Cores>,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let platform = Platform::start((&directory.join("acme"), acmecse), cores).await?;
    let instance = platform.keep_instance().await?;
    let latest = move |_: usize| Ask::retrieve(&format!("{instance}/la"));

    let direct = Stand::start(&directory.join("direct"), None, cores)?;
    let shop = direct.line("ICS_3P_AE")?;
    let found = direct.establish(&shop).await?;
    let inquiry = move |_: usize| Ask::create(INQ, found.clone());
    let theirs = platform.line(platform::READER);
    let pair = [
        (&shop, &inquiry as &line::Make),
        (&theirs, &latest as &line::Make),
    ];
    let rounds = measure_in_turn(pair, options, "measuring inquiries over oneM2M").await?;
    report.begin(
        &format!("inquiries over oneM2M (Mca), {PARALLEL} clients; ACME: its latest instance"),
        ["gateway", "ACME"],
    );
    report.tell(&rounds.rate("onem2m_inquiry", 1, ours_to_yardstick));
    drop(direct);

    let joined = Stand::start(&directory.join("joined"), Some(&platform.url()), cores)?;
    let shop = platform.register(joined.party("ICS_3P")?).await?;
    let bolt = platform.register(joined.party("ICS_IOT2")?).await?;
    let found = joined.establish_by((&platform, &shop, &bolt)).await?;
    let line = platform.line(&shop.stem);
    let inquiry = move |_: usize| shop.sign(INQ, json!({ "ics:inq": found.clone() }));
    let pair = [
        (&line, &inquiry as &line::Make),
        (&theirs, &latest as &line::Make),
    ];
    let rounds = measure_in_turn(pair, options, "measuring the hop").await?;
    report.begin(
        "an inquiry through ACME, signed; ACME alone: its latest instance",
        ["by ACME", "ACME"],
    );
    report.tell(&rounds.latency("onem2m_hop", PARALLEL));
    Ok(())
}

async fn measure_in_turn(
    [ours, theirs]: [(&Line, &line::Make); 2],
    options: Options,
    message: &'static str,
) -> Result<Rounds, BenchError> {
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, message);
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let pair = (
            ours.0.load(ours.1, (PARALLEL, span)).await?,
            theirs.0.load(theirs.1, (PARALLEL, span)).await?,
        );
        // The first round warms both up.
        if round > 0 {
            measured.add(pair.0, pair.1);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(measured)
}
