//! `ics-gateway sandbox`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use reqwest::Url;

use super::runtime::{Outcome, Signals, block_on, say};
use super::serve::until_end;
use crate::config::LogSection;
use crate::sandbox::{Options, Sandbox};
use crate::telemetry::start_log;

/// Run a complete operator domain on loopback, to build and test against
///
/// Two third party service providers and one that has to enrol first, two IoT service providers, three hosted devices of the first
/// of these, agreements between all pairs but the last of each, and receivers for their notifications. When everything accepts, `sandbox.env`
/// is written into the directory and one line `ready DIR/sandbox.env` is printed. Serial numbers
/// `<prefix>AUTO-<n>` are accepted by the simulated IoT SPs; all others wait for you.
///
/// Not for production: keys of service providers lie beside the gateway's, and failures are told
/// at once.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SandboxArguments {
    /// Where it lives; made when it is not there, continued when it is
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// The first of eight ports, if not any free ones; a sandbox keeps its ports
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,

    /// Where the oneM2M CSE listens, on loopback; a port of the sandbox's if not said. It speaks plain
    /// HTTP, and believes who is asking
    #[arg(long, value_name = "ADDR")]
    onem2m_listen: Option<SocketAddr>,

    /// The CSE of a oneM2M platform on this host, such as http://127.0.0.1:8080, to be joined to; or
    /// mqtt://127.0.0.1:1883, the broker where it is
    #[arg(long, value_name = "URL", value_parser = platform)]
    onem2m: Option<Url>,

    /// The platform admits no foreign CSE: be an AE there, with a mailbox for each service provider
    #[arg(long, requires = "onem2m")]
    onem2m_mailbox: bool,
}

const EXAMPLES: &str = "\
Example:
    ics-gateway sandbox --dir ./sandbox &
    . ./sandbox/sandbox.env
    curl --cacert $ICS_CA --cert $ICS_3P_CERT --key $ICS_3P_KEY \\
         -d grant_type=client_credentials $ICS_T8_URL/oauth2/token";

fn platform(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    let is_plain = |url: &Url| {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        matches!(url.scheme(), "http" | "mqtt") && is_here && url.username().is_empty()
    };
    let wrong = "write http://127.0.0.1:PORT of the CSE, or mqtt://127.0.0.1:PORT of its broker: \
                 nothing in plain leaves this host";
    url.filter(is_plain).ok_or_else(|| wrong.to_owned())
}

impl SandboxArguments {
    pub(super) fn run(self) -> Outcome {
        let log = start_log(&LogSection::default());
        block_on(async {
            let options = Options {
                directory: self.dir,
                base_port: self.base_port,
                log: log.lines.clone(),
                onem2m_listen: self.onem2m_listen,
                platform: self.onem2m,
                is_mailbox: self.onem2m_mailbox,
            };
            let mut signals = Signals::listen()?;
            let sandbox = Sandbox::start(options).await?;
            say(&format!("ready {}", sandbox.env().display()))?;
            let outcome = until_end(&mut signals, sandbox.running(), || {}).await;
            sandbox.stop().await;
            Ok(outcome?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::platform;

    #[test]
    fn a_platform_is_on_this_host() {
        for url in [
            "http://127.0.0.1:8080",
            "http://localhost:8080",
            "mqtt://127.0.0.1:1883",
            "mqtt://[::1]:1883",
        ] {
            assert!(platform(url).is_ok(), "{url}");
        }
        for url in [
            "http://192.0.2.1:8080",
            "http://in.example",
            "mqtt://mqtt.example:1883",
            "https://127.0.0.1:8443",
            "mqtt://bob@127.0.0.1",
            "127.0.0.1:8080",
            "",
        ] {
            assert!(platform(url).is_err(), "{url}");
        }
    }
}
