//! The log: text or JSON lines on standard error, one line for each request.
//!
//! | field | value |
//! |---|---|
//! | `listener` | `t8`, `operator` or `onem2m` |
//! | `method` | the request's method; `OTHER` for one this service does not know |
//! | `route` | the pattern that matched, such as `/ics-mapping/v1/{scs_as_id}/mappings`; `none` |
//! | `status` | the answer's status code |
//! | `sp` | the service provider of the client certificate, if there is one |
//! | `operator` | the name in the operator's certificate, on that listener |
//! | `caller` | on `onem2m`: the service provider, the IoT SP of the device, or the CSE of the last hop |
//! | `reference_point` | `ICS-1` .. `ICS-8`, where the route belongs to one |
//! | `duration_us` | from the parsed head to the answer's head, microseconds |
//! | `bytes` | the answer's body, where its length is known |
//! | `request_id` | unique for this process and all before it on this machine |
//!
//! The line is made by the request's thread, nothing when `info` is off; writing it is another
//! thread's work, and what that cannot keep up with is dropped and counted.
//!
//! Never a path, a query, a body, a header: no identifier of a device, a user or a
//! transaction, whatever the caller wrote into the URL.

mod decision;
mod device;
mod metrics;
mod request;
mod verdict;
mod writer;

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use ics_core::port::Clock;

use crate::config::{LogFormat, LogLevel, LogSection};

pub(crate) use decision::{
    DecisionFileError, DecisionLog, DecisionWriter, HandshakeRefusal, LINE_ROOM, check_directory,
};
pub(crate) use device::DeviceActs;
#[cfg(test)]
pub(crate) use metrics::CONNECTION_REFUSALS;
pub(crate) use metrics::{ListenerMetrics, Metrics, Sample};
pub(crate) use request::{LoggedCse, RequestLines, RequestLog};
pub(crate) use verdict::VerdictWitness;
pub(crate) use writer::LogWriter;

use decision::{Act, render_handshake};
use request::RequestId;

/// The listener of the service providers, in logs and metrics.
pub(crate) const T8: &str = "t8";
/// The listener of hosted devices over MQTT.
pub(crate) const MQTT: &str = "mqtt";
/// The listener of hosted devices over CoAP.
pub(crate) const COAP: &str = "coap";
/// The listener of CSEs and AEs.
pub(crate) const ONEM2M: &str = "onem2m";
/// Where service providers enrol.
pub(crate) const ENROLMENT: &str = "enrolment";
/// The listener of the operator's own systems, in logs and metrics.
pub(crate) const OPERATOR: &str = "operator";

/// What every request and connection leaves its traces in.
#[derive(Clone)]
pub(crate) struct Telemetry {
    /// The log's lines, if it wants them.
    pub(crate) lines: Option<RequestLines>,
    /// The decision log; `None` in tests alone.
    pub(crate) decisions: Option<DecisionLog>,
    /// The numbers.
    pub(crate) metrics: Arc<Metrics>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Telemetry {
    /// A handshake on `listener` was refused: counted, and a line where something was asked for;
    /// `who` where the certificate was good. Connections take no room of the decision log while they
    /// are silent: each request reserves its own, and what is refused here is refused, line or not.
    pub(crate) fn tell_refused_handshake(
        &self,
        listener: &'static str,
        who: Option<&str>,
        refusal: HandshakeRefusal,
    ) {
        self.metrics
            .of(listener)
            .count_refused_connection(refusal.cause);
        // Nothing was asked for: counted, but no attempt.
        if matches!(
            refusal.cause,
            "HANDSHAKE_TIMEOUT" | "PEER_WENT_AWAY" | "TOO_MANY_HANDSHAKES"
        ) {
            return;
        }
        if let Some(decisions) = &self.decisions {
            let act = if listener == OPERATOR {
                Act::Operator
            } else {
                Act::Read
            };
            let time = self.clock.now().to_string();
            let id = RequestId::next().to_string();
            let line = render_handshake((&time, &id), (listener, who), refusal);
            decisions.tell(act, line.as_bytes());
        }
    }
}

/// Starts the log for the whole process. What is logged is written until the writer is dropped.
#[must_use = "the log ends when this is dropped"]
pub(crate) fn start_log(section: &LogSection) -> Log {
    let writer = LogWriter::start(std::io::stderr());
    // A second start in one process keeps the first log.
    let _ = Registry::default()
        .with(layer(section, writer.sink()))
        .try_init();
    Log {
        lines: request_lines(section, &writer),
        _writer: writer,
    }
}

/// Where requests leave their lines, if the log wants them.
fn request_lines(section: &LogSection, writer: &LogWriter) -> Option<RequestLines> {
    (section.level >= LogLevel::Info).then(|| RequestLines {
        sink: writer.sink(),
        format: section.format,
    })
}

/// The log of a process.
pub(crate) struct Log {
    /// Where each request leaves its line, if they are wanted.
    pub(crate) lines: Option<RequestLines>,
    _writer: LogWriter,
}

fn layer<W>(section: &LogSection, sink: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match section.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries below us log paths, headers and peers at their finer levels: their warnings only.
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("ics_", level)
        // What a caller does to its own connection is no error of ours, and no flood of lines.
        .with_target("actix_http::h1::dispatcher", LevelFilter::OFF);
    let lines = fmt::layer().with_ansi(false).with_writer(sink);
    match section.format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
    }
}

#[cfg(test)]
mod tests;
