//! `ics-gateway config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::runtime::{Outcome, say};
use crate::compose::examine;
use crate::config::{Config, ConfigError};

/// Look at a configuration without starting anything
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    ics-gateway config check --config /etc/ics/gateway.toml

Exit status: 0 nothing wrong, 1 something wrong, 2 usage.")]
pub(super) struct ConfigArguments {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    Check(CheckArguments),
}

/// Say everything that is wrong with a configuration, and how to mend it
///
/// Reads the file, and the certificates and keys it names; opens neither the store nor a socket.
/// One line for each fault: file, line, key, what is wrong; what to do.
#[derive(Debug, Args)]
struct CheckArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Tell the faults as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// The check found faults; they were told already.
#[derive(Debug, thiserror::Error)]
#[error("{0} to mend")]
struct FaultsFound(String);

#[derive(Serialize)]
struct FaultDto {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

impl ConfigArguments {
    pub(super) fn run(self) -> Outcome {
        let ConfigVerb::Check(arguments) = self.verb;
        arguments.run()
    }
}

impl CheckArguments {
    fn run(self) -> Outcome {
        let faults = self.faults();
        if self.json {
            say(&serde_json::to_string(&faults)?)?;
        } else if faults.is_empty() {
            say(&format!("`{}`: nothing wrong", self.config.display()))?;
        } else {
            for fault in &faults {
                say(&fault.message)?;
            }
        }
        match faults.len() {
            0 => Ok(()),
            1 => Err(FaultsFound("1 fault".into()).into()),
            n => Err(FaultsFound(format!("{n} faults")).into()),
        }
    }

    fn faults(&self) -> Vec<FaultDto> {
        match Config::load(&self.config) {
            Ok(config) => examine(&config)
                .into_iter()
                .map(|error| FaultDto {
                    message: error.to_string(),
                    line: None,
                })
                .collect(),
            Err(ConfigError::Faulty(faults)) => faults
                .iter()
                .map(|fault| FaultDto {
                    message: fault.to_string(),
                    line: fault.line,
                })
                .collect(),
            Err(error) => vec![FaultDto {
                message: error.to_string(),
                line: None,
            }],
        }
    }
}
