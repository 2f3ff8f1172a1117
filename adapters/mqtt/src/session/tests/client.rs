//! A device on an MQTT library that is not ours, over a pipe in memory.

use std::sync::Arc;
use std::time::Duration;

use ics_core::device_document::DocumentEntry;
use ics_core::id::{DeviceId, MappingId, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::time::Timestamp;
use mqtt::common::Cursor;
use mqtt::connection::{PacketBuildResult, PacketBuilder, RawPacket};
use mqtt::packet::{Properties, Property, Qos, SubEntry, SubOpts, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::packet::Version;
use crate::{Ended, Endpoint, Limits, PeerDevice, Sessions};
use ics_channel::DeviceCertificate;
use ics_channel::fake::{FakeService, SetClock, THUMBPRINT, password_of};

pub(super) const BOTH: [Version; 2] = [Version::V3, Version::V5];

/// What a device is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Connack(u8),
    Suback(Vec<u8>),
    Unsuback(Vec<u8>),
    Message(Message),
    Puback(u16, u8),
    Pong,
    Disconnect(u8),
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Under the device's prefix.
    pub(super) topic: String,
    pub(super) packet_id: Option<u16>,
    pub(super) payload: Vec<u8>,
    pub(super) correlation_data: Option<Vec<u8>>,
    pub(super) content_type: Option<String>,
}

impl Message {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }
}

/// A service, an endpoint, and devices to come.
pub(super) struct Stage {
    pub(super) service: Arc<FakeService>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) clock: Arc<SetClock>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) iot_sp: SpId,
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

pub(super) fn device(n: u8) -> DeviceId {
    DeviceId::mint([n; 16])
}

pub(super) fn entry(n: u8) -> DocumentEntry {
    DocumentEntry {
        mapping: MappingId::from_bytes([n; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse(&format!("https://shop.example/{n}")).unwrap(),
            uti: Uti::parse(&format!("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a{n:02x}")).unwrap(),
        },
        e2e: None,
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let sessions = Arc::new(Sessions::default());
        let service = Arc::new(FakeService::new(Arc::clone(&sessions) as _));
        let clock = Arc::new(SetClock::at(now()));
        let iot_sp = SpId::parse("acme").unwrap();
        for n in [1, 2] {
            service.register(
                &iot_sp,
                &device(n),
                now().plus(Duration::from_secs(864_000)),
            );
        }
        let endpoint = Endpoint::new(
            Arc::clone(&service) as _,
            Arc::clone(&sessions),
            Arc::clone(&clock) as _,
            limits,
        );
        Self {
            service,
            sessions,
            clock,
            endpoint: Arc::new(endpoint),
            iot_sp,
        }
    }

    pub(super) fn certified(&self, n: u8) -> PeerDevice {
        PeerDevice {
            certificate: Some(DeviceCertificate {
                iot_sp: self.iot_sp.clone(),
                device_id: device(n),
                thumbprint: THUMBPRINT,
                not_after: Timestamp::MAX,
            }),
            address: ([127, 0, 0, 1], 1).into(),
        }
    }

    /// A connection, with so much room between the two.
    pub(super) fn open(&self, peer: PeerDevice, version: Version, room: usize) -> Client {
        let (shutdown, shut) = oneshot::channel::<()>();
        let shut = async move {
            if shut.await.is_err() {
                std::future::pending().await
            }
        };
        let (near, far) = tokio::io::duplex(room);
        let endpoint = Arc::clone(&self.endpoint);
        let prefix = peer.certificate.as_ref().map_or_else(
            || device(1).as_str().to_owned(),
            |certificate| certificate.device_id.as_str().to_owned(),
        );
        let served = tokio::spawn(async move { endpoint.serve(far, peer, shut).await });
        Client {
            io: near,
            version,
            builder: PacketBuilder::new(),
            unread: Vec::new(),
            prefix: format!("ics/v1/d/{prefix}/"),
            served,
            shutdown: Some(shutdown),
        }
    }

    /// Nobody is connected any more, at the latest when nothing is left to do.
    pub(super) async fn is_empty(&self) {
        while self.sessions.count() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Device `n`, connected.
    pub(super) async fn connect(&self, n: u8, version: Version) -> Client {
        let mut client = self.open(self.certified(n), version, 64 * 1024);
        client.connect(&Connect::default()).await;
        assert_eq!(client.next().await, Seen::Connack(0));
        client
    }

    /// Device 1, connected and subscribed to `own` at QoS 1.
    pub(super) async fn listen(&self, version: Version, own: &[&str]) -> Client {
        let mut client = self.connect(1, version).await;
        let filters: Vec<String> = own.iter().map(|own| client.own(own)).collect();
        client.subscribe(&filters).await;
        assert_eq!(client.next().await, Seen::Suback(vec![1; own.len()]));
        client
    }
}

/// What a CONNECT says.
#[derive(Clone)]
pub(super) struct Connect {
    pub(super) client_id: String,
    pub(super) clean: bool,
    pub(super) keep_alive: u16,
    pub(super) login: Option<(String, String)>,
    pub(super) will: Option<(String, Qos, bool)>,
    pub(super) properties: Vec<Property>,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            client_id: "whoever".to_owned(),
            clean: true,
            keep_alive: 60,
            login: None,
            will: None,
            properties: Vec::new(),
        }
    }
}

