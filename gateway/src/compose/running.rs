//! A running gateway: listeners, deliverer, sweeper; started together, drained in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use ics_core::party::Limits;
use ics_core::port::{Clock, PortFuture, StoreError};
use ics_core::service::IcsService;
use ics_notify::{AddressRules, CallbackSigner, Deliverer, Pace, Surroundings};
use ics_oauth::AuthorizationServer;
use ics_operator::{OperatorApi, StatusSource, StoreCounts};
use ics_store_redb::{RedbStore, Table};
use ics_t8::{ResourceUris, T8Api};
use ics_vault::SigningKey;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Parts, ReloadableTls, StartError, operator_credentials, t8_credentials};
use crate::config::Config;
use crate::listener::{Admission, Listener, OpenListener};
use crate::telemetry::RequestLines;
use crate::tls::{Credential, client_config, load_certificates};

/// How often what is due by itself is looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How many sweeps of due rows there are to one of ended agreements.
const SWEEPS_PER_RECONCILIATION: u32 = 60;

/// A gateway that serves.
pub(crate) struct Running {
    t8: SocketAddr,
    operator: SocketAddr,
    parts: Parts,
    t8_tls: ReloadableTls,
    operator_tls: ReloadableTls,
    listeners: Vec<(ServerHandle, JoinHandle<()>)>,
    deliverer: Deliverer,
    stop_sweeper: watch::Sender<bool>,
    sweeper: JoinHandle<()>,
}

