//! The CSE's line to the broker where its platform is (TS-0010).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ics_core::port::{Clock, PortFuture};
use ics_mqtt::{Dial, Line, LineSettings, Receive, Wire};
use ics_onem2m::Cse;
use ics_onem2m::mqtt::{MqttOutbound, MqttService, MqttSettings, NotPublished, Publish};
use rustls::ClientConfig;
use tokio::net::TcpStream;

use crate::background::Background;
use crate::compose::broker::{Way, load_client};
use crate::compose::{Parts, StartError};
use crate::config::{BrokerAddress, OneM2mMqttSection};
use crate::telemetry::{LoggedCse, Telemetry};

/// How long a sandbox waits for its broker.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long the broker of a sandbox keeps what is for the CSE.
const SANDBOX_EXPIRY: Duration = Duration::from_secs(3600);

/// A line that is to be run, and what goes out over it.
pub(super) struct BrokerLine {
    /// Requests of the CSE.
    pub(super) outbound: Arc<MqttOutbound>,
    line: Arc<Line>,
    way: Option<Arc<SecureWay>>,
    clock: Arc<dyn Clock>,
}

/// A line that runs.
pub(super) struct RunningLine {
    line: Arc<Line>,
    way: Option<Arc<SecureWay>>,
    task: Background,
}

impl BrokerLine {
    /// A line by mutual TLS, as the section says.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn secured(
        section: &OneM2mMqttSection,
        settings: MqttSettings,
        parts: &Parts,
    ) -> Result<Self, StartError> {
        let tls = load(section, &parts.clock)?;
        let way = Arc::new(SecureWay {
            address: section.address.clone(),
            tls: ArcSwap::from_pointee(tls),
        });
        let dial = Arc::clone(&way) as _;
        let own = Self::new((settings, section.session_expiry), dial, parts);
        Ok(Self {
            way: Some(way),
            ..own
        })
    }

    /// A line in plain, to a broker on this host.
    pub(super) fn plain(settings: MqttSettings, parts: &Parts) -> Self {
        let (host, port) = settings.broker.clone();
        let dial = Arc::new(PlainWay(BrokerAddress { host, port }));
        Self::new((settings, SANDBOX_EXPIRY), dial, parts)
    }

    fn new(
        (settings, session_expiry): (MqttSettings, Duration),
        dial: Arc<dyn Dial>,
        parts: &Parts,
    ) -> Self {
        let of_line = LineSettings {
            client_id: settings.client_id(),
            user_name: None,
            session_expiry,
            filters: settings.filters(),
            longest_packet: MqttSettings::longest_packet(),
        };
        let line = Arc::new(Line::new(of_line, dial, Arc::clone(&parts.entropy)));
        let speaker = Arc::new(Speaker(Arc::clone(&line)));
        Self {
            outbound: Arc::new(MqttOutbound::new(settings, speaker)),
            line,
            way: None,
            clock: Arc::clone(&parts.clock),
        }
    }

    /// Requests that come are the CSE's to answer from now on. The broker need not be there.
    pub(super) fn begin(self, cse: &Arc<Cse>, telemetry: &Telemetry) -> RunningLine {
        let Self {
            outbound,
            line,
            way,
            clock,
        } = self;
        let handler = Arc::new(LoggedCse::new(cse, telemetry, "mqtt"));
        let receiver = Arc::new(Receiver(Arc::new(MqttService::new(
            outbound, handler, clock,
        ))));
        let run = Arc::clone(&line);
        let task = Background::begin(|mut stopping| async move {
            run.run(receiver, async move { stopping.asked().await })
                .await;
        });
        RunningLine { line, way, task }
    }
}

impl RunningLine {
    /// Returns when the line stands.
    ///
    /// # Errors
    /// [`StartError`], if the broker is not there in time.
    pub(super) async fn stand(&self) -> Result<(), StartError> {
        let standing = async {
            while !self.line.is_up() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, standing).await;
        waited.map_err(|_| super::setting("the broker does not answer, or lets no CSE in"))
    }

    /// Shows and believes from the next connection on what the files hold by now.
    pub(super) fn replace(&self, tls: ClientConfig) {
        if let Some(way) = &self.way {
            way.tls.store(Arc::new(tls));
        }
    }

    /// Returns when it has ended.
    pub(super) async fn ended(&self) {
        self.task.ended().await;
    }

    /// Ends it; what is under way may end.
    pub(super) async fn stop(self) {
        self.task.stop().await;
    }
}

/// What the gateway shows to the broker, and whom it believes.
///
/// # Errors
/// [`StartError`].
pub(super) fn load(
    section: &OneM2mMqttSection,
    clock: &Arc<dyn Clock>,
) -> Result<ClientConfig, StartError> {
    let shown = (section.certificate.as_path(), section.key.as_path());
    let (tls, _) = load_client(&section.server_anchors, shown, clock)?;
    Ok(tls)
}

struct Speaker(Arc<Line>);

impl Publish for Speaker {
    fn publish(&self, topic: String, payload: Vec<u8>) -> PortFuture<'_, Result<(), NotPublished>> {
        Box::pin(async {
            let published = self.0.publish(topic, payload).await;
            published.map_err(|error| {
                tracing::debug!(%error, "a primitive of oneM2M was not published");
                NotPublished
            })
        })
    }
}

struct Receiver(Arc<MqttService>);

impl Receive for Receiver {
    fn take(&self, topic: &str, payload: Vec<u8>) -> PortFuture<'static, ()> {
        self.0.take(topic, payload)
    }
}

struct SecureWay {
    address: BrokerAddress,
    tls: ArcSwap<ClientConfig>,
}

impl Dial for SecureWay {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn Wire>>> {
        let way = Way {
            address: self.address.clone(),
            tls: self.tls.load_full(),
        };
        Box::pin(async move { way.dial().await })
    }
}

struct PlainWay(BrokerAddress);

impl Dial for PlainWay {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async {
            let BrokerAddress { host, port } = &self.0;
            let socket = TcpStream::connect((host.as_str(), *port)).await?;
            socket.set_nodelay(true)?;
            Ok(Box::new(socket) as Box<dyn Wire>)
        })
    }
}
