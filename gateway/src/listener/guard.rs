//! Who is admitted to a listener, asked on every request.
//!
//! The handshake alone is not enough (security.md 1): a kept-alive connection outlives the
//! revocation of its certificate, its expiry, the suspension of its party. A peer that is not
//! admitted gets nothing at all, public documents included, and its connection ends.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{Error, HttpResponse};
use futures_util::future::{Either, LocalBoxFuture};
use ics_core::port::{Clock, DirectorySource};
use ics_core::principal::{AuthenticationFailure, OperatorCertificate, PeerCertificate};
use ics_http::hold_until_out;
use ics_onem2m::caller::Caller;

use rustls::ServerConnection;

use super::accept::Peer;
use super::exchange::Exchange;
use super::{Opened, problem};
use crate::tls::{read_device, read_onem2m, read_operator, read_service_provider};

/// The most bytes of all header fields together. (actix alone would take 128 KiB.)
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Who is admitted.
pub(crate) enum Admission {
    /// Service providers that are active, by certificates neither revoked nor over.
    ServiceProviders {
        /// Parties and revoked certificates.
        directory: Arc<dyn DirectorySource>,
        /// The time.
        clock: Arc<dyn Clock>,
    },
    /// Hosted devices: who they are, and whether they may, is asked by the channel.
    Devices,
    /// Whoever calls the CSE: who it is, and whether it may, the CSE asks itself.
    OneM2m,
    /// Anybody: who has no certificate yet comes for one. Who shows one of a service provider is known by it.
    Enrolment,
    /// Whoever the operator's own authority certified.
    Operators {
        /// The time.
        clock: Arc<dyn Clock>,
    },
}

impl Admission {
    /// Whom a handshake named, if it is one of those this listener serves.
    pub(super) fn read_peer(&self, session: &ServerConnection) -> Option<Peer> {
        match self {
            Self::ServiceProviders { .. } | Self::Enrolment => read_service_provider(session)
                .map(Arc::new)
                .map(Peer::ServiceProvider),
            Self::Operators { .. } => read_operator(session).map(Arc::new).map(Peer::Operator),
            Self::OneM2m => read_onem2m(session).map(Peer::OneM2m),
            Self::Devices => read_device(session).map(Box::new).map(Peer::Device),
        }
    }

    fn admit(&self, request: &ServiceRequest) -> Result<(), AuthenticationFailure> {
        match self {
            Self::Enrolment => Ok(()),
            // No HTTP there.
            Self::Devices => Err(AuthenticationFailure::NoCertificate),
            Self::OneM2m => {
                let caller = request.conn_data::<Caller>();
                caller.map(drop).ok_or(AuthenticationFailure::NoCertificate)
            }
            Self::ServiceProviders { directory, clock } => {
                let peer = request.conn_data::<Arc<PeerCertificate>>();
                let peer = peer.ok_or(AuthenticationFailure::NoCertificate)?;
                directory.snapshot().admit(peer, clock.now()).map(drop)
            }
            Self::Operators { clock } => {
                let operator = request.conn_data::<Arc<OperatorCertificate>>();
                let operator = operator.ok_or(AuthenticationFailure::NoCertificate)?;
                if operator.not_after < clock.now() {
                    return Err(AuthenticationFailure::CertificateExpired);
                }
                Ok(())
            }
        }
    }

    /// The answer instead of the one asked for, if there must be one.
    fn refusal(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        if let Err(reason) = self.admit(request) {
            tracing::debug!(%reason, "peer not admitted");
            return Some(match self {
                Self::ServiceProviders { .. } | Self::Enrolment => problem::unauthorized(),
                Self::Operators { .. } | Self::Devices | Self::OneM2m => problem::forbidden(),
            });
        }
        let bytes: usize = request
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        (bytes > MAX_HEADER_BYTES).then(problem::header_fields_too_large)
    }
}

/// Middleware that lets only the admitted through, and ends connections that grew too old.
pub(crate) struct PeerGuard {
    admission: Arc<Admission>,
    max_age: Duration,
}

impl PeerGuard {
    /// Lets through whom `admission` admits, on connections of at most `max_age`.
    pub(crate) fn new(admission: Arc<Admission>, max_age: Duration) -> Self {
        Self { admission, max_age }
    }
}

impl<S, B> Transform<S, ServiceRequest> for PeerGuard
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = GuardedService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(GuardedService {
            service,
            admission: Arc::clone(&self.admission),
            max_age: self.max_age,
        }))
    }
}

/// A service behind a [`PeerGuard`].
pub(crate) struct GuardedService<S> {
    service: S,
    admission: Arc<Admission>,
    max_age: Duration,
}

impl<S, B> Service<ServiceRequest> for GuardedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<
        Ready<Result<Self::Response, Error>>,
        LocalBoxFuture<'static, Result<Self::Response, Error>>,
    >;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let exchange = request.conn_data::<Exchange>().cloned();
        if let Some(exchange) = &exchange {
            exchange.note_request();
        }
        if let Some(refusal) = self.admission.refusal(&request) {
            if let Some(exchange) = &exchange {
                exchange.note_answer();
            }
            let response = request.into_response(refusal).map_into_right_body();
            return Either::Left(ready(Ok(response)));
        }
        let old = request
            .conn_data::<Opened>()
            .is_none_or(|opened| opened.is_older_than(self.max_age));
        let answer = self.service.call(request);
        Either::Right(Box::pin(async move {
            let mut response = answer.await?.map_into_left_body();
            // What became a websocket is no connection of ours to close: it ends by itself.
            if old && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response
                    .response_mut()
                    .head_mut()
                    .set_connection_type(ConnectionType::Close);
            }
            Ok(match exchange {
                Some(exchange) if response.response().body().size() == BodySize::Stream => {
                    hold_until_out(response, exchange.note_stream()).map_into_right_body()
                }
                Some(exchange) => {
                    exchange.note_answer();
                    response
                }
                None => response,
            })
        }))
    }
}
