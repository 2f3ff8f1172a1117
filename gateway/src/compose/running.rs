//! A running gateway: listeners, deliverer, sweeper; started together, drained in order.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ics_core::party::Limits;
use ics_core::port::{OneM2mRoad, PortFuture, StoreError};
use ics_core::service::IcsService;
use ics_notify::{AddressRules, CallbackSigner, ChallengeClient, Deliverer, Pace, Surroundings};
use ics_oauth::AuthorizationServer;
use ics_operator::{OperatorApi, StatusSource, StoreCounts};
use ics_store::{Table, Upkeep};
use ics_t8::{ResourceUris, T8Api};
use ics_vault::SigningKey;

use super::archive::StoreArchive;
use super::broker::BrokerChannel;
use super::coap::{CoapChannel, coap_credentials};
use super::devices::MqttChannel;
use super::enrolment::{EnrolmentChannel, enrolment_credentials};
use super::jobs::run_jobs;
use super::observation::{SelfObservation, certificate_ends};
use super::onem2m::{OneM2mChannel, PlainCse, onem2m_credentials};
use super::policies::{ShownPolicies, read_policies};
use super::reload::find_waiting;
use super::serving::Serving;
use super::sweeper::sweep;
use super::{
    Parts, ReloadableTls, StartError, mqtt_credentials, operator_credentials,
    service_provider_lists, t8_credentials,
};
use crate::ambient::check_wall_clock;
use crate::background::Background;
use crate::config::Config;
use crate::listener::{Admission, Gate, Listener, OpenListener};
use crate::telemetry::{
    DecisionLog, DecisionWriter, ENROLMENT, Metrics, ONEM2M, OPERATOR, RequestLines, T8, Telemetry,
};
use crate::tls::{Credential, by_clock, client_config, load_authorities};

