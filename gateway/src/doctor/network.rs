//! Ports of ours, callbacks of others.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use ics_operator::wire::{PartyStatusName, PartyView};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;
use crate::config::Config;
use crate::operator_client::OperatorClient;

const PATIENCE: Duration = Duration::from_secs(3);
/// The most service providers that are looked at.
const PARTIES: usize = 1000;

/// Whether the listeners' addresses can be had, or are had by the gateway that answers.
pub(super) fn look_at_ports(config: &Config, is_running: bool) -> Vec<Finding> {
    [config.listen.t8, config.listen.operator]
        .into_iter()
        .map(|address| {
            if is_running {
                return Finding::green("ports", format!("{address} is served by the gateway"));
            }
            match TcpListener::bind(address) {
                Ok(_) => Finding::green("ports", format!("{address} is free")),
                Err(error) => taken(address, &error),
            }
        })
        .collect()
}

fn taken(address: SocketAddr, error: &std::io::Error) -> Finding {
    Finding::red(
        "ports",
        format!("{address} cannot be listened on: {error}"),
        format!("ss -ltnp sport = :{}", address.port()),
    )
}

/// Whether the callback origins of active service providers can be connected to from here.
pub(super) async fn look_at_callbacks(config: &Config, client: &OperatorClient) -> Vec<Finding> {
    let Ok((parties, _)) = client.list::<PartyView>("/sps", &[], PARTIES).await else {
        return Vec::new();
    };
    let mut origins: Vec<String> = parties
        .into_iter()
        .filter(|party| party.status == PartyStatusName::Active)
        .flat_map(|party| party.callback_origins)
        .collect();
    origins.sort();
    origins.dedup();
    let mut findings = Vec::with_capacity(origins.len());
    for origin in origins {
        findings.push(look_at_origin(config, &origin).await);
    }
    findings
}

async fn look_at_origin(config: &Config, origin: &str) -> Finding {
    let authority = origin.trim_start_matches("https://");
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let target = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    let reason = match timeout(PATIENCE, TcpStream::connect(&target)).await {
        Ok(Ok(_)) => {
            return Finding::green("callbacks", format!("{origin} takes connections"));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in 3 s".to_owned(),
    };
    Finding::amber(
        "callbacks",
        format!("{origin}: {reason}"),
        format!(
            "openssl s_client -connect {target} -cert {} -key {} </dev/null",
            config.notify.certificate.display(),
            config.notify.key.display()
        ),
    )
}
