//! `ics-gateway serve`.

use std::path::PathBuf;

use clap::Args;

use super::runtime::{Outcome, Request, Signals, block_on, say};
use crate::compose::Running;
use crate::config::Config;
use crate::telemetry::start_log;

/// Run the gateway in the foreground until SIGTERM or SIGINT
///
/// Prints a line `listening t8 ADDRESS operator ADDRESS` on standard output when both listeners
/// accept, and its log on standard error. On SIGTERM nothing new is taken, what is under way is
/// finished, and the exit status is 0. On SIGHUP certificates and trust anchors are read anew;
/// open connections go on.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArguments {
    /// The configuration file that `init` wrote
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

const EXAMPLES: &str = "\
Example:
    ics-gateway init --dir ./domain
    ics-gateway serve --config ./domain/gateway.toml";

impl ServeArguments {
    pub(super) fn run(self) -> Outcome {
        let config = Config::load(&self.config)?;
        let log = start_log(&config.log);
        block_on(async {
            let mut signals = Signals::listen()?;
            let running = Running::start(config, log.lines.clone()).await?;
            let (t8, operator) = (running.t8(), running.operator());
            tracing::info!(%t8, %operator, version = env!("CARGO_PKG_VERSION"), "serving");
            say(&format!("listening t8 {t8} operator {operator}"))?;
            while let Request::Reload = signals.next().await {
                let reloaded = Config::load(&self.config)
                    .map_err(|error| error.to_string())
                    .and_then(|config| {
                        running
                            .reload_tls(&config)
                            .map_err(|error| error.to_string())
                    });
                match reloaded {
                    Ok(()) => tracing::info!("certificates and trust anchors reloaded"),
                    Err(error) => tracing::error!(error, "reload refused; the old ones are kept"),
                }
            }
            tracing::info!("draining");
            running.stop().await;
            Ok(())
        })
    }
}
