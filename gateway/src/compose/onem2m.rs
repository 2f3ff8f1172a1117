//! The CSE: its listener, whom it believes, how it calls others; and the platform it is joined to.

mod broker;
mod coap;
mod hosted;
mod mailbox;
mod outbound;
mod plain;
mod raise;
mod registered;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use ics_coap::Guest;
use ics_core::port::{Clock, OneM2mRoad};
use ics_onem2m::mqtt::MqttSettings;
use ics_operator::CseRegistration;
use rustls::ClientConfig;

use self::broker::{BrokerLine, RunningLine};
pub(crate) use self::plain::{PlainCse, Platform};
use self::raise::{Plan, Raised};
use self::registered::Registered;
use super::running::open;
use super::{Parts, ReloadableTls, StartError, load_anchors, service_provider_anchors};
use crate::background::Background;
use crate::config::{Config, OneM2mMqttSection, OneM2mSection, RegistrarSection};
use crate::listener::{Admission, Listener};
use crate::telemetry::{ONEM2M, Telemetry};
use crate::tls::{Credential, Namespace, TrustAnchor};

/// How often a registration is renewed.
const REFRESH: Duration = Duration::from_secs(60);
/// How often what has expired is taken out of the store; nobody sees it any more by then.
const SWEEP: Duration = Duration::from_secs(60);

/// The CSE, where one is served.
pub(super) struct OneM2mChannel {
    /// Where it listens.
    pub(super) address: SocketAddr,
    raised: Raised,
    tls: Option<ReloadableTls>,
    line: Option<RunningLine>,
    attendant: Background,
    hosted: Background,
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
        let outbound = outbound::join(outbound::over_http(section, config)?, line.as_ref());
        let registrar = section.registrar.as_ref();
        let plan = Plan {
            names: section.names(),
            own: section.public_url.clone(),
            on_broker: section.mqtt.as_ref().map(point_of_access),
            admin: None,
            registrar: registrar.map(|r| (r.cse_id.clone(), r.cse_name.clone())),
            mailbox: registrar.and_then(RegistrarSection::mailbox),
            refresh: REFRESH,
        };
        let raised = plan.raise((parts, telemetry), outbound).await?;
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
        let served = Arc::clone(&raised.cse);
        let open = open(listener, move |routes| {
            ics_onem2m::configure(routes, Arc::clone(&served), false);
        })?;
        let channel = Self {
            address: open.address,
            line: line.map(|line| line.begin(&raised.cse, telemetry)),
            attendant: attend(&raised, telemetry),
            hosted: hosted::attend(&raised.cse, parts),
            raised,
            tls: Some(tls),
        };
        Ok(Some((channel, open.server)))
    }

    /// The way to the AEs of parties.
    pub(super) fn road(&self) -> Arc<dyn OneM2mRoad> {
        Arc::clone(&self.raised.cse) as _
    }

    /// What devices reach of it over CoAP.
    pub(super) fn guest(&self, telemetry: &Telemetry) -> Guest {
        coap::guest(&self.raised.cse, telemetry)
    }

    /// The registration, as the operator's API sees it.
    pub(super) fn for_operator(&self) -> Option<Arc<dyn CseRegistration>> {
        let registered = Registered::of(&self.raised)?;
        Some(Arc::new(registered))
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
            () = self.hosted.ended() => {}
            () = line => {}
        }
    }

    /// Ends what runs beside its listener.
    pub(super) async fn stop(self) {
        self.attendant.stop().await;
        self.hosted.stop().await;
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

fn point_of_access(mqtt: &OneM2mMqttSection) -> String {
    format!("mqtts://{}", mqtt.address)
}

fn setting(error: impl std::fmt::Display) -> StartError {
    StartError::Setting {
        part: "onem2m",
        reason: error.to_string(),
    }
}

/// What runs beside the listener: the registration is kept alive, what has expired taken out, a mailbox
/// emptied.
fn attend(raised: &Raised, telemetry: &Telemetry) -> Background {
    let (cse, registration) = (Arc::clone(&raised.cse), raised.registration.clone());
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
            () = mailbox::serve(&cse, &telemetry) => {}
            () = stopping.asked() => {}
        }
    })
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
    let mut anchors = service_provider_anchors(config)?;
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
