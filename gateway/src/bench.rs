//! `ics-gateway bench`: what a request costs, as a ratio to a yardstick measured in the same run.
//!
//! Gateway and yardstick are processes of their own, loaded in turn over the same number of
//! kept-alive mutual-TLS connections; the figure is CPU time of the server's process for one
//! request, the median over rounds.

mod figures;
mod load;
mod rows;
mod yardstick;

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rustls::ClientConfig;

use crate::compose::StartError;
use crate::config::Config;
use crate::sandbox::{BenchDomain, SandboxError};

use figures::Figures;
use load::{Loader, Target};
use rows::{device_of, key_of};
pub(crate) use yardstick::{AnswerSizes, serve as serve_yardstick};

/// How many connections are loaded.
const CONNECTIONS: usize = 64;

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
    /// A server process that did not say where it listens.
    #[error("{0} did not start")]
    NoServer(&'static str),
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

/// Measures inquiries, case 1 (by device) and case 2 (by transaction).
///
/// # Errors
/// [`BenchError`].
pub(crate) async fn inquiry(directory: &Path, options: Options) -> Result<(), BenchError> {
    let domain = BenchDomain::create(directory)?;
    fill(&domain, options).await?;
    let gateway = spawn(&domain.config(), &[], "gateway")?;
    let tls = [
        Arc::new(domain.tls("acme-iot")?),
        Arc::new(domain.tls("shop")?),
    ];
    let by_device = (
        "/ics-inquiry/v1/retrieve-by-device",
        domain.fetch_token("acme-iot").await?,
    );
    let by_transaction = (
        "/ics-inquiry/v1/retrieve-by-transaction",
        domain.fetch_token("shop").await?,
    );
    let rows = options.rows();
    let mut ours = connect(&gateway, [by_device, by_transaction], &tls, rows).await?;
    let [by_device, by_transaction] = &mut ours;
    let sizes = AnswerSizes {
        by_device: by_device.ask(0).await?.len(),
        by_transaction: by_transaction.ask(0).await?.len(),
    };
    let yardstick = spawn_yardstick(&domain.config(), sizes)?;
    // As long as a real token.
    let token = "x".repeat(43);
    let paths = [("/by-device", token.clone()), ("/by-transaction", token)];
    let mut bare = connect(&yardstick, paths, &tls, rows).await?;
    let figures = measure(&mut ours, &mut bare, options).await?;
    figures.tell(options.json, rows, CONNECTIONS);
    Ok(())
}

/// Opens the connections to a server, by device and by transaction: path and token of each, and
/// TLS as who asks that.
async fn connect(
    (server, address): &(Guard, SocketAddr),
    [by_device, by_transaction]: [(&'static str, String); 2],
    [iot_sp, third_party_sp]: &[Arc<ClientConfig>; 2],
    rows: usize,
) -> Result<[Loader; 2], BenchError> {
    let target = |(path, token), body| Target {
        address: *address,
        pid: server.0.id(),
        path,
        token: format!("Bearer {token}"),
        body,
    };
    let load = (CONNECTIONS, rows);
    let by_device = target(by_device, device_body);
    let by_transaction = target(by_transaction, transaction_body);
    Ok([
        Loader::connect(by_device, iot_sp, load).await?,
        Loader::connect(by_transaction, third_party_sp, load).await?,
    ])
}

/// Loads both in turn, round by round.
async fn measure(
    ours: &mut [Loader; 2],
    bare: &mut [Loader; 2],
    options: Options,
) -> Result<Figures, BenchError> {
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, "measuring");
    let mut figures = Figures::default();
    for round in 0..rounds {
        for (case, (ours, bare)) in ours.iter_mut().zip(bare.iter_mut()).enumerate() {
            let seed = (round * 2 + case) as u64;
            let span = if round > 0 { span } else { options.warm_up() };
            let measured = (ours.run(span, seed).await?, bare.run(span, seed).await?);
            // The first round warms both up.
            if round > 0 {
                figures.add(case, measured);
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(figures)
}

fn device_body(n: usize) -> String {
    format!(r#"{{"deviceId":"{}"}}"#, device_of(n))
}

fn transaction_body(n: usize) -> String {
    let (service_uri, uti) = key_of(n);
    format!(r#"{{"serviceUri":"{service_uri}","uti":"{uti}"}}"#)
}

async fn fill(domain: &BenchDomain, options: Options) -> Result<(), BenchError> {
    let parts = domain.open_parts().await?;
    let agreement = domain.onboard(&parts.service, &parts.clock).await?;
    let maker = rows::RowMaker {
        store: Arc::clone(&parts.store) as _,
        sealer: Arc::clone(&parts.sealer),
        decision_point: Arc::clone(&parts.decision_point),
        service: Arc::clone(&parts.service),
        agreement,
    };
    let progress = progress(options.rows() as u64, "making rows");
    maker
        .fill(options.rows(), parts.clock.now(), &progress)
        .await?;
    progress.finish_and_clear();
    Ok(())
}

fn progress(length: u64, message: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length).with_message(message);
    ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
        .map_or(bar.clone(), |style| bar.with_style(style))
}

/// A child that does not outlive the bench.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn_yardstick(config: &Path, sizes: AnswerSizes) -> Result<(Guard, SocketAddr), BenchError> {
    let sizes = [
        sizes.by_device.to_string(),
        sizes.by_transaction.to_string(),
    ];
    let [by_device, by_transaction] = &sizes;
    let arguments = ["--by-device", by_device, "--by-transaction", by_transaction];
    spawn(config, &arguments, "yardstick")
}

/// Starts a server of this binary and waits for the line that tells its address.
fn spawn(
    config: &Path,
    arguments: &[&str],
    which: &'static str,
) -> Result<(Guard, SocketAddr), BenchError> {
    let mut command = Command::new(std::env::current_exe()?);
    match which {
        "gateway" => command.arg("serve"),
        _ => command.args(["bench", "yardstick"]),
    };
    let child = command
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut child = Guard(child);
    let said = child.0.stdout.take().ok_or(BenchError::NoServer(which))?;
    for line in BufReader::new(said).lines() {
        let line = line?;
        let address = line.split(' ').skip(1).find_map(|word| word.parse().ok());
        if let Some(address) = address {
            return Ok((child, address));
        }
    }
    Err(BenchError::NoServer(which))
}
