//! One connection to the broker, and the only file that names the client library.
//!
//! A connection that broke is gone, with all it remembers: what we sent is sent again by our own
//! plan, what we had not acknowledged is sent again by the broker. So the library never resends,
//! and no packet identifier of one connection means anything on the next.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ics_core::port::PortFuture;
use rumqttc::{
    AckMode, AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, ManualAck,
    MqttOptions, Packet, PersistedAckMode, PersistedSession, PubAckReason, PublishOptions,
    PublishProperties, PublishResult, QoS, SessionStore, SessionStoreError, SessionStoreKey,
    SubscribeFilter, SubscribeReasonCode,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

/// Bytes there and back.
pub trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

/// The way to the broker, as somebody: TLS handshake done, Nagle's algorithm off.
pub trait Dial: Send + Sync {
    /// Connects.
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn Wire>>>;
}

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It could not be made, or broke; in the words of socket, TLS or broker.
    #[error("{0}")]
    Broken(String),
    /// The broker answered that it does not let this client in.
    #[error("the broker refuses the client: {0}")]
    Refused(String),
    /// The broker takes no subscription of ours.
    #[error("the broker does not let the gateway subscribe ({0})")]
    NotSubscribed(String),
}

/// As who we come.
#[derive(Clone, Debug)]
pub(super) struct Greeting {
    pub(super) client_id: String,
    pub(super) user_name: Option<String>,
    /// For how long the broker keeps the session when the connection is gone; none: for none.
    pub(super) session: Option<Duration>,
    /// The longest packet that is taken; of longer ones the broker keeps quiet.
    pub(super) longest_packet: u32,
}

/// A message the broker passed on.
pub(super) struct Incoming {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) response_topic: Option<String>,
    pub(super) correlation_data: Option<Vec<u8>>,
    /// It is a gateway's own answer, on a topic that devices publish on as well.
    pub(super) is_own: bool,
    /// What settles it; none for one of QoS 0.
    pub(super) ack: Option<Ack>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Settles one message, on the connection it came by.
pub(super) struct Ack(ManualAck);

/// A message to go out, at QoS 1, never retained.
pub(super) struct Outgoing<'a> {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) content_type: Option<&'a str>,
    pub(super) correlation_data: Option<Vec<u8>>,
    /// After so long the broker need not pass it on any more.
    pub(super) expiry: Option<Duration>,
}

/// What the broker says of a message it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// It has it; whether somebody listens is not known.
    Taken,
    /// It may not be published there.
    NotAuthorized,
    /// Anything else that is no success.
    Refused,
}

/// The half that speaks.
#[derive(Clone)]
pub(super) struct Speaker {
    client: AsyncClient,
    /// What the broker takes.
    longest_packet: Option<u32>,
}

/// The half that listens.
pub(super) struct Listener {
    incoming: mpsc::UnboundedReceiver<Incoming>,
    task: JoinHandle<LinkError>,
}

/// Of QoS 1 messages that are not acknowledged the broker sends no more at once.
pub(super) const RECEIVE_MAXIMUM: u16 = 128;
/// Of QoS 0 messages more are not kept.
const MOST_UNASSURED: usize = 128;
/// Says of a message that a gateway sent it: a device may want its answer where it asks, and the
/// answer is no question. One that marks its own messages so is not heard, which is its own affair.
const MARK: (&str, &str) = ("ics-from", "gateway");
/// A device's, as on our own endpoint.
pub(super) const LONGEST_PACKET: u32 = 8192;
/// What a packet has beside topic and payload, at most.
const HEADER: usize = 512;
const KEEP_ALIVE_SECONDS: u16 = 30;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const FAREWELL: Duration = Duration::from_secs(2);
/// Requests that wait for the task that owns the connection.
const REQUESTS: usize = 64;

