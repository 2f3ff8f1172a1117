//! Ports of ours, callbacks of others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use ics_operator::wire::{PartyStatusName, PartyView};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;
use crate::config::{Config, EnrolmentSection, OneM2mSection};
use crate::operator_client::OperatorClient;
use crate::tls::{load_certificates, served_certificate};

const PATIENCE: Duration = Duration::from_secs(3);
/// How many callback origins are called at once.
const AT_ONCE: usize = 32;
/// The most service providers that are looked at.
const PARTIES: usize = 1000;

/// Whether the listeners' addresses can be had, or are had by the gateway that answers (it answered
/// on the operator's).
pub(super) async fn look_at_ports(config: &Config, is_running: bool) -> Vec<Finding> {
    let t8 = config.listen.t8;
    if is_running {
        let operator = config.listen.operator;
        let served = format!("{operator} is served by the gateway");
        let mut findings = vec![
            look_at_served(&config.t8.certificate, t8).await,
            Finding::green("ports", served),
        ];
        if let Some(mqtt) = &config.mqtt {
            findings.push(look_at_served(&mqtt.certificate, mqtt.listen).await);
        }
        if let Some((onem2m, listen)) = onem2m(config) {
            findings.push(look_at_served(&onem2m.certificate, listen).await);
        }
        if let Some((enrolment, listen)) = enrolment(config) {
            findings.push(look_at_served(&enrolment.certificate, listen).await);
        }
        findings.extend(look_at_coap(config, is_running).await);
        return findings;
    }
    let mqtt = config.mqtt.as_ref().map(|section| section.listen);
    let onem2m = onem2m(config).map(|(_, listen)| listen);
    let streams = [t8, config.listen.operator].into_iter().chain(mqtt);
    let streams = streams.chain(onem2m);
    let streams = streams.chain(enrolment(config).map(|(_, listen)| listen));
    let streams = streams.map(|address| match TcpListener::bind(address) {
        Ok(_) => Finding::green("ports", format!("{address} is free")),
        Err(error) => taken(address, &error),
    });
    let mut findings: Vec<_> = streams.collect();
    findings.extend(look_at_coap(config, is_running).await);
    findings
}

/// The section of the CSE, and where that listens, if it does.
fn onem2m(config: &Config) -> Option<(&OneM2mSection, SocketAddr)> {
    let section = config.onem2m.as_ref()?;
    section.listen.map(|listen| (section, listen))
}

/// The section of enrolment, and where that listens, if it does.
fn enrolment(config: &Config) -> Option<(&EnrolmentSection, SocketAddr)> {
    let section = config.enrolment.as_ref()?;
    section.listen.map(|listen| (section, listen))
}

async fn look_at_coap(config: &Config, is_running: bool) -> Option<Finding> {
    let address = config.coap.as_ref()?.listen;
    Some(super::datagram::look_at(address, is_running).await)
}

/// Whether it is our gateway that serves `address`: by its certificate, in `file`.
async fn look_at_served(file: &Path, address: SocketAddr) -> Finding {
    let holder = format!("ss -ltnp sport = :{}", address.port());
    let served = match timeout(PATIENCE, served_certificate(dialable(address))).await {
        Ok(Ok(served)) => served,
        Ok(Err(error)) => {
            let text = format!("the gateway runs, and {address} takes no connections: {error}");
            return Finding::red("ports", text, "systemctl restart ics-gateway");
        }
        Err(_) => {
            let text = format!("{address} takes connections and no handshake in 3 s");
            return Finding::red("ports", text, holder);
        }
    };
    let own = load_certificates(file).ok();
    let is_own = served.is_some() && served.as_ref() == own.as_ref().and_then(|own| own.first());
    if is_own {
        return Finding::green("ports", format!("{address} is served by the gateway"));
    }
    match served {
        None => {
            let text = format!("{address} is held by something that speaks no TLS of ours");
            Finding::red("ports", text, holder)
        }
        Some(_) => {
            let name = file.display();
            let text = format!(
                "{address} is served with another certificate than `{name}`: by another program, or \
                 it was renewed and not reloaded"
            );
            let fix = format!("{holder}; systemctl reload ics-gateway");
            Finding::amber("ports", text, fix)
        }
    }
}

/// Where something that listens on all addresses can be called.
pub(super) const fn dialable(address: SocketAddr) -> SocketAddr {
    let here = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    if address.ip().is_unspecified() {
        SocketAddr::new(here, address.port())
    } else {
        address
    }
}

fn taken(address: SocketAddr, error: &std::io::Error) -> Finding {
    Finding::red(
        "ports",
        format!("{address} cannot be listened on: {error}"),
        format!("ss -ltnp sport = :{}", address.port()),
    )
}

/// Whether the callback origins of active service providers can be connected to from here.
pub(super) async fn look_at_callbacks(
    (config, file): (&Config, &Path),
    client: &OperatorClient,
) -> Vec<Finding> {
    let list = format!("ics-gateway sp list --config {}", file.display());
    let (parties, has_more) = match client.list::<PartyView>("/sps", &[], PARTIES).await {
        Ok(listed) => listed,
        Err(error) => {
            let text = format!("service providers could not be listed, none was called: {error}");
            return vec![Finding::amber("callbacks", text, list)];
        }
    };
    let mut origins: Vec<String> = parties
        .into_iter()
        .filter(|party| party.status == PartyStatusName::Active)
        .flat_map(|party| party.callback_origins)
        .collect();
    origins.sort();
    origins.dedup();
    let mut findings = Vec::with_capacity(origins.len());
    if has_more {
        let text =
            format!("there are more than {PARTIES} service providers; the others were not called");
        findings.push(Finding::amber("callbacks", text, list));
    }
    let looks = origins.iter().map(|origin| look_at_origin(config, origin));
    let looked = futures_util::stream::iter(looks).buffered(AT_ONCE);
    findings.extend(looked.collect::<Vec<_>>().await);
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