/// A part of the gateway ended that was not asked to; the log says why if that is known. Nothing
/// here begins it anew: whoever supervises the process does, once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} ended by itself, so the gateway ends")]
pub(crate) struct PartEnded(&'static str);

/// A gateway that serves.
pub(crate) struct Running {
    t8: SocketAddr,
    operator: SocketAddr,
    parts: Parts,
    mqtt: Option<MqttChannel>,
    coap: Option<CoapChannel>,
    broker: Option<BrokerChannel>,
    onem2m: Option<OneM2mChannel>,
    enrolment: Option<EnrolmentChannel>,
    t8_tls: ReloadableTls,
    operator_tls: ReloadableTls,
    serving: Serving,
    deliverer: Deliverer,
    sweeper: Background,
    jobs: Background,
    telemetry: Telemetry,
    observation: Arc<SelfObservation>,
    gates: [Arc<Gate>; 2],
    config: Config,
    // Last: what is under way when the rest ends leaves its line.
    _decision_writer: DecisionWriter,
}

impl Running {
    /// Starts everything; when this returns, all listeners accept.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn start(
        config: Config,
        log: Option<RequestLines>,
    ) -> Result<Self, StartError> {
        Self::start_with(config, log, None).await
    }

    /// As [`Self::start`], with the CSE of a sandbox.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn start_with(
        config: Config,
        log: Option<RequestLines>,
        plain: Option<PlainCse>,
    ) -> Result<Self, StartError> {
        check_wall_clock()?;
        crate::descriptors::check(&config)?;
        let parts = Parts::open(&config).await?;
        let signing_key = Arc::new(Parts::open_signing_key(&config)?);
        let (decisions, decision_writer) =
            DecisionLog::open(&config.decisions, Arc::clone(&parts.clock))?;
        let telemetry = Telemetry {
            lines: log,
            decisions: Some(decisions),
            metrics: Arc::new(Metrics::new()),
            clock: Arc::clone(&parts.clock),
        };
        let watch = Arc::clone(&telemetry.metrics.commits);
        parts.store.watch_commits(watch as _);
        let (anchors, credential) = operator_credentials(&config.operator)?;
        let operator_tls = ReloadableTls::new(anchors, credential, None)?;
        let observation = Arc::new(observe(&config, &parts, &telemetry));
        let onem2m = match &plain {
            Some(plain) => {
                let opened = OneM2mChannel::open_plain((plain, &config), &parts, &telemetry);
                Some(opened.await?)
            }
            None => OneM2mChannel::open(&config, &parts, &telemetry).await?,
        };
        let (onem2m, onem2m_server) = onem2m.unzip();
        let enrolment = EnrolmentChannel::open(&config, &parts, &telemetry).await?;
        let (enrolment, enrolment_server) = enrolment.unzip();
        let seen = (&operator_tls, &telemetry, &observation);
        let joined = (onem2m.as_ref(), enrolment.as_ref());
        let operator_listener = open_operator(&config, &parts, seen, joined)?;
        let (anchors, credential) = t8_credentials(&config)?;
        let t8_tls = ReloadableTls::new(anchors, credential, Some(Arc::clone(&parts.directory)))?;
        let t8_listener = open_t8(&config, &parts, (&t8_tls, &signing_key, &telemetry))?;
        let mqtt = MqttChannel::open(&config, &parts, &telemetry)?;
        let seen = (&telemetry, &observation.coap);
        let guest = onem2m.as_ref().map(|channel| channel.guest(&telemetry));
        let coap = CoapChannel::open(&config, &parts, seen, guest)?;
        let broker = BrokerChannel::start(&config, &parts, &telemetry)?;
        let (t8, operator) = (t8_listener.address, operator_listener.address);
        let deliverer = {
            let road = onem2m.as_ref().map(OneM2mChannel::road);
            let own = vec![t8, operator];
            start_deliverer(&config, &parts, signing_key, (own, road))?
        };
        let (service, clock) = (Arc::clone(&parts.service), Arc::clone(&parts.clock));
        let jobs = Background::begin(|stopping| run_jobs(service, clock, stopping));
        let (clocks, metrics) = (Arc::clone(&parts.clocks), Arc::clone(&telemetry.metrics));
        let sweeper = Background::begin(|stopping| sweep(clocks, metrics, stopping));
        let gates = [&t8_listener, &operator_listener].map(|open| Arc::clone(&open.gate));
        let servers = [(OPERATOR, operator_listener), (T8, t8_listener)];
        let servers = servers.map(|(name, open)| (name, open.server)).into_iter();
        let servers = servers.chain(onem2m_server.map(|server| (ONEM2M, server)));
        let servers = servers.chain(enrolment_server.map(|server| (ENROLMENT, server)));
        let serving = Serving::begin(servers);
        Ok(Self {
            t8,
            operator,
            parts,
            mqtt,
            coap,
            broker,
            onem2m,
            enrolment,
            t8_tls,
            operator_tls,
            serving,
            deliverer,
            sweeper,
            jobs,
            telemetry,
            observation,
            gates,
            config,
            _decision_writer: decision_writer,
        })
    }

    /// Where service providers connect.
    pub(crate) const fn t8(&self) -> SocketAddr {
        self.t8
    }

    /// Where the operator connects.
    pub(crate) const fn operator(&self) -> SocketAddr {
        self.operator
    }

    /// Where hosted devices connect over MQTT, if they may.
    pub(crate) fn mqtt(&self) -> Option<SocketAddr> {
        self.mqtt.as_ref().map(|channel| channel.listener.address)
    }

    /// Where hosted devices come to over CoAP, if they may; and where anybody on this host may ask
    /// what there is to ask for.
    pub(crate) fn coap(&self) -> Option<(SocketAddr, Option<SocketAddr>)> {
        self.coap
            .as_ref()
            .map(|channel| (channel.address, channel.plain))
    }

    /// Where CSEs and AEs connect, if they may.
    pub(crate) fn onem2m(&self) -> Option<SocketAddr> {
        self.onem2m.as_ref().map(|channel| channel.address)
    }

    /// Where service providers enrol, if they may.
    pub(crate) fn enrolment(&self) -> Option<SocketAddr> {
        self.enrolment.as_ref().map(|channel| channel.address)
    }

    /// Registers the CSE at the platform, where there is one.
    ///
    /// # Errors
    /// Why the platform did not take it, in words.
    pub(crate) async fn attach(&self) -> Result<(), String> {
        let registration = self.onem2m.as_ref().and_then(OneM2mChannel::for_operator);
        match registration {
            Some(registration) => registration.attach().await,
            None => Ok(()),
        }
    }

    /// The service itself, for the sandbox's onboarding.
    pub(crate) const fn service(&self) -> &Arc<IcsService> {
        &self.parts.service
    }

    /// Returns when a part of it has ended that was not asked to.
    pub(crate) async fn ended(&self) -> PartEnded {
        let mqtt = self.mqtt.as_ref().map(|channel| &channel.listener.task);
        let broker = self.broker.as_ref().map(|channel| &channel.task);
        let ended = async |task: Option<&Background>| match task {
            Some(task) => task.ended().await,
            None => std::future::pending().await,
        };
        let coap = async {
            match &self.coap {
                Some(channel) => channel.ended().await,
                None => std::future::pending().await,
            }
        };
        let onem2m = async {
            match &self.onem2m {
                Some(channel) => channel.ended().await,
                None => std::future::pending().await,
            }
        };
        let part = tokio::select! {
            () = self.serving.ended() => "a listener",
            () = ended(mqtt) => "the listener of devices over MQTT",
            () = coap => "the listener of devices over CoAP",
            () = onem2m => "what joins the CSE to its platform",
            () = ended(broker) => "the channel through the broker",
            () = self.sweeper.ended() => "the sweeper",
            () = self.jobs.ended() => "what runs jobs",
            () = self.deliverer.ended() => "what delivers notifications",
        };
        PartEnded(part)
    }

    /// Opens the decision log anew, under its name: whoever rotated it waits for that, whatever is
    /// wrong with the configuration.
    pub(crate) fn reopen_decisions(&self) {
        if let Some(decisions) = &self.telemetry.decisions {
            decisions.reopen();
        }
    }

    /// Takes what can change at once: policies from the next decision on; certificates, keys and trust
    /// anchors from the next handshake on; the caps of a party. Open connections go on, but for those
    /// of certificates that a list of their authority takes back. Answers the changed keys that wait for the
    /// next start. When a file does not fit, nothing changes.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn reload(&self, config: &Config) -> Result<Vec<String>, StartError> {
        let (operator_anchors, operator) = operator_credentials(&config.operator)?;
        let (t8_anchors, t8) = t8_credentials(config)?;
        let lists = service_provider_lists(config)?;
        let mqtt = match (&self.mqtt, &config.mqtt, &config.devices) {
            (Some(mqtt), Some(section), Some(devices)) => {
                Some((mqtt, mqtt_credentials(devices, section)?))
            }
            _ => None,
        };
        let coap = match (&self.coap, &config.coap, &config.devices) {
            (Some(coap), Some(section), Some(devices)) => {
                Some((coap, coap_credentials(devices, section)?))
            }
            _ => None,
        };
        let onem2m = match (&self.onem2m, &config.onem2m) {
            (Some(onem2m), Some(section)) => {
                let shown = onem2m_credentials(config, section, &self.parts.clock)?;
                Some((onem2m, shown))
            }
            _ => None,
        };
        let enrolment = match (&self.enrolment, &config.enrolment) {
            (Some(enrolment), Some(section)) => {
                Some((enrolment, enrolment_credentials(config, section)?))
            }
            _ => None,
        };
        let broker = match (&self.broker, &config.mqtt_broker) {
            (Some(broker), Some(section)) => Some((broker, broker.load(section)?)),
            _ => None,
        };
        let (in_force, on_trial) = read_policies(config)?;
        // All of them were read, and fit.
        self.parts.rules.replace(in_force);
        self.parts.rules.try_out(on_trial);
        self.operator_tls.replace(operator_anchors, operator)?;
        self.t8_tls.replace(t8_anchors, t8)?;
        self.parts.shared.set_lists(&lists);
        if let Some((mqtt, shown)) = mqtt {
            mqtt.replace(shown)?;
        }
        if let Some((coap, shown)) = coap {
            coap.replace(shown, &self.parts.clock, &self.telemetry)?;
        }
        if let Some((onem2m, shown)) = onem2m {
            onem2m.replace(shown)?;
        }
        if let Some((enrolment, shown)) = enrolment {
            enrolment.replace(shown)?;
        }
        if let Some((broker, shown)) = broker {
            broker.replace(shown);
        }
        let [t8_gate, _] = &self.gates;
        t8_gate.set_per_party(config.t8.connections.max_connections_per_party);
        self.observation.note_reloaded(config);
        // Against what runs: a change that waits is named until the next start.
        Ok(find_waiting(self.config.source(), config.source()))
    }

    /// Drains: no new connections, requests under way end, deliveries under way end.
    pub(crate) async fn stop(self) {
        // A websocket ends by nothing else.
        self.parts.sockets.close_all();
        let mqtt = async {
            if let Some(channel) = self.mqtt {
                channel.listener.task.stop().await;
            }
        };
        let coap = async {
            if let Some(channel) = self.coap {
                channel.stop().await;
            }
        };
        let broker = async {
            if let Some(channel) = self.broker {
                channel.task.stop().await;
            }
        };
        let onem2m = async {
            if let Some(channel) = self.onem2m {
                channel.stop().await;
            }
        };
        futures_util::future::join5(self.serving.stop(), mqtt, coap, broker, onem2m).await;
        futures_util::future::join(self.sweeper.stop(), self.jobs.stop()).await;
        self.deliverer.shutdown().await;
    }
}

