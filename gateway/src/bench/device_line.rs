//! A device on MQTT 3.1.1 over mutual TLS: what the gateway and a broker are both asked with.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::BenchError;

const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBACK: u8 = 0x90;

/// A device that has been hosted.
pub(super) struct FleetDevice {
    /// The ID the gateway minted for it.
    pub(super) id: String,
    /// TLS with its certificate.
    pub(super) tls: Arc<ClientConfig>,
}

impl FleetDevice {
    /// A topic of its own.
    pub(super) fn topic(&self, own: &str) -> String {
        format!("ics/v1/d/{}/{own}", self.id)
    }
}

/// An open connection, let in.
pub(super) struct DeviceLine {
    stream: TlsStream<TcpStream>,
    inbox: Vec<u8>,
    last_id: u16,
}

/// A message that came.
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Of QoS 1: what is to be acknowledged.
    id: Option<u16>,
}

/// What a server sends of interest.
enum Packet {
    Acknowledged(u16),
    Subscribed,
    Message(Message),
    Other,
}

impl DeviceLine {
    /// Connects: TCP, TLS, CONNECT.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn connect(
        address: SocketAddr,
        device: &FleetDevice,
    ) -> Result<Self, BenchError> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TlsConnector::from(Arc::clone(&device.tls))
            .connect(name, socket)
            .await?;
        let mut line = Self {
            stream,
            inbox: Vec::new(),
            last_id: 0,
        };
        // Clean session, keep-alive 10 minutes.
        let mut body = b"\x00\x04MQTT\x04\x02\x02\x58".to_vec();
        put_text(&mut body, &device.id);
        line.send(0x10, &body).await?;
        match line.receive().await? {
            (CONNACK, body) if body.get(1) == Some(&0) => Ok(line),
            (kind, body) => Err(BenchError::Device(kind, body)),
        }
    }

    /// Subscribes at QoS 1, and waits until that is granted.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn subscribe(&mut self, filter: &str) -> Result<(), BenchError> {
        let mut body = self.next_id().to_be_bytes().to_vec();
        put_text(&mut body, filter);
        body.push(1);
        self.send(0x82, &body).await?;
        loop {
            if let Packet::Subscribed = self.next().await? {
                return Ok(());
            }
        }
    }

    /// Publishes at QoS 1, and waits until it is acknowledged.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn publish(&mut self, topic: &str, payload: &[u8]) -> Result<(), BenchError> {
        let sent = self.put(topic, payload).await?;
        loop {
            if let Packet::Acknowledged(id) = self.next().await?
                && id == sent
            {
                return Ok(());
            }
        }
    }

    /// Publishes at QoS 1 without waiting.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn put(&mut self, topic: &str, payload: &[u8]) -> Result<u16, BenchError> {
        let id = self.next_id();
        let mut body = Vec::with_capacity(topic.len().saturating_add(payload.len()) + 4);
        put_text(&mut body, topic);
        body.extend_from_slice(&id.to_be_bytes());
        body.extend_from_slice(payload);
        self.send(PUBLISH | 2, &body).await?;
        Ok(id)
    }

    /// Waits for a message, and acknowledges it.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn hear(&mut self) -> Result<Message, BenchError> {
        loop {
            if let Packet::Message(message) = self.next().await? {
                self.acknowledge(&message).await?;
                return Ok(message);
            }
        }
    }

    /// Publishes a question at QoS 1; comes back when it is acknowledged and its answer is there,
    /// which is acknowledged too.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn ask(&mut self, topic: &str, answers: &str) -> Result<Message, BenchError> {
        let asked = self.put(topic, b"").await?;
        let (mut is_acknowledged, mut answer) = (false, None);
        loop {
            match self.next().await? {
                Packet::Acknowledged(id) => is_acknowledged |= id == asked,
                Packet::Message(message) => {
                    self.acknowledge(&message).await?;
                    if message.topic == answers {
                        answer = Some(message);
                    }
                }
                Packet::Subscribed | Packet::Other => {}
            }
            if is_acknowledged && let Some(answer) = answer.take() {
                return Ok(answer);
            }
        }
    }

    async fn acknowledge(&mut self, message: &Message) -> Result<(), BenchError> {
        if let Some(id) = message.id {
            self.send(PUBACK, &id.to_be_bytes()).await?;
        }
        Ok(())
    }

    fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        self.last_id
    }

    async fn next(&mut self) -> Result<Packet, BenchError> {
        let (first, body) = self.receive().await?;
        Ok(match first & 0xf0 {
            PUBACK => Packet::Acknowledged(read_id(&body)),
            SUBACK => match body.get(2) {
                Some(0..=2) => Packet::Subscribed,
                _ => return Err(BenchError::Device(first, body)),
            },
            PUBLISH => {
                let (length, rest) = body.split_at_checked(2).unwrap_or_default();
                let (topic, mut rest) = rest
                    .split_at_checked(read_id(length).into())
                    .unwrap_or_default();
                let id = (first & 0b110 != 0).then(|| read_id(rest));
                if id.is_some() {
                    rest = rest.get(2..).unwrap_or_default();
                }
                Packet::Message(Message {
                    topic: String::from_utf8_lossy(topic).into_owned(),
                    payload: rest.to_vec(),
                    id,
                })
            }
            _ => Packet::Other,
        })
    }

    async fn send(&mut self, first: u8, body: &[u8]) -> Result<(), BenchError> {
        let mut packet = Vec::with_capacity(body.len().saturating_add(5));
        packet.push(first);
        let mut left = body.len();
        loop {
            let digit = u8::try_from(left % 128).unwrap_or_default();
            left /= 128;
            packet.push(if left > 0 { digit | 0x80 } else { digit });
            if left == 0 {
                break;
            }
        }
        packet.extend_from_slice(body);
        self.stream.write_all(&packet).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next packet: its first byte, and what follows the length.
    async fn receive(&mut self) -> Result<(u8, Vec<u8>), BenchError> {
        loop {
            if let Some((header, whole)) = measure(&self.inbox) {
                let rest = self.inbox.split_off(whole);
                let mut packet = std::mem::replace(&mut self.inbox, rest);
                let first = packet.first().copied().unwrap_or_default();
                drop(packet.drain(..header));
                return Ok((first, packet));
            }
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

/// How long the header of the packet in front is, and the packet; `None` while it is not there.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut length, mut header) = (0_usize, 1_usize);
    for (n, digit) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(digit & 0x7f) << (7 * n);
        header = header.saturating_add(1);
        if digit & 0x80 == 0 {
            let whole = header.saturating_add(length);
            return (bytes.len() >= whole).then_some((header, whole));
        }
    }
    None
}

fn read_id(bytes: &[u8]) -> u16 {
    match bytes {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}
