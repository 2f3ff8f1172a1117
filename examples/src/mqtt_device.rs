//! A device over MQTT 5, with rumqttc: it connects, subscribes to its document, stores what is newer,
//! acknowledges, and connects again when the line breaks. What it decides is [`device`](crate::device)'s.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, PublishOptions, PublishProperties};
use rustls::ClientConfig;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::device::{Acknowledgement, Copy, Document, Pair, Taken};
pub use crate::thing::{Command, Memory, Notice};
use crate::tls::dial;

/// How a device reaches its gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host and port.
    pub address: (String, u16),
    /// Its device ID: the level of its own in every topic.
    pub device_id: String,
    /// With its certificate in it; `None` only towards a proxy on the same machine.
    pub tls: Option<Arc<ClientConfig>>,
    /// How many pairs it can hold.
    pub room: usize,
    /// How long it waits before it connects again: at first, and at most.
    pub pause: (Duration, Duration),
}

/// What both halves of a device share.
struct Device<M, R, T> {
    settings: Settings,
    client: AsyncClient,
    state: Mutex<State<M>>,
    is_refused: R,
    tell: T,
}

struct State<M> {
    memory: M,
    copy: Copy,
    /// Given up, and still in the document.
    given_up: BTreeSet<String>,
}

/// Runs a device until it is dropped, or its memory fails.
///
/// # Errors
/// [`io::Error`] of the memory, or that the settings are none a client can be made of.
pub async fn run<M: Memory>(
    settings: Settings,
    memory: M,
    commands: mpsc::Receiver<Command>,
    is_refused: impl Fn(&Pair) -> bool,
    tell: impl Fn(Notice),
) -> io::Result<()> {
    let mut options = MqttOptions::new(settings.device_id.clone(), settings.address.clone());
    options.set_clean_start(true).set_keep_alive(60);
    if let Some(tls) = settings.tls.clone() {
        let address = settings.address.clone();
        options.set_socket_connector(move |_, _| dial(address.clone(), Arc::clone(&tls)));
    }
    let client = AsyncClient::builder(options).capacity(32);
    let (client, events) = client.try_build().map_err(io::Error::other)?;
    let state = State {
        copy: memory.load()?,
        memory,
        given_up: BTreeSet::new(),
    };
    let device = Device {
        settings,
        client,
        state: Mutex::new(state),
        is_refused,
        tell,
    };
    // Two loops, for a command may have to wait until the line has taken what was said before.
    tokio::select! {
        failed = device.listen(events) => failed,
        () = device.obey(commands) => Ok(()),
    }
}

impl<M: Memory, R: Fn(&Pair) -> bool, T: Fn(Notice)> Device<M, R, T> {
    async fn listen(&self, mut events: EventLoop) -> io::Result<()> {
        let (first, most) = self.settings.pause;
        let mut pause = first;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    pause = first;
                    (self.tell)(Notice::Connected);
                    self.subscribe();
                }
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    if message.topic == self.topic("doc") {
                        self.take(&message.payload)?;
                    } else {
                        let answer = String::from_utf8_lossy(&message.payload);
                        (self.tell)(Notice::Answer(answer.into_owned()));
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    (self.tell)(Notice::Disconnected(error.to_string()));
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(most);
                }
            }
        }
    }

    /// The gateway keeps no subscriptions; on this one it sends the newest document.
    fn subscribe(&self) {
        for own in ["doc", "inq/+"] {
            // A full queue empties with the next connection, which comes here again.
            let _ = self.client.try_subscribe(self.topic(own), QoS::AtLeastOnce);
        }
        let given_up = self.lock().given_up.clone();
        for id in &given_up {
            self.publish("rev", &json!({ "id": id }).to_string());
        }
    }

    /// A document came: what is newer is durable before it is acknowledged.
    fn take(&self, payload: &[u8]) -> io::Result<()> {
        let Ok(document) = Document::parse(payload) else {
            return Ok(());
        };
        let mut state = self.lock();
        let taken = state
            .copy
            .take(document, self.settings.room, &self.is_refused);
        let said = match taken {
            Taken::Newer(said) => {
                let State { memory, copy, .. } = &mut *state;
                memory.store(copy)?;
                (self.tell)(Notice::Holds(copy.clone()));
                said
            }
            Taken::Again(said) => said,
            Taken::Overtaken => return Ok(()),
        };
        let State { copy, given_up, .. } = &mut *state;
        given_up.retain(|id| copy.pair(id).is_some());
        for id in &*given_up {
            self.publish("rev", &json!({ "id": id }).to_string());
        }
        drop(state);
        self.acknowledge(&said);
        Ok(())
    }

    fn acknowledge(&self, said: &Acknowledgement) {
        if let Ok(said) = serde_json::to_string(said) {
            self.publish("doc/ack", &said);
        }
    }

    /// What does not get through now is asked for again by the gateway, or said again by us.
    fn publish(&self, own: &str, payload: &str) {
        let once = PublishOptions::at_least_once();
        let _ = self.client.try_publish(self.topic(own), payload, once);
    }

    async fn obey(&self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::GiveUp(id) => {
                    self.lock().given_up.insert(id.clone());
                    self.publish("rev", &json!({ "id": id }).to_string());
                }
                Command::Event(id, data) => {
                    // `data` reaches the service byte by byte.
                    let event = format!(r#"{{"id":{},"data":{data}}}"#, json!(id));
                    self.publish("evt", &event);
                }
                Command::Inquire => {
                    let properties = PublishProperties {
                        response_topic: Some(self.topic("inq/answer")),
                        ..PublishProperties::default()
                    };
                    let options = PublishOptions::at_least_once().properties(properties);
                    let _ = self.client.try_publish(self.topic("inq"), "", options);
                }
            }
        }
        // Nobody commands any more; the device goes on.
        std::future::pending::<()>().await;
    }

    fn topic(&self, own: &str) -> String {
        format!("ics/v1/d/{}/{own}", self.settings.device_id)
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
