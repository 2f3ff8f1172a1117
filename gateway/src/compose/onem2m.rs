//! The CSE: its listener, whom it believes, how it calls others; and the platform it is joined to.

mod broker;
mod coap;
mod mailbox;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer};
use ics_coap::Guest;
use ics_core::port::{Clock, OneM2mRoad, PortFuture};
use ics_core::time::Timestamp;
use ics_onem2m::client::{HttpOutbound, Reach};
use ics_onem2m::mqtt::MqttSettings;
use ics_onem2m::outbound::{Outbound, Outbounds};
use ics_onem2m::registration::{Registrar, Registration};
use ics_onem2m::{Cse, Settings, Shared};
use ics_operator::CseRegistration;
use ics_operator::wire::RegistrationView;
use reqwest::{Client, Url};
use rustls::ClientConfig;

use self::broker::{BrokerLine, RunningLine};
use super::running::open;
use super::{Parts, ReloadableTls, StartError, load_anchors};
use crate::background::Background;
use crate::config::{Config, OneM2mMqttSection, OneM2mSection, RegistrarSection};
use crate::http_client::{ClientFiles, Waits, mutual_tls_client};
use crate::listener::{Admission, Listener};
use crate::telemetry::{ONEM2M, RequestLog, Telemetry};
use crate::tls::{Credential, CredentialError, Namespace, TrustAnchor};

/// How often a registration is renewed.
const REFRESH: Duration = Duration::from_secs(60);
/// In a sandbox, whose platform comes and goes.
const SANDBOX_REFRESH: Duration = Duration::from_secs(2);
/// How often what has expired is taken out of the store; nobody sees it any more by then.
const SWEEP: Duration = Duration::from_secs(60);

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

/// The CSE, where one is served.
pub(super) struct OneM2mChannel {
    /// Where it listens.
    pub(super) address: SocketAddr,
    cse: Arc<Cse>,
    registration: Option<Arc<Registration>>,
    registrar: String,
    own_id: String,
    tls: Option<ReloadableTls>,
    line: Option<RunningLine>,
    attendant: Background,
}

/// What is shown and believed, at the listener and to the broker.
pub(super) struct Shown {
    listener: (Vec<TrustAnchor>, Credential),
    broker: Option<ClientConfig>,
}

