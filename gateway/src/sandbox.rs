//! A complete operator domain on loopback, for whoever builds against the gateway: the gateway
//! itself, two third party SPs, two IoT SPs, three hosted devices of one of these, agreements, and
//! receivers for their notifications.
//!
//! Nothing of it is for production: the SPs' keys lie beside the gateway's, failures are told at
//! once, callbacks may go to loopback.

mod bench_domain;
mod devices;
mod env;
mod inbox;
mod iot_simulator;
mod onem2m;
mod parties;
mod plan;
mod receiver;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use ics_core::id::MappingId;
use ics_core::port::{Clock, Entropy as _};
use ics_operator::wire::{InvitationOrder, InvitationView};
use reqwest::Url;
use rustls::ServerConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::ambient::{SystemClock, SystemEntropy};
use crate::compose::{Running, StartError};
use crate::config::{Config, ConfigError};
use crate::http_client::ClientFiles;
use crate::init::{Domain, InitError, Settings, create_domain};
use crate::operator_client::{CallError, Endpoint, OperatorClient};
use crate::t8_client::{ClientError, T8Client};
use crate::telemetry::RequestLines;
use crate::tls::{CredentialError, callback_server_config};

pub(crate) use bench_domain::BenchDomain;
pub(crate) use devices::SandboxDevice;
use inbox::Inbox;
use iot_simulator::{SimulatedIotSp, answer_pushes, catch_up};
use plan::{AUTO, Grant, Layout, PARTIES, PartyPlan, Ports, loopback};
use receiver::{Receiving, open_callbacks, open_inbox};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    /// A file or socket.
    #[error("{0}: {1}")]
    Io(String, io::Error),
    /// `--base-port` leaves no room for eight ports.
    #[error("base port {0} is too high: eight ports in a row are needed")]
    BasePort(u16),
    /// An older version made it, without a port for every kind of device.
    #[error("`{}` was made by an older version; choose another directory", .0.display())]
    Older(PathBuf),
    /// The directory is an operator's domain, not a sandbox.
    #[error("`{}` is no sandbox but a domain that `init` made; choose another directory", .0.display())]
    Domain(PathBuf),
    /// It runs already.
    #[error("`{}` is in use by a sandbox that runs; use that one, end it first, or choose another directory", .0.display())]
    InUse(PathBuf),
    /// The CSE would be reached from elsewhere.
    #[error(
        "`{0}` can be reached from elsewhere: a sandbox believes who is asking; choose an address of 127.0.0.0/8 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// A mailbox is served over HTTP alone.
    #[error(
        "a mailbox is reached over HTTP: name the platform's CSE, `http://127.0.0.1:PORT`, instead of its broker"
    )]
    MailboxOnBroker,
    /// It is no CSE.
    #[error("no oneM2M CSE at `{0}`: {1}")]
    Platform(String, String),
    /// The domain could not be made.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The domain's configuration is not as it was made.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The gateway did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A certificate or key of the sandbox.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A party's certificate could not be made, or what it is granted does not hold.
    #[error("cannot make the sandbox's parties: {0}")]
    Parties(String),
    /// A party could not be onboarded.
    #[error(transparent)]
    Onboarding(#[from] ics_core::service::OnboardingError),
    /// The operator's command line found no way in.
    #[error(transparent)]
    Operator(#[from] CallError),
    /// An IoT SP could not register for its pushes.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What a sandbox shall be like.
pub(crate) struct Options {
    /// Where it lives; made when it is not there, continued when it is.
    pub(crate) directory: PathBuf,
    /// The first of eight ports; free ones when not said. A sandbox keeps its ports.
    pub(crate) base_port: Option<u16>,
    /// Where requests leave their lines.
    pub(crate) log: Option<RequestLines>,
    /// Where the CSE listens, if not at a port of the sandbox's; on loopback.
    pub(crate) onem2m_listen: Option<SocketAddr>,
    /// The CSE of a oneM2M platform, `http://host:port`, or `mqtt://host:port` of its broker.
    pub(crate) platform: Option<Url>,
    /// Whether that admits no foreign CSE.
    pub(crate) is_mailbox: bool,
}

/// A running sandbox.
pub(crate) struct Sandbox {
    running: Running,
    layout: Layout,
    ports: Ports,
    devices: Vec<SandboxDevice>,
    receivers: Vec<ServerHandle>,
    tasks: Vec<JoinHandle<()>>,
    // Last: the directory is another's once everything else has ended.
    _lock: File,
}

impl Sandbox {
    /// Starts one; when this returns, all its listeners accept and `sandbox.env` is written.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) async fn start(options: Options) -> Result<Self, SandboxError> {
        let layout = Layout(absolute(&options.directory)?);
        let lock = lock(&layout)?;
        // Whoever waits for the file waits for this start, not for one before.
        env::remove(&layout).map_err(|error| SandboxError::Io("sandbox.env".into(), error))?;
        let ports = choose_ports(&layout, options.base_port)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        if !layout.domain().exists() {
            make_domain(&layout, ports, &clock)?;
        }
        parties::make_credentials(&layout, &clock)?;
        let config = Config::load(&layout.of_domain("gateway.toml"))?;
        let cse = onem2m::cse(&options, ports)?;
        let platform = options.platform.clone();
        let running = Running::start_with(config, options.log, Some(cse)).await?;
        let mut sandbox = Self {
            running,
            layout,
            ports,
            devices: Vec::new(),
            receivers: Vec::new(),
            tasks: Vec::new(),
            _lock: lock,
        };
        sandbox.open_receivers(&clock)?;
        parties::onboard(sandbox.running.service(), &clock, (&sandbox.layout, ports)).await?;
        for iot_sp in PARTIES
            .iter()
            .filter(|p| matches!(p.grant, Grant::SerialPrefix(_)))
        {
            if platform.is_some() && iot_sp.id == plan::ON_PLATFORM {
                continue;
            }
            parties::subscribe(&sandbox.client(iot_sp.id)?, iot_sp.id, ports).await?;
            catch_up(iot_sp.id, &sandbox.iot_simulation(iot_sp)?).await?;
        }
        let host = sandbox.client(plan::HOST)?;
        sandbox.devices = devices::register(&host, &sandbox.layout).await?;
        sandbox.running.attach().await.map_err(|said| {
            SandboxError::Platform(platform.map(String::from).unwrap_or_default(), said)
        })?;
        let cse = sandbox.running.onem2m();
        let invitation = sandbox.invite().await?;
        let told = (sandbox.devices.as_slice(), &invitation);
        env::write(&sandbox.layout, (sandbox.ports, cse), told)
            .map_err(|error| SandboxError::Io("sandbox.env".into(), error))?;
        Ok(sandbox)
    }

    /// Its gateway.
    pub(crate) const fn running(&self) -> &Running {
        &self.running
    }

    /// Where `sandbox.env` lies.
    pub(crate) fn env(&self) -> PathBuf {
        self.layout.env()
    }

    /// `https://host:port` of the T8 listener.
    pub(crate) fn root(&self) -> String {
        self.ports.t8_url()
    }

    /// Where hosted devices connect over MQTT.
    pub(crate) const fn mqtt(&self) -> SocketAddr {
        loopback(self.ports.mqtt)
    }

    /// Where hosted devices send over CoAP.
    pub(crate) const fn coap(&self) -> SocketAddr {
        loopback(self.ports.coap)
    }

    /// A hosted device by what it is: `lock`, `light`, `watch`.
    pub(crate) fn device(&self, name: &str) -> Option<&SandboxDevice> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// A system of the operator's, with a certificate of its own domain.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub(crate) fn operator(&self) -> Result<OperatorClient, SandboxError> {
        let config = Config::load(&self.layout.of_domain("gateway.toml"))?;
        Ok(OperatorClient::new(&Endpoint::of(&config))?)
    }

    /// The authority of the certificates that the gateway shows.
    pub(crate) fn root_certificate(&self) -> PathBuf {
        self.layout.of_domain("authority/sp-ca.pem")
    }

    /// Where a party takes its notifications.
    pub(crate) fn callback(&self, sp: &str) -> String {
        format!("{}/{sp}", self.ports.callback_url())
    }

    /// Where they can be looked at.
    pub(crate) fn inbox(&self, sp: &str) -> String {
        format!("{}/{sp}", self.ports.inbox_url())
    }

    /// A client that acts as a party.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn client(&self, sp: &str) -> Result<T8Client, CredentialError> {
        T8Client::new(&self.root(), self.files_of(sp).as_client())
    }

    /// Certificate, key and root of a party.
    pub(crate) fn files_of(&self, sp: &str) -> PartyFiles {
        PartyFiles::of(&self.layout, sp)
    }

    /// TLS as the receivers have it, for another server of an SP.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn receiver_tls(&self) -> Result<ServerConfig, CredentialError> {
        receiver_tls(&self.layout)
    }

    /// A fresh UUID (version 7), good for a UTI or a device ID.
    pub(crate) fn random_uuid(&self) -> String {
        random_uuid()
    }

    /// Now, RFC 3339.
    pub(crate) fn now(&self) -> String {
        SystemClock::new().now().to_rfc3339()
    }

    /// Ends it: nothing new is taken, what is under way is finished.
    pub(crate) async fn stop(self) {
        if let Err(error) = env::remove(&self.layout) {
            tracing::warn!(%error, "sandbox.env could not be removed");
        }
        self.running.stop().await;
        for receiver in self.receivers {
            receiver.stop(true).await;
        }
        for task in self.tasks {
            task.abort();
        }
    }

    /// Whoever has no certificate yet may enrol.
    async fn invite(&self) -> Result<InvitationView, SandboxError> {
        let order = InvitationOrder::default();
        let path = format!("/sps/{}/invitation", plan::NEWCOMER.id);
        let invited = self.operator()?.post(&path, &order).await;
        invited.map_err(parties::refused)
    }

    fn iot_simulation(&self, party: &PartyPlan) -> Result<SimulatedIotSp, CredentialError> {
        let prefix = match party.grant {
            Grant::SerialPrefix(prefix) => prefix,
            Grant::Service(_) => "",
        };
        Ok(SimulatedIotSp {
            client: Arc::new(self.client(party.id)?),
            auto_prefix: format!("{prefix}{AUTO}"),
        })
    }

    fn open_receivers(&mut self, clock: &Arc<dyn Clock>) -> Result<(), SandboxError> {
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let path = self.layout.inbox();
        let inbox = Inbox::open(&path, arrivals)
            .map_err(|error| SandboxError::Io(path.display().to_string(), error))?;
        let receiving = Receiving {
            inbox: Arc::new(inbox),
            clock: Arc::clone(clock),
        };
        let tls = receiver_tls(&self.layout)?;
        let callbacks =
            open_callbacks(self.ports.callback, tls, receiving.clone()).map_err(|error| {
                SandboxError::Io(format!("callback port {}", self.ports.callback), error)
            })?;
        let inbox = open_inbox(self.ports.inbox, receiving)
            .map_err(|error| SandboxError::Io(format!("inbox port {}", self.ports.inbox), error))?;
        for receiver in [callbacks, inbox] {
            self.receivers.push(receiver.handle());
            self.tasks.push(tokio::spawn(async move {
                if let Err(error) = receiver.await {
                    tracing::error!(%error, "a receiver of the sandbox ended");
                }
            }));
        }
        let mut iot_sps = BTreeMap::new();
        for party in &PARTIES {
            if matches!(party.grant, Grant::SerialPrefix(_)) {
                iot_sps.insert(party.id.to_owned(), self.iot_simulation(party)?);
            }
        }
        self.tasks
            .push(tokio::spawn(answer_pushes(iot_sps, arrived)));
        Ok(())
    }
}

