//! One line for each request. While the log does not want it, a request passes untouched.
//!
//! The line is written by hand: tracing's fields and layers cost 3 us of a request that takes 30,
//! and this line has always the same fields.

use std::fmt::{self, Write as _};
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::{Error, HttpMessage as _};
use futures_util::future::{Either, LocalBoxFuture};
use ics_core::port::Clock;
use ics_core::principal::{OperatorCertificate, PeerCertificate};
use ics_core::reference_point::ReferencePoint;

use super::writer::LogSink;
use crate::config::LogFormat;

/// Where lines go, and how they read.
#[derive(Clone)]
pub(crate) struct RequestLines {
    pub(super) sink: LogSink,
    pub(super) format: LogFormat,
    pub(super) clock: Arc<dyn Clock>,
}

/// Middleware that writes the line. A handler names its reference point by putting a
/// [`ReferencePoint`] into the request's extensions, or the response's.
pub(crate) struct RequestLog {
    listener: &'static str,
    lines: Option<RequestLines>,
}

impl RequestLog {
    /// The log of that listener; without `lines` there is none.
    pub(crate) fn new(listener: &'static str, lines: Option<RequestLines>) -> Self {
        Self { listener, lines }
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
            lines: self.lines.clone(),
        }))
    }
}

/// A service whose requests are logged.
pub(crate) struct LoggedService<S> {
    service: S,
    listener: &'static str,
    lines: Option<RequestLines>,
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
        let Some(lines) = self.lines.clone() else {
            return Either::Left(self.service.call(request));
        };
        let began = Instant::now();
        let listener = self.listener;
        let answer = self.service.call(request);
        Either::Right(Box::pin(async move {
            let response = answer.await?;
            lines.write(listener, began, &response);
            Ok(response)
        }))
    }
}

impl RequestLines {
    fn write<B: MessageBody>(
        &self,
        listener: &'static str,
        began: Instant,
        response: &ServiceResponse<B>,
    ) {
        let request = response.request();
        let pattern = request.match_pattern();
        let sp = request.conn_data::<Arc<PeerCertificate>>();
        let operator = request.conn_data::<Arc<OperatorCertificate>>();
        let of_request = request.extensions().get::<ReferencePoint>().copied();
        let of_response = || {
            response
                .response()
                .extensions()
                .get::<ReferencePoint>()
                .copied()
        };
        let point = of_request.or_else(of_response);
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);

        let mut line = Line::begin(self.format, &*self.clock);
        line.text("listener", listener);
        line.text("method", method_name(request.method()));
        line.text("route", pattern.as_deref().unwrap_or("none"));
        line.plain("status", response.status().as_u16());
        if let Some(peer) = sp {
            line.text("sp", peer.sp.as_str());
        }
        if let Some(operator) = operator {
            line.text("operator", operator.name.as_str());
        }
        if let Some(point) = point {
            line.text("reference_point", point.label());
        }
        line.plain("duration_us", micros);
        match response.response().body().size() {
            BodySize::Sized(bytes) => line.plain("bytes", bytes),
            BodySize::None => line.plain("bytes", 0),
            BodySize::Stream => {}
        }
        line.quoted("request_id", RequestId::next());
        self.sink.hand_over(&line.end());
    }
}

/// A line being written. Values come from fixed alphabets (ids, patterns, numbers of ours), so
/// nothing in them needs escaping.
struct Line {
    text: String,
    json: bool,
}

impl Line {
    fn begin(format: LogFormat, clock: &dyn Clock) -> Self {
        let mut line = Self {
            text: String::with_capacity(320),
            json: format == LogFormat::Json,
        };
        let now = clock.now();
        // Writing to a string does not fail, here and below.
        let _ = if line.json {
            write!(
                line.text,
                r#"{{"timestamp":"{now}","level":"INFO","target":"{TARGET}","message":"request""#
            )
        } else {
            write!(line.text, "{now}  INFO {TARGET}: request")
        };
        line
    }

    fn text(&mut self, name: &str, value: &str) {
        let (before, between, after) = if self.json {
            (",\"", "\":\"", "\"")
        } else {
            (" ", "=", "")
        };
        for part in [before, name, between, value, after] {
            self.text.push_str(part);
        }
    }

    fn quoted(&mut self, name: &str, value: impl fmt::Display) {
        let _ = if self.json {
            write!(self.text, r#","{name}":"{value}""#)
        } else {
            write!(self.text, " {name}={value}")
        };
    }

    fn plain(&mut self, name: &str, value: impl fmt::Display) {
        let _ = if self.json {
            write!(self.text, r#","{name}":{value}"#)
        } else {
            write!(self.text, " {name}={value}")
        };
    }

    fn end(mut self) -> Vec<u8> {
        self.text.push_str(if self.json { "}\n" } else { "\n" });
        self.text.into_bytes()
    }
}

const TARGET: &str = "ics_gateway::request";

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
