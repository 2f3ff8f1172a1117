//! `ics-gateway doctor`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::runtime::{Outcome, block_on, say};
use crate::doctor::{Finding, Light, look};
use crate::operator_client::{Endpoint, OperatorClient};

/// Look at everything the gateway needs, and name a command for what is not well
///
/// Configuration, certificates and how long they hold, key files and their modes, clock, ports,
/// store, decision log, limits, callbacks of service providers. With the gateway running its own
/// view is asked for too.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    ics-gateway doctor --config /etc/ics/gateway.toml

Exit status: 0 all green, 1 something amber, 2 something red.")]
pub(super) struct DoctorArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Tell the findings as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Not everything is green; told already.
#[derive(Debug, thiserror::Error)]
#[error("{}", if *.0 == Light::Red { "something is red" } else { "something is amber" })]
pub(super) struct NotWell(Light);

impl NotWell {
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.0 == Light::Red { 2 } else { 1 })
    }
}

impl DoctorArguments {
    pub(super) fn run(self) -> Outcome {
        block_on(async move {
            let client = |config: &_| OperatorClient::new(&Endpoint::of(config)).ok();
            let findings = look(&self.config, client).await;
            if self.json {
                say(&serde_json::to_string(&findings)?)?;
            } else {
                findings.iter().try_for_each(tell)?;
            }
            match findings.iter().map(|finding| finding.light).max() {
                None | Some(Light::Green) => Ok(()),
                Some(light) => Err(NotWell(light).into()),
            }
        })
    }
}

fn tell(finding: &Finding) -> std::io::Result<()> {
    let light = match finding.light {
        Light::Green => "green",
        Light::Amber => "AMBER",
        Light::Red => "RED  ",
    };
    say(&format!("{light}  {}: {}", finding.area, finding.text))?;
    match &finding.fix {
        Some(fix) => say(&format!("       fix: {fix}")),
        None => Ok(()),
    }
}
