//! The device channel through a broker: the ways to it, and the task that serves it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ics_core::device::Channel;
use ics_core::id::{DeviceId, SpId};
use ics_core::port::{AuthorityError, Clock, DeviceBell, Entropy, PortFuture};
use ics_mqtt::{Awaited, Broker, BrokerSettings, Dial, Stranger, Ways, Wire};
use ics_vault::{Authority, CertificateIdentity};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::examine::load_authority_of;
use super::{Parts, StartError};
use crate::ambient::{SystemClock, SystemEntropy};
use crate::background::Background;
use crate::config::{BrokerAddress, Config, DevicesSection, MqttBrokerSection};
use crate::telemetry::{DeviceActs, MQTT, Telemetry};
use crate::tls::{Credential, CredentialError, by_clock, client_config, load_authorities};

/// Devices served through a broker.
pub(super) struct BrokerChannel {
    ways: Arc<BrokerWays>,
    pub(super) task: Background,
}

impl BrokerChannel {
    /// Starts it, where one is configured. The broker need not be there: it is waited for.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn start(
        config: &Config,
        parts: &Parts,
        telemetry: &Telemetry,
    ) -> Result<Option<Self>, StartError> {
        let (Some(section), Some(devices)) = (&config.mqtt_broker, &config.devices) else {
            return Ok(None);
        };
        let (clock, entropy) = (Arc::clone(&parts.clock), Arc::clone(&parts.entropy));
        let ways = Arc::new(BrokerWays::open(section, devices, (clock, entropy))?);
        let awaited = Arc::new(Awaited::default());
        let bell: Arc<dyn DeviceBell> = Arc::clone(&awaited) as _;
        parts.device_bells.pass_to(&bell);
        // A device has its limits whichever way it comes.
        let limits = config.mqtt.as_ref().map(|mqtt| mqtt.limits.limits());
        let broker = Broker {
            service: Arc::new(DeviceActs::new(
                Arc::clone(&parts.service),
                (Channel::Mqtt, MQTT),
                telemetry.clone(),
            )),
            awaited,
            ways: Arc::clone(&ways) as _,
            clock: Arc::clone(&parts.clock),
            entropy: Arc::clone(&parts.entropy),
            settings: BrokerSettings {
                client_id: section.client_id.clone(),
                session_expiry: section.session_expiry,
                messages: limits.unwrap_or_default().messages,
            },
        };
        let task =
            Background::begin(|mut stopping| broker.run(async move { stopping.asked().await }));
        Ok(Some(Self { ways, task }))
    }

    /// What the files hold by now.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn load(&self, section: &MqttBrokerSection) -> Result<Shown, StartError> {
        Ok(load(section, &self.ways.clock)?)
    }

    /// Shows and believes these from the next connection on.
    pub(super) fn replace(&self, (gateway, roots): Shown) {
        self.ways.gateway.store(Arc::new(gateway));
        self.ways.roots.store(Arc::new(roots));
    }
}

/// How the gateway shows itself to a broker, and the authorities it believes.
pub(super) type Shown = (ClientConfig, Vec<CertificateDer<'static>>);

/// How the broker is reached.
pub(crate) struct BrokerWays {
    address: BrokerAddress,
    gateway: ArcSwap<ClientConfig>,
    roots: ArcSwap<Vec<CertificateDer<'static>>>,
    authority: Authority,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// How long the certificate of a device that is made up holds.
const STRANGER_VALIDITY: Duration = Duration::from_secs(600);

impl BrokerWays {
    /// Reads what is needed.
    ///
    /// # Errors
    /// [`StartError`].
    fn open(
        section: &MqttBrokerSection,
        devices: &DevicesSection,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Result<Self, StartError> {
        let (gateway, roots) = load(section, &clock)?;
        let files = (devices.certificate.as_path(), devices.key.as_path());
        Ok(Self {
            address: section.address.clone(),
            gateway: ArcSwap::from_pointee(gateway),
            roots: ArcSwap::from_pointee(roots),
            authority: load_authority_of(files, &entropy)?,
            clock,
            entropy,
        })
    }

    /// The ways that a configuration names, for who looks at it from outside; `None` where none is.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, StartError> {
        let (Some(section), Some(devices)) = (&config.mqtt_broker, &config.devices) else {
            return Ok(None);
        };
        let clock = Arc::new(SystemClock::new());
        let entropy = Arc::new(SystemEntropy::default());
        Self::open(section, devices, (clock, entropy)).map(Some)
    }

    fn make_stranger(&self) -> io::Result<Stranger> {
        let mint = || {
            let mut random = [0; 16];
            self.entropy.fill(&mut random);
            DeviceId::mint(random)
        };
        let (device, victim) = (mint(), mint());
        let iot_sp = SpId::parse("probe").map_err(io::Error::other)?;
        let identity = CertificateIdentity::Device {
            iot_sp,
            id: device.clone(),
        };
        let now = self.clock.now();
        let issued = self
            .authority
            .issue_client(&identity, STRANGER_VALIDITY, now);
        let issued = issued.map_err(|error: AuthorityError| io::Error::other(error))?;
        let credential = Credential::from_pem(&issued.certificate.pem, &issued.key_pem);
        let credential = credential.map_err(io::Error::other)?;
        let roots = self.roots.load().to_vec();
        let tls = client_config(roots, credential).map_err(io::Error::other)?;
        let dial = Way {
            address: self.address.clone(),
            tls: Arc::new(by_clock(tls, Arc::clone(&self.clock))),
        };
        Ok(Stranger {
            device,
            dial: Arc::new(dial),
            victim,
        })
    }
}

/// The gateway's TLS towards the broker, and whom it believes.
fn load(section: &MqttBrokerSection, clock: &Arc<dyn Clock>) -> Result<Shown, CredentialError> {
    let shown = (section.certificate.as_path(), section.key.as_path());
    load_client(&section.server_anchors, shown, clock)
}

/// The TLS of a client that believes these authorities, and shows that certificate and key.
///
/// # Errors
/// [`CredentialError`].
pub(super) fn load_client(
    anchors: &[PathBuf],
    (certificate, key): (&Path, &Path),
    clock: &Arc<dyn Clock>,
) -> Result<Shown, CredentialError> {
    let mut roots = Vec::new();
    for anchor in anchors {
        roots.extend(load_authorities(anchor)?);
    }
    let credential = Credential::load(certificate, key)?;
    let tls = by_clock(client_config(roots.clone(), credential)?, Arc::clone(clock));
    Ok((tls, roots))
}

impl Ways for BrokerWays {
    fn of_gateway(&self) -> Arc<dyn Dial> {
        Arc::new(Way {
            address: self.address.clone(),
            tls: self.gateway.load_full(),
        })
    }

    fn of_stranger(&self) -> PortFuture<'_, io::Result<Stranger>> {
        Box::pin(async { self.make_stranger() })
    }
}

/// One way: an address, and who we are there.
pub(super) struct Way {
    pub(super) address: BrokerAddress,
    pub(super) tls: Arc<ClientConfig>,
}

impl Dial for Way {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async {
            let BrokerAddress { host, port } = &self.address;
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let socket = TcpStream::connect((host.as_str(), *port)).await?;
            // Without it an exchange waits 40 ms for the other side's delayed acknowledgement.
            socket.set_nodelay(true)?;
            let stream = TlsConnector::from(Arc::clone(&self.tls))
                .connect(name, socket)
                .await?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}
