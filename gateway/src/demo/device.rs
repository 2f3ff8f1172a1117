//! A device of the demo over MQTT 5: what its firmware would do, with a client library.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, Packet, PubAckReason,
    PublishOptions, PublishProperties, QoS,
};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::DemoError;
use super::copy::{Copy, Pair};
use super::scene::Hosted;
use crate::sandbox::{Sandbox, SandboxDevice};
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

/// A connected device, with what it keeps in its memory.
pub(super) struct DemoDevice {
    serial: String,
    pub(super) id: String,
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Heard>,
    listening: JoinHandle<()>,
    pub(super) copy: Copy,
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
            copy: Copy::default(),
        };
        for own in ["doc", "answers"] {
            let topic = device.topic(own);
            device.client.subscribe(topic, QoS::AtLeastOnce).await?;
        }
        // Its document comes with the subscription: so far an empty one.
        device.take_newer().await?;
        Ok(device)
    }

    /// Tells the service behind a pair something; whether the gateway took it.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(super) async fn report(&mut self, pair: &Pair, data: &str) -> Result<bool, DeviceError> {
        self.publish("evt", pair.event(data)).await
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

    async fn take_newer(&mut self) -> Result<(), DeviceError> {
        let topic = self.topic("doc");
        loop {
            let document = self.wait_message(&topic).await?;
            if self.copy.replace(&document) {
                return Ok(());
            }
        }
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

impl Hosted for DemoDevice {
    const CHANNEL: &str = "MQTT";

    fn serial(&self) -> &str {
        &self.serial
    }

    fn copy(&self) -> &Copy {
        &self.copy
    }

    async fn replace_copy(&mut self) -> Result<(), DemoError> {
        Ok(self.take_newer().await?)
    }

    async fn acknowledge(&mut self) -> Result<bool, DemoError> {
        let told = self.copy.acknowledgement();
        Ok(self.publish("doc/ack", told).await?)
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
