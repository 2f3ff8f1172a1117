//! A client's DTLS 1.2 association with a pre-shared key (RFC 4279, RFC 6347). No I/O and no clock:
//! datagrams and instants in, datagrams and a deadline out.
//!
//! Who drives it sends all of [`Association::outgoing`] after each call that takes an instant, and
//! calls [`Association::attend`] at [`Association::next_timeout`]. Only the handshake has deadlines:
//! what is said is as unsure to arrive as any datagram.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use zeroize::Zeroizing;

/// A pre-shared key, and the identity it is known by.
#[derive(Clone)]
pub(crate) struct PreSharedKey {
    /// What is named in the handshake.
    pub(crate) identity: String,
    /// The key's bytes.
    pub(crate) key: Zeroizing<Vec<u8>>,
}

impl PreSharedKey {
    /// One as T8 tells it: the key in hexadecimal.
    pub(crate) fn from_hex(identity: &str, digits: &str) -> Option<Self> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let byte = |pair: &[u8]| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        };
        let key: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
        Some(Self {
            identity: identity.to_owned(),
            key: Zeroizing::new(key.filter(|key| !key.is_empty())?),
        })
    }
}

/// Why there is no association, or none any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssociationError {
    /// The key, or the server's address, cannot be used.
    #[error("a handshake cannot begin")]
    Unusable(#[source] Error),
    /// The server refused the handshake, or broke off.
    #[error("the server refused the handshake")]
    Refused(#[source] Error),
    /// The server was silent for as often as a flight is sent.
    #[error("the server does not answer the handshake")]
    Silent(#[source] Error),
    /// The server took its leave.
    #[error("the server ended the association")]
    Ended,
    /// It cannot be said, or not yet.
    #[error("nothing can be said")]
    Mute(#[source] Error),
}

/// One association with one server, from its first hello on.
pub(crate) struct Association {
    endpoint: Endpoint,
    server: SocketAddr,
    is_met: bool,
    heard: VecDeque<BytesMut>,
}

impl Association {
    /// Begins a handshake with `server`.
    ///
    /// # Errors
    /// [`AssociationError::Unusable`].
    pub(crate) fn begin(
        now: Instant,
        server: SocketAddr,
        psk: &PreSharedKey,
    ) -> Result<Self, AssociationError> {
        let config = configure(server, psk).map_err(AssociationError::Unusable)?;
        // Told to whoever sends, who knows it himself.
        let local = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut endpoint = Endpoint::new(local, TransportProtocol::UDP, None);
        endpoint
            .connect(now, server, Arc::new(config), None)
            .map_err(AssociationError::Unusable)?;
        Ok(Self {
            endpoint,
            server,
            is_met: false,
            heard: VecDeque::new(),
        })
    }

    /// Whether the handshake is whole.
    pub(crate) const fn is_met(&self) -> bool {
        self.is_met
    }

    /// Takes a datagram from the server.
    ///
    /// # Errors
    /// [`AssociationError::Refused`], [`AssociationError::Ended`]: it is over.
    pub(crate) fn take(&mut self, now: Instant, datagram: &[u8]) -> Result<(), AssociationError> {
        let datagram = BytesMut::from(datagram);
        let events = match self.endpoint.read(now, self.server, None, datagram) {
            Ok(events) => events,
            // It has been forgotten: who is unknown would be a client.
            Err(Error::NoServerConfig) => return Err(AssociationError::Ended),
            // What cannot be read may be anybody's.
            Err(_) if self.is_met => {
                while self.endpoint.poll_transmit().is_some() {}
                return Ok(());
            }
            Err(error) => return Err(AssociationError::Refused(error)),
        };
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => self.is_met = true,
                EndpointEvent::ApplicationData(said) => self.heard.push_back(said),
                _ => return Err(AssociationError::Ended),
            }
        }
        Ok(())
    }

    /// What the server said, in the order it came.
    pub(crate) fn heard(&mut self) -> Option<BytesMut> {
        self.heard.pop_front()
    }

    /// Says something to the server.
    ///
    /// # Errors
    /// [`AssociationError::Mute`] before the handshake is whole, and after the end.
    pub(crate) fn say(&mut self, now: Instant, bytes: &[u8]) -> Result<(), AssociationError> {
        if !self.is_met {
            return Err(AssociationError::Mute(Error::ErrHandshakeInProgress));
        }
        let said = self.endpoint.write(now, self.server, bytes);
        said.map_err(AssociationError::Mute)
    }

    /// The next datagram to the server.
    pub(crate) fn outgoing(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|sent| sent.message)
    }

    /// When [`Self::attend`] has something to do.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let due = self.endpoint.poll_timeout(&self.server);
        due.filter(|_| !self.is_met)
    }

    /// Sends again what is due by `now`.
    ///
    /// # Errors
    /// [`AssociationError::Silent`]: it is over.
    pub(crate) fn attend(&mut self, now: Instant) -> Result<(), AssociationError> {
        if self.next_timeout().is_none_or(|due| due > now) {
            return Ok(());
        }
        let sent = self.endpoint.handle_timeout(self.server, now);
        sent.map_err(AssociationError::Silent)
    }

    /// Takes leave of the server: one datagram goes out yet.
    pub(crate) fn end(&mut self, now: Instant) {
        self.endpoint.stop(now, self.server);
    }
}

/// The one suite of a constrained device with a pre-shared key (RFC 7252 9.1.3.1).
fn configure(server: SocketAddr, psk: &PreSharedKey) -> Result<HandshakeConfig, Error> {
    let key = psk.key.clone();
    ConfigBuilder::default()
        .with_crypto_provider(default_provider().map_err(|error| Error::Other(error.to_string()))?)
        // The key proves the server as it proves us: no certificate is in it.
        .with_insecure_skip_verify(true)
        .with_cipher_suites(vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8])
        .with_psk(Some(Arc::new(move |_| Ok(key.to_vec()))))
        .with_psk_identity_hint(Some(psk.identity.as_bytes().to_vec()))
        .build(true, Some(server))
}

#[cfg(test)]
mod tests;