impl OneM2mChannel {
    /// Opens the CSE that the configuration describes, where it says where to listen; its server is to
    /// be run.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) async fn open(
        config: &Config,
        parts: &Parts,
        telemetry: &Telemetry,
    ) -> Result<Option<(Self, Server)>, StartError> {
        let Some(section) = &config.onem2m else {
            return Ok(None);
        };
        let Some(listen) = section.listen else {
            return Ok(None);
        };
        let line = secured_line(section, parts)?;
        let outbound = join(outbound(section, config)?, line.as_ref());
        let on_broker = section.mqtt.as_ref().map(point_of_access);
        let mut settings = Settings {
            names: section.names(),
            points_of_access: section
                .public_url
                .iter()
                .chain(&on_broker)
                .cloned()
                .collect(),
            admin: None,
            registrar: section.registrar.as_ref().map(|r| r.cse_id.clone()),
            mailbox: None,
        };
        let registrar = section.registrar.as_ref().map(|r| Registrar {
            cse_id: r.cse_id.clone(),
            cse_name: r.cse_name.clone(),
            names: settings.names.clone(),
            points_of_access: own_points(on_broker.as_ref(), &settings),
            refresh: REFRESH,
        });
        settings.mailbox = mailbox::configured(section.registrar.as_ref(), registrar.as_ref());
        let cse = open_cse(settings.clone(), parts, outbound).await?;
        let registration = register(&cse, registrar).await?;
        let (anchors, credential) = listener_credentials(config, section)?;
        let tls = ReloadableTls::new(anchors, credential, Some(Arc::clone(&parts.directory)))?;
        let listener = Listener {
            name: ONEM2M,
            address: listen,
            tls: tls.server_config(Arc::clone(&parts.clock), false)?,
            connections: section.connections.clone(),
            admission: Arc::new(Admission::OneM2m),
            telemetry: telemetry.clone(),
        };
        let served = Arc::clone(&cse);
        let open = open(listener, move |routes| {
            ics_onem2m::configure(routes, Arc::clone(&served), false);
        })?;
        let channel = Self {
            address: open.address,
            attendant: attend(Arc::clone(&cse), registration.clone(), telemetry),
            line: line.map(|line| line.begin(&cse)),
            cse,
            registration,
            own_id: mailbox::own_id(&settings.names.cse_id, settings.mailbox.as_ref()),
            registrar: settings.registrar.unwrap_or_default(),
            tls: Some(tls),
        };
        Ok(Some((channel, open.server)))
    }

    /// Opens the CSE of a sandbox.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) async fn open_plain(
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
        let on_broker = on_broker.map(|platform| platform.url.to_string());
        let own = format!("http://{address}");
        let mut settings = Settings {
            names: OneM2mSection::default_names(),
            points_of_access: std::iter::once(own).chain(on_broker.clone()).collect(),
            admin: Some(plain.admin.clone()),
            registrar: platform.map(|platform| platform.cse_id.clone()),
            mailbox: None,
        };
        let registrar = platform.map(|platform| Registrar {
            cse_id: platform.cse_id.clone(),
            cse_name: platform.cse_name.clone(),
            names: settings.names.clone(),
            points_of_access: own_points(on_broker.as_ref(), &settings),
            refresh: SANDBOX_REFRESH,
        });
        settings.mailbox = mailbox::of_sandbox(platform, registrar.as_ref());
        let cse = open_cse(settings.clone(), parts, outbound).await?;
        let registration = register(&cse, registrar).await?;
        let line = line.map(|line| line.begin(&cse));
        if let Some(line) = &line {
            line.stand().await?;
        }
        let attendant = attend(Arc::clone(&cse), registration.clone(), telemetry);
        let telemetry = telemetry.clone();
        let served = Arc::clone(&cse);
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
            attendant,
            line,
            cse,
            registration,
            own_id: mailbox::own_id(&settings.names.cse_id, settings.mailbox.as_ref()),
            registrar: settings.registrar.unwrap_or_default(),
            tls: None,
        };
        Ok((channel, server.run()))
    }

    /// The way to the AEs of parties.
    pub(super) fn road(&self) -> Arc<dyn OneM2mRoad> {
        Arc::new(Shared(Arc::clone(&self.cse)))
    }

    /// What devices reach of it over CoAP.
    pub(super) fn guest(&self) -> Guest {
        coap::guest(&self.cse)
    }

    /// The registration, as the operator's API sees it.
    pub(super) fn for_operator(&self) -> Option<Arc<dyn CseRegistration>> {
        let registration = self.registration.clone()?;
        Some(Arc::new(Registered {
            registration,
            registrar: self.registrar.clone(),
            own_id: self.own_id.clone(),
        }))
    }

    /// Shows and believes these from the next handshake on.
    ///
    /// # Errors
    /// [`StartError`]; nothing changed then.
    pub(super) fn replace(&self, shown: Shown) -> Result<(), StartError> {
        let Shown { listener, broker } = shown;
        if let Some(tls) = &self.tls {
            tls.replace(listener.0, listener.1)?;
        }
        if let (Some(line), Some(tls)) = (&self.line, broker) {
            line.replace(tls);
        }
        Ok(())
    }

    /// Returns when a part of it has ended.
    pub(super) async fn ended(&self) {
        let line = async {
            match &self.line {
                Some(line) => line.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.attendant.ended() => {}
            () = line => {}
        }
    }

    /// Ends what runs beside its listener.
    pub(super) async fn stop(self) {
        self.attendant.stop().await;
        if let Some(line) = self.line {
            line.stop().await;
        }
    }
}

/// The line to the platform's broker, if the configuration names one.
fn secured_line(section: &OneM2mSection, parts: &Parts) -> Result<Option<BrokerLine>, StartError> {
    let (Some(mqtt), Some(registrar)) = (&section.mqtt, &section.registrar) else {
        return Ok(None);
    };
    let settings = MqttSettings {
        names: section.names(),
        registrar: Some(registrar.cse_id.clone()),
        broker: (mqtt.address.host.clone(), mqtt.address.port),
        is_believed: false,
    };
    BrokerLine::secured(mqtt, settings, parts).map(Some)
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

/// The registrar over the line, where there is one; who is called by a point of access, by its scheme.
fn join(http: HttpOutbound, line: Option<&BrokerLine>) -> Arc<dyn Outbound> {
    match line {
        None => Arc::new(http),
        Some(line) => Arc::new(Outbounds {
            http: Arc::new(http),
            mqtt: Arc::clone(&line.outbound) as _,
            is_registrar_on_mqtt: true,
        }),
    }
}

fn point_of_access(mqtt: &OneM2mMqttSection) -> String {
    format!("mqtts://{}", mqtt.address)
}

/// Where the registrar reaches this CSE: over the broker, where they are on one.
fn own_points(on_broker: Option<&String>, settings: &Settings) -> Vec<String> {
    match on_broker {
        Some(point) => vec![point.clone()],
        None => settings.points_of_access.clone(),
    }
}

fn setting(error: impl std::fmt::Display) -> StartError {
    StartError::Setting {
        part: "onem2m",
        reason: error.to_string(),
    }
}

async fn open_cse(
    settings: Settings,
    parts: &Parts,
    outbound: Arc<dyn Outbound>,
) -> Result<Arc<Cse>, StartError> {
    let ports = ics_onem2m::Ports {
        service: Arc::clone(&parts.service),
        limiter: Arc::clone(&parts.limiter),
        sealer: Arc::clone(&parts.sealer),
        verifier: Arc::clone(&parts.verifier),
        outbound,
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
    };
    Cse::open(settings, ports).await.map_err(setting)
}

async fn register(
    cse: &Arc<Cse>,
    registrar: Option<Registrar>,
) -> Result<Option<Arc<Registration>>, StartError> {
    let Some(registrar) = registrar else {
        return Ok(None);
    };
    let registration = cse.registration(registrar).await.map_err(setting)?;
    Ok(Some(Arc::new(registration)))
}

/// The registration, in the words of the operator's API.
struct Registered {
    registration: Arc<Registration>,
    registrar: String,
    own_id: String,
}

impl CseRegistration for Registered {
    fn show(&self) -> RegistrationView {
        let status = self.registration.status();
        let (confirmed, expires) = status.confirmed.unzip();
        RegistrationView {
            registrar: format!("/{}", self.registrar),
            cse_id: self.own_id.clone(),
            wanted: status.wanted,
            registered: confirmed.is_some() && status.trouble.is_none(),
            confirmed: confirmed.map(Timestamp::to_rfc3339),
            expires: expires.map(Timestamp::to_rfc3339),
            trouble: status.trouble,
        }
    }

    fn attach(&self) -> PortFuture<'_, Result<(), String>> {
        Box::pin(async { self.registration.attach().await.map_err(|e| e.to_string()) })
    }

    fn detach(&self) -> PortFuture<'_, Result<(), String>> {
        Box::pin(async { self.registration.detach().await.map_err(|e| e.to_string()) })
    }
}

