//! A broker that keeps devices apart, as files: mosquitto's configuration and access control list,
//! the one authority by which it believes clients, and the gateway's certificate for it.
//!
//! A device's topics are its own because of two lines: the user name is the common name of its
//! certificate, and the pattern goes by the user name (`%u`). By the client id (`%c`), which every
//! client chooses, there would be no keeping apart.

use std::time::Duration;

use ics_core::id::SpId;
use ics_core::port::AuthorityError;
use ics_core::time::Timestamp;
use ics_vault::{Authority, CertificateIdentity, IssuedKey};

/// How long the gateway's certificate for the broker holds.
const VALIDITY: Duration = Duration::from_secs(397 * 86_400);

/// What goes into the recipe.
pub(crate) struct Recipe<'a> {
    /// The gateway's user name at the broker: the common name of its certificate.
    pub(crate) gateway: &'a SpId,
    /// Where the broker listens.
    pub(crate) port: u16,
    /// Where the files will lie on the broker's host.
    pub(crate) directory: &'a str,
    /// Server certificate and key, on the broker's host.
    pub(crate) server: (&'a str, &'a str),
}

impl Recipe<'_> {
    /// `mosquitto.conf`.
    pub(crate) fn configuration(&self) -> String {
        let (certificate, key) = self.server;
        CONFIGURATION
            .replace("@PORT@", &self.port.to_string())
            .replace("@DIR@", self.directory)
            .replace("@CERTIFICATE@", certificate)
            .replace("@KEY@", key)
    }

    /// `acl`.
    pub(crate) fn access_control_list(&self) -> String {
        LIST.replace("@GATEWAY@", self.gateway.as_str())
    }

    /// The gateway's certificate for the broker. The device authority issues it, so that the
    /// broker need believe no other; no listener of ours takes it for a device.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub(crate) fn issue(
        &self,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<IssuedKey, AuthorityError> {
        let identity = CertificateIdentity::Gateway(self.gateway.clone());
        authority.issue_client(&identity, VALIDITY, now)
    }
}

const CONFIGURATION: &str = "\
# mosquitto 2: hosted devices of the identity correlation service, and its gateways.
per_listener_settings false
allow_anonymous false

listener @PORT@
certfile @CERTIFICATE@
keyfile @KEY@
# The gateway's device authority and nothing else: whoever an authority in this file certifies with
# a device's ID as common name is that device.
cafile @DIR@/device-ca.pem
require_certificate true
use_identity_as_username true
tls_version tlsv1.2

acl_file @DIR@/acl

# Without it an exchange waits 40 ms for a delayed acknowledgement.
set_tcp_nodelay true
# As the gateway's own endpoint.
message_size_limit 8192
max_queued_messages 1000
# Documents that wait for sleeping devices outlive a restart.
persistence true
persistence_location @DIR@/
";

const LIST: &str = "\
# A device: its own topics, by the name in its certificate. Never %c, which every client chooses.
pattern readwrite ics/v1/d/%u/#

# The gateways.
user @GATEWAY@
topic readwrite ics/v1/d/#
";
