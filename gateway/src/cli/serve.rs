//! `ics-gateway serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::runtime::{Outcome, Request, Signals, block_on, say};
use crate::compose::{PartEnded, Running};
use crate::config::{Config, ConfigError};
use crate::service_manager::ServiceManager;
use crate::telemetry::start_log;

/// Run the gateway in the foreground until SIGTERM or SIGINT
///
/// Prints a line `listening t8 ADDRESS operator ADDRESS mqtt ADDRESS coap ADDRESS` (without those of
/// `mqtt` and `coap` where there is no such listener, and with `coap-plain ADDRESS` and `onem2m ADDRESS` where there is
/// that) on standard output when all listeners accept, and its log on standard error. On SIGTERM nothing new is taken, what is under way is
/// finished within `drain`, and the exit status is 0. If a listener ends by itself the others are
/// stopped the same way, and the exit status is 1: systemd begins anew. On SIGHUP `decisions.jsonl` is opened anew,
/// and the configuration is read anew: certificates, keys and trust anchors of the listeners and
/// the connections of a party change at once, unless something is wrong with it; other keys that changed are named in the log and wait for
/// the next start, and so do, unnamed, new contents of the files of notify, authority and vault.
/// Open connections go on.
/// `$NOTIFY_SOCKET` of systemd is told when it is ready, reloads, stops.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArguments {
    /// The configuration file that `init` wrote
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Serve the oneM2M CSE of `[onem2m]` here, whatever its `listen` says
    #[arg(long, value_name = "ADDR")]
    onem2m_listen: Option<SocketAddr>,
}

const EXAMPLES: &str = "\
Example:
    ics-gateway init --dir ./domain
    ics-gateway serve --config ./domain/gateway.toml";

impl ServeArguments {
    pub(super) fn run(self) -> Outcome {
        let config = self.load()?;
        let log = start_log(&config.log);
        let manager = ServiceManager::of_environment();
        block_on(async {
            let mut signals = Signals::listen()?;
            let running = Running::start(config, log.lines.clone()).await?;
            let (t8, operator) = (running.t8(), running.operator());
            tracing::info!(%t8, %operator, version = env!("CARGO_PKG_VERSION"), "serving");
            let mqtt = running.mqtt().map(|at| format!(" mqtt {at}"));
            let mqtt = mqtt.unwrap_or_default();
            let coap = running.coap().map(|(at, plain)| {
                let plain = plain.map(|at| format!(" coap-plain {at}"));
                format!(" coap {at}{}", plain.unwrap_or_default())
            });
            let coap = coap.unwrap_or_default();
            let onem2m = running.onem2m().map(|at| format!(" onem2m {at}"));
            let onem2m = onem2m.unwrap_or_default();
            let enrolment = running.enrolment().map(|at| format!(" enrolment {at}"));
            let enrolment = enrolment.unwrap_or_default();
            say(&format!(
                "listening t8 {t8} operator {operator}{mqtt}{coap}{onem2m}{enrolment}"
            ))?;
            manager.tell_ready();
            let outcome = until_end(&mut signals, &running, || {
                manager.tell_reloading();
                self.reload(&running);
                manager.tell_ready();
            });
            let outcome = outcome.await;
            manager.tell_stopping();
            tracing::info!("draining");
            running.stop().await;
            Ok(outcome?)
        })
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.config)?.serving_onem2m_at(self.onem2m_listen, &self.config)
    }

    fn reload(&self, running: &Running) {
        running.reopen_decisions();
        let reloaded = self
            .load()
            .map_err(|error| error.to_string())
            .and_then(|config| running.reload(&config).map_err(|error| error.to_string()));
        match reloaded {
            Ok(waiting) => tell_reloaded(&waiting),
            Err(error) => tracing::error!(error, "reload refused; the old ones are kept"),
        }
    }
}

/// Until the process is asked to end, `reload` whenever it is asked for that.
///
/// # Errors
/// [`PartEnded`].
pub(super) async fn until_end(
    signals: &mut Signals,
    running: &Running,
    mut reload: impl FnMut(),
) -> Result<(), PartEnded> {
    loop {
        tokio::select! {
            request = signals.next() => match request {
                Request::Reload => reload(),
                Request::End => return Ok(()),
            },
            ended = running.ended() => return Err(ended),
        }
    }
}

fn tell_reloaded(waiting: &[String]) {
    tracing::info!("certificates and trust anchors of the listeners reloaded");
    if !waiting.is_empty() {
        let keys = waiting.join(", ");
        tracing::warn!(keys, "changed, and in effect after the next start only");
    }
}
