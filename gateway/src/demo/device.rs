//! A device of the demo, over MQTT 5: what its firmware would do, with a client library.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, Packet, PubAckReason,
    PublishOptions, PublishProperties, QoS,
};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::sandbox::{Sandbox, SandboxDevice};
use crate::t8_client::member;
use crate::tls::{Credential, CredentialError, client_config, load_certificates};

/// How long the gateway may take for anything; far beyond what it takes.
const LIMIT: Duration = Duration::from_secs(20);

/// The device came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    /// Its certificate, key or root.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The library took no order.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The library could not be made.
    #[error("no MQTT client: {0}")]
    Options(String),
    /// The connection could not be made, or broke.
    #[error("MQTT connection: {0}")]
    Broken(#[from] Box<ConnectionError>),
    /// Nothing came any more.
    #[error("the gateway ended the MQTT connection")]
    Gone,
    /// Something that was to come did not.
    #[error("what the device waits for did not come within {LIMIT:?}")]
    Late,
}

/// What the gateway said.
enum Heard {
    Message(Vec<u8>, Value),
    Settled(PubAckReason),
}

/// A pair the device stores (figure 3 step 5).
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) mapping: String,
    pub(super) service_uri: String,
    pub(super) uti: String,
}

/// A connected device, with what it keeps in its memory.
pub(super) struct DemoDevice {
    pub(super) serial: String,
    pub(super) id: String,
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Heard>,
    listening: JoinHandle<()>,
    version: u64,
    pub(super) pairs: Vec<Pair>,
}

