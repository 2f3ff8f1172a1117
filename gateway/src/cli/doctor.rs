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

Exit status: 0 all green, 1 something amber and nothing red, 2 something red, or usage.")]
pub(super) struct DoctorArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Tell the findings as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Not everything is green: what was asked for, and no error.
#[derive(Debug, thiserror::Error)]
#[error("{}: {alike} of {all} findings; the fix is named with each", if *is_red { "red" } else { "amber" })]
pub(super) struct NotWell {
    is_red: bool,
    /// Findings that are as bad.
    alike: usize,
    /// All findings.
    all: usize,
}

impl NotWell {
    fn of(findings: &[Finding]) -> Option<Self> {
        let lights = || findings.iter().map(|finding| finding.light);
        let worst = lights().max().filter(|worst| *worst != Light::Green)?;
        Some(Self {
            is_red: worst == Light::Red,
            alike: lights().filter(|light| *light == worst).count(),
            all: findings.len(),
        })
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_red { 2 } else { 1 })
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
            match NotWell::of(&findings) {
                None => Ok(()),
                Some(not_well) => Err(not_well.into()),
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
