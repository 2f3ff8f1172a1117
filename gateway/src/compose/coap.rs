//! The CoAP listener of hosted devices: its sockets, whom it believes, what it is asked for.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use ics_coap::{Endpoint, Guest, Sessions, Trust, Verify};
use ics_core::device::Channel;
use ics_core::port::{Clock, DeviceBell};
use rustix::net::sockopt::{set_socket_recv_buffer_size, socket_recv_buffer_size};

use super::{Parts, StartError, load_anchors};
use crate::background::{Background, Stopping};
use crate::config::{CoapSection, Config, DevicesSection};
use crate::telemetry::{COAP, DeviceActs, HandshakeRefusal, Telemetry};
use crate::tls::{ClientVerifier, Credential, Namespace, TrustAnchor, verify_device};

/// What a socket may hold while nobody reads it, in bytes, if the system allows: a burst of some
/// thousand first messages of handshakes, without loss for those who are served.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The CoAP listener of hosted devices, where one is configured.
pub(super) struct CoapChannel {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Where anybody on this host may ask what there is to ask for.
    pub(super) plain: Option<SocketAddr>,
    tasks: Vec<Background>,
    trust: Arc<Trust>,
}

impl CoapChannel {
    /// Opens it; `sessions` is where it notes which devices are here, `guest` what else they may talk to.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn open(
        config: &Config,
        parts: &Parts,
        (telemetry, sessions): (&Telemetry, &Arc<Sessions>),
        guest: Option<Guest>,
    ) -> Result<Option<Self>, StartError> {
        let (Some(section), Some(devices)) = (&config.coap, &config.devices) else {
            return Ok(None);
        };
        let shown = coap_credentials(devices, section)?;
        let trust = shown.trust(Arc::clone(&parts.clock), telemetry.clone())?;
        let trust = Arc::new(trust);
        let bell: Arc<dyn DeviceBell> = Arc::clone(sessions) as _;
        parts.device_bells.pass_to(&bell);
        let acts = DeviceActs::new(
            Arc::clone(&parts.service),
            (Channel::Coap, COAP),
            telemetry.clone(),
        );
        let endpoint = Endpoint::new(
            Arc::new(acts),
            Arc::clone(sessions),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.entropy),
            section.limits.limits(),
        );
        let endpoint = Arc::new(match guest {
            Some(guest) => endpoint.with_guest(guest),
            None => endpoint,
        });
        let (socket, address) = bind(section.listen)?;
        let plain = section.plain_listen.map(bind).transpose()?;
        let mut tasks = vec![serve(Arc::clone(&endpoint), socket, Arc::clone(&trust))];
        let plain = plain.map(|(socket, address)| {
            tasks.push(serve_plain(endpoint, socket));
            address
        });
        Ok(Some(Self {
            address,
            plain,
            tasks,
            trust,
        }))
    }

    /// Shows and believes these from the next handshake on.
    ///
    /// # Errors
    /// [`StartError`]; nothing changed then.
    pub(super) fn replace(
        &self,
        shown: Shown,
        clock: &Arc<dyn Clock>,
        telemetry: &Telemetry,
    ) -> Result<(), StartError> {
        let verify = verify(shown.anchors, Arc::clone(clock), telemetry.clone());
        let replaced = self.trust.replace(shown.credential.for_datagrams(), verify);
        replaced.map_err(|reason| unusable(&shown.section, reason))
    }

    /// Returns when a part of it has ended.
    pub(super) async fn ended(&self) {
        let ends = self.tasks.iter().map(|task| Box::pin(task.ended()));
        futures_util::future::select_all(ends).await;
    }

    /// Says goodbye to every device, and ends.
    pub(super) async fn stop(self) {
        let stopping = self.tasks.into_iter().map(Background::stop);
        futures_util::future::join_all(stopping).await;
    }
}

/// What the listener shows, and whom it believes.
pub(super) struct Shown {
    anchors: Vec<TrustAnchor>,
    credential: Credential,
    section: CoapSection,
}

impl Shown {
    fn trust(self, clock: Arc<dyn Clock>, telemetry: Telemetry) -> Result<Trust, StartError> {
        let verify = verify(self.anchors, clock, telemetry);
        let trust = Trust::new(self.credential.for_datagrams(), verify);
        trust.map_err(|reason| unusable(&self.section, reason))
    }
}

/// The authority of hosted devices, and the certificate of their CoAP listener: one that can be
/// shown over DTLS.
///
/// # Errors
/// [`StartError`].
pub(super) fn coap_credentials(
    devices: &DevicesSection,
    section: &CoapSection,
) -> Result<Shown, StartError> {
    let load = || Credential::load(&section.certificate, &section.key);
    // Nobody is believed by it: it tells whether it can be shown.
    let tried = Trust::new(load()?.for_datagrams(), Arc::new(|_| None));
    tried.map_err(|reason| unusable(section, reason))?;
    Ok(Shown {
        anchors: load_anchors(&devices.certificate, &Namespace::DEVICES)?,
        credential: load()?,
        section: section.clone(),
    })
}

fn unusable(section: &CoapSection, reason: ics_coap::UnusableCredential) -> StartError {
    StartError::Datagrams {
        certificate: section.certificate.clone(),
        key: section.key.clone(),
        reason,
    }
}

/// Believes the devices that `anchors` certified; what it refuses leaves its traces.
fn verify(anchors: Vec<TrustAnchor>, clock: Arc<dyn Clock>, telemetry: Telemetry) -> Verify {
    let verifier = ClientVerifier::new(anchors, None);
    Arc::new(move |chain| {
        let verified = verify_device(&verifier, chain, clock.as_ref());
        let refuse = |cause| {
            let address = None;
            telemetry.tell_refused_handshake(COAP, None, HandshakeRefusal { cause, address });
        };
        verified.map_err(refuse).ok()
    })
}

/// A socket at `address`, and where it is.
fn bind(address: SocketAddr) -> Result<(tokio::net::UdpSocket, SocketAddr), StartError> {
    let bound = || -> io::Result<_> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let at = socket.local_addr()?;
        let allowed = widen(&socket)?;
        if allowed < RECEIVE_BUFFER {
            tracing::info!(
                address = %at, bytes = allowed, wanted = RECEIVE_BUFFER,
                "receive buffer as large as allowed; net.core.rmem_max raises it"
            );
        }
        Ok((tokio::net::UdpSocket::from_std(socket)?, at))
    };
    bound().map_err(|source| StartError::Listen { address, source })
}

/// Has the socket hold as much as the system allows; answers how much that is.
fn widen(socket: &UdpSocket) -> io::Result<usize> {
    // Linux takes the most it allows instead; others refuse, and keep what there was.
    let _ = set_socket_recv_buffer_size(socket, RECEIVE_BUFFER);
    Ok(socket_recv_buffer_size(socket)?)
}

fn serve(endpoint: Arc<Endpoint>, socket: tokio::net::UdpSocket, trust: Arc<Trust>) -> Background {
    Background::begin(|stopping| async move {
        tell(endpoint.serve(socket, trust, asked(stopping)).await);
    })
}

fn serve_plain(endpoint: Arc<Endpoint>, socket: tokio::net::UdpSocket) -> Background {
    Background::begin(|stopping| async move {
        tell(endpoint.serve_plain(socket, asked(stopping)).await);
    })
}

async fn asked(mut stopping: Stopping) {
    stopping.asked().await;
}

fn tell(ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, listener = COAP, "a listener ended");
    }
}

#[cfg(test)]
mod tests;
