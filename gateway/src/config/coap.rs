//! `[coap]`: hosted devices over CoAP on DTLS, and what one of them may do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ics_channel::Rate;
use ics_coap::Limits;
use serde::Deserialize;

use super::fault::{Fault, Faults};
use super::literal::{duration, within};
use super::place::Place;

/// `[coap]`: the listener of hosted devices over CoAP. Without it no device is served over CoAP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoapSection {
    /// Where devices come to, UDP. Port 0: any free one, told at start.
    pub(crate) listen: SocketAddr,
    /// Server certificate and its chain, PEM; its key is ECDSA on P-256.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// Where anybody on this host may ask without DTLS what there is to ask for, UDP; loopback alone.
    #[serde(default)]
    pub(crate) plain_listen: Option<SocketAddr>,
    /// What one device may do, and how many there may be.
    #[serde(default)]
    pub(crate) limits: CoapLimitsSection,
}

impl CoapSection {
    pub(super) fn check(&mut self, place: &Place, faults: &mut Faults) {
        faults.take(place.file("coap.certificate", &mut self.certificate));
        faults.take(place.secret("coap.key", &mut self.key));
        faults.take(self.check_plain());
        self.limits.check(faults);
    }

    fn check_plain(&self) -> Result<(), Fault> {
        let Some(plain) = self.plain_listen else {
            return Ok(());
        };
        let refuse = |wrong: String, mend| Err(Fault::new("coap.plain_listen", wrong, mend));
        // Without DTLS nobody can prove who it is, and nobody else may read.
        if !plain.ip().is_loopback() {
            let wrong = format!("`{plain}` can be reached from elsewhere");
            return refuse(
                wrong,
                "write an address of 127.0.0.0/8 or [::1], or leave it out",
            );
        }
        if plain == self.listen && plain.port() != 0 {
            let wrong = format!("`{plain}` is taken by `coap.listen`");
            return refuse(wrong, "give it a port of its own");
        }
        Ok(())
    }
}

/// `[coap.limits]`: how much one device may do, and how many are served.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CoapLimitsSection {
    /// Messages at once, after a rest.
    pub(crate) messages_at_once: u32,
    /// Messages a second, in the long run.
    pub(crate) messages_per_second: u32,
    /// Handshakes at once, after a rest.
    pub(crate) connects_at_once: u32,
    /// Handshakes a second, in the long run.
    pub(crate) connects_per_second: u32,
    /// Devices at a time; of more, the one that was silent longest ends.
    pub(crate) sessions: usize,
    /// Handshakes under way; of more, the oldest ends.
    pub(crate) handshakes: usize,
    /// How long a device may be silent before it has to do its handshake again.
    #[serde(deserialize_with = "duration")]
    pub(crate) idle: Duration,
}

impl Default for CoapLimitsSection {
    fn default() -> Self {
        let Limits {
            messages,
            connects,
            handshakes,
            associations,
            idle,
            ..
        } = Limits::default();
        Self {
            messages_at_once: messages.burst,
            messages_per_second: messages.per_second,
            connects_at_once: connects.burst,
            connects_per_second: connects.per_second,
            sessions: associations,
            handshakes,
            idle,
        }
    }
}

impl CoapLimitsSection {
    /// The endpoint's limits.
    pub(crate) fn limits(self) -> Limits {
        Limits {
            messages: Rate {
                per_second: self.messages_per_second,
                burst: self.messages_at_once,
            },
            connects: Rate {
                per_second: self.connects_per_second,
                burst: self.connects_at_once,
            },
            handshakes: self.handshakes,
            associations: self.sessions,
            idle: self.idle,
            ..Limits::default()
        }
    }

    fn check(self, faults: &mut Faults) {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let numbers = [
            ("messages_at_once", count(self.messages_at_once)),
            ("messages_per_second", count(self.messages_per_second)),
            ("connects_at_once", count(self.connects_at_once)),
            ("connects_per_second", count(self.connects_per_second)),
            ("sessions", self.sessions),
            ("handshakes", self.handshakes),
        ];
        for (key, number) in numbers {
            if !(1..=1_000_000).contains(&number) {
                let key = format!("coap.limits.{key}");
                let fault = Fault::new(key, "out of range", "choose 1 to 1000000");
                faults.take(Err(fault));
            }
        }
        let idle = Duration::from_secs(60)..=Duration::from_secs(30 * 86_400);
        faults.take(within("coap.limits.idle", self.idle, idle));
    }
}