impl DemoDevice {
    /// Connects with the device's certificate and subscribes to its document and its answers.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn connect(
        sandbox: &Sandbox,
        device: &SandboxDevice,
    ) -> Result<Self, DeviceError> {
        let credential = Credential::load(&device.certificate, &device.private_key)?;
        let tls = Arc::new(client_config(
            load_certificates(&sandbox.root_certificate())?,
            credential,
        )?);
        let address = sandbox.mqtt();
        // The client id means nothing to the gateway: the certificate says who this is.
        let mut options = MqttOptions::new("a device", (address.ip().to_string(), address.port()));
        options.set_clean_start(true).set_keep_alive(60);
        options.set_socket_connector(move |_, _| {
            let tls = TlsConnector::from(Arc::clone(&tls));
            async move {
                let socket = TcpStream::connect(address).await?;
                socket.set_nodelay(true)?;
                let name = ServerName::IpAddress(address.ip().into());
                tls.connect(name, socket).await as io::Result<_>
            }
        });
        let built = AsyncClient::builder(options).capacity(16).try_build();
        let (client, mut events) = built.map_err(|e| DeviceError::Options(e.to_string()))?;
        wait_connected(&mut events).await?;
        let (tell, heard) = mpsc::unbounded_channel();
        let mut device = Self {
            serial: device.serial.clone(),
            id: device.id.clone(),
            client,
            heard,
            listening: tokio::spawn(listen(events, tell)),
            version: 0,
            pairs: Vec::new(),
        };
        for own in ["doc", "answers"] {
            let topic = device.topic(own);
            device.client.subscribe(topic, QoS::AtLeastOnce).await?;
        }
        // Its document comes with the subscription: so far an empty one.
        device.replace_copy().await?;
        Ok(device)
    }

    /// Waits for a document that is newer than the device's copy, and replaces that.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn replace_copy(&mut self) -> Result<(), DeviceError> {
        let topic = self.topic("doc");
        loop {
            let document = self.wait_message(&topic).await?;
            let version = member(&document, "v").as_u64().unwrap_or_default();
            if version > self.version {
                self.version = version;
                self.pairs = read_pairs(&document);
                return Ok(());
            }
        }
    }

    /// Says that the copy is stored (figure 3 step 6); whether the gateway took that.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn acknowledge(&mut self) -> Result<bool, DeviceError> {
        let told = json!({ "v": self.version }).to_string();
        self.publish("doc/ack", told).await
    }

    /// Tells the service behind a pair something; whether the gateway took it.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn report(&mut self, pair: &Pair, data: &str) -> Result<bool, DeviceError> {
        let event = format!(r#"{{"id":"{}","data":{data}}}"#, pair.mapping);
        self.publish("evt", event).await
    }

    /// Asks which pairs hold (figure 5).
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn inquire(&mut self) -> Result<Value, DeviceError> {
        let answers = self.topic("answers");
        let properties = PublishProperties {
            response_topic: Some(answers.clone()),
            ..PublishProperties::default()
        };
        let topic = self.topic("inq");
        let options = PublishOptions::at_least_once().properties(properties);
        while self.heard.try_recv().is_ok() {}
        self.client.publish(topic, "{}", options).await?;
        // The answer and the PUBACK, whichever comes first: the next message has its own.
        let (mut answer, mut is_settled) = (None, false);
        loop {
            match self.hear().await? {
                Heard::Message(to, body) if to == answers.as_bytes() => answer = Some(body),
                Heard::Message(..) => {}
                Heard::Settled(_) => is_settled = true,
            }
            if is_settled && answer.is_some() {
                return Ok(answer.unwrap_or_default());
            }
        }
    }

    /// Takes its leave.
    pub(super) async fn leave(self) {
        // Nobody is waited for: the story is over.
        let _ = self.client.disconnect().await;
        let _ = timeout(LIMIT, self.listening).await;
    }

    async fn publish(&mut self, own: &str, payload: String) -> Result<bool, DeviceError> {
        // One at a time: settlements of others are behind us.
        while self.heard.try_recv().is_ok() {}
        let options = PublishOptions::at_least_once();
        self.client
            .publish(self.topic(own), payload, options)
            .await?;
        loop {
            if let Heard::Settled(reason) = self.hear().await? {
                return Ok(reason == PubAckReason::Success);
            }
        }
    }

    async fn wait_message(&mut self, wanted: &str) -> Result<Value, DeviceError> {
        loop {
            match self.hear().await? {
                Heard::Message(topic, body) if topic == wanted.as_bytes() => return Ok(body),
                Heard::Message(..) | Heard::Settled(_) => {}
            }
        }
    }

    async fn hear(&mut self) -> Result<Heard, DeviceError> {
        let heard = timeout(LIMIT, self.heard.recv()).await;
        heard
            .map_err(|_| DeviceError::Late)?
            .ok_or(DeviceError::Gone)
    }

    fn topic(&self, own: &str) -> String {
        format!("ics/v1/d/{}/{own}", self.id)
    }
}

async fn wait_connected(events: &mut EventLoop) -> Result<(), DeviceError> {
    loop {
        let event = timeout(LIMIT, events.poll()).await;
        let event = event.map_err(|_| DeviceError::Late)?.map_err(Box::new)?;
        if let Event::Incoming(Packet::ConnAck(_)) = event {
            return Ok(());
        }
    }
}

/// Until the connection ends; who waits for more then learns that nothing comes.
async fn listen(mut events: EventLoop, tell: mpsc::UnboundedSender<Heard>) {
    while let Ok(event) = events.poll().await {
        let heard = match event {
            Event::Incoming(Packet::Publish(message)) => {
                let body = serde_json::from_slice(&message.payload).unwrap_or_default();
                Heard::Message(message.topic.to_vec(), body)
            }
            Event::Incoming(Packet::PubAck(settled)) => Heard::Settled(settled.reason),
            _ => continue,
        };
        if tell.send(heard).is_err() {
            return;
        }
    }
}

fn read_pairs(document: &Value) -> Vec<Pair> {
    let rows = member(document, "m").as_array().into_iter().flatten();
    let text = |row: &Value, name| member(row, name).as_str().unwrap_or_default().to_owned();
    rows.map(|row| Pair {
        mapping: text(row, "id"),
        service_uri: text(row, "svc"),
        uti: text(row, "uti"),
    })
    .collect()
}
