//! `ics-gateway init`.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ics_core::id::Origin;

use crate::ambient::{SystemClock, SystemEntropy};
use crate::init::{Domain, Settings, create_domain};

/// Write a new operator domain: authorities, certificates, keys and a configuration that teaches
///
/// Makes three certificate authorities (one for service providers, under a root of its own; one for
/// the operator's own systems; one for hosted devices), server certificates for the listeners, a
/// client certificate for the command line and one for notifications, the keys that seal data at rest
/// and sign notifications, and `gateway.toml` with every setting explained. Directories are made 0700, keys 0600. Nothing
/// that exists is ever overwritten.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InitArguments {
    /// Where to write it; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// Where service providers connect
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8443")]
    t8_address: SocketAddr,

    /// Where the operator's own systems and this command line connect
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8444")]
    operator_address: SocketAddr,

    /// Where hosted devices connect over MQTT
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8883")]
    mqtt_address: SocketAddr,

    /// Where hosted devices come to over CoAP, UDP
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5684")]
    coap_address: SocketAddr,

    /// Where service providers get their certificates themselves [default: nowhere]
    #[arg(long, value_name = "IP:PORT")]
    enrolment_address: Option<SocketAddr>,

    /// What service providers put before every path, if not the T8 address behind https://
    #[arg(long, value_name = "URL", value_parser = parse_origin)]
    public_url: Option<Origin>,
}

const EXAMPLES: &str = "\
Examples:
  To try it on this machine:
    ics-gateway init --dir ./domain
  For a host that service providers know as ics.example:
    ics-gateway init --dir /etc/ics --t8-address 192.0.2.1:8443 \\
      --mqtt-address 192.0.2.1:8883 --coap-address 192.0.2.1:5684 \\
      --public-url https://ics.example:8443

Carry `offline/` (the root of the service providers' authority) and
`authority/operator-ca.key` to a safe place afterwards: the gateway never reads
them. `ca renew` needs the root again.";

impl InitArguments {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let domain = Domain {
            directory: self.dir,
            t8: self.t8_address,
            operator: self.operator_address,
            mqtt: self.mqtt_address,
            coap: self.coap_address,
            enrolment: self.enrolment_address,
            public_url: self.public_url,
            settings: Settings::default(),
        };
        let offline = domain.directory.join("offline");
        let entropy = Arc::new(SystemEntropy::default());
        let file = create_domain(&domain, &SystemClock::new(), entropy)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "wrote {}", file.display())?;
        writeln!(
            out,
            "server and client certificates hold for 397 days, authorities for 10 years, their root for 20"
        )?;
        writeln!(
            out,
            "carry {} away: `offline/README` says why",
            offline.display()
        )?;
        Ok(())
    }
}

fn parse_origin(text: &str) -> Result<Origin, String> {
    Origin::parse(text).map_err(|fault| format!("{fault}: write for example https://ics.example"))
}
