//! `[notify]`: how the gateway calls service providers back.

use std::path::PathBuf;
use std::time::Duration;

use ics_core::procedure::Knobs;
use ics_notify::Network;
use serde::Deserialize;

use super::fault::{Fault, Faults};
use super::literal::{duration, networks, within};
use super::place::Place;

/// `[notify]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotifySection {
    /// The client certificate the gateway shows to service providers, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// Authorities whose server certificates are believed, PEM.
    pub(crate) server_anchors: Vec<PathBuf>,
    /// The Ed25519 key that signs notifications (RFC 9421), mode 0600.
    pub(crate) signing_key: PathBuf,
    /// Loopback, link-local and private networks that callbacks may go to all the same.
    #[serde(default, deserialize_with = "networks")]
    pub(crate) allowed_networks: Vec<Network>,
    /// How long a connection to a service provider may take.
    #[serde(default = "default_connect", deserialize_with = "duration")]
    pub(crate) connect_timeout: Duration,
    /// How long a whole delivery may take.
    #[serde(default = "default_total", deserialize_with = "duration")]
    pub(crate) total_timeout: Duration,
    /// The wait after a first failure; it doubles with each further one, with full jitter.
    #[serde(default = "default_first_retry", deserialize_with = "duration")]
    pub(crate) first_retry: Duration,
    /// The longest wait between two attempts.
    #[serde(default = "default_longest_retry", deserialize_with = "duration")]
    pub(crate) longest_retry: Duration,
}

const fn default_connect() -> Duration {
    Duration::from_secs(3)
}
const fn default_total() -> Duration {
    Duration::from_secs(10)
}
fn default_first_retry() -> Duration {
    Knobs::default().retry_first
}
fn default_longest_retry() -> Duration {
    Knobs::default().retry_max
}

impl NotifySection {
    pub(super) fn check(&mut self, place: &Place, faults: &mut Faults) {
        faults.take(place.file("notify.certificate", &mut self.certificate));
        faults.take(place.secret("notify.key", &mut self.key));
        faults.take(place.secret("notify.signing_key", &mut self.signing_key));
        if self.server_anchors.is_empty() {
            let mend = "name the authorities of the service providers' servers";
            let fault = Fault::new("notify.server_anchors", "nobody could be believed", mend);
            faults.take(Err(fault));
        }
        for (n, path) in self.server_anchors.iter_mut().enumerate() {
            faults.take(place.file(&format!("notify.server_anchors[{n}]"), path));
        }
        let millis = Duration::from_millis;
        let connect = millis(100)..=millis(30_000);
        faults.take(within(
            "notify.connect_timeout",
            self.connect_timeout,
            connect,
        ));
        let total = self.connect_timeout..=millis(120_000);
        faults.take(within("notify.total_timeout", self.total_timeout, total));
        faults.take(within(
            "notify.first_retry",
            self.first_retry,
            millis(10)..=millis(60_000),
        ));
        let longest = self.first_retry..=millis(3_600_000);
        faults.take(within("notify.longest_retry", self.longest_retry, longest));
    }
}
