//! From a TCP connection to one whose peer is known: the handshake, its caps, its traces.
//!
//! Handshakes run in tasks of their own, never in the accept loop: one silent peer stops nobody.

use std::future::{Ready, ready};
use std::io;
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Protocol;
use actix_web::dev::{Extensions, Service, ServiceFactory};
use actix_web::rt::net::TcpStream;
use futures_util::future::LocalBoxFuture;
use ics_channel::DeviceCertificate;
use ics_core::principal::{OperatorCertificate, PeerCertificate};
use ics_onem2m::caller::Caller;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::exchange::{HeadTimes, Heeding};
use super::gate::{Arrival, Gate, Seat};
use super::guard::Admission;
use super::pace::Paced;
use super::steps::InSteps;
use crate::telemetry::{HandshakeRefusal, ListenerMetrics, Telemetry};
use crate::tls::handshake_cause;

/// What accepts the connections of one listener.
#[derive(Clone)]
pub(super) struct Acceptor {
    pub(super) listener: &'static str,
    pub(super) tls: TlsAcceptor,
    pub(super) timeout: Duration,
    pub(super) answer_timeout: Duration,
    pub(super) heads: HeadTimes,
    pub(super) gate: Arc<Gate>,
    pub(super) admission: Arc<Admission>,
    pub(super) telemetry: Telemetry,
}

/// Who a verified certificate names.
pub(super) enum Peer {
    /// A service provider.
    ServiceProvider(Arc<PeerCertificate>),
    /// Somebody of the operator's.
    Operator(Arc<OperatorCertificate>),
    /// A hosted device.
    Device(Box<DeviceCertificate>),
    /// Whoever calls the CSE.
    OneM2m(Caller),
}

impl Peer {
    fn name(&self) -> &str {
        match self {
            Self::ServiceProvider(peer) => peer.sp.as_str(),
            Self::Operator(operator) => operator.name.as_str(),
            // The device's own ID stays out of logs.
            Self::Device(device) => device.iot_sp.as_str(),
            Self::OneM2m(caller) => caller.name(),
        }
    }
}

/// A connection whose handshake is whole.
pub(super) struct Connection {
    stream: TlsStream<Paced<TcpStream>>,
    peer: Option<Peer>,
    _seat: Option<Seat>,
    metrics: Arc<ListenerMetrics>,
}

impl Connection {
    /// Notes `Arc<PeerCertificate>`, `Arc<OperatorCertificate>` or `Caller` in the connection's data.
    pub(super) fn note_peer(&self, data: &mut Extensions) {
        match &self.peer {
            Some(Peer::ServiceProvider(peer)) => {
                data.insert(Arc::clone(peer));
            }
            Some(Peer::Operator(operator)) => {
                data.insert(Arc::clone(operator));
            }
            Some(Peer::OneM2m(caller)) => {
                data.insert(caller.clone());
            }
            // Devices over MQTT do not speak HTTP.
            Some(Peer::Device(_)) | None => {}
        }
    }

    /// The hosted device its certificate names, if it showed one.
    pub(super) fn device(&self) -> Option<DeviceCertificate> {
        match &self.peer {
            Some(Peer::Device(device)) => Some(DeviceCertificate::clone(device)),
            _ => None,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

/// The connection was not taken; why is told already.
#[derive(Debug)]
pub(super) struct NotTaken;

impl Acceptor {
    pub(super) async fn accept(self, io: TcpStream) -> Result<Connection, NotTaken> {
        let metrics = Arc::clone(self.telemetry.metrics.of(self.listener));
        let address = io.peer_addr().ok().map(|peer| peer.ip());
        let refuse = |cause, who: Option<&str>| {
            let refusal = HandshakeRefusal { cause, address };
            self.telemetry
                .tell_refused_handshake(self.listener, who, refusal);
            NotTaken
        };
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let Some(arrival) = self.gate.arrive(address.unwrap_or(unspecified)) else {
            return Err(refuse("TOO_MANY_HANDSHAKES", None));
        };
        let shaken = timeout(self.timeout, self.shake_hands(io, arrival, &metrics)).await;
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(refuse(handshake_cause(&error), None)),
            Err(_) => return Err(refuse("HANDSHAKE_TIMEOUT", None)),
        };
        let peer = self.admission.read_peer(stream.get_ref().1);
        let seat = match &peer {
            Some(Peer::ServiceProvider(certificate)) => {
                let Some(seat) = self.gate.take_seat(&certificate.sp) else {
                    let who = peer.as_ref().map(Peer::name);
                    return Err(refuse("TOO_MANY_CONNECTIONS", who));
                };
                Some(seat)
            }
            Some(Peer::OneM2m(Caller::Sp(certificate))) => {
                let Some(seat) = self.gate.take_seat(&certificate.sp) else {
                    return Err(refuse(
                        "TOO_MANY_CONNECTIONS",
                        Some(certificate.sp.as_str()),
                    ));
                };
                Some(seat)
            }
            Some(Peer::Operator(_) | Peer::Device(_) | Peer::OneM2m(_)) | None => None,
        };
        metrics.accepted.inc();
        metrics.connections.inc();
        Ok(Connection {
            stream,
            peer,
            _seat: seat,
            metrics,
        })
    }

    async fn shake_hands(
        &self,
        io: TcpStream,
        arrival: Arrival,
        metrics: &ListenerMetrics,
    ) -> io::Result<TlsStream<Paced<TcpStream>>> {
        // A fresh connection waits 40 ms without it.
        io.set_nodelay(true)?;
        // Who says nothing takes nobody's turn.
        io.readable().await?;
        metrics.handshakes.inc();
        let _counted = Counted(metrics);
        let io = Paced::new(io, self.answer_timeout);
        InSteps::new(self.tls.accept(io), arrival).await
    }
}

/// A handshake under way.
struct Counted<'m>(&'m ListenerMetrics);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.handshakes.dec();
    }
}

/// What the HTTP service takes.
pub(super) type Taken = (Heeding<Connection>, Protocol, Option<SocketAddr>);

impl ServiceFactory<TcpStream> for Acceptor {
    type Response = Taken;
    type Error = NotTaken;
    type Config = ();
    type Service = Self;
    type InitError = ();
    type Future = Ready<Result<Self, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        ready(Ok(self.clone()))
    }
}

impl Service<TcpStream> for Acceptor {
    type Response = Taken;
    type Error = NotTaken;
    type Future = LocalBoxFuture<'static, Result<Taken, NotTaken>>;

    actix_service::always_ready!();

    fn call(&self, io: TcpStream) -> Self::Future {
        let acceptor = self.clone();
        Box::pin(async move {
            let peer = io.peer_addr().ok();
            let connection = acceptor.clone().accept(io).await?;
            let connection = Heeding::new(connection, acceptor.heads);
            Ok((connection, Protocol::Http1, peer))
        })
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
