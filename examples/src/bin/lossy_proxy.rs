//! A bad line to try a device on: dial this in plain instead of the gateway, on loopback.
//!
//! `lossy_proxy [--listen ADDRESS] [--loss PERCENT] [--duplication PERCENT] [--reordering PERCENT]
//! [--delay MILLISECONDS] [--lifetime SECONDS] [--seed NUMBER]` reads `ICS_MQTT_HOST`, `ICS_MQTT_PORT`,
//! `ICS_DEV_CERT`, `ICS_DEV_KEY` and `ICS_CA`, as `sandbox.env` has them, and dials the gateway with the
//! device's certificate. 30 percent of each, 500 ms, 10 s, and another seed each time, which it tells.

#![forbid(unsafe_code)]

use std::env::var;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ics_examples::chance::Dice;
use ics_examples::lossy::{LossyProxy, Upstream, Weather};
use ics_examples::tls::device_tls;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut listen: SocketAddr = "127.0.0.1:1883".parse()?;
    let mut seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .subsec_nanos()
        .into();
    let mut weather = Weather {
        loss: 30,
        duplication: 30,
        reordering: 30,
        longest_delay: Duration::from_millis(500),
        lifetime: Some(Duration::from_secs(10)),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or("an argument lacks its value")?;
        match word.as_str() {
            "--listen" => listen = value.parse()?,
            "--loss" => weather.loss = value.parse()?,
            "--duplication" => weather.duplication = value.parse()?,
            "--reordering" => weather.reordering = value.parse()?,
            "--delay" => weather.longest_delay = Duration::from_millis(value.parse()?),
            "--lifetime" => weather.lifetime = Some(Duration::from_secs(value.parse()?)),
            "--seed" => seed = value.parse()?,
            other => return Err(format!("unknown argument `{other}`").into()),
        }
    }
    let file = |name| var(name).map(PathBuf::from);
    let tls = device_tls(
        &file("ICS_CA")?,
        &file("ICS_DEV_CERT")?,
        &file("ICS_DEV_KEY")?,
    )?;
    let address = (var("ICS_MQTT_HOST")?, var("ICS_MQTT_PORT")?.parse()?);
    let upstream = Upstream { address, tls };
    let proxy = LossyProxy::open(listen, upstream, weather, Dice::of(seed)).await?;
    writeln!(
        std::io::stdout(),
        "listening {} seed {seed}",
        proxy.address()
    )?;
    Ok(tokio::signal::ctrl_c().await?)
}
