//! A hosted device, byte by byte: what a library of MQTT does not let one send.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use ics_tests::{MqttPlace, Version};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A device that has a password.
#[derive(Clone)]
pub(crate) struct Device {
    id: String,
    password: String,
    place: MqttPlace,
    tls: Arc<ClientConfig>,
}

/// Its connection, past the handshake of TLS.
pub(crate) struct Line(StreamOwned<ClientConnection, TcpStream>);

/// TLS of clients without certificates.
pub(crate) fn tls_of(place: &MqttPlace) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(&place.authority).expect("a certificate");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

impl Device {
    pub(crate) fn new(
        (id, password): (&str, &str),
        place: &MqttPlace,
        tls: &Arc<ClientConfig>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            password: password.to_owned(),
            place: place.clone(),
            tls: Arc::clone(tls),
        }
    }

    pub(crate) fn topic(&self, own: &str) -> String {
        format!("ics/v1/d/{}/{own}", self.id)
    }

    pub(crate) fn connect_tcp(&self) -> TcpStream {
        TcpStream::connect((&*self.place.host, self.place.port)).expect("it listens")
    }

    fn begin_tls(&self) -> ClientConnection {
        let host = ServerName::try_from(self.place.host.clone()).expect("a host");
        ClientConnection::new(Arc::clone(&self.tls), host).expect("a client")
    }

    /// The first bytes of a handshake.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let (mut tls, mut hello) = (self.begin_tls(), Vec::new());
        while tls.wants_write() {
            tls.write_tls(&mut hello).expect("memory");
        }
        assert!(hello.len() > 200 && hello[0] == 0x16, "{hello:?}");
        hello
    }

    /// Opens a connection, up to the end of the handshake of TLS.
    ///
    /// # Errors
    /// [`io::Error`]: it was not let so far.
    pub(crate) fn dial(&self) -> io::Result<Line> {
        let socket = TcpStream::connect((&*self.place.host, self.place.port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut line = Line(StreamOwned::new(self.begin_tls(), socket));
        while line.0.conn.is_handshaking() {
            line.0.conn.complete_io(&mut line.0.sock)?;
        }
        Ok(line)
    }

    fn connect_packet(&self, version: Version) -> Vec<u8> {
        let head = match version {
            Version::V3 => &b"\x00\x04MQTT\x04\xc2\x00\x3c"[..],
            // No properties.
            Version::V5 => b"\x00\x04MQTT\x05\xc2\x00\x3c\x00",
        };
        let fields = [text("flood"), text(&self.id), text(&self.password)].concat();
        packet(0x10, &[head, &fields].concat())
    }

    /// Opens a connection and is let in; answers the code of CONNACK if not.
    ///
    /// # Errors
    /// [`io::Error`]: the connection ended.
    pub(crate) fn enter(&self, version: Version) -> io::Result<Result<Line, u8>> {
        let mut line = self.dial()?;
        line.send(&self.connect_packet(version))?;
        let connack = line.receive()?;
        assert!(connack.0 == 0x20 && connack.1.len() >= 2, "{connack:?}");
        Ok(match connack.1[1] {
            0 => Ok(line),
            code => Err(code),
        })
    }

    /// PUBLISH of MQTT 5 at QoS 1 on a topic of its own.
    pub(crate) fn publish_packet(&self, own: &str, id: u16, payload: &[u8]) -> Vec<u8> {
        let topic = text(&self.topic(own));
        let no_properties = [0];
        let fields = [&topic[..], &id.to_be_bytes(), &no_properties, payload];
        packet(0x32, &fields.concat())
    }
}

impl Line {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// The next packet: its first byte, and what follows the length.
    pub(crate) fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut first = [0];
        self.0.read_exact(&mut first)?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let mut digit = [0];
            self.0.read_exact(&mut digit)?;
            length |= usize::from(digit[0] & 0x7f) << shift;
            shift += 7;
            if digit[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((first[0], body))
    }

    /// Asks whether anybody is there, and waits for the answer.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.send(b"\xc0\x00")?;
        assert_eq!(self.receive()?, (0xd0, Vec::new()));
        Ok(())
    }

    /// Waits for the end; answers the reason that DISCONNECT of MQTT 5 gave for it.
    pub(crate) fn wait_for_reason(&mut self) -> Option<u8> {
        // Not by way of the stream: that writes first what the other end does not take any more.
        let StreamOwned { conn, sock } = &mut self.0;
        let mut said = Vec::new();
        loop {
            let _ = conn.reader().read_to_end(&mut said);
            match conn.read_tls(sock) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    conn.process_new_packets().expect("TLS");
                }
            }
        }
        let _ = conn.reader().read_to_end(&mut said);
        // All that comes before it is short.
        let mut rest = said.as_slice();
        while let [first, length, body @ ..] = rest {
            assert!(*length < 128, "{rest:?}");
            if *first == 0xe0 {
                return body.first().copied();
            }
            rest = body.get(usize::from(*length)..)?;
        }
        None
    }

    /// Waits for the end, whatever comes before; answers whether it came.
    pub(crate) fn wait_for_end(&mut self) -> bool {
        let mut rest = Vec::new();
        let ended = self.0.read_to_end(&mut rest);
        let is_silent =
            |error: io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        !ended.is_err_and(is_silent)
    }
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let digit = u8::try_from(left % 128).expect("below 128");
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}