impl Connect {
    pub(super) fn login(n: u8) -> Self {
        let id = device(n);
        Self {
            login: Some((id.as_str().to_owned(), password_of(&id))),
            ..Self::default()
        }
    }

    fn encode(&self, version: Version) -> Vec<u8> {
        match version {
            Version::V3 => {
                let mut packet = v3_1_1::Connect::builder()
                    .client_id(self.client_id.as_str())
                    .unwrap()
                    .clean_session(self.clean)
                    .keep_alive(self.keep_alive);
                if let Some((name, password)) = &self.login {
                    packet = packet.user_name(name.as_str()).unwrap();
                    packet = packet.password(password.as_bytes().to_vec()).unwrap();
                }
                if let Some((topic, quality, retain)) = &self.will {
                    packet = packet
                        .will_message(topic.as_str(), b"gone", *quality, *retain)
                        .unwrap();
                }
                packet.build().unwrap().to_continuous_buffer()
            }
            Version::V5 => {
                let mut packet = v5_0::Connect::builder()
                    .client_id(self.client_id.as_str())
                    .unwrap()
                    .clean_start(self.clean)
                    .keep_alive(self.keep_alive)
                    .props(self.properties.clone());
                if let Some((name, password)) = &self.login {
                    packet = packet.user_name(name.as_str()).unwrap();
                    packet = packet.password(password.as_bytes().to_vec()).unwrap();
                }
                if let Some((topic, quality, retain)) = &self.will {
                    packet = packet
                        .will_message(topic.as_str(), b"gone", *quality, *retain)
                        .unwrap();
                }
                packet.build().unwrap().to_continuous_buffer()
            }
        }
    }
}

/// What a PUBLISH says.
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) packet_id: Option<u16>,
    pub(super) payload: Vec<u8>,
    pub(super) properties: Vec<Property>,
}

impl Publish {
    pub(super) fn encode(&self, version: Version) -> Vec<u8> {
        let quality = self.packet_id.map_or(Qos::AtMostOnce, |_| Qos::AtLeastOnce);
        match version {
            Version::V3 => {
                let packet = v3_1_1::Publish::builder()
                    .topic_name(self.topic.as_str())
                    .unwrap()
                    .qos(quality)
                    .payload(self.payload.as_slice());
                let packet = match self.packet_id {
                    Some(id) => packet.packet_id(id),
                    None => packet,
                };
                packet.build().unwrap().to_continuous_buffer()
            }
            Version::V5 => {
                let packet = v5_0::Publish::builder()
                    .topic_name(self.topic.as_str())
                    .unwrap()
                    .qos(quality)
                    .props(self.properties.clone())
                    .payload(self.payload.as_slice());
                let packet = match self.packet_id {
                    Some(id) => packet.packet_id(id),
                    None => packet,
                };
                packet.build().unwrap().to_continuous_buffer()
            }
        }
    }
}

/// A device.
pub(super) struct Client {
    io: DuplexStream,
    pub(super) version: Version,
    builder: PacketBuilder,
    unread: Vec<u8>,
    prefix: String,
    served: JoinHandle<Ended>,
    shutdown: Option<oneshot::Sender<()>>,
}

impl Client {
    pub(super) fn own(&self, own: &str) -> String {
        format!("{}{own}", self.prefix)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        // One that has been closed takes no more, and the test looks at why.
        let _ = self.io.write_all(bytes).await;
    }

