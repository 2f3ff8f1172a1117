//! `ics-gateway clock`.

use clap::{Args, Subcommand};
use ics_operator::wire::{ClockView, Confirmation, StatusView};

use super::operator::Access;
use super::runtime::{Outcome, block_on};

/// Whether the gateway believes its clock
///
/// A wall clock that jumps by more than a minute, lies before the last time the gateway ran, or over
/// 30 days after it, is not believed: nothing expires and nothing is purged until it is back, or until it is accepted.
/// Requests are served all the while, by the gateway's own time.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ClockArguments {
    #[command(subcommand)]
    verb: ClockVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway clock show --config gateway.toml
  After `date -u` was seen to tell the right time:
    ics-gateway clock accept --config gateway.toml

Exit status: 0 done, 1 refused by the gateway, 2 usage, 3 gateway not reachable.";

#[derive(Clone, Copy, Debug, Subcommand)]
enum ClockVerb {
    /// Show the gateway's time and the wall clock's
    Show,
    /// Say that the wall clock is right: what is over by it is ended
    Accept,
}

impl ClockArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        block_on(async move {
            let client = access.client()?;
            let clock: ClockView = match verb {
                ClockVerb::Show => client.read::<StatusView>("/status").await?.clock,
                ClockVerb::Accept => {
                    let nothing = Confirmation::default();
                    client.post("/clock/accept", &nothing).await?
                }
            };
            let facts = [
                ("wall clock", clock.state.clone()),
                ("detail", clock.detail.clone()),
                ("gateway time", clock.time.clone()),
                ("wall time", clock.wall_time.clone()),
            ];
            access.tell(&clock, &facts)
        })
    }
}
