//! The CSE: its listener, whom it believes, how it calls others; and the platform it is joined to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer};
use ics_core::port::{OneM2mRoad, PortFuture};
use ics_core::time::Timestamp;
use ics_onem2m::client::{HttpOutbound, Reach};
use ics_onem2m::registration::{Registrar, Registration};
use ics_onem2m::{Cse, Settings, Shared};
use ics_operator::CseRegistration;
use ics_operator::wire::RegistrationView;
use reqwest::Client;

use super::running::open;
use super::{Parts, ReloadableTls, StartError, load_anchors};
use crate::background::Background;
use crate::config::{Config, OneM2mSection, RegistrarSection};
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
    /// `http://host:port`.
    pub(crate) url: String,
    /// Its CSE-ID, without the slash.
    pub(crate) cse_id: String,
    /// The name of its CSEBase.
    pub(crate) cse_name: String,
}

/// The CSE, where one is served.
pub(super) struct OneM2mChannel {
    /// Where it listens.
    pub(super) address: SocketAddr,
    cse: Arc<Cse>,
    registration: Option<Arc<Registration>>,
    registrar: String,
    cse_id: String,
    tls: Option<ReloadableTls>,
    attendant: Background,
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
        let outbound = Arc::new(outbound(section, config)?);
        let settings = Settings {
            names: section.names(),
            points_of_access: section.public_url.iter().cloned().collect(),
            admin: None,
            registrar: section.registrar.as_ref().map(|r| r.cse_id.clone()),
        };
        let cse = open_cse(settings.clone(), parts, outbound).await?;
        let registrar = section.registrar.as_ref();
        let registrar = registrar.map(|r| (r.cse_id.clone(), r.cse_name.clone()));
        let registration = register(&cse, &settings, (registrar, REFRESH)).await?;
        let (anchors, credential) = onem2m_credentials(config, section)?;
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
            attendant: attend(Arc::clone(&cse), registration.clone()),
            cse,
            registration,
            registrar: settings.registrar.unwrap_or_default(),
            cse_id: settings.names.cse_id,
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
        let client = own_client(config)?;
        let url = platform.map(|platform| platform.url.as_str());
        let outbound = HttpOutbound::new(client, url, Reach::Loopback).map_err(setting)?;
        let settings = Settings {
            names: OneM2mSection::default_names(),
            points_of_access: vec![format!("http://{address}")],
            admin: Some(plain.admin.clone()),
            registrar: platform.map(|platform| platform.cse_id.clone()),
        };
        let cse = open_cse(settings.clone(), parts, Arc::new(outbound)).await?;
        let registrar = platform.map(|p| (p.cse_id.clone(), p.cse_name.clone()));
        let registration = register(&cse, &settings, (registrar, SANDBOX_REFRESH)).await?;
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
            attendant: attend(Arc::clone(&cse), registration.clone()),
            cse,
            registration,
            registrar: settings.registrar.unwrap_or_default(),
            cse_id: settings.names.cse_id,
            tls: None,
        };
        Ok((channel, server.run()))
    }

    /// The way to the AEs of parties.
    pub(super) fn road(&self) -> Arc<dyn OneM2mRoad> {
        Arc::new(Shared(Arc::clone(&self.cse)))
    }

    /// The registration, as the operator's API sees it.
    pub(super) fn for_operator(&self) -> Option<Arc<dyn CseRegistration>> {
        let registration = self.registration.clone()?;
        Some(Arc::new(Registered {
            registration,
            registrar: self.registrar.clone(),
            cse_id: self.cse_id.clone(),
        }))
    }

    /// Shows and believes these from the next handshake on.
    ///
    /// # Errors
    /// [`StartError`]; nothing changed then.
    pub(super) fn replace(&self, shown: (Vec<TrustAnchor>, Credential)) -> Result<(), StartError> {
        if let Some(tls) = &self.tls {
            tls.replace(shown.0, shown.1)?;
        }
        Ok(())
    }

    /// Returns when a part of it has ended.
    pub(super) async fn ended(&self) {
        self.attendant.ended().await;
    }

    /// Ends what runs beside its listener.
    pub(super) async fn stop(self) {
        self.attendant.stop().await;
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
    outbound: Arc<HttpOutbound>,
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
    settings: &Settings,
    (registrar, refresh): (Option<(String, String)>, Duration),
) -> Result<Option<Arc<Registration>>, StartError> {
    let Some((cse_id, cse_name)) = registrar else {
        return Ok(None);
    };
    let registrar = Registrar {
        cse_id,
        cse_name,
        names: settings.names.clone(),
        points_of_access: settings.points_of_access.clone(),
        refresh,
    };
    let registration = cse.registration(registrar).await.map_err(setting)?;
    Ok(Some(Arc::new(registration)))
}

/// The registration, in the words of the operator's API.
struct Registered {
    registration: Arc<Registration>,
    registrar: String,
    cse_id: String,
}

impl CseRegistration for Registered {
    fn show(&self) -> RegistrationView {
        let status = self.registration.status();
        let (confirmed, expires) = status.confirmed.unzip();
        RegistrationView {
            registrar: format!("/{}", self.registrar),
            cse_id: format!("/{}", self.cse_id),
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

/// What runs beside the listener: the registration is kept alive, what has expired taken out.
fn attend(cse: Arc<Cse>, registration: Option<Arc<Registration>>) -> Background {
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
            () = stopping.asked() => {}
        }
    })
}

/// How the CSE calls others: the registrar with what it is to be shown, and believes it alone.
fn outbound(section: &OneM2mSection, config: &Config) -> Result<HttpOutbound, StartError> {
    let reach = Reach::Pinned(section.notify_origins.clone());
    let registrar = section.registrar.as_ref();
    let client = match registrar {
        Some(RegistrarSection {
            certificate,
            key,
            anchor,
            ..
        }) => client(
            ClientFiles {
                certificate,
                key,
                root: anchor,
            },
            config,
        )?,
        None => own_client(config)?,
    };
    let url = registrar.map(|registrar| registrar.url.as_str());
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

/// The anchors of the CSE's listener, each with its namespace, and its certificate: service providers
/// as on T8, hosted devices, and the platform's domain.
///
/// # Errors
/// [`StartError`].
pub(super) fn onem2m_credentials(
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
    if let Some(registrar) = &section.registrar {
        let namespace = Namespace::of_onem2m(&registrar.sp_domain);
        anchors.extend(load_anchors(&registrar.anchor, &namespace)?);
    }
    let credential = Credential::load(&section.certificate, &section.key)?;
    Ok((anchors, credential))
}
