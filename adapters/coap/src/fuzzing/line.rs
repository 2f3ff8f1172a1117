//! A device and the associations of a socket, and between them a line that does what a script says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use zeroize::Zeroizing;

use super::Fixed;
use crate::dtls::{Associations, DtlsLimits, Heard, Trust};

const KEY: &[u8] = b"0123456789abcdef";

/// The two ends.
pub struct Line {
    server: Associations,
    client: Endpoint,
    now: Instant,
    /// Datagrams of the device that are on their way.
    upward: Vec<Vec<u8>>,
    is_met: bool,
    /// Whether the device has seen its handshake to its end, and no goodbye since.
    has_met: bool,
    heard: Vec<Vec<u8>>,
}

fn server_at() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5684))
}

fn device_at() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))
}

impl Line {
    /// A device that begins its handshake with a pre-shared key, and a server that shows `trust`.
    ///
    /// # Errors
    /// [`Error`], which cannot be: all is fixed.
    pub fn begin(trust: &Trust) -> Result<Self, Error> {
        let limits = DtlsLimits {
            handshakes: 8,
            associations: 8,
            ..DtlsLimits::default()
        };
        let provider = default_provider().map_err(|error| Error::Crypto(error.to_string()))?;
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_insecure_skip_verify(true)
            .with_cipher_suites(vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8])
            .with_psk(Some(Arc::new(|_| Ok(KEY.to_vec()))))
            .with_psk_identity_hint(Some(b"device.1".to_vec()))
            .build(true, Some(server_at()))?;
        let now = Instant::now();
        let mut client = Endpoint::new(device_at(), TransportProtocol::UDP, None);
        client.connect(now, server_at(), Arc::new(config), None)?;
        let mut line = Self {
            server: Associations::new(server_at(), trust, limits, &Fixed),
            client,
            now,
            upward: Vec::new(),
            is_met: false,
            has_met: false,
            heard: Vec::new(),
        };
        line.gather();
        Ok(line)
    }

    /// The oldest datagram of the device arrives, as `change` leaves it.
    pub fn arrive(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        if self.upward.is_empty() {
            return;
        }
        let mut datagram = self.upward.remove(0);
        change(&mut datagram);
        self.server.take(self.now, device_at(), &datagram);
        self.settle();
    }

    /// The oldest arrives, and will once more.
    pub fn repeat(&mut self) {
        if let Some(datagram) = self.upward.first().cloned() {
            self.upward.push(datagram);
            self.arrive(|_| {});
        }
    }

    /// Somebody sends this, with the device's address or another.
    pub fn intrude(&mut self, as_device: bool, datagram: &[u8]) {
        let from = if as_device {
            device_at()
        } else {
            SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 40_000))
        };
        self.server.take(self.now, from, datagram);
        self.settle();
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Duration) {
        self.now += span;
        self.server.attend(self.now);
        // One that gave up stays as it is.
        let _ = self.client.handle_timeout(server_at(), self.now);
        self.settle();
    }

    /// All that is on its way arrives, as often as it takes.
    pub fn deliver(&mut self) {
        while !self.upward.is_empty() {
            self.arrive(|_| {});
        }
    }

    /// The device says something.
    pub fn say(&mut self, said: &[u8]) {
        if self.is_met && self.client.write(self.now, server_at(), said).is_ok() {
            self.gather();
        }
    }

    /// Whether the server met the device.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        self.is_met
    }

    /// Whether both ends have seen the handshake to its end.
    #[must_use]
    pub const fn stands(&self) -> bool {
        self.is_met && self.has_met
    }

    /// What the server heard of the device.
    #[must_use]
    pub fn heard(&self) -> &[Vec<u8>] {
        &self.heard
    }

    fn settle(&mut self) {
        while let Some(heard) = self.server.heard() {
            match heard {
                Heard::Asks(at, identity) => {
                    let key = Zeroizing::new(KEY.to_vec());
                    self.server.take_key(self.now, at, &identity, key);
                }
                Heard::Met(at, _) => self.is_met |= at == device_at(),
                Heard::Said(at, said) if at == device_at() => self.heard.push(said.to_vec()),
                Heard::Left(at) if at == device_at() => self.is_met = false,
                Heard::Said(..) | Heard::Left(_) => {}
            }
        }
        while let Some((to, datagram)) = self.server.outgoing() {
            if to == device_at() {
                let read = self.client.read(self.now, server_at(), None, datagram);
                for event in read.unwrap_or_default() {
                    self.has_met = match event {
                        EndpointEvent::HandshakeComplete => true,
                        EndpointEvent::PeerClosed => false,
                        _ => self.has_met,
                    };
                }
            }
        }
        self.gather();
    }

    fn gather(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            let message: BytesMut = transmit.message;
            self.upward.push(message.to_vec());
        }
        // A device that has much to say has said it: the oldest are lost.
        let most = 32;
        let excess = self.upward.len().saturating_sub(most);
        self.upward.drain(..excess);
    }
}