    pub(super) async fn connect(&mut self, connect: &Connect) {
        self.send(&connect.encode(self.version)).await;
    }

    pub(super) async fn subscribe(&mut self, filters: &[String]) {
        self.subscribe_at(filters, Qos::AtLeastOnce).await;
    }

    pub(super) async fn subscribe_at(&mut self, filters: &[String], quality: Qos) {
        let options = SubOpts::new().set_qos(quality);
        let entry = |filter: &String| SubEntry::new(filter.as_str(), options).unwrap();
        let entries: Vec<SubEntry> = filters.iter().map(entry).collect();
        let bytes = match self.version {
            Version::V3 => {
                let packet = v3_1_1::Subscribe::builder().packet_id(7).entries(entries);
                packet.build().unwrap().to_continuous_buffer()
            }
            Version::V5 => {
                let packet = v5_0::Subscribe::builder().packet_id(7).entries(entries);
                packet.build().unwrap().to_continuous_buffer()
            }
        };
        self.send(&bytes).await;
    }

    pub(super) async fn unsubscribe(&mut self, own: &str) {
        let filters = vec![self.own(own)];
        let bytes = match self.version {
            Version::V3 => {
                let packet = v3_1_1::Unsubscribe::builder().packet_id(8);
                let packet = packet.entries(filters).unwrap().build();
                packet.unwrap().to_continuous_buffer()
            }
            Version::V5 => {
                let packet = v5_0::Unsubscribe::builder().packet_id(8);
                let packet = packet.entries(filters).unwrap().build();
                packet.unwrap().to_continuous_buffer()
            }
        };
        self.send(&bytes).await;
    }

    /// Publishes under the own prefix, at QoS 1 with this packet id.
    pub(super) async fn publish(&mut self, own: &str, id: u16, payload: impl AsRef<[u8]>) {
        let publish = Publish {
            topic: self.own(own),
            packet_id: Some(id),
            payload: payload.as_ref().to_vec(),
            properties: Vec::new(),
        };
        self.send(&publish.encode(self.version)).await;
    }

    /// Asks as MQTT 5 does.
    pub(super) async fn ask(&mut self, id: u16, payload: &[u8], response_topic: &str) {
        let publish = Publish {
            topic: self.own("inq"),
            packet_id: Some(id),
            payload: payload.to_vec(),
            properties: vec![
                Property::ResponseTopic(mqtt::packet::ResponseTopic::new(response_topic).unwrap()),
                Property::CorrelationData(
                    mqtt::packet::CorrelationData::new(b"\x00seven".to_vec()).unwrap(),
                ),
            ],
        };
        self.send(&publish.encode(self.version)).await;
    }

    pub(super) async fn receive(&mut self, message: &Message) {
        if let Some(id) = message.packet_id {
            let [high, low] = id.to_be_bytes();
            self.send(&[0x40, 2, high, low]).await;
        }
    }

    pub(super) async fn ping(&mut self) {
        self.send(&[0xc0, 0]).await;
    }

    /// Nothing was sent before the answer to a ping.
    pub(super) async fn hears_nothing(&mut self) {
        self.ping().await;
        assert_eq!(self.next().await, Seen::Pong);
    }

