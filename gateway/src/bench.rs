//! `ics-gateway bench`: what a request costs, as a ratio to a yardstick measured in the same run.
//!
//! Gateway and yardstick are processes of their own, loaded in turn in one run; CPU time is that of
//! the server's process for one request. A figure is that of the round in the middle. Where there
//! is more than one core, servers have one and the load has the rest.

mod bare_tls;
mod broker;
mod coap;
mod cores;
mod decision;
mod device_line;
mod devices;
mod figures;
mod fleet;
mod footprint;
mod fresh;
mod inquiry;
mod load;
mod mapping;
mod mqtt_inquiry;
mod onem2m;
mod raw_store;
mod rows;
mod stage;
mod yardstick;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::coap_client::AssociationError;
use crate::compose::StartError;
use crate::config::Config;
use crate::operator_client::CallError;
use crate::sandbox::SandboxError;
use crate::t8_client::ClientError;

pub(crate) use bare_tls::serve_bare_devices;
use cores::Cores;
use figures::Report;
use stage::Stage;
pub(crate) use yardstick::{AnswerSizes, serve as serve_yardstick};

/// How many connections are loaded.
const CONNECTIONS: usize = 64;
/// Rows of the small store.
const SMALL: usize = 10_000;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// Files, sockets, processes.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bench's own domain: configuration, parts, certificates, tokens.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The yardstick's TLS configuration.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A row.
    #[error("{0}")]
    Rows(String),
    /// A row's identifiers.
    #[error("an identifier of the bench {0}")]
    Identifier(#[from] ics_core::id::InvalidId),
    /// The store.
    #[error(transparent)]
    Commit(#[from] ics_core::port::CommitError),
    /// The vault.
    #[error(transparent)]
    Seal(#[from] ics_core::port::SealError),
    /// HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// An answer that was not the one measured.
    #[error("{0} was answered {1}")]
    Answer(&'static str, hyper::StatusCode),
    /// The operator API of the gateway that is measured.
    #[error(transparent)]
    Operator(#[from] CallError),
    /// What is counted is not among the gateway's metrics.
    #[error("no metric {0}")]
    NoMetric(&'static str),
    /// A server process that did not end well when it was asked to.
    #[error("a server ended with {0}")]
    Ended(std::process::ExitStatus),
    /// A call of T8 on the way to what is measured.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A packet to a device that is not the one measured.
    #[error("a device was sent a packet {0:#04x} {1:02x?}")]
    Device(u8, Vec<u8>),
    /// No yardstick.
    #[error("mosquitto is not installed (apt install mosquitto)")]
    NoBroker,
    /// No yardstick.
    #[error("libcoap's server is not installed (apt install libcoap3-bin)")]
    NoLibcoap,
    /// A CoAP answer that was not the one measured: the path, its code.
    #[error("/{0} was answered {1}")]
    CoapAnswer(String, String),
    /// DTLS.
    #[error(transparent)]
    Association(#[from] AssociationError),
    /// No yardstick.
    #[error("ACME CSE is not there (pip install acmecse, or name it: --acmecse PATH)")]
    NoPlatform,
    /// An answer over oneM2M that was not the one measured: the address, its response status code.
    #[error("{0} was answered {1}")]
    OneM2mAnswer(String, u16),
    /// A server process that did not say where it listens.
    #[error("{0} did not start")]
    NoServer(&'static str),
}

impl BenchError {
    /// Whether what is lacking is what ours is compared with.
    const fn lacks_yardstick(&self) -> bool {
        matches!(self, Self::NoBroker | Self::NoLibcoap | Self::NoPlatform)
    }
}

/// What is measured, and how it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Fewer rows, shorter rounds: within a minute.
    pub(crate) quick: bool,
    /// A line of JSON for each figure.
    pub(crate) json: bool,
}

impl Options {
    const fn rows(self) -> usize {
        if self.quick { 50_000 } else { 1_000_000 }
    }

    const fn rounds(self) -> (usize, Duration) {
        if self.quick {
            (5, Duration::from_millis(700))
        } else {
            (11, Duration::from_secs(2))
        }
    }

    /// How many idle connections are weighed.
    const fn idle_connections(self) -> usize {
        if self.quick { 200 } else { 2_000 }
    }

    /// How many devices come back at once.
    const fn devices(self) -> usize {
        if self.quick { 500 } else { 5_000 }
    }

    /// How many have a session over CoAP at a time.
    const fn coap_peers(self) -> usize {
        if self.quick { 1_000 } else { 10_000 }
    }

    /// How long both are loaded before anything counts: until most of the store's pages have been
    /// asked for once.
    const fn warm_up(self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 20 })
    }
}

/// How many workers both servers run.
pub(super) fn workers(config: &Config) -> usize {
    config.t8.connections.workers.max(1)
}

/// A line on standard output.
pub(super) fn say(line: &str) {
    // A reader that went away does not end the measurement.
    let _ = writeln!(io::stdout(), "{line}");
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Inquiries against the bare handler.
    Inquiry,
    /// Inquiries in a large store against a small one.
    Growth,
    /// Mapping requests against the raw store.
    Mapping,
    /// New connections against the bare handler's.
    Fresh,
    /// Memory, disk, start-up.
    Footprint,
    /// Inquiries of devices over MQTT against mosquitto.
    MqttInquiry,
    /// Thousands of devices that connect, against a bare TLS server's.
    Devices,
    /// Discovery over CoAP against libcoap.
    CoapDiscovery,
    /// Documents and sessions over CoAP and DTLS against libcoap.
    CoapDocument,
    /// Documents over CoAP where thousands have sessions.
    CoapPeers,
    /// Inquiries over oneM2M, direct and through a platform, against ACME CSE.
    Onem2m,
    /// Decisions of the policies against a keyed hash.
    Decision,
}

impl Subject {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::Inquiry,
        Self::Growth,
        Self::Mapping,
        Self::Fresh,
        Self::Footprint,
        Self::MqttInquiry,
        Self::Devices,
        Self::CoapDiscovery,
        Self::CoapDocument,
        Self::CoapPeers,
        Self::Onem2m,
        Self::Decision,
    ];

    /// What it is called on the command line.
    const fn name(self) -> &'static str {
        match self {
            Self::Inquiry => "inquiry",
            Self::Growth => "growth",
            Self::Mapping => "mapping",
            Self::Fresh => "fresh",
            Self::Footprint => "footprint",
            Self::MqttInquiry => "mqtt-inquiry",
            Self::Devices => "devices",
            Self::CoapDiscovery => "coap-discovery",
            Self::CoapDocument => "coap-document",
            Self::CoapPeers => "coap-peers",
            Self::Onem2m => "onem2m",
            Self::Decision => "decision",
        }
    }

    const fn needs_large_store(self) -> bool {
        matches!(self, Self::Inquiry | Self::Growth | Self::Footprint)
    }
}

/// Measures `subjects`, in domains below `directory`; `acmecse` is the program of ACME CSE.
///
/// # Errors
/// [`BenchError`].
pub(crate) async fn measure(
    (directory, acmecse): (&Path, &Path),
    subjects: &[Subject],
    options: Options,
) -> Result<(), BenchError> {
    let report = Report {
        as_json: options.json,
    };
    let cores = Cores::split()?;
    let small = make_stage((directory, "small"), SMALL, cores).await?;
    let large = if subjects.iter().any(|subject| subject.needs_large_store()) {
        Some(make_stage((directory, "large"), options.rows(), cores).await?)
    } else {
        None
    };
    report.remark(&cores.map_or_else(
        || "one core for servers and load: figures are what they leave each other".to_owned(),
        |cores| cores.to_string(),
    ));
    if let Some(cores) = cores {
        cores.keep_load()?;
    }
    // Nobody below asks for a large store that is not there.
    let stages = [large.as_ref().unwrap_or(&small), &small];
    for subject in subjects {
        match measure_one((directory, acmecse), (*subject, stages), options, report).await {
            // Asked for everything, what there is no yardstick for is told and left out.
            Err(why) if why.lacks_yardstick() && subjects.len() > 1 => {
                report.remark(&format!("{} is not measured: {why}", subject.name()));
            }
            measured => measured?,
        }
    }
    Ok(())
}

async fn measure_one(
    (directory, acmecse): (&Path, &Path),
    (subject, [large, small]): (Subject, [&Stage; 2]),
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    match subject {
        Subject::Inquiry => inquiry::against_bare_handler(large, options, report).await,
        Subject::Growth => inquiry::against_small_store((large, small), options, report).await,
        Subject::Mapping => {
            let raw = directory.join("raw");
            std::fs::create_dir(&raw)?;
            mapping::measure(small, &raw, options, report).await
        }
        Subject::Decision => decision::measure(options, report),
        Subject::Fresh => fresh::measure(small, options, report).await,
        Subject::Footprint => footprint::measure((large, small), options, report).await,
        Subject::MqttInquiry => mqtt_inquiry::measure(small, options, report).await,
        Subject::Devices => devices::measure(small, options, report).await,
        Subject::CoapDiscovery => coap::measure_discovery(small, options, report).await,
        Subject::CoapDocument => coap::measure_document(small, options, report).await,
        Subject::CoapPeers => {
            let crowd = make_stage((directory, "crowd"), SMALL, small.cores).await?;
            coap::measure_peers([small, &crowd], options, report).await
        }
        Subject::Onem2m => {
            onem2m::measure((directory, acmecse), small.cores, options, report).await
        }
    }
}

async fn make_stage(
    (directory, name): (&Path, &str),
    rows: usize,
    cores: Option<Cores>,
) -> Result<Stage, BenchError> {
    let below = directory.join(name);
    std::fs::create_dir(&below)?;
    Stage::fill(&below, rows, cores).await
}

fn progress(length: u64, message: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length).with_message(message);
    ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
        .map_or(bar.clone(), |style| bar.with_style(style))
}
