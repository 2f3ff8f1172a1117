//! One DTLS 1.2 session with a pre-shared key, over a blocking UDP socket: rtc-dtls says what to
//! send and when again, this sends it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;

/// How long a handshake may take, with everything in it that is sent again.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// The longest datagram we take; a gateway's are shorter.
const LONGEST: usize = 2048;

/// A session that lasts until it is dropped or the gateway ends it.
pub(super) struct Session {
    socket: UdpSocket,
    remote: SocketAddr,
    endpoint: Endpoint,
    heard: Vec<BytesMut>,
}

impl Session {
    /// Shakes hands with the gateway at `remote`.
    pub(super) fn open(remote: SocketAddr, identity: &str, key: &[u8]) -> io::Result<Self> {
        let own: SocketAddr = match remote {
            SocketAddr::V4(_) => ([0_u8; 4], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(own)?;
        socket.connect(remote)?;
        let key = key.to_vec();
        let config = ConfigBuilder::default()
            .with_crypto_provider(default_provider().map_err(io::Error::other)?)
            // The key proves the gateway as it proves us: no certificate is in it.
            .with_insecure_skip_verify(true)
            .with_cipher_suites(vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8])
            .with_psk(Some(Arc::new(move |_| Ok(key.clone()))))
            .with_psk_identity_hint(Some(identity.as_bytes().to_vec()))
            .build(true, Some(remote))
            .map_err(io::Error::other)?;
        let mut endpoint = Endpoint::new(socket.local_addr()?, TransportProtocol::UDP, None);
        endpoint
            .connect(Instant::now(), remote, Arc::new(config), None)
            .map_err(io::Error::other)?;
        let mut session = Self {
            socket,
            remote,
            endpoint,
            heard: Vec::new(),
        };
        session.shake_hands(Instant::now() + HANDSHAKE)?;
        Ok(session)
    }

    fn shake_hands(&mut self, limit: Instant) -> io::Result<()> {
        loop {
            self.transmit();
            let now = Instant::now();
            if now >= limit {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let due = self.endpoint.poll_timeout(&self.remote).unwrap_or(limit);
            if due <= now {
                self.endpoint
                    .handle_timeout(self.remote, now)
                    .map_err(io::Error::other)?;
                continue;
            }
            if self.read(due.min(limit) - now)? {
                self.transmit();
                return Ok(());
            }
        }
    }

    /// Sends a message; whether it arrives is for its sender to find out.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.endpoint
            .write(Instant::now(), self.remote, message)
            .map_err(io::Error::other)?;
        self.transmit();
        Ok(())
    }

    /// What comes within `wait`.
    ///
    /// # Errors
    /// [`io::Error`] when the session is over.
    pub(super) fn receive(&mut self, wait: Duration) -> io::Result<Vec<BytesMut>> {
        self.read(wait)?;
        self.transmit();
        Ok(std::mem::take(&mut self.heard))
    }

    /// Takes one datagram; whether the handshake came to its end with it.
    fn read(&mut self, wait: Duration) -> io::Result<bool> {
        // A wait of nothing would be one without end.
        let wait = wait.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait))?;
        let mut buffer = [0; LONGEST];
        let datagram = match self.socket.recv(&mut buffer) {
            Ok(length) => BytesMut::from(buffer.get(..length).unwrap_or_default()),
            // Nobody is there, says ICMP, which anybody may say: it is waited for.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::thread::sleep(wait.min(Duration::from_millis(200)));
                return Ok(false);
            }
            Err(error) if is_silence(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let read = self
            .endpoint
            .read(Instant::now(), self.remote, None, datagram);
        let mut is_met = false;
        for event in read.map_err(io::Error::other)? {
            match event {
                EndpointEvent::HandshakeComplete => is_met = true,
                EndpointEvent::ApplicationData(message) => self.heard.push(message),
                _ => return Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
        Ok(is_met)
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // What is lost here is lost like any datagram.
            let _ = self.socket.send(&transmit.message);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.endpoint.stop(Instant::now(), self.remote);
        self.transmit();
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
