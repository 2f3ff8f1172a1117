//! A CoAP client over UDP, or over DTLS with a pre-shared key: what the gateway and libcoap are both
//! asked with. Confirmable requests, one at a time (RFC 7252 4.2, 4.7).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use coap_lite::error::MessageError;
use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::bench::BenchError;
use crate::coap_client::{Association, PreSharedKey};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer is waited for before the question is sent again (RFC 7252 4.8).
const WAITS: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// The longest datagram that is taken.
const LONGEST: usize = 2048;
/// RFC 9175 2.2.1; coap-lite has no name for it.
const ECHO: CoapOption = CoapOption::Unknown(252);

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// How it asks.
    pub(super) method: RequestType,
    /// Its path, a segment each.
    pub(super) path: &'static [&'static str],
    /// What is in it.
    pub(super) payload: Vec<u8>,
    /// The answer that counts.
    pub(super) answer: ResponseType,
}

impl Question {
    /// GET of `path`.
    pub(super) const fn get(path: &'static [&'static str]) -> Self {
        Self {
            method: RequestType::Get,
            path,
            payload: Vec::new(),
            answer: ResponseType::Content,
        }
    }

    fn write(&self, id: u16, echo: Option<&[u8]>) -> Result<Vec<u8>, BenchError> {
        let mut packet = Packet::new();
        packet.header.set_type(MessageType::Confirmable);
        packet.header.code = MessageClass::Request(self.method);
        packet.header.message_id = id;
        packet.set_token(id.to_be_bytes().to_vec());
        for segment in self.path {
            packet.add_option(CoapOption::UriPath, segment.as_bytes().to_vec());
        }
        if let Some(echo) = echo {
            packet.add_option(ECHO, echo.to_vec());
        }
        packet.payload.clone_from(&self.payload);
        packet.to_bytes().map_err(|error| malformed(&error))
    }
}

/// One client of one server, with a port of its own.
pub(super) struct CoapLine {
    socket: UdpSocket,
    association: Option<Association>,
    /// What the server wants brought back, as a proof of our address.
    echo: Option<Vec<u8>>,
    last_id: u16,
}

impl CoapLine {
    /// A client over bare UDP.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub(super) async fn plain(server: SocketAddr) -> Result<Self, BenchError> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(server).await?;
        Ok(Self {
            socket,
            association: None,
            echo: None,
            last_id: 0,
        })
    }

    /// A client over DTLS that has done its handshake.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn open(server: SocketAddr, psk: &PreSharedKey) -> Result<Self, BenchError> {
        let mut line = Self::plain(server).await?;
        let association = Association::begin(Instant::now(), server, psk)?;
        timeout(PATIENCE, line.shake_hands(association))
            .await
            .map_err(io::Error::from)??;
        Ok(line)
    }

    async fn shake_hands(&mut self, mut association: Association) -> Result<(), BenchError> {
        while !association.is_met() {
            transmit_all(&self.socket, &mut association).await;
            let due = association.next_timeout();
            let wait = due.map_or(PATIENCE, |due| {
                due.saturating_duration_since(Instant::now())
            });
            match timeout(wait, receive(&self.socket)).await {
                Ok(datagram) => association.take(Instant::now(), &datagram?)?,
                Err(_) => association.attend(Instant::now())?,
            }
        }
        self.association = Some(association);
        Ok(())
    }

    /// Asks until the answer comes that counts.
    ///
    /// # Errors
    /// [`BenchError::CoapAnswer`] when it is another, or none.
    pub(super) async fn ask(&mut self, question: &Question) -> Result<Packet, BenchError> {
        let mut answer = self.exchange(question).await?;
        let is_challenge = answer.header.code == response(ResponseType::Unauthorized);
        if let (true, Some(echo)) = (is_challenge, answer.get_first_option(ECHO)) {
            self.echo = Some(echo.clone());
            answer = self.exchange(question).await?;
        }
        if answer.header.code == response(question.answer) {
            Ok(answer)
        } else {
            let path = question.path.join("/");
            Err(BenchError::CoapAnswer(path, answer.header.get_code()))
        }
    }

    async fn exchange(&mut self, question: &Question) -> Result<Packet, BenchError> {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let message = question.write(id, self.echo.as_deref())?;
        for wait in WAITS {
            self.send(&message).await?;
            if let Ok(answer) = timeout(wait, self.receive_answer(id)).await {
                return answer;
            }
        }
        Err(io::Error::from(io::ErrorKind::TimedOut).into())
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), BenchError> {
        match &mut self.association {
            Some(association) => {
                association.say(Instant::now(), message)?;
                transmit_all(&self.socket, association).await;
            }
            None => transmit(&self.socket, message).await,
        }
        Ok(())
    }

    async fn receive_answer(&mut self, id: u16) -> Result<Packet, BenchError> {
        loop {
            let message = self.hear().await?;
            let packet = Packet::from_bytes(&message).map_err(|error| malformed(&error))?;
            let is_response = matches!(packet.header.code, MessageClass::Response(_));
            // An acknowledgement whose answer is to come, or the answer to an earlier question.
            if !is_response || packet.get_token() != id.to_be_bytes() {
                continue;
            }
            if packet.header.get_type() == MessageType::Confirmable {
                let [high, low] = packet.header.message_id.to_be_bytes();
                self.send(&[0x60, 0, high, low]).await?;
            }
            return Ok(packet);
        }
    }

    async fn hear(&mut self) -> Result<BytesMut, BenchError> {
        loop {
            let Some(association) = &mut self.association else {
                return Ok(receive(&self.socket).await?);
            };
            if let Some(said) = association.heard() {
                return Ok(said);
            }
            let datagram = receive(&self.socket).await?;
            association.take(Instant::now(), &datagram)?;
        }
    }
}

impl Drop for CoapLine {
    fn drop(&mut self) {
        let Some(association) = &mut self.association else {
            return;
        };
        association.end(Instant::now());
        while let Some(datagram) = association.outgoing() {
            // A leave that is not heard is one taken in silence.
            let _ = self.socket.try_send(&datagram);
        }
    }
}

async fn transmit_all(socket: &UdpSocket, association: &mut Association) {
    while let Some(datagram) = association.outgoing() {
        transmit(socket, &datagram).await;
    }
}

/// What is lost is sent again by who sent it.
async fn transmit(socket: &UdpSocket, datagram: &[u8]) {
    let _ = socket.send(datagram).await;
}

async fn receive(socket: &UdpSocket) -> io::Result<BytesMut> {
    let mut buffer = [0; LONGEST];
    let length = socket.recv(&mut buffer).await?;
    Ok(BytesMut::from(buffer.get(..length).unwrap_or_default()))
}

fn malformed(error: &MessageError) -> BenchError {
    io::Error::other(error.to_string()).into()
}

const fn response(of: ResponseType) -> MessageClass {
    MessageClass::Response(of)
}
