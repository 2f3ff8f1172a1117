//! What a domain needs to run, looked at from outside: one finding for each thing, with a command
//! that mends what is not well.

mod broker;
mod certificate;
mod datagram;
mod network;
mod place;
mod platform;

use std::path::Path;

use ics_operator::wire::{DecisionLogState, StatusView, StoreState};
use serde::Serialize;

use crate::compose::{StartError, examine};
use crate::config::{Config, ConfigError, SecretFileError};
use crate::operator_client::OperatorClient;
use crate::telemetry::DecisionFileError;
use crate::tls::CredentialError;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Light {
    /// Well.
    Green,
    /// Will go wrong, or cannot be told.
    Amber,
    /// Wrong.
    Red,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// `certificates`, `ports` and so on.
    pub(crate) area: &'static str,
    pub(crate) light: Light,
    /// What was found.
    pub(crate) text: String,
    /// The command that mends it, or that leads there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Finding {
    fn green(area: &'static str, text: impl Into<String>) -> Self {
        Self {
            area,
            light: Light::Green,
            text: text.into(),
            fix: None,
        }
    }

    fn amber(area: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            light: Light::Amber,
            fix: Some(fix.into()),
            ..Self::green(area, text)
        }
    }

    fn red(area: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            light: Light::Red,
            ..Self::amber(area, text, fix)
        }
    }
}

/// Looks at everything the configuration in `file` names, and at the gateway that runs by it.
/// `client` makes the way to it.
pub(crate) async fn look(
    file: &Path,
    client: impl FnOnce(&Config) -> Option<OperatorClient>,
) -> Vec<Finding> {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => return of_config(file, &error),
    };
    let mut findings = vec![Finding::green("configuration", "read; no fault in it")];
    let errors = examine(&config);
    if errors.is_empty() {
        let text = "certificates, keys and anchors fit; key files are their owner's alone";
        findings.push(Finding::green("files", text));
    }
    findings.extend(errors.iter().map(|error| of_start(&config, error)));
    findings.extend(certificate::look(&config));
    findings.extend(place::look(&config));
    findings.extend(place::look_for_root_key(file));
    findings.extend(broker::look(&config).await);
    let client = client(&config);
    let status = match &client {
        Some(client) => Some(client.read::<StatusView>("/status").await),
        None => None,
    };
    let is_running = match &status {
        Some(Err(error)) => error.is_from_a_listener(),
        told => told.is_some(),
    };
    findings.extend(network::look_at_ports(&config, is_running).await);
    match (status, client) {
        (Some(Ok(status)), Some(client)) => {
            findings.extend(of_status(&config, file, &status));
            findings.push(place::look_at_descriptors_of(&config, &client).await);
            findings.extend(network::look_at_callbacks((&config, file), &client).await);
            findings.extend(platform::look((&config, file), &client).await);
        }
        (Some(Err(error)), _) if is_running => findings.push(Finding::red(
            "gateway",
            format!("runs, and does not tell how it is: {error}"),
            "journalctl -u ics-gateway -n 50",
        )),
        _ => findings.push(Finding::amber(
            "gateway",
            "not running, or not reachable: its clock, log and callbacks were not looked at",
            format!("ics-gateway serve --config {}", file.display()),
        )),
    }
    findings
}

fn of_config(file: &Path, error: &ConfigError) -> Vec<Finding> {
    let edit = |line: usize| format!("${{EDITOR:-vi}} +{line} {}", file.display());
    match error {
        ConfigError::Unreadable { .. } => vec![Finding::red(
            "configuration",
            error.to_string(),
            format!("ls -l {}", file.display()),
        )],
        ConfigError::Faulty(faults) => faults
            .iter()
            .map(|located| {
                let mend = located.fault.mend();
                // Where the remedy is a command, it is the fix; else the line is to be edited.
                let fix = if mend.starts_with("chmod ") {
                    mend.to_owned()
                } else {
                    edit(located.line.unwrap_or(1))
                };
                Finding::red("configuration", located.to_string(), fix)
            })
            .collect(),
    }
}

