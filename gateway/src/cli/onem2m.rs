//! `ics-gateway onem2m`.

use clap::{Args, Subcommand};
use ics_operator::wire::{Confirmation, RegistrationView};

use super::operator::{Access, or_empty};
use super::runtime::{Outcome, block_on};

/// The gateway's CSE at a oneM2M platform
///
/// The platform is the one of `[onem2m.registrar]`. Its owner adds the gateway's CSE-ID to the CSEs that
/// may register; from `attach` on his AEs reach the service below /~/id-ics/ics of their own CSE.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct OneM2mArguments {
    #[command(subcommand)]
    verb: OneM2mVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway onem2m attach --config gateway.toml
    ics-gateway onem2m status --config gateway.toml
    ics-gateway onem2m detach --config gateway.toml

Exit status: 0 done, 1 refused by the gateway or by the platform, 2 usage, 3 gateway not reachable.";

#[derive(Clone, Copy, Debug, Subcommand)]
enum OneM2mVerb {
    /// Register at the platform, and stay registered until detached; again: renew it
    Attach,
    /// End the registration; nothing of it is left at the platform
    Detach,
    /// Show how it stands
    Status,
}

impl OneM2mArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        block_on(async move {
            let client = access.client()?;
            let nothing = Confirmation::default();
            let shown: RegistrationView = match verb {
                OneM2mVerb::Attach => client.post("/onem2m/attach", &nothing).await?,
                OneM2mVerb::Detach => client.post("/onem2m/detach", &nothing).await?,
                OneM2mVerb::Status => client.read("/onem2m/registration").await?,
            };
            let state = match (shown.wanted, shown.registered) {
                (true, true) => "registered",
                (true, false) => "not registered, tried again and again",
                (false, _) => "detached",
            };
            let facts = [
                ("platform", shown.registrar.clone()),
                ("cse", shown.cse_id.clone()),
                ("state", state.to_owned()),
                ("confirmed", or_empty(shown.confirmed.as_ref())),
                ("expires", or_empty(shown.expires.as_ref())),
                ("trouble", or_empty(shown.trouble.as_ref())),
                ("refusing", shown.refusing.join(" ")),
            ];
            access.tell(&shown, &facts)
        })
    }
}
