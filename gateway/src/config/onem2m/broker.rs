//! `[onem2m.mqtt]`: the broker where the platform's CSE is asked, and asks (TS-0010).

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::config::BrokerAddress;
use crate::config::fault::{Fault, Faults};
use crate::config::literal::{duration, within};
use crate::config::place::Place;

/// `[onem2m.mqtt]`. With it the registrar is asked over this broker, whatever its `url`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneM2mMqttSection {
    /// Where the broker is, `host:port`; the registrar is told the same.
    pub(crate) address: BrokerAddress,
    /// Authorities whose server certificates are believed, PEM.
    pub(crate) server_anchors: Vec<PathBuf>,
    /// What the gateway shows to the broker, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// How long the broker keeps messages for this CSE while it is away.
    #[serde(default = "default_expiry", deserialize_with = "duration")]
    pub(crate) session_expiry: Duration,
}

const fn default_expiry() -> Duration {
    Duration::from_secs(3600)
}

impl OneM2mMqttSection {
    pub(super) fn check(&mut self, place: &Place, faults: &mut Faults) {
        faults.take(place.file("onem2m.mqtt.certificate", &mut self.certificate));
        faults.take(place.secret("onem2m.mqtt.key", &mut self.key));
        if self.server_anchors.is_empty() {
            let mend = "name the authority of the broker's certificate";
            let key = "onem2m.mqtt.server_anchors";
            faults.take(Err(Fault::new(key, "no broker could be believed", mend)));
        }
        for (n, path) in self.server_anchors.iter_mut().enumerate() {
            faults.take(place.file(&format!("onem2m.mqtt.server_anchors[{n}]"), path));
        }
        let expiry = Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);
        let key = "onem2m.mqtt.session_expiry";
        faults.take(within(key, self.session_expiry, expiry));
    }
}