fn of_start(config: &Config, error: &StartError) -> Finding {
    let fix = match error {
        StartError::KeyFile {
            path,
            source: SecretFileError::Exposed(_),
        }
        | StartError::Credential(CredentialError::KeyFile {
            path,
            source: SecretFileError::Exposed(_),
        }) => format!("chmod 600 {}", path.display()),
        StartError::Decisions(DecisionFileError::Exposed {
            path, directory, ..
        }) => {
            let mode = if *directory { "700" } else { "600" };
            format!("chmod {mode} {}", path.display())
        }
        StartError::Decisions(DecisionFileError::Unusable { path, .. })
        | StartError::KeyFile { path, .. }
        | StartError::Key { path, .. }
        | StartError::Credential(
            CredentialError::Certificate(path)
            | CredentialError::Key(path)
            | CredentialError::AnchorFile { path, .. },
        ) => format!("ls -l {}", path.display()),
        StartError::Credential(CredentialError::List { path, .. }) => {
            format!("openssl crl -in {} -noout -text", path.display())
        }
        StartError::Credential(CredentialError::Mismatch { certificate, .. }) => {
            certificate::renewal(config, certificate)
        }
        StartError::Datagrams {
            certificate, key, ..
        } => certificate::new_curve_key(config, certificate, key),
        StartError::Descriptors(few) => format!("ulimit -Hn {}", few.needed),
        _ => "ics-gateway help serve".to_owned(),
    };
    Finding::red("files", error.to_string(), fix)
}

fn of_status(settings: &Config, file: &Path, status: &StatusView) -> Vec<Finding> {
    let config = file.display();
    let clock = if status.clock.state == "trusted" {
        Finding::green("clock", status.clock.detail.clone())
    } else {
        Finding::red(
            "clock",
            status.clock.detail.clone(),
            format!("date -u; ics-gateway clock accept --config {config}"),
        )
    };
    let decisions = match status.decision_log.state {
        DecisionLogState::Writing if status.decision_log.taken_away > 0 => Finding::amber(
            "decision log",
            "its file was deleted or shortened while the gateway ran: lines of it are gone",
            format!("ls -la {}", settings.decisions.directory.display()),
        ),
        DecisionLogState::Writing if status.decision_log.lost_lines == 0 => {
            Finding::green("decision log", "written")
        }
        DecisionLogState::Writing => Finding::amber(
            "decision log",
            format!("{} lines were lost", status.decision_log.lost_lines),
            format!("grep -n queue {config}"),
        ),
        DecisionLogState::FailingRefused | DecisionLogState::FailingContinued => Finding::red(
            "decision log",
            "cannot be written; is its disk full?",
            format!("df -h {}", settings.decisions.directory.display()),
        ),
    };
    let mut findings = vec![
        Finding::green("gateway", format!("running since {}", status.start_time)),
        clock,
        decisions,
    ];
    findings.extend(of_store(settings, file, status.store));
    if let Some(depth) = status.outbox_depth.filter(|depth| *depth > 10_000) {
        findings.push(Finding::amber(
            "outbox",
            format!("{depth} notifications wait"),
            format!("ics-gateway outbox list --config {config}"),
        ));
    }
    findings
}

/// What the gateway says of its store.
fn of_store(settings: &Config, file: &Path, store: Option<StoreState>) -> Option<Finding> {
    let directory = settings.store.directory.display();
    match store? {
        StoreState::Writing => None,
        StoreState::Failing => Some(Finding::red(
            "store",
            "does not take changes; is its disk full, or failing?",
            format!("df -h {directory}; dmesg | tail"),
        )),
        StoreState::Damaged => {
            let config = file.display();
            Some(Finding::red(
                "store",
                format!(
                    "`{directory}` is damaged: the gateway met what it cannot read; look with the gateway stopped, and \
                     restore the last good backup if it is not sound"
                ),
                format!(
                    "systemctl stop ics-gateway; ics-gateway store check --config {config}  # not sound: \
                     ics-gateway restore --config {config} --from BACKUP --replace"
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests;