fn random_uuid() -> String {
    let mut random = [0; 10];
    SystemEntropy::default().fill(&mut random);
    MappingId::mint(SystemClock::new().now(), random).to_string()
}

/// Where a party's certificate, key and root lie.
pub(crate) struct PartyFiles {
    certificate: PathBuf,
    key: PathBuf,
    root: PathBuf,
}

impl PartyFiles {
    fn of(layout: &Layout, sp: &str) -> Self {
        let (certificate, key) = layout.credential(sp);
        Self {
            certificate,
            key,
            root: layout.of_domain("authority/sp-ca.pem"),
        }
    }

    /// The same, to make clients with.
    pub(crate) fn as_client(&self) -> ClientFiles<'_> {
        ClientFiles {
            certificate: &self.certificate,
            key: &self.key,
            root: &self.root,
        }
    }
}

fn receiver_tls(layout: &Layout) -> Result<ServerConfig, CredentialError> {
    let (certificate, key) = layout.credential("receivers");
    callback_server_config(&layout.of_domain("authority/sp-ca.pem"), &certificate, &key)
}

fn absolute(directory: &Path) -> Result<PathBuf, SandboxError> {
    let named = |error| SandboxError::Io(directory.display().to_string(), error);
    if directory.join("gateway.toml").exists() {
        return Err(SandboxError::Domain(directory.into()));
    }
    std::fs::create_dir_all(directory).map_err(named)?;
    std::fs::canonicalize(directory).map_err(named)
}