/// What looks after the gateway itself.
fn observe(config: &Config, parts: &Parts, telemetry: &Telemetry) -> SelfObservation {
    SelfObservation {
        metrics: Arc::clone(&telemetry.metrics),
        decisions: telemetry.decisions.clone(),
        on_failure: config.decisions.on_failure,
        service: Arc::clone(&parts.service),
        status: Arc::new(Counters(Arc::clone(&parts.store))),
        upkeep: Arc::clone(&parts.store),
        store: config.store.directory.clone(),
        started: parts.clock.now(),
        coap: Arc::default(),
        certificates: ArcSwap::from_pointee(certificate_ends(config)),
    }
}

fn open_t8(
    config: &Config,
    parts: &Parts,
    (tls, signing_key, telemetry): (&ReloadableTls, &SigningKey, &Telemetry),
) -> Result<OpenListener, StartError> {
    let setting = |part, reason: String| StartError::Setting { part, reason };
    let mut settings = ics_oauth::Settings::new(config.t8.public_url.clone());
    settings.token_lifetime = config.tokens.lifetime;
    settings
        .resource_servers
        .clone_from(&config.tokens.resource_servers);
    let ports = ics_oauth::Ports {
        directory: Arc::clone(&parts.directory),
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        rate_limiter: Arc::clone(&parts.limiter),
        desk: Arc::clone(&parts.service) as _,
    };
    let tokens = AuthorizationServer::new(settings, ports)
        .map_err(|error| setting("tokens", error.to_string()))?;
    let tokens = Arc::new(tokens);
    let jwk = serde_json::to_string(&JwkDto::of(signing_key))
        .map_err(|error| setting("notify", error.to_string()))?;
    let settings = ics_t8::Settings {
        api_root: config.t8.public_url.as_str().to_owned(),
        callback_jwk: Some(jwk),
        other_documents: vec![ics_oauth::openapi()],
    };
    let api = T8Api::new(
        Arc::clone(&parts.service),
        Arc::clone(&tokens) as _,
        Arc::clone(&parts.limiter),
        Arc::clone(&parts.clock),
        settings,
    )
    .map_err(|error| setting("t8", error.to_string()))?;
    let api = api
        .with_sockets(Arc::clone(&parts.sockets))
        .with_challenges(Arc::clone(&parts.challenges) as _);
    let api = Arc::new(api);
    let listener = Listener {
        name: T8,
        address: config.listen.t8,
        tls: tls.server_config(Arc::clone(&parts.clock), config.t8.tls12)?,
        connections: config.t8.connections.clone(),
        admission: Arc::new(Admission::ServiceProviders {
            directory: Arc::clone(&parts.directory),
            clock: Arc::clone(&parts.clock),
        }),
        telemetry: telemetry.clone(),
    };
    open(listener, move |routes| {
        ics_oauth::configure(routes, Arc::clone(&tokens));
        ics_t8::configure(routes, Arc::clone(&api));
    })
}