/// Connects; tells whether the broker knew the session.
pub(super) async fn open(
    greeting: &Greeting,
    dial: &Arc<dyn Dial>,
) -> Result<(Speaker, Listener, bool), LinkError> {
    let builder = AsyncClient::builder(options(greeting, dial)).capacity(REQUESTS);
    let built = builder.try_build();
    let (client, mut events) = built.map_err(|error| LinkError::Broken(error.to_string()))?;
    let connack = loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(connack))) => break connack,
            Ok(_) => {}
            Err(error) => return Err(not_let_in(&error)),
        }
    };
    let known = connack.session_present;
    let longest_packet = connack.properties.and_then(|told| told.max_packet_size);
    let (tell, incoming) = mpsc::unbounded_channel();
    let task = tokio::spawn(drive(client.clone(), events, tell));
    let speaker = Speaker {
        client,
        longest_packet,
    };
    Ok((speaker, Listener { incoming, task }, known))
}

fn options(greeting: &Greeting, dial: &Arc<dyn Dial>) -> MqttOptions {
    // The address is the dialler's affair.
    let mut options = MqttOptions::new(greeting.client_id.clone(), ("broker", 8883));
    let expiry = greeting.session.map_or(0, |session| session.as_secs());
    let dial = Arc::clone(dial);
    options
        .set_clean_start(greeting.session.is_none())
        .set_session_expiry_interval(Some(u32::try_from(expiry).unwrap_or(u32::MAX)))
        .set_session_store(Forgetful)
        .set_ack_mode(AckMode::Manual)
        .set_receive_maximum(Some(RECEIVE_MAXIMUM))
        .set_max_packet_size(Some(greeting.longest_packet))
        .set_outgoing_inflight_upper_limit(RECEIVE_MAXIMUM)
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_connect_timeout(CONNECT_TIMEOUT)
        .set_socket_connector(move |_, _| {
            let dial = Arc::clone(&dial);
            async move { dial.dial().await }
        });
    if let Some(name) = greeting.user_name.clone() {
        options.set_username(name);
    }
    options
}

/// Takes what comes, until the connection breaks or ends.
async fn drive(
    client: AsyncClient,
    mut events: EventLoop,
    tell: mpsc::UnboundedSender<Incoming>,
) -> LinkError {
    let places = Arc::new(Semaphore::new(MOST_UNASSURED));
    loop {
        let publish = match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => publish,
            Ok(_) => continue,
            Err(error) => return broken(&error),
        };
        let ack = client.prepare_ack(&publish).map(Ack);
        let place = match &ack {
            Some(_) => None,
            None => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => continue,
            },
        };
        let properties = publish.properties.unwrap_or_default();
        let is_mark = |(name, value): &(String, String)| (name.as_str(), value.as_str()) == MARK;
        let incoming = Incoming {
            // A topic that is no text is nobody's.
            topic: String::from_utf8(publish.topic.to_vec()).unwrap_or_default(),
            payload: publish.payload.to_vec(),
            is_own: properties.user_properties.iter().any(is_mark),
            response_topic: properties.response_topic,
            correlation_data: properties.correlation_data.map(|data| data.to_vec()),
            ack,
            _place: place,
        };
        // Nobody listens any more when the connection is about to be closed.
        let _ = tell.send(incoming);
    }
}

/// A broker that is busy or stops refuses whoever comes; that says nothing of the client.
fn not_let_in(error: &ConnectionError) -> LinkError {
    match error {
        ConnectionError::ConnectionRefused(
            code @ (ConnectReturnCode::BadClientId
            | ConnectReturnCode::ClientIdentifierNotValid
            | ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::Banned),
        ) => LinkError::Refused(format!("{code:?}")),
        error => broken(error),
    }
}

fn broken(error: &ConnectionError) -> LinkError {
    LinkError::Broken(error.to_string())
}

fn gone() -> LinkError {
    LinkError::Broken("connection is gone".to_owned())
}

