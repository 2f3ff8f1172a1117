//! `ics-gateway demo`.

use clap::Args;

use super::runtime::{Outcome, block_on_until_asked_to_end};
use crate::config::{LogLevel, LogSection};
use crate::telemetry::start_log;

/// Play the refrigerator, the lock and the watch of Y.4462 Appendix I through real sockets
///
/// Starts a sandbox of its own in a temporary directory, plays figures 3 to 6 step by step, uses
/// the mapping, revokes it, and shows that a late order is refused; then the same with devices that
/// the gateway hosts: a lock and a light over MQTT, and a watch over CoAP, whose traffic the operator
/// bills by the table. The exit status is 0 only if every step did what the Recommendation says.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    ics-gateway demo")]
pub(super) struct DemoArguments {}

impl DemoArguments {
    #[expect(
        clippy::unused_self,
        reason = "a verb without arguments is still a verb"
    )]
    pub(super) fn run(self) -> Outcome {
        let _log = start_log(&LogSection {
            level: LogLevel::Warn,
            ..LogSection::default()
        });
        let directory = tempfile::tempdir()?;
        block_on_until_asked_to_end(async { Ok(crate::demo::play(directory.path()).await?) })
    }
}
