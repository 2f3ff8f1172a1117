//! `ics-gateway bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::runtime::{Outcome, block_on, block_on_until_asked_to_end};
use crate::bench::{AnswerSizes, Options, Subject, measure, serve_bare_devices, serve_yardstick};
use crate::config::Config;

/// Measure what requests cost, as ratios to a yardstick measured in the same run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BenchArguments {
    #[command(subcommand)]
    what: Option<What>,

    /// Fewer rows (50,000 instead of 1,000,000) and shorter rounds
    #[arg(long, global = true)]
    quick: bool,

    /// One line of JSON for each figure: name, value, unit, yardstick, ratio, rows
    #[arg(long, global = true)]
    json: bool,

    /// The program of ACME CSE, for `onem2m`
    #[arg(long, global = true, value_name = "PATH", default_value = "acmecse")]
    acmecse: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// All of these, on one store (the default)
    #[command(after_help = EXAMPLES)]
    All,
    /// CPU time and rate of inquiries, against a bare actix-web handler under the same TLS
    ///
    /// The ratio of CPU time is bare/gateway, that of requests gateway/bare: 1 would mean that the
    /// service itself costs nothing.
    #[command(after_help = EXAMPLES)]
    Inquiry,
    /// CPU time of an inquiry in the large store, for that in one of 10,000 rows
    #[command(after_help = EXAMPLES)]
    Growth,
    /// Durable mapping requests a second of 64 clients, for those the raw store commits
    #[command(after_help = EXAMPLES)]
    Mapping,
    /// A new mutual-TLS connection and one request, for the bare handler's
    #[command(after_help = EXAMPLES)]
    Fresh,
    /// Memory and disk for a row, start-up, memory of an idle connection
    #[command(after_help = EXAMPLES)]
    Footprint,
    /// Rate and CPU time of devices' inquiries over MQTT, against an echo through mosquitto
    ///
    /// Needs mosquitto, which is started and ended here. The client that answers behind it is not
    /// counted: its time is the load's.
    #[command(after_help = EXAMPLES)]
    MqttInquiry,
    /// 5,000 devices back after a restart: until when, CPU time and memory of each, for a bare TLS
    /// server's
    #[command(after_help = EXAMPLES)]
    Devices,
    /// CPU time and rate of discovery over CoAP without DTLS, against libcoap's server
    ///
    /// Needs coap-server (apt install libcoap3-bin), which is started and ended here, and holds a
    /// resource of the same size.
    #[command(after_help = EXAMPLES)]
    CoapDiscovery,
    /// A device's document over CoAP and DTLS with pre-shared keys, against libcoap's server with
    /// OpenSSL; a handshake, and memory of an idle session
    ///
    /// Needs coap-server-openssl (apt install libcoap3-bin), which is started and ended here.
    #[command(after_help = EXAMPLES)]
    CoapDocument,
    /// CPU time of a document over CoAP with 10,000 sessions open, for that with 10; libcoap's beside
    ///
    /// Needs coap-server-openssl (apt install libcoap3-bin), which is started and ended here.
    #[command(after_help = EXAMPLES)]
    CoapPeers,
    /// Inquiries over oneM2M against ACME CSE's retrieve of a latest contentInstance, by the same client;
    /// and what the way through ACME adds
    ///
    /// Needs ACME CSE (pip install acmecse, Python 3.11 or newer), which is started and ended here.
    #[command(after_help = EXAMPLES)]
    Onem2m,
    /// What policies cost: a decision they are asked for and one that is known, with the shipped ones and
    /// with 200 of an operator, against one keyed hash
    #[command(after_help = EXAMPLES)]
    Decision,
    /// The bare handler itself (started by the other verbs)
    #[command(hide = true)]
    Yardstick(YardstickArguments),
    /// The bare server of devices itself (started by the other verbs)
    #[command(hide = true)]
    BareDevices(BareDevicesArguments),
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway bench inquiry --quick
    ics-gateway bench all --json | jq -c '[.name, .ratio]'

Figures move with the machine, ratios hold: leave it alone while it measures.";

#[derive(Clone, Debug, Args)]
struct YardstickArguments {
    #[arg(long)]
    config: PathBuf,
    #[arg(long)]
    by_device: usize,
    #[arg(long)]
    by_transaction: usize,
}

#[derive(Clone, Debug, Args)]
struct BareDevicesArguments {
    #[arg(long)]
    config: PathBuf,
    #[arg(long)]
    document: usize,
}

impl BenchArguments {
    pub(super) fn run(self) -> Outcome {
        let subjects = match self.what.unwrap_or(What::All) {
            What::Yardstick(yardstick) => return yardstick.run(),
            What::All => Subject::ALL.to_vec(),
            What::Inquiry => vec![Subject::Inquiry],
            What::Growth => vec![Subject::Growth],
            What::Mapping => vec![Subject::Mapping],
            What::Fresh => vec![Subject::Fresh],
            What::Footprint => vec![Subject::Footprint],
            What::MqttInquiry => vec![Subject::MqttInquiry],
            What::Devices => vec![Subject::Devices],
            What::CoapDiscovery => vec![Subject::CoapDiscovery],
            What::CoapDocument => vec![Subject::CoapDocument],
            What::CoapPeers => vec![Subject::CoapPeers],
            What::Onem2m => vec![Subject::Onem2m],
            What::Decision => vec![Subject::Decision],
            What::BareDevices(bare) => return bare.run(),
        };
        let options = Options {
            quick: self.quick,
            json: self.json,
        };
        let directory = tempfile::tempdir()?;
        block_on_until_asked_to_end(async {
            let places = (directory.path(), self.acmecse.as_path());
            Ok(measure(places, &subjects, options).await?)
        })
    }
}

impl YardstickArguments {
    fn run(self) -> Outcome {
        let config = Config::load(&self.config)?;
        let sizes = AnswerSizes {
            by_device: self.by_device,
            by_transaction: self.by_transaction,
        };
        block_on(async { Ok(serve_yardstick(&config, sizes).await?) })
    }
}

impl BareDevicesArguments {
    fn run(self) -> Outcome {
        let config = Config::load(&self.config)?;
        block_on(async { Ok(serve_bare_devices(&config, self.document).await?) })
    }
}
