//! What all verbs share that call the operator API: how to reach it, how to tell its answers.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ics_core::id::SpId;
use serde::Serialize;

use super::runtime::{Outcome, say};
use super::table::render_table;
use crate::config::Config;
use crate::operator_client::{CallError, Endpoint, OperatorClient};

/// How to reach the operator API, and how to tell its answers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reaching the gateway")]
pub(super) struct Access {
    /// The gateway's configuration file: its operator address and authority, and the client
    /// certificate `cli.pem` with `cli.key` that `init` wrote beside the operator certificate
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// The operator listener, if there is no --config or another is meant
    #[arg(long, value_name = "URL", global = true)]
    operator_url: Option<String>,

    /// The operator's authority, PEM
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,

    /// Client certificate naming `urn:ics:operator:<name>`, PEM
    #[arg(long, value_name = "FILE", global = true)]
    cert: Option<PathBuf>,

    /// Its private key, PEM, mode 0600
    #[arg(long, value_name = "FILE", global = true)]
    key: Option<PathBuf>,

    /// Tell the answer as JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

/// What was typed cannot be carried out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// The last line of a verb that did not end well. What `doctor` finds is no error of its own.
pub(crate) fn closing_line(error: &(dyn Error + 'static)) -> String {
    if error.is::<super::doctor::NotWell>() {
        error.to_string()
    } else {
        format!("error: {error}")
    }
}

/// The exit code of a verb that failed: 1 refused, 2 usage, 3 gateway not reachable.
pub(crate) fn exit_code(error: &(dyn Error + 'static)) -> ExitCode {
    let unreachable = matches!(
        error.downcast_ref(),
        Some(CallError::Unreachable(..) | CallError::Silent(_))
    );
    if let Some(not_well) = error.downcast_ref::<super::doctor::NotWell>() {
        not_well.exit_code()
    } else if error.is::<UsageError>() {
        ExitCode::from(2)
    } else if unreachable {
        ExitCode::from(3)
    } else {
        ExitCode::FAILURE
    }
}

impl Access {
    /// A client of the gateway that is meant.
    pub(super) fn client(&self) -> Result<OperatorClient, Box<dyn Error>> {
        let configured = match &self.config {
            Some(file) => Some(Endpoint::of(&Config::load(file)?)),
            None => None,
        };
        let endpoint = self.endpoint(configured)?;
        Ok(OperatorClient::new(&endpoint)?)
    }

    /// The configuration file, where it alone says which gateway is meant: then its store is on
    /// this machine.
    pub(super) fn local_config(&self) -> Option<&Path> {
        match &self.operator_url {
            None => self.config.as_deref(),
            Some(_) => None,
        }
    }

    /// What was typed goes before what is configured.
    fn endpoint(&self, configured: Option<Endpoint>) -> Result<Endpoint, UsageError> {
        let missing = |flag: &str| UsageError(format!("name the gateway: --config, or {flag}"));
        let (url, ca, certificate, key) = match configured {
            Some(e) => (Some(e.url), Some(e.ca), Some(e.certificate), Some(e.key)),
            None => (None, None, None, None),
        };
        let url = self.operator_url.clone().or(url);
        let url = url.ok_or_else(|| missing("--operator-url with --ca, --cert and --key"))?;
        if !url.starts_with("https://") {
            return Err(UsageError("--operator-url must begin with https://".into()));
        }
        Ok(Endpoint {
            url,
            ca: self.ca.clone().or(ca).ok_or_else(|| missing("--ca"))?,
            certificate: self
                .cert
                .clone()
                .or(certificate)
                .ok_or_else(|| missing("--cert"))?,
            key: self.key.clone().or(key).ok_or_else(|| missing("--key"))?,
        })
    }

    /// Whether answers are told as JSON.
    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// Tells one thing: as JSON, or as lines of names and values.
    pub(super) fn tell<T: Serialize>(&self, thing: &T, facts: &[(&str, String)]) -> Outcome {
        if self.json {
            return Ok(say(&serde_json::to_string(thing)?)?);
        }
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            say(&format!("{name:width$}  {value}"))?;
        }
        Ok(())
    }

    /// Tells a list: as a JSON array, or as a table.
    pub(super) fn tell_all<T: Serialize>(
        &self,
        (things, more): (&[T], bool),
        headers: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Outcome {
        if self.json {
            say(&serde_json::to_string(things)?)?;
        } else {
            let rows: Vec<_> = things.iter().map(row).collect();
            say(render_table(headers, &rows).trim_end())?;
        }
        if more {
            writeln!(std::io::stderr().lock(), "there are more; raise --limit")?;
        }
        Ok(())
    }
}

/// An SP id as typed.
pub(super) fn parse_sp(text: &str) -> Result<SpId, String> {
    SpId::parse(text).map_err(|fault| fault.to_string())
}

/// An optional text, empty when there is none.
pub(super) fn or_empty(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

/// A wire enum's name as the API tells it.
pub(super) fn name_of(value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    name.and_then(|name| name.as_str().map(Into::into))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
