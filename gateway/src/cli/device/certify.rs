//! `ics-gateway device certify`: does a device hold its side of the mapping document?

mod endpoint;
mod stand;
mod trial;
mod vectors;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ics_core::id::DeviceId;
use rustls::ServerConfig;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use self::stand::Stand;
use self::trial::{Fault, Told, Trial};
use self::vectors::{Vector, parse_vectors};
use super::parse_device;
use crate::cli::operator::{Access, UsageError};
use crate::cli::progress::count_bar;
use crate::cli::runtime::{Outcome, block_on_until_asked_to_end, say};
use crate::compose::devices_tls;
use crate::config::Config;

/// Try whether a device does what the mapping document asks of it
///
/// This opens an endpoint of its own, MQTT 3.1.1 and 5 over TLS, and waits for the device, which
/// connects with its own certificate as if this were its gateway. Then it plays the vectors of
/// the device kit: documents, duplicates, older versions that come late, broken connections, loss
/// of power. What the device acknowledges is looked at, and with --held what it holds. No gateway
/// is asked for anything, and none learns of it.
///
/// Use a device that was reset: one that holds a copy of version 8 takes nothing below. Versions
/// begin above --above and rise beyond 2^32; reset the device again when it is done.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CertifyArguments {
    /// The device ID in its certificate: `d-` and 32 letters
    #[arg(value_name = "DEVICE_ID", value_parser = parse_device)]
    device: String,

    /// Where it shall connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8884")]
    listen: SocketAddr,

    /// What the endpoint shows, PEM [default: mqtt.certificate of --config]
    #[arg(long, value_name = "FILE", requires = "server_key")]
    server_certificate: Option<PathBuf>,

    /// Its private key, PEM, mode 0600 [default: mqtt.key of --config]
    #[arg(long, value_name = "FILE", requires = "server_certificate")]
    server_key: Option<PathBuf>,

    /// Who certified the device, PEM [default: devices.certificate of --config]
    #[arg(long, value_name = "FILE")]
    device_ca: Option<PathBuf>,

    /// A command of the shell that takes the device's power away and gives it back; without it,
    /// vectors that need that are skipped, and the device is not certified
    #[arg(long, value_name = "COMMAND")]
    restart: Option<String>,

    /// A command of the shell that writes what the device holds, as JSON: {"m":[{"id","svc","uti"}]};
    /// without it, only what it acknowledges is looked at
    #[arg(long, value_name = "COMMAND")]
    held: Option<String>,

    /// How many seconds it may take to connect or to acknowledge
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,

    /// A version the device may hold already
    #[arg(long, value_name = "VERSION", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..1 << 52))]
    above: u64,

    /// Play this vector alone; may be given more than once
    #[arg(long, value_name = "NAME")]
    vector: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  A device on the desk; its address of the gateway set to this machine, port 8884:
    ics-gateway device certify d-abcdefghijklmnopabcdefghijklmnop \\
        --listen 0.0.0.0:8884 --config gateway.toml \\
        --restart ./power-cycle.sh --held 'ssh device cat copy.json'
  In a laboratory without a gateway:
    ics-gateway device certify d-abcdefghijklmnopabcdefghijklmnop --json \\
        --server-certificate lab.pem --server-key lab.key \\
        --device-ca device-ca.pem

Exit status: 0 every vector holds, 1 one does not or was skipped, 2 usage.";

/// What came of a vector.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Judged<'a> {
    vector: &'a str,
    result: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Verdict {
    Passed,
    Failed,
    Skipped,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    device_id: &'a str,
    certified: bool,
    /// Whether it was looked at what the device holds.
    held_looked_at: bool,
    vectors: &'a [Judged<'a>],
}

impl CertifyArguments {
    pub(super) fn run(self, access: &Access) -> Outcome {
        let tls = self.tls(access)?;
        let vectors = self.chosen(parse_vectors()?)?;
        block_on_until_asked_to_end(async move { self.certify(tls, &vectors, access).await })
    }

    async fn certify(&self, tls: ServerConfig, vectors: &[Vector], access: &Access) -> Outcome {
        let device = DeviceId::parse(&self.device)?;
        let socket = TcpListener::bind(self.listen).await?;
        let address = socket.local_addr()?;
        let (hear, words) = mpsc::unbounded_channel();
        let stand = Arc::new(Stand::new(device, hear));
        let serving = endpoint::serve(socket, Arc::new(tls), Arc::clone(&stand));
        if !access.is_json() {
            say(&format!("listening {address}; waiting for the device"))?;
        }
        let trial = Trial {
            stand: &stand,
            words,
            patience: Duration::from_secs(self.patience),
            restart: self.restart.as_deref(),
            held: self.held.as_deref(),
            base: self.above,
            told: Told::default(),
        };
        let judged = tokio::select! {
            judged = self.judge(trial, vectors, access) => judged?,
            never = serving => match never {},
        };
        self.tell(&judged, access)
    }