    /// The next message, received.
    pub(super) async fn message(&mut self) -> Message {
        match self.next().await {
            Seen::Message(message) => {
                self.receive(&message).await;
                message
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn next(&mut self) -> Seen {
        loop {
            let (result, taken) = {
                let mut cursor = Cursor::new(self.unread.as_slice());
                let result = self.builder.feed(&mut cursor);
                (result, usize::try_from(cursor.position()).unwrap())
            };
            self.unread.drain(..taken);
            match result {
                PacketBuildResult::Complete(packet) => return self.tell(&packet),
                PacketBuildResult::Incomplete => {}
                PacketBuildResult::Error(error) => panic!("{error:?}"),
            }
            if self.unread.is_empty() && self.io.read_buf(&mut self.unread).await.unwrap_or(0) == 0
            {
                return Seen::End;
            }
        }
    }

    /// So many bytes, whatever they are.
    pub(super) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.io.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Nothing comes for so long.
    pub(super) async fn is_silent_for(&mut self, span: Duration) {
        let seen = tokio::time::timeout(span, self.next()).await;
        assert!(seen.is_err(), "{seen:?}");
    }

    /// Sends the same again and again until nobody takes it for so long; tells how often.
    pub(super) async fn send_until_stuck(&mut self, bytes: &[u8], patience: Duration) -> usize {
        let mut count = 0;
        while let Ok(Ok(())) = tokio::time::timeout(patience, self.io.write_all(bytes)).await {
            count += 1;
        }
        count
    }

    pub(super) fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    pub(super) async fn ended(self) -> Ended {
        drop(self.io);
        self.served.await.unwrap()
    }

    /// How it ended, with the device still there.
    pub(super) async fn outcome(&mut self) -> Ended {
        (&mut self.served).await.unwrap()
    }

    /// The session ends, in MQTT 5 with this reason.
    pub(super) async fn expect_close(mut self, reason: u8) {
        if self.version == Version::V5 {
            assert_eq!(self.next().await, Seen::Disconnect(reason));
        }
        assert_eq!(self.next().await, Seen::End);
        assert_eq!(self.ended().await, Ended::ByService(reason));
    }

    fn tell(&self, packet: &RawPacket) -> Seen {
        let data = packet.data_as_slice();
        let is_5 = self.version == Version::V5;
        match packet.packet_type() {
            2 if is_5 => Seen::Connack(v5_0::Connack::parse(data).unwrap().0.reason_code() as u8),
            2 => Seen::Connack(v3_1_1::Connack::parse(data).unwrap().0.return_code() as u8),
            3 => Seen::Message(self.tell_message(packet)),
            4 if is_5 => {
                let puback = v5_0::Puback::parse(data).unwrap().0;
                let reason = puback.reason_code().map_or(0, |reason| reason as u8);
                Seen::Puback(puback.packet_id(), reason)
            }
            4 => Seen::Puback(v3_1_1::Puback::parse(data).unwrap().0.packet_id(), 0),
            9 if is_5 => {
                let suback = v5_0::Suback::parse(data).unwrap().0;
                Seen::Suback(suback.reason_codes().iter().map(|c| *c as u8).collect())
            }
            9 => {
                let suback = v3_1_1::Suback::parse(data).unwrap().0;
                Seen::Suback(suback.return_codes().iter().map(|c| *c as u8).collect())
            }
            11 if is_5 => {
                let unsuback = v5_0::Unsuback::parse(data).unwrap().0;
                Seen::Unsuback(unsuback.reason_codes().iter().map(|c| *c as u8).collect())
            }
            11 => Seen::Unsuback(Vec::new()),
            13 => Seen::Pong,
            14 => {
                let disconnect = v5_0::Disconnect::parse(data).unwrap().0;
                Seen::Disconnect(disconnect.reason_code().map_or(0, |reason| reason as u8))
            }
            other => panic!("packet type {other}"),
        }
    }

    fn tell_message(&self, packet: &RawPacket) -> Message {
        let own = |topic: &str| topic.strip_prefix(self.prefix.as_str()).unwrap().to_owned();
        let (flags, data) = (packet.flags(), mqtt::Arc::from(packet.data_as_slice()));
        assert_eq!(flags & 1, 0, "retained");
        match self.version {
            Version::V3 => {
                let publish = v3_1_1::Publish::parse(flags, data).unwrap().0;
                Message {
                    topic: own(publish.topic_name()),
                    packet_id: publish.packet_id(),
                    payload: publish.payload().as_slice().to_vec(),
                    correlation_data: None,
                    content_type: None,
                }
            }
            Version::V5 => {
                let publish = v5_0::Publish::parse(flags, data).unwrap().0;
                Message {
                    topic: own(publish.topic_name()),
                    packet_id: publish.packet_id(),
                    payload: publish.payload().as_slice().to_vec(),
                    correlation_data: correlation_data(publish.props()),
                    content_type: content_type(publish.props()),
                }
            }
        }
    }
}

fn correlation_data(properties: &Properties) -> Option<Vec<u8>> {
    properties.iter().find_map(|property| match property {
        Property::CorrelationData(data) => Some(data.val().to_vec()),
        _ => None,
    })
}

fn content_type(properties: &Properties) -> Option<String> {
    properties.iter().find_map(|property| match property {
        Property::ContentType(text) => Some(text.val().to_owned()),
        _ => None,
    })
}
