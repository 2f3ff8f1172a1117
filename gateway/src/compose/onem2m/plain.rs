//! The CSE of a sandbox: plain HTTP on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer};
use ics_onem2m::client::{HttpOutbound, Reach};
use ics_onem2m::mqtt::MqttSettings;
use reqwest::Url;

use super::broker::BrokerLine;
use super::outbound::{join, own_client};
use super::raise::Plan;
use super::{OneM2mChannel, attend, hosted, setting};
use crate::compose::{Parts, StartError};
use crate::config::{Config, OneM2mSection, default_ae};
use crate::telemetry::{ONEM2M, RequestLog, Telemetry};

/// How often a registration is renewed: a sandbox's platform comes and goes.
const REFRESH: Duration = Duration::from_secs(2);

/// A CSE as sandboxes have it: plain HTTP on loopback, where an originator is who it says it is.
#[derive(Clone, Debug)]
pub(crate) struct PlainCse {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The originator that may do everything.
    pub(crate) admin: String,
    /// The platform it is to be joined to.
    pub(crate) platform: Option<Platform>,
}

/// A platform on this host.
#[derive(Clone, Debug)]
pub(crate) struct Platform {
    /// `http://host:port`, or `mqtt://host:port` of the broker where it is.
    pub(crate) url: Url,
    /// Its CSE-ID, without the slash.
    pub(crate) cse_id: String,
    /// The name of its CSEBase.
    pub(crate) cse_name: String,
    /// Whether it admits no foreign CSE, and the gateway is an AE there.
    pub(crate) is_mailbox: bool,
}

impl OneM2mChannel {
    /// Opens the CSE of a sandbox.
    ///
    /// # Errors
    /// [`StartError`].
    pub(in crate::compose) async fn open_plain(
        (plain, config): (&PlainCse, &Config),
        parts: &Parts,
        telemetry: &Telemetry,
    ) -> Result<(Self, Server), StartError> {
        let address = plain.listen;
        let refuse = |source| StartError::Listen { address, source };
        let socket = std::net::TcpListener::bind(address).map_err(refuse)?;
        let address = socket.local_addr().map_err(refuse)?;
        let platform = plain.platform.as_ref();
        let line = platform.and_then(|platform| plain_line(platform, parts));
        let url = platform.filter(|_| line.is_none()).map(|p| p.url.as_str());
        let http = HttpOutbound::new(own_client(config)?, url, Reach::Loopback);
        let outbound = join(http.map_err(setting)?, line.as_ref());
        let on_broker = platform.filter(|_| line.is_some());
        let plan = Plan {
            names: OneM2mSection::default_names(),
            own: Some(format!("http://{address}")),
            on_broker: on_broker.map(|platform| platform.url.to_string()),
            admin: Some(plain.admin.clone()),
            registrar: platform.map(|p| (p.cse_id.clone(), p.cse_name.clone())),
            mailbox: platform.filter(|p| p.is_mailbox).map(|_| default_ae()),
            refresh: REFRESH,
        };
        let raised = plan.raise((parts, telemetry), outbound).await?;
        let line = line.map(|line| line.begin(&raised.cse, telemetry));
        if let Some(line) = &line {
            line.stand().await?;
        }
        let attendant = attend(&raised, telemetry);
        let telemetry = telemetry.clone();
        let served = Arc::clone(&raised.cse);
        let server = HttpServer::new(move || {
            let cse = Arc::clone(&served);
            App::new()
                .configure(move |routes| ics_onem2m::configure(routes, cse, true))
                .wrap(RequestLog::new(ONEM2M, telemetry.clone()))
        });
        let server = server
            .workers(2)
            .tcp_nodelay(true)
            .disable_signals()
            .listen(socket)
            .map_err(refuse)?;
        let channel = Self {
            address,
            line,
            attendant,
            hosted: hosted::attend(&raised.cse, parts),
            raised,
            tls: None,
        };
        Ok((channel, server.run()))
    }
}

/// The line to the broker of a sandbox's platform, if it is on one.
fn plain_line(platform: &Platform, parts: &Parts) -> Option<BrokerLine> {
    if platform.url.scheme() != "mqtt" {
        return None;
    }
    let host = platform.url.host_str()?.trim_matches(['[', ']']).to_owned();
    let settings = MqttSettings {
        names: OneM2mSection::default_names(),
        registrar: Some(platform.cse_id.clone()),
        broker: (host, platform.url.port().unwrap_or(1883)),
        is_believed: true,
    };
    Some(BrokerLine::plain(settings, parts))
}
