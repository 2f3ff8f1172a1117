//! The public face: one socket is served until it is to stop.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ics_channel::{DeviceService, Rate};
use ics_core::port::{Clock, Entropy};
use tokio::net::UdpSocket;

use crate::dtls::Trust;
use crate::guest::Guest;
use crate::listener::Listener;
use crate::plain;
use crate::sessions::Sessions;

/// Serves hosted devices over CoAP.
pub struct Endpoint {
    pub(crate) service: Arc<dyn DeviceService>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) limits: Limits,
    pub(crate) guest: Option<Guest>,
}

/// How much one listener gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages of a device.
    pub messages: Rate,
    /// Handshakes of a device that were whole.
    pub connects: Rate,
    /// Handshakes under way; of more, the oldest ends.
    pub handshakes: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// Devices at a time; of more, the one that was silent longest ends.
    pub associations: usize,
    /// How long a device may be silent before it has to do its handshake again.
    pub idle: Duration,
    /// Bytes of replies that are remembered, in case their requests are repeated.
    pub remembered: usize,
}

impl Default for Limits {
    /// 50 messages a second and 100 at once, five associations in a second and 50 at once; 4,096
    /// handshakes of 10 s; 100,000 devices, each silent for at most 24 h; 16 MiB of replies.
    fn default() -> Self {
        Self {
            messages: Rate {
                per_second: 50,
                burst: 100,
            },
            // Small programs do a handshake for each thing they do.
            connects: Rate {
                per_second: 5,
                burst: 50,
            },
            handshakes: 4096,
            handshake: Duration::from_secs(10),
            associations: 100_000,
            idle: Duration::from_secs(24 * 3600),
            remembered: 16 * 1024 * 1024,
        }
    }
}

impl Endpoint {
    /// An endpoint for the devices of `service`, which rings `sessions`.
    #[must_use]
    pub fn new(
        service: Arc<dyn DeviceService>,
        sessions: Arc<Sessions>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: Limits,
    ) -> Self {
        Self {
            service,
            sessions,
            clock,
            entropy,
            limits,
            guest: None,
        }
    }

    /// With a guest on its devices' sessions.
    #[must_use]
    pub fn with_guest(self, guest: Guest) -> Self {
        Self {
            guest: Some(guest),
            ..self
        }
    }

    /// Serves devices over DTLS until `shutdown` is over; each of them is told goodbye then. Dropping
    /// it ends all without a word; what was answered stays.
    ///
    /// # Errors
    /// [`io::Error`] when the socket is of no use.
    pub async fn serve(
        &self,
        socket: UdpSocket,
        trust: Arc<Trust>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let mut listener = Listener::new(self, socket, trust)?;
        listener.run(pin!(shutdown)).await
    }

    /// Serves anybody over bare UDP until `shutdown` is over: what there is to ask for, and nothing
    /// else. For a socket on loopback.
    ///
    /// # Errors
    /// [`io::Error`] when the socket is of no use.
    pub async fn serve_plain(
        &self,
        socket: UdpSocket,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        plain::serve(&socket, self.entropy.as_ref(), pin!(shutdown)).await
    }
}