fn open_operator(
    config: &Config,
    parts: &Parts,
    (tls, telemetry, observation): (&ReloadableTls, &Telemetry, &Arc<SelfObservation>),
    (onem2m, enrolment): (Option<&OneM2mChannel>, Option<&EnrolmentChannel>),
) -> Result<OpenListener, StartError> {
    let ports = ics_operator::Ports {
        invitations: enrolment.map(EnrolmentChannel::for_operator),
        onem2m: onem2m.and_then(OneM2mChannel::for_operator),
        policies: Arc::new(ShownPolicies(Arc::clone(&parts.rules))),
        service: Arc::clone(&parts.service),
        authority: Arc::new(parts.open_authority(config)?),
        clock: Arc::clone(&parts.clock),
        clocks: Arc::clone(&parts.clocks) as _,
        status: Arc::clone(&observation.status),
        observation: Arc::clone(observation) as _,
        archive: Arc::new(StoreArchive {
            store: Arc::clone(&parts.store),
            watch: Some(Arc::clone(&telemetry.metrics.commits) as _),
        }),
    };
    let settings = ics_operator::Settings {
        version: env!("CARGO_PKG_VERSION"),
        started: parts.clock.now(),
        default_limits: Limits {
            requests_per_second: config.limits.requests_per_second,
            failed_mappings_per_day: config.limits.failed_mappings_per_day,
        },
        certificate_validity: config.authority.validity,
    };
    let api = Arc::new(OperatorApi::new(ports, settings));
    let listener = Listener {
        name: OPERATOR,
        address: config.listen.operator,
        tls: tls.server_config(Arc::clone(&parts.clock), false)?,
        connections: config.operator.connections.clone(),
        admission: Arc::new(Admission::Operators {
            clock: Arc::clone(&parts.clock),
        }),
        telemetry: telemetry.clone(),
    };
    open(listener, move |routes| {
        ics_operator::configure(routes, Arc::clone(&api))
    })
}

