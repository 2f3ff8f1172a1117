//! `[mqtt_broker]`: hosted devices over MQTT, through a broker that the operator runs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::fault::{Fault, Faults};
use super::literal::{duration, within};
use super::place::Place;

/// `[mqtt_broker]`. With it the gateway is a client of a broker; `[mqtt]` may stand beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttBrokerSection {
    /// Where the broker, or the balancer before its cluster, is: `host:port`.
    pub(crate) address: BrokerAddress,
    /// Authorities whose server certificates are believed, PEM.
    pub(crate) server_anchors: Vec<PathBuf>,
    /// What the gateway shows to the broker, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// The name of this gateway's session: another one for each gateway.
    #[serde(default = "default_client_id")]
    pub(crate) client_id: String,
    /// How long the broker keeps messages for this gateway while it is away.
    #[serde(default = "default_expiry", deserialize_with = "duration")]
    pub(crate) session_expiry: Duration,
    /// The broker's access control list, where doctor can read it (mosquitto's format).
    #[serde(default)]
    pub(crate) acl_file: Option<PathBuf>,
    /// The authorities by which the broker believes devices, where doctor can read them, PEM.
    #[serde(default)]
    pub(crate) client_anchors: Option<PathBuf>,
}

fn default_client_id() -> String {
    "ics-gateway".to_owned()
}

const fn default_expiry() -> Duration {
    Duration::from_secs(3600)
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct BrokerAddress {
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl TryFrom<String> for BrokerAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refuse = || format!("`{text}` is no address: write for example `mqtt.example:8883`");
        let (host, port) = text.rsplit_once(':').ok_or_else(refuse)?;
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = inner.unwrap_or(host);
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_plain = !host.is_empty() && host.chars().all(is_host);
        let is_v6 = inner.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        let port = port.parse().ok().filter(|port| *port != 0);
        match port {
            Some(port) if is_plain || is_v6 => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// MQTT 5, 3.1.3.1: what every broker takes.
const LONGEST_CLIENT_ID: usize = 64;

impl MqttBrokerSection {
    pub(super) fn check(&mut self, place: &Place, faults: &mut Faults) {
        faults.take(place.file("mqtt_broker.certificate", &mut self.certificate));
        faults.take(place.secret("mqtt_broker.key", &mut self.key));
        if self.server_anchors.is_empty() {
            let mend = "name the authority of the broker's certificate";
            let key = "mqtt_broker.server_anchors";
            faults.take(Err(Fault::new(key, "no broker could be believed", mend)));
        }
        for (n, path) in self.server_anchors.iter_mut().enumerate() {
            faults.take(place.file(&format!("mqtt_broker.server_anchors[{n}]"), path));
        }
        // What the broker has may be its own: doctor tells when it cannot be read.
        let others = [&mut self.acl_file, &mut self.client_anchors];
        for path in others.into_iter().flatten() {
            place.resolve(path);
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let length = self.client_id.len();
        if !(1..=LONGEST_CLIENT_ID).contains(&length) || !self.client_id.chars().all(is_plain) {
            let wrong = format!("`{}` is no client id", self.client_id);
            let mend = "write 1 to 64 letters, digits, `-`, `_`, `.`; another one for each gateway";
            faults.take(Err(Fault::new("mqtt_broker.client_id", wrong, mend)));
        }
        let expiry = Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);
        let key = "mqtt_broker.session_expiry";
        faults.take(within(key, self.session_expiry, expiry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<BrokerAddress> {
        BrokerAddress::try_from(text.to_owned()).ok()
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in ["mqtt.example:8883", "192.0.2.1:1", "[2001:db8::1]:8883"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "mqtt.example",
            ":8883",
            "mqtt.example:0",
            "mqtt.example:70000",
            "mqtts://mqtt.example:8883",
            "2001:db8::1:8883",
            "[mqtt.example:8883",
            "a b:1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