impl Running {
    /// Starts everything; when this returns, both listeners accept.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn start(
        config: Config,
        log: Option<RequestLines>,
    ) -> Result<Self, StartError> {
        let parts = Parts::open(&config).await?;
        let signing_key = Arc::new(Parts::open_signing_key(&config)?);
        let (anchors, credential) = operator_credentials(&config.operator)?;
        let operator_tls = ReloadableTls::new(anchors, credential, None)?;
        let operator_listener = open_operator(&config, &parts, (&operator_tls, log.clone()))?;
        let (anchors, credential) = t8_credentials(&config)?;
        let t8_tls = ReloadableTls::new(anchors, credential, Some(Arc::clone(&parts.directory)))?;
        let t8_listener = open_t8(&config, &parts, (&t8_tls, &signing_key, log))?;
        let (t8, operator) = (t8_listener.address, operator_listener.address);
        let deliverer = start_deliverer(&config, &parts, signing_key, vec![t8, operator])?;
        let (stop_sweeper, stopping) = watch::channel(false);
        let sweeper = tokio::spawn(sweep(
            Arc::clone(&parts.service),
            Arc::clone(&parts.clock),
            stopping,
        ));
        let listeners = [operator_listener, t8_listener].map(serve).into();
        Ok(Self {
            t8,
            operator,
            parts,
            t8_tls,
            operator_tls,
            listeners,
            deliverer,
            stop_sweeper,
            sweeper,
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

    /// The service itself, for the sandbox's onboarding.
    pub(crate) const fn service(&self) -> &Arc<IcsService> {
        &self.parts.service
    }

    /// Takes certificates and trust anchors from the files anew, from the next handshake on; open
    /// connections go on. When they do not fit, nothing changes.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn reload_tls(&self, config: &Config) -> Result<(), StartError> {
        let (operator_anchors, operator) = operator_credentials(&config.operator)?;
        let (t8_anchors, t8) = t8_credentials(config)?;
        self.operator_tls.replace(operator_anchors, operator)?;
        self.t8_tls.replace(t8_anchors, t8)?;
        Ok(())
    }

    /// Drains: no new connections, requests under way end, deliveries under way end.
    pub(crate) async fn stop(self) {
        for (handle, task) in self.listeners {
            handle.stop(true).await;
            // It has ended, well or not; a panic of it was logged by its runtime.
            let _ = task.await;
        }
        self.stop_sweeper.send_replace(true);
        let _ = self.sweeper.await;
        self.deliverer.shutdown().await;
    }
}

fn serve(listener: OpenListener) -> (ServerHandle, JoinHandle<()>) {
    let handle = listener.server.handle();
    let task = tokio::spawn(async move {
        if let Err(error) = listener.server.await {
            tracing::error!(%error, "a listener ended");
        }
    });
    (handle, task)
}

fn open_t8(
    config: &Config,
    parts: &Parts,
    (tls, signing_key, log): (&ReloadableTls, &SigningKey, Option<RequestLines>),
) -> Result<OpenListener, StartError> {
    let setting = |part, reason: String| StartError::Setting { part, reason };
    let mut settings = ics_oauth::Settings::new(config.t8.public_url.clone());
    settings.token_lifetime = config.tokens.lifetime;
    let ports = ics_oauth::Ports {
        directory: Arc::clone(&parts.directory),
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        rate_limiter: Arc::clone(&parts.limiter),
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
    let api = Arc::new(api);
    let listener = Listener {
        name: "t8",
        address: config.listen.t8,
        tls: tls.server_config(Arc::clone(&parts.clock), config.t8.tls12)?,
        connections: config.t8.connections.clone(),
        admission: Arc::new(Admission::ServiceProviders {
            directory: Arc::clone(&parts.directory),
            clock: Arc::clone(&parts.clock),
        }),
        log,
    };
    open(listener, move |routes| {
        ics_oauth::configure(routes, Arc::clone(&tokens));
        ics_t8::configure(routes, Arc::clone(&api));
    })
}

fn open_operator(
    config: &Config,
    parts: &Parts,
    (tls, log): (&ReloadableTls, Option<RequestLines>),
) -> Result<OpenListener, StartError> {
    let ports = ics_operator::Ports {
        service: Arc::clone(&parts.service),
        authority: Arc::new(parts.open_authority(config)?),
        clock: Arc::clone(&parts.clock),
        status: Arc::new(Counters(Arc::clone(&parts.store))),
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
        name: "operator",
        address: config.listen.operator,
        tls: tls.server_config(Arc::clone(&parts.clock), false)?,
        connections: config.operator.connections.clone(),
        admission: Arc::new(Admission::Operators {
            clock: Arc::clone(&parts.clock),
        }),
        log,
    };
    open(listener, move |routes| {
        ics_operator::configure(routes, Arc::clone(&api))
    })
}

fn open<F>(listener: Listener, configure: F) -> Result<OpenListener, StartError>
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
    own_listeners: Vec<SocketAddr>,
) -> Result<Deliverer, StartError> {
    let section = &config.notify;
    let mut roots = Vec::new();
    for anchor in &section.server_anchors {
        roots.extend(load_certificates(anchor)?);
    }
    let credential = Credential::load(&section.certificate, &section.key)?;
    let settings = ics_notify::Settings {
        client_id: "ics-gateway".to_owned(),
        tls: client_config(roots, credential)?,
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
    let surroundings = Surroundings {
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        signer: Arc::new(Signer(signing_key)),
        names: Arc::new(ResourceUris::new(config.t8.public_url.clone())),
    };
    let outbox = Arc::clone(&parts.service) as _;
    Ok(Deliverer::start(
        outbox,
        Arc::clone(&parts.bell),
        surroundings,
        settings,
    ))
}

/// Does what time does by itself, until told to stop.
async fn sweep(
    service: Arc<IcsService>,
    clock: Arc<dyn Clock>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut round = 0_u32;
    loop {
        let now = clock.now();
        // At start too: an operator's `agreement end` may have been cut off half way.
        if round.is_multiple_of(SWEEPS_PER_RECONCILIATION) {
            report(
                "ended agreements",
                service.sweep_ended_agreements(now).await,
            );
        }
        report("due rows", service.sweep_due(now).await);
        round = round.wrapping_add(1);
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

fn report(what: &'static str, outcome: Result<usize, ics_core::service::Failure>) {
    match outcome {
        Ok(0) => {}
        Ok(rows) => tracing::info!(what, rows, "swept"),
        Err(error) => tracing::warn!(what, %error, "sweep failed; it is tried again"),
    }
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
struct Counters(Arc<RedbStore>);

impl StatusSource for Counters {
    fn counts(&self) -> PortFuture<'_, Result<Option<StoreCounts>, StoreError>> {
        Box::pin(async move {
            let count = |table| self.0.count(table);
            Ok(Some(StoreCounts {
                mappings: count(Table::Mapping)?,
                live: count(Table::Live)?,
                established: count(Table::Device)?,
                outbox: count(Table::Outbox)?,
            }))
        })
    }
}