pub(super) fn open<F>(listener: Listener, configure: F) -> Result<OpenListener, StartError>
where
    F: Fn(&mut actix_web::web::ServiceConfig) + Clone + Send + 'static,
{
    let address = listener.address;
    listener
        .open(configure)
        .map_err(|source| StartError::Listen { address, source })
}

fn start_deliverer(
    config: &Config,
    parts: &Parts,
    signing_key: Arc<SigningKey>,
    (own_listeners, onem2m): (Vec<SocketAddr>, Option<Arc<dyn OneM2mRoad>>),
) -> Result<Deliverer, StartError> {
    let section = &config.notify;
    let mut roots = Vec::new();
    for anchor in &section.server_anchors {
        roots.extend(load_authorities(anchor)?);
    }
    let credential = Credential::load(&section.certificate, &section.key)?;
    let settings = ics_notify::Settings {
        client_id: "ics-gateway".to_owned(),
        tls: by_clock(client_config(roots, credential)?, Arc::clone(&parts.clock)),
        addresses: AddressRules {
            allowed: section.allowed_networks.clone(),
            forbidden: own_listeners,
        },
        pace: Pace {
            connect_timeout: section.connect_timeout,
            total_timeout: section.total_timeout,
            ..Pace::default()
        },
    };
    parts.challenges.begin(ChallengeClient::new(
        settings.tls.clone(),
        settings.addresses.clone(),
        settings.pace,
    ));
    let surroundings = Surroundings {
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        signer: Arc::new(Signer(signing_key)),
        names: Arc::new(ResourceUris::new(config.t8.public_url.clone())),
        sockets: Arc::clone(&parts.sockets) as _,
        onem2m,
    };
    let outbox = Arc::clone(&parts.service) as _;
    Ok(Deliverer::start(
        outbox,
        Arc::clone(&parts.bell),
        surroundings,
        settings,
    ))
}

/// The vault's key, as the deliverer wants it.
struct Signer(Arc<SigningKey>);

impl CallbackSigner for Signer {
    fn key_id(&self) -> &str {
        self.0.key_id()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

/// The public half of the signing key on the wire (RFC 8037).
#[derive(serde::Serialize)]
struct JwkDto {
    kty: String,
    crv: String,
    x: String,
    kid: String,
    alg: String,
    #[serde(rename = "use")]
    key_use: String,
}

impl JwkDto {
    fn of(key: &SigningKey) -> Self {
        let jwk = key.jwk();
        Self {
            kty: jwk.kty.to_string(),
            crv: jwk.crv.to_string(),
            x: jwk.x.to_string(),
            kid: jwk.kid.to_string(),
            alg: jwk.alg.to_string(),
            key_use: jwk.key_use.to_string(),
        }
    }
}

/// The store's own counters, for `status`.
struct Counters(Arc<dyn Upkeep>);

impl StatusSource for Counters {
    fn counts(&self) -> PortFuture<'_, Result<Option<StoreCounts>, StoreError>> {
        Box::pin(async move {
            let count = |table| self.0.count_of(table);
            Ok(Some(StoreCounts {
                mappings: count(Table::Mapping)?,
                live: count(Table::Live)?,
                established: count(Table::Device)?,
                outbox: count(Table::Outbox)?,
                devices: count(Table::HostedDevice)?,
            }))
        })
    }
}
