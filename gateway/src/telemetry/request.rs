//! One line for each request. While the log does not want it, a request passes untouched.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::{Error, HttpMessage as _};
use futures_util::future::{Either, LocalBoxFuture};
use ics_core::principal::{OperatorCertificate, PeerCertificate};
use ics_core::reference_point::ReferencePoint;
use tracing::Level;

const TARGET: &str = "ics_gateway::request";

/// Middleware that writes the line. A handler names its reference point by putting a
/// [`ReferencePoint`] into the request's extensions, or the response's.
pub(crate) struct RequestLog {
    listener: &'static str,
}

impl RequestLog {
    /// The log of that listener.
    pub(crate) fn new(listener: &'static str) -> Self {
        Self { listener }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestLog
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = LoggedService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(LoggedService {
            service,
            listener: self.listener,
        }))
    }
}

/// A service whose requests are logged.
pub(crate) struct LoggedService<S> {
    service: S,
    listener: &'static str,
}

impl<S, B> Service<ServiceRequest> for LoggedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, Result<Self::Response, Error>>>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if !tracing::enabled!(target: TARGET, Level::INFO) {
            return Either::Left(self.service.call(request));
        }
        let began = Instant::now();
        let listener = self.listener;
        let answer = self.service.call(request);
        Either::Right(Box::pin(async move {
            let response = answer.await?;
            write_line(listener, began, &response);
            Ok(response)
        }))
    }
}

fn write_line<B: MessageBody>(
    listener: &'static str,
    began: Instant,
    response: &ServiceResponse<B>,
) {
    let request = response.request();
    let pattern = request.match_pattern();
    let sp = request
        .conn_data::<Arc<PeerCertificate>>()
        .map(|peer| peer.sp.as_str());
    let operator = request
        .conn_data::<Arc<OperatorCertificate>>()
        .map(|o| o.name.as_str());
    let of_request = request.extensions().get::<ReferencePoint>().copied();
    let of_response = || {
        response
            .response()
            .extensions()
            .get::<ReferencePoint>()
            .copied()
    };
    let bytes = match response.response().body().size() {
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    };
    tracing::info!(
        target: TARGET,
        listener,
        method = method_name(request.method()),
        route = pattern.as_deref().unwrap_or("none"),
        status = response.status().as_u16(),
        sp,
        operator,
        reference_point = of_request.or_else(of_response).map(ReferencePoint::label),
        duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        bytes,
        request_id = %RequestId::next(),
    );
}

/// The method, unless the caller made it up: anything can stand there.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "OTHER",
    }
}

/// Start of the process and a running number.
struct RequestId(u64);

impl RequestId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static STARTED: std::sync::OnceLock<u128> = std::sync::OnceLock::new();
        let started = STARTED.get_or_init(|| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis()
        });
        write!(f, "{started:x}-{:x}", self.0)
    }
}