/// What runs beside the listener: the registration is kept alive, what has expired taken out, a mailbox
/// emptied.
fn attend(
    cse: Arc<Cse>,
    registration: Option<Arc<Registration>>,
    telemetry: &Telemetry,
) -> Background {
    let telemetry = telemetry.clone();
    Background::begin(|mut stopping| async move {
        let keeping = async {
            match registration {
                Some(registration) => registration.keep().await,
                None => std::future::pending().await,
            }
        };
        let sweeping = async {
            loop {
                tokio::time::sleep(SWEEP).await;
                if let Err(error) = cse.sweep().await {
                    tracing::warn!(%error, "expired resources of the CSE not taken out");
                }
            }
        };
        tokio::select! {
            () = keeping => {}
            () = sweeping => {}
            () = mailbox::serve(&cse, telemetry) => {}
            () = stopping.asked() => {}
        }
    })
}

/// How the CSE calls others: the registrar with what it is to be shown, and believes it alone.
fn outbound(section: &OneM2mSection, config: &Config) -> Result<HttpOutbound, StartError> {
    let reach = Reach::Pinned(section.notify_origins.clone());
    let registrar = section.registrar.as_ref().and_then(RegistrarSection::http);
    let client = match &registrar {
        Some(registrar) => client(
            ClientFiles {
                certificate: registrar.certificate,
                key: registrar.key,
                root: registrar.anchor,
            },
            config,
        )?,
        None => own_client(config)?,
    };
    let url = registrar.as_ref().map(|registrar| registrar.url.as_str());
    HttpOutbound::new(client, url, reach).map_err(setting)
}

/// A client that shows what the gateway shows to service providers, and believes whom they do.
fn own_client(config: &Config) -> Result<Client, CredentialError> {
    let files = ClientFiles {
        certificate: &config.notify.certificate,
        key: &config.notify.key,
        root: &config.authority.certificate,
    };
    client(files, config)
}

fn client(files: ClientFiles<'_>, config: &Config) -> Result<Client, CredentialError> {
    let waits = Waits {
        connection: config.notify.connect_timeout,
        answer: config.notify.total_timeout,
    };
    mutual_tls_client(files, waits)
}

/// What the files of the section hold by now.
///
/// # Errors
/// [`StartError`].
pub(super) fn onem2m_credentials(
    config: &Config,
    section: &OneM2mSection,
    clock: &Arc<dyn Clock>,
) -> Result<Shown, StartError> {
    let broker = section.mqtt.as_ref();
    Ok(Shown {
        listener: listener_credentials(config, section)?,
        broker: broker.map(|mqtt| broker::load(mqtt, clock)).transpose()?,
    })
}

/// The anchors of the CSE's listener, each with its namespace, and its certificate: service providers
/// as on T8, hosted devices, and the platform's domain.
///
/// # Errors
/// [`StartError`].
fn listener_credentials(
    config: &Config,
    section: &OneM2mSection,
) -> Result<(Vec<TrustAnchor>, Credential), StartError> {
    let mut anchors = Vec::new();
    for anchor in &config.t8.anchor {
        anchors.extend(load_anchors(&anchor.certificate, &anchor.namespace)?);
    }
    if let Some(devices) = &config.devices {
        anchors.extend(load_anchors(&devices.certificate, &Namespace::DEVICES)?);
    }
    let registrar = section.registrar.as_ref().and_then(RegistrarSection::http);
    if let Some(registrar) = registrar {
        let namespace = Namespace::of_onem2m(registrar.sp_domain);
        anchors.extend(load_anchors(registrar.anchor, &namespace)?);
    }
    let credential = Credential::load(&section.certificate, &section.key)?;
    Ok((anchors, credential))
}