/// Holds the directory for one sandbox, until the file is closed.
fn lock(layout: &Layout) -> Result<File, SandboxError> {
    let path = layout.0.join("sandbox.lock");
    let named = |error| SandboxError::Io(path.display().to_string(), error);
    let file = File::create(&path).map_err(named)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SandboxError::InUse(layout.0.clone())),
        Err(TryLockError::Error(error)) => Err(named(error)),
    }
}

/// Those of an earlier run, else those asked for, else free ones.
fn choose_ports(layout: &Layout, base: Option<u16>) -> Result<Ports, SandboxError> {
    let named = |error| SandboxError::Io("ports".into(), error);
    match Ports::read(&layout.ports()) {
        Ok(Some(ports)) => return Ok(ports),
        Ok(None) => {}
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(named(error)),
        Err(_) => return Err(SandboxError::Older(layout.0.clone())),
    }
    let ports = match base {
        Some(base) => Ports::from_base(base).ok_or(SandboxError::BasePort(base))?,
        None => Ports::free(&SystemEntropy::default()).map_err(named)?,
    };
    ports.write(&layout.ports()).map_err(named)?;
    Ok(ports)
}

fn make_domain(layout: &Layout, ports: Ports, clock: &Arc<dyn Clock>) -> Result<(), SandboxError> {
    let domain = Domain {
        directory: layout.domain(),
        t8: loopback(ports.t8),
        operator: loopback(ports.operator),
        mqtt: loopback(ports.mqtt),
        coap: loopback(ports.coap),
        enrolment: Some(loopback(ports.enrolment)),
        public_url: None,
        settings: Settings {
            allowed_networks: vec!["127.0.0.0/8".into(), "::1/128".into()],
            tell_failures_at_once: true,
        },
    };
    create_domain(&domain, clock.as_ref(), Arc::new(SystemEntropy::default()))?;
    Ok(())
}
