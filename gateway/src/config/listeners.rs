//! `[listen]`, `[t8]` and `[operator]`: addresses, certificates, trust anchors, caps.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ics_core::id::Origin;
use serde::Deserialize;

use super::fault::{Fault, Faults};
use super::literal::{duration, origin, within};
use super::mqtt_limits::MqttLimitsSection;
use super::place::Place;
use crate::tls::Namespace;

/// `[listen]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenSection {
    /// Where service providers connect. Port 0: any free one, told at start.
    pub(crate) t8: SocketAddr,
    /// Where the operator's own systems connect.
    pub(crate) operator: SocketAddr,
}

impl ListenSection {
    pub(super) fn check(&self) -> Result<(), Fault> {
        // The operator domain is never reachable where the service providers are.
        if self.t8 == self.operator && self.t8.port() != 0 {
            let wrong = format!("`{}` is taken by `listen.t8`", self.operator);
            return Err(Fault::new(
                "listen.operator",
                wrong,
                "give it an address of its own",
            ));
        }
        Ok(())
    }
}

/// `[t8]`: the listener of the service providers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct T8Section {
    /// What service providers put before every path: apiRoot of T8, issuer of OAuth.
    #[serde(deserialize_with = "origin")]
    pub(crate) public_url: Origin,
    /// Server certificate and its chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// Whose client certificates are taken, and whom they may name.
    pub(crate) anchor: Vec<AnchorSection>,
    /// Takes TLS 1.2 (ECDHE with AEAD and extended master secret) beside 1.3.
    #[serde(default)]
    pub(crate) tls12: bool,
    /// Caps and timeouts.
    #[serde(default)]
    pub(crate) connections: ConnectionsSection,
}

/// `[[t8.anchor]]`: one authority, and the names it may give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnchorSection {
    /// The authority's certificate, PEM.
    pub(crate) certificate: PathBuf,
    /// The SAN URIs it may speak for: `urn:ics:sp:*`, or one such as `urn:ics:sp:acme`.
    pub(crate) namespace: Namespace,
    /// Its list of revoked certificates, PEM or DER; without one nothing it issued is revoked by it.
    #[serde(default)]
    pub(crate) crl: Option<PathBuf>,
}

impl T8Section {
    pub(super) fn check(&mut self, place: &Place, faults: &mut Faults) {
        if crate::init::is_unspecified(&self.public_url) {
            let wrong = format!(
                "`{}` is no address that anybody connects to",
                self.public_url.as_str()
            );
            let mend = "write what service providers put before every path, such as `https://ics.example:8443`";
            faults.take(Err(Fault::new("t8.public_url", wrong, mend)));
        }
        faults.take(place.file("t8.certificate", &mut self.certificate));
        faults.take(place.secret("t8.key", &mut self.key));
        if self.anchor.is_empty() {
            let mend = "add `[[t8.anchor]]` with `certificate` and `namespace`";
            let fault = Fault::new("t8.anchor", "nobody could authenticate", mend);
            faults.take(Err(fault));
        }
        for (n, anchor) in self.anchor.iter_mut().enumerate() {
            let key = format!("t8.anchor[{n}].certificate");
            faults.take(place.file(&key, &mut anchor.certificate));
            if let Some(list) = &mut anchor.crl {
                faults.take(place.file(&format!("t8.anchor[{n}].crl"), list));
            }
            if !anchor.namespace.is_of_service_providers() {
                let wrong = format!("`{}` names no service providers", anchor.namespace);
                let mend = "write `urn:ics:sp:*`, or `urn:ics:sp:` and one id";
                let key = format!("t8.anchor[{n}].namespace");
                faults.take(Err(Fault::new(key, wrong, mend)));
            }
        }
        self.connections.check("t8.connections", faults);
    }
}

/// `[operator]`: the listener of the operator's own systems.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorSection {
    /// Server certificate and its chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// The operator's own authority, PEM; it speaks for `urn:ics:operator:*` and nobody else does.
    pub(crate) anchor: PathBuf,
    /// Caps and timeouts.
    #[serde(default = "few_connections")]
    pub(crate) connections: ConnectionsSection,
}

/// An operator has few clients; file descriptors are for service providers.
fn few_connections() -> ConnectionsSection {
    ConnectionsSection {
        max_connections: 1_000,
        ..ConnectionsSection::default()
    }
}

impl OperatorSection {
    pub(super) fn check(&mut self, place: &Place, faults: &mut Faults) {
        faults.take(place.file("operator.certificate", &mut self.certificate));
        faults.take(place.secret("operator.key", &mut self.key));
        faults.take(place.file("operator.anchor", &mut self.anchor));
        self.connections.check("operator.connections", faults);
    }
}

/// `[mqtt]`: the listener of hosted devices, which terminates MQTT itself. Without it no device is
/// served over MQTT.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttSection {
    /// Where devices connect. Port 0: any free one, told at start.
    pub(crate) listen: SocketAddr,
    /// Server certificate and its chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// Takes devices without a certificate too, by user name and password.
    #[serde(default)]
    pub(crate) passwords: bool,
    /// TLS 1.2 beside TLS 1.3, for devices that have no other.
    #[serde(default)]
    pub(crate) tls12: bool,
    /// What one device may do.
    #[serde(default)]
    pub(crate) limits: MqttLimitsSection,
    /// Caps and timeouts.
    #[serde(default)]
    pub(crate) connections: ConnectionsSection,
}

