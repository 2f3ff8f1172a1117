//! `[enrolment]`: where service providers get their certificates themselves (RFC 7030).

use std::net::SocketAddr;
use std::path::PathBuf;

use ics_core::id::Origin;
use serde::Deserialize;
use serde::de::Deserializer;

use super::fault::{Fault, Faults};
use super::listeners::{ConnectionsSection, ListenSection};
use super::literal::origin;
use super::place::Place;

/// `[enrolment]`. Without `listen` nobody enrols by himself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolmentSection {
    /// Where service providers come for a certificate. Port 0: any free one, told at start.
    #[serde(default)]
    pub(crate) listen: Option<SocketAddr>,
    /// What they put before every path, if not the address behind `https://`.
    #[serde(default, deserialize_with = "optional_origin")]
    pub(crate) public_url: Option<Origin>,
    /// Server certificate and its chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// Caps and timeouts.
    #[serde(default = "few_connections")]
    pub(crate) connections: ConnectionsSection,
}

fn optional_origin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Origin>, D::Error> {
    origin(from).map(Some)
}

/// Who enrols comes once a week.
fn few_connections() -> ConnectionsSection {
    ConnectionsSection {
        workers: 1,
        max_connections: 500,
        ..ConnectionsSection::default()
    }
}

impl EnrolmentSection {
    /// Where everybody finds what was revoked, if it is served under a name that everybody knows.
    pub(crate) fn list_url(&self) -> Option<String> {
        let url = self.listen.and(self.public_url.as_ref())?;
        Some(format!("{}/revoked.crl", url.as_str()))
    }

    pub(super) fn check(&mut self, others: &ListenSection, place: &Place, faults: &mut Faults) {
        for (by, address) in [
            ("listen.t8", others.t8),
            ("listen.operator", others.operator),
        ] {
            if Some(address) == self.listen && address.port() != 0 {
                let wrong = format!("`{address}` is taken by `{by}`");
                let mend = "give it an address of its own";
                faults.take(Err(Fault::new("enrolment.listen", wrong, mend)));
            }
        }
        faults.take(place.file("enrolment.certificate", &mut self.certificate));
        faults.take(place.secret("enrolment.key", &mut self.key));
        self.connections.check("enrolment.connections", faults);
    }
}