    async fn judge<'v>(
        &self,
        mut trial: Trial<'_>,
        vectors: &'v [Vector],
        access: &Access,
    ) -> Result<Vec<Judged<'v>>, Box<dyn Error>> {
        trial.wait_for_device().await?;
        let bar = count_bar("vectors");
        bar.set_length(u64::try_from(vectors.len()).unwrap_or(u64::MAX));
        let mut judged = Vec::with_capacity(vectors.len());
        for vector in vectors {
            let one = if vector.needs_restart() && self.restart.is_none() {
                judge(vector, Err(Fault::SKIPPED))
            } else {
                judge(vector, trial.play(vector).await)
            };
            if !access.is_json() {
                bar.suspend(|| say(&show(&one)))?;
            }
            judged.push(one);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(judged)
    }

    fn tell(&self, judged: &[Judged<'_>], access: &Access) -> Outcome {
        let count = |verdict| judged.iter().filter(|one| one.result == verdict).count();
        let passed = count(Verdict::Passed);
        let certified = passed == judged.len() && self.vector.is_empty();
        if access.is_json() {
            let report = Report {
                device_id: &self.device,
                certified,
                held_looked_at: self.held.is_some(),
                vectors: judged,
            };
            say(&serde_json::to_string(&report)?)?;
        } else {
            say(&format!("{passed} of {} vectors hold", judged.len()))?;
            if self.held.is_none() {
                say("what the device holds was not looked at (--held)")?;
            }
        }
        let (failed, skipped) = (count(Verdict::Failed), count(Verdict::Skipped));
        if failed + skipped == 0 {
            return Ok(());
        }
        Err(format!("not certified: {failed} vectors do not hold, {skipped} were skipped").into())
    }

    /// All vectors, or those that were named.
    fn chosen(&self, vectors: Vec<Vector>) -> Result<Vec<Vector>, UsageError> {
        let unknown = |name: &&String| !vectors.iter().any(|vector| vector.name == **name);
        if let Some(name) = self.vector.iter().find(unknown) {
            return Err(UsageError(format!("there is no vector `{name}`")));
        }
        let is_meant =
            |vector: &Vector| self.vector.is_empty() || self.vector.contains(&vector.name);
        Ok(vectors.into_iter().filter(is_meant).collect())
    }

    fn tls(&self, access: &Access) -> Result<ServerConfig, Box<dyn Error>> {
        let config = access.local_config().map(Config::load).transpose()?;
        let mqtt = config.as_ref().and_then(|config| config.mqtt.as_ref());
        let devices = config.as_ref().and_then(|config| config.devices.as_ref());
        let missing = |what: &str| UsageError(format!("name {what}"));
        let certificate = self.server_certificate.as_ref();
        let certificate = certificate.or(mqtt.map(|section| &section.certificate));
        let key = self
            .server_key
            .as_ref()
            .or(mqtt.map(|section| &section.key));
        let (certificate, key) = certificate.zip(key).ok_or_else(|| {
            missing("a --config with [mqtt], or --server-certificate and --server-key")
        })?;
        let authority = self.device_ca.as_ref();
        let authority = authority.or(devices.map(|section| &section.certificate));
        let authority =
            authority.ok_or_else(|| missing("a --config with [devices], or --device-ca"))?;
        let tls12 = mqtt.is_some_and(|section| section.tls12);
        Ok(devices_tls(authority, (certificate, key), tls12)?)
    }
}

fn judge(vector: &Vector, played: Result<(), Fault>) -> Judged<'_> {
    let (result, fault) = match played {
        Ok(()) => (Verdict::Passed, None),
        Err(fault) if fault == Fault::SKIPPED => (Verdict::Skipped, Some(fault)),
        Err(fault) => (Verdict::Failed, Some(fault)),
    };
    Judged {
        vector: &vector.name,
        result,
        step: fault.as_ref().and_then(|fault| fault.step),
        reason: fault.map(|fault| fault.reason.into_owned()),
    }
}

fn show(judged: &Judged<'_>) -> String {
    let verdict = match judged.result {
        Verdict::Passed => "holds    ",
        Verdict::Failed => "DOES NOT ",
        Verdict::Skipped => "skipped  ",
    };
    let step = judged.step.map(|step| format!("step {step}: "));
    let reason = judged.reason.as_deref().unwrap_or_default();
    let why = format!("{}{reason}", step.unwrap_or_default());
    format!("{verdict} {}  {why}", judged.vector)
        .trim_end()
        .to_owned()
}
