//! The public face: one accepted connection, whose TLS handshake is done, is served to its end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ics_channel::{DeviceCertificate, DeviceService, Rate};
use ics_core::port::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::driver::Driver;
use crate::guesses::{GuessLimits, Guesses};
use crate::handshake::shake_hands;
use crate::packet::Reason;
use crate::roster::Sessions;
use crate::session::Session;

/// Terminates MQTT for hosted devices.
pub struct Endpoint {
    pub(crate) service: Arc<dyn DeviceService>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) guesses: Guesses,
}

/// How much one connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte to CONNACK.
    pub connect_timeout: Duration,
    /// The longest keep-alive, in seconds; one that asks for more or none gets this.
    pub longest_keep_alive: u16,
    /// How long a peer may take nothing of what it is sent.
    pub write_timeout: Duration,
    /// How long a packet may be, in bytes, from the first on.
    pub longest_packet: u32,
    /// How many QoS 1 messages a device may have under way.
    pub receive_maximum: u16,
    /// Packets of a device.
    pub messages: Rate,
    /// Connections of a device, once it has proved itself.
    pub connects: Rate,
    /// Wrong passwords.
    pub guesses: GuessLimits,
    /// How long a session goes on whose device is unregistered and does not acknowledge that.
    pub farewell: Duration,
}

impl Default for Limits {
    /// 10 s, 20 min, 30 s, 8,192 bytes, 16, 50 packets a second and 100 at once, one connection
    /// in a second and 10 at once; 5 min for a device that is unregistered.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            longest_keep_alive: 1200,
            write_timeout: Duration::from_secs(30),
            longest_packet: 8192,
            receive_maximum: 16,
            messages: Rate {
                per_second: 50,
                burst: 100,
            },
            connects: Rate {
                per_second: 1,
                burst: 10,
            },
            guesses: GuessLimits::default(),
            farewell: Duration::from_secs(300),
        }
    }
}

/// Who is on the other end of a connection, as far as TLS tells.
#[derive(Clone, Debug)]
pub struct PeerDevice {
    /// What a verified client certificate says. Without one, CONNECT must bring the device ID as
    /// user name, and a password.
    pub certificate: Option<DeviceCertificate>,
    /// Where it comes from.
    pub address: SocketAddr,
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// It never became a session.
    NotAdmitted,
    /// The device left, or was gone.
    ByDevice,
    /// We closed it, for this reason (reason codes of MQTT 5, 2.4, in 3.1.1 as well).
    ByService(u8),
}

impl Endpoint {
    /// An endpoint for the devices of `service`, which rings `sessions`.
    #[must_use]
    pub fn new(
        service: Arc<dyn DeviceService>,
        sessions: Arc<Sessions>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Self {
        Self {
            service,
            clock,
            limits,
            sessions,
            guesses: Guesses::default(),
        }
    }

    /// Serves one connection to its end: until the device leaves, loses its right, or `shutdown`
    /// is over. Dropping it drops the connection; what was acknowledged stays.
    pub async fn serve<Io>(
        &self,
        io: Io,
        peer: PeerDevice,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Ended
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut shutdown = pin!(shutdown);
        let longest = usize::try_from(self.limits.longest_packet).unwrap_or(usize::MAX);
        let mut driver = Driver::new(io, longest);
        let handshake = timeout(
            self.limits.connect_timeout,
            shake_hands(self, &mut driver, &peer),
        );
        let admitted = tokio::select! {
            biased;
            () = &mut shutdown => return Ended::NotAdmitted,
            admitted = handshake => admitted,
        };
        // It took too long: there is nobody to tell.
        let Ok(admitted) = admitted else {
            return Ended::NotAdmitted;
        };
        let Some(admitted) = admitted else {
            tracing::debug!(address = %peer.address, "device not let in");
            driver.close().await;
            return Ended::NotAdmitted;
        };
        let session = Session::new(self, driver, admitted);
        session.run(shutdown).await
    }
}

impl Ended {
    pub(crate) const fn for_reason(reason: Reason) -> Self {
        Self::ByService(reason.code())
    }
}