impl Speaker {
    /// Subscribes at QoS 1; in order, whether each filter was granted.
    pub(super) async fn subscribe(&self, filters: &[String]) -> Result<Vec<bool>, LinkError> {
        let asked = filters.iter();
        let asked = asked.map(|filter| SubscribeFilter::new(filter.as_str(), QoS::AtLeastOnce));
        let notice = self.client.subscribe_many_tracked(asked).await;
        let answer = notice.map_err(|_| gone())?.wait_async().await;
        let codes = answer.map_err(|error| LinkError::Broken(error.to_string()))?;
        let is_granted = |code| matches!(code, SubscribeReasonCode::Success(_));
        Ok(codes.return_codes.into_iter().map(is_granted).collect())
    }

    /// Publishes, and waits until the broker has it.
    pub(super) async fn publish(&self, message: Outgoing<'_>) -> Result<Receipt, LinkError> {
        let properties = PublishProperties {
            message_expiry_interval: message
                .expiry
                .map(|expiry| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX)),
            correlation_data: message.correlation_data.map(Into::into),
            content_type: message.content_type.map(ToOwned::to_owned),
            user_properties: vec![(MARK.0.to_owned(), MARK.1.to_owned())],
            ..PublishProperties::default()
        };
        let options = PublishOptions::at_least_once().properties(properties);
        let notice = self
            .client
            .publish_tracked(message.topic, message.payload, options);
        let notice = notice.await.map_err(|_| gone())?;
        match notice.wait_async().await {
            Ok(PublishResult::Qos1(puback)) => Ok(match puback.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Receipt::Taken,
                PubAckReason::NotAuthorized => Receipt::NotAuthorized,
                _ => Receipt::Refused,
            }),
            Ok(_) => Ok(Receipt::Refused),
            Err(error) => Err(LinkError::Broken(error.to_string())),
        }
    }

    /// Whether the broker takes a packet of that length. One that it does not take would end the
    /// connection.
    pub(super) fn takes(&self, topic: &str, payload: &[u8]) -> bool {
        let length = HEADER
            .saturating_add(topic.len())
            .saturating_add(payload.len());
        let longest = self
            .longest_packet
            .and_then(|longest| usize::try_from(longest).ok());
        longest.is_none_or(|longest| length <= longest)
    }

    /// Settles a message. Those who call do so in the order in which they came (4.6).
    pub(super) async fn acknowledge(&self, ack: Ack) -> Result<(), LinkError> {
        self.client.manual_ack(ack.0).await.map_err(|_| gone())
    }

    /// Takes leave, once what was published is with the broker.
    pub(super) async fn leave(&self) {
        // Where it cannot be said any more, it need not be.
        let _ = self.client.disconnect_with_timeout(FAREWELL).await;
    }
}

impl Listener {
    /// The next message; `None` when the connection is over. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// Waits for the end of the connection; tells why it ended.
    pub(super) async fn end(mut self) -> LinkError {
        self.incoming.close();
        match (&mut self.task).await {
            Ok(error) => error,
            Err(_) => gone(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The library's memory of a session: nothing was under way. With it the broker's memory of the
/// same session, its queue and our subscriptions, is taken up again.
#[derive(Debug)]
struct Forgetful;

impl SessionStore for Forgetful {
    fn load<'a>(
        &'a self,
        key: &'a SessionStoreKey,
    ) -> PortFuture<'a, Result<Option<PersistedSession>, SessionStoreError>> {
        Box::pin(async move {
            Ok(Some(PersistedSession {
                format_version: 1,
                client_id: key.client_id().to_owned(),
                clean_start: false,
                session_expiry_interval: None,
                outgoing_inflight_upper_limit: Some(RECEIVE_MAXIMUM),
                ack_mode: PersistedAckMode::Manual,
                last_pkid: 0,
                last_puback: 0,
                replay: Vec::new(),
                incoming_qos2: Vec::new(),
            }))
        })
    }

    fn save<'a>(
        &'a self,
        _: &'a SessionStoreKey,
        _: &'a PersistedSession,
    ) -> PortFuture<'a, Result<(), SessionStoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(
        &'a self,
        _: &'a SessionStoreKey,
    ) -> PortFuture<'a, Result<(), SessionStoreError>> {
        Box::pin(async { Ok(()) })
    }
}