impl MqttSection {
    pub(super) fn check(&mut self, others: &ListenSection, place: &Place, faults: &mut Faults) {
        let taken = [
            ("listen.t8", others.t8),
            ("listen.operator", others.operator),
        ];
        for (by, address) in taken {
            if address == self.listen && address.port() != 0 {
                let wrong = format!("`{address}` is taken by `{by}`");
                let mend = "give it an address of its own";
                faults.take(Err(Fault::new("mqtt.listen", wrong, mend)));
            }
        }
        faults.take(place.file("mqtt.certificate", &mut self.certificate));
        faults.take(place.secret("mqtt.key", &mut self.key));
        self.limits.check(faults);
        self.connections.check("mqtt.connections", faults);
    }
}

/// `[t8.connections]`, `[operator.connections]`, `[mqtt.connections]`: what one peer, or a flood of them, can take.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConnectionsSection {
    /// Threads that serve this listener; 0: one for each core.
    pub(crate) workers: usize,
    /// Open connections of the listener, shared evenly by its workers; more wait in the kernel.
    pub(crate) max_connections: usize,
    /// Open connections of one service provider; one more is closed after its handshake.
    pub(crate) max_connections_per_party: usize,
    /// Steps of TLS handshakes computed at once or next; more wait, up to their timeout. One whose
    /// peer is to say something is not counted.
    pub(crate) max_handshakes: usize,
    /// Of those, the ones of one address, or of one IPv6 network of 64 bits.
    pub(crate) max_handshakes_per_address: usize,
    /// Connections of one address, or of one IPv6 network of 64 bits, whose handshakes are not
    /// whole; more are closed at once. 0: a quarter of `max_connections`.
    pub(crate) max_arrivals_per_address: usize,
    /// A handshake that takes longer is cut off.
    #[serde(deserialize_with = "duration")]
    pub(crate) handshake_timeout: Duration,
    /// A request whose head takes longer to come is cut off.
    #[serde(deserialize_with = "duration")]
    pub(crate) request_timeout: Duration,
    /// A peer that takes nothing of its answer for longer is cut off.
    #[serde(deserialize_with = "duration")]
    pub(crate) answer_timeout: Duration,
    /// How long a closing connection may take to say goodbye.
    #[serde(deserialize_with = "duration")]
    pub(crate) disconnect_timeout: Duration,
    /// How long an idle connection stays open.
    #[serde(deserialize_with = "duration")]
    pub(crate) keep_alive: Duration,
    /// The age at which a connection is closed after its next answer.
    #[serde(deserialize_with = "duration")]
    pub(crate) max_age: Duration,
    /// How long requests under way may take to end when the gateway is told to stop.
    #[serde(deserialize_with = "duration")]
    pub(crate) drain: Duration,
}

impl Default for ConnectionsSection {
    fn default() -> Self {
        Self {
            workers: 0,
            max_connections: 8_000,
            max_connections_per_party: 2_500,
            max_handshakes: 256,
            max_handshakes_per_address: 64,
            max_arrivals_per_address: 0,
            handshake_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            disconnect_timeout: Duration::from_secs(2),
            keep_alive: Duration::from_secs(75),
            max_age: Duration::from_secs(3600),
            drain: Duration::from_secs(10),
        }
    }
}

impl ConnectionsSection {
    /// How many connections of one address may be in their handshakes.
    pub(crate) fn arrivals_of_address(&self) -> usize {
        match self.max_arrivals_per_address {
            0 => self.max_connections.div_ceil(4),
            most => most,
        }
    }

    pub(super) fn check(&self, section: &str, faults: &mut Faults) {
        let seconds = Duration::from_secs;
        let ranges = [
            (
                "handshake_timeout",
                self.handshake_timeout,
                seconds(1)..=seconds(30),
            ),
            (
                "request_timeout",
                self.request_timeout,
                seconds(1)..=seconds(60),
            ),
            (
                "answer_timeout",
                self.answer_timeout,
                seconds(1)..=seconds(3600),
            ),
            (
                "disconnect_timeout",
                self.disconnect_timeout,
                seconds(1)..=seconds(30),
            ),
            ("keep_alive", self.keep_alive, seconds(1)..=seconds(3600)),
            ("max_age", self.max_age, seconds(60)..=seconds(86_400)),
            ("drain", self.drain, seconds(0)..=seconds(300)),
        ];
        for (key, value, range) in ranges {
            faults.take(within(&format!("{section}.{key}"), value, range));
        }
        let counts = [
            ("max_connections", self.max_connections),
            ("max_connections_per_party", self.max_connections_per_party),
            ("max_handshakes", self.max_handshakes),
            (
                "max_handshakes_per_address",
                self.max_handshakes_per_address,
            ),
        ];
        for (key, count) in counts {
            if count == 0 {
                let key = format!("{section}.{key}");
                let fault = Fault::new(key, "nobody could connect", "write at least 1");
                faults.take(Err(fault));
            }
        }
        if self.workers > 512 {
            let key = format!("{section}.workers");
            let fault = Fault::new(
                key,
                "out of range",
                "choose up to 512, or 0: one for each core",
            );
            faults.take(Err(fault));
        }
    }
}
