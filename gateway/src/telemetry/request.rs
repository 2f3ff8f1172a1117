//! What every request leaves: a line in the log, a line in the decision log, its numbers.
//!
//! Lines are written by hand: tracing's fields and layers cost 3 us of a request that takes 30,
//! and these have always the same fields.

mod bulk;

use std::fmt::{self, Write as _};
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::LOCATION;
use actix_web::http::{Method, StatusCode};
use actix_web::rt::spawn;
use actix_web::{Error, HttpMessage as _, HttpResponse};
use futures_util::future::{Either, LocalBoxFuture};
use ics_core::audit::{BulkTally, RefusalCause};
use ics_core::id::MappingId;
use ics_core::principal::{OperatorCertificate, PeerCertificate};
use ics_core::reference_point::ReferencePoint;
use ics_http::{HeldBody, hold_body};

use super::Telemetry;
use super::decision::{Act, Entry, Room, Verdict, render_request, render_unanswered};
use super::metrics::ListenerMetrics;
use super::writer::LogSink;
use crate::config::LogFormat;
use bulk::BulkEnd;

/// Where lines go, and how they read.
#[derive(Clone)]
pub(crate) struct RequestLines {
    pub(super) sink: LogSink,
    pub(super) format: LogFormat,
}

/// Middleware that leaves the traces. A handler names its reference point by putting a
/// [`ReferencePoint`] into the request's extensions, or the response's; the cause of a refusal by
/// putting a [`RefusalCause`] into the response's, the outcomes of many inquiries a [`BulkTally`].
///
/// What may change something is done to its end though its caller hangs up, so that its line tells
/// what came of it. A body that is not read is given up when the answer is out.
pub(crate) struct RequestLog {
    listener: &'static str,
    telemetry: Telemetry,
}

impl RequestLog {
    /// The traces of that listener.
    pub(crate) fn new(listener: &'static str, telemetry: Telemetry) -> Self {
        Self {
            listener,
            telemetry,
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestLog
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = LoggedService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let metrics = Arc::clone(self.telemetry.metrics.of(self.listener));
        ready(Ok(LoggedService {
            service,
            recorder: Arc::new(Recorder {
                listener: self.listener,
                telemetry: self.telemetry.clone(),
                metrics,
            }),
        }))
    }
}

/// A service whose requests leave traces.
pub(crate) struct LoggedService<S> {
    service: S,
    recorder: Arc<Recorder>,
}

impl<S, B> Service<ServiceRequest> for LoggedService<S>
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

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let held = hold_body(&mut request);
        let Some(attempt) = Attempt::begin(&self.recorder, &request) else {
            // Never unlogged: what leaves no line is not done.
            let refusal = request.into_response(unavailable());
            let refusal = match held {
                Some(held) => held.until_answered(refusal),
                None => refusal,
            };
            return Either::Left(ready(Ok(refusal.map_into_right_body())));
        };
        let act = attempt.act;
        let answer = self.service.call(request);
        let answering = async move {
            let response = answer.await?;
            let end = attempt.end(&response);
            Ok(conclude(response, (held, end)))
        };
        if act == Act::Read {
            return Either::Right(Box::pin(answering));
        }
        let done = spawn(answering);
        Either::Right(Box::pin(async move {
            let unfinished = |_| Err(ErrorInternalServerError("request not finished"));
            done.await.unwrap_or_else(unfinished)
        }))
    }
}

/// What goes out.
fn conclude<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    (held, end): (Option<HeldBody>, Option<BulkEnd>),
) -> ServiceResponse<EitherBody<B>> {
    if held.is_none() && end.is_none() {
        return response.map_into_left_body();
    }
    let mut response = response.map_into_boxed_body();
    if let Some(end) = end {
        response = end.after(response);
    }
    if let Some(held) = held {
        response = held.until_answered(response);
    }
    response.map_into_right_body()
}

/// The decision log has no room.
fn unavailable() -> HttpResponse {
    HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE)
        .insert_header(("content-type", "application/problem+json"))
        .insert_header(("retry-after", "5"))
        .body(r#"{"title":"Service Unavailable","status":503}"#)
}

/// Where the traces of one listener go.
struct Recorder {
    listener: &'static str,
    telemetry: Telemetry,
    metrics: Arc<ListenerMetrics>,
}

/// A request under way. Its line in the decision log has its room already; when it is dropped
/// before it ended, nobody was answered, and what was done is not known.
struct Attempt {
    recorder: Arc<Recorder>,
    began: Instant,
    act: Act,
    method: &'static str,
    peer: Peer,
    is_ended: bool,
    room: Option<Room>,
    /// For the line at the end of a bulk inquiry.
    closing: Option<Room>,
}

impl Attempt {
    /// `None` when there is no room for its line.
    fn begin(recorder: &Arc<Recorder>, request: &ServiceRequest) -> Option<Self> {
        // As it is routed: percent-encoded letters are decoded.
        let path = request.match_info().as_str();
        let act = act_of(recorder.listener, request.method(), path);
        let reserve = || match &recorder.telemetry.decisions {
            None => Some(None),
            Some(log) => log.reserve(act).map(Some),
        };
        let reserve = || {
            let room = reserve();
            if room.is_none() {
                recorder.metrics.count_unlogged_refusal();
            }
            room
        };
        let room = reserve()?;
        let closing = if path == BULK_PATH { reserve()? } else { None };
        Some(Self {
            recorder: Arc::clone(recorder),
            began: Instant::now(),
            act,
            method: method_name(request.method()),
            peer: Peer::of(request),
            is_ended: false,
            room,
            closing,
        })
    }

    /// Leaves the traces of an answer; what is left to tell when its body is out.
    fn end<B: MessageBody>(mut self, response: &ServiceResponse<B>) -> Option<BulkEnd> {
        self.is_ended = true;
        let recorder = Arc::clone(&self.recorder);
        let (request, answer) = (response.request(), response.response());
        let status = response.status().as_u16();
        let of_request = request.extensions().get::<ReferencePoint>().copied();
        let point = of_request.or_else(|| answer.extensions().get::<ReferencePoint>().copied());
        let elapsed = self.began.elapsed();
        recorder
            .metrics
            .count_request(point, Verdict::of_status(status), elapsed);
        if self.room.is_none() && recorder.telemetry.lines.is_none() {
            return None;
        }
        let time = recorder.telemetry.clock.now().to_string();
        let request_id = RequestId::next().to_string();
        let pattern = request.match_pattern();
        let route = pattern.as_deref().unwrap_or("none");
        if let Some(room) = self.room.take() {
            let cause = answer.extensions().get::<RefusalCause>().copied();
            let line = render_request(&Entry {
                time: &time,
                request_id: &request_id,
                listener: recorder.listener,
                who: self.peer.name(),
                point,
                method: self.method,
                route,
                status,
                cause: cause.map(|cause| cause.0),
                mapping: mapping_of(response).map(|id| id.to_string()),
            });
            room.write(line.as_bytes());
        }
        if let Some(lines) = &recorder.telemetry.lines {
            let mut line = Line::begin(lines.format, &time);
            line.text("listener", recorder.listener);
            line.text("method", self.method);
            line.text("route", route);
            line.plain("status", status);
            match &self.peer {
                Peer::Nobody => {}
                Peer::ServiceProvider(peer) => line.text("sp", peer.sp.as_str()),
                Peer::Operator(operator) => line.text("operator", operator.name.as_str()),
            }
            if let Some(point) = point {
                line.text("reference_point", point.label());
            }
            line.plain("duration_us", elapsed.as_micros());
            match answer.body().size() {
                BodySize::Sized(bytes) => line.plain("bytes", bytes),
                BodySize::None => line.plain("bytes", 0),
                BodySize::Stream => {}
            }
            line.text("request_id", &request_id);
            lines.sink.hand_over(&line.end());
        }
        let tally = answer.extensions().get::<BulkTally>().cloned()?;
        Some(BulkEnd {
            recorder,
            peer: std::mem::replace(&mut self.peer, Peer::Nobody),
            request_id,
            tally,
            room: self.closing.take(),
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        self.recorder.metrics.count_unanswered();
        if let Some(room) = self.room.take() {
            let time = self.recorder.telemetry.clock.now().to_string();
            let request_id = RequestId::next().to_string();
            let line = render_unanswered(
                (&time, &request_id),
                (self.recorder.listener, self.peer.name()),
                self.method,
            );
            room.write(line.as_bytes());
        }
    }
}

/// Who the connection belongs to.
enum Peer {
    Nobody,
    ServiceProvider(Arc<PeerCertificate>),
    Operator(Arc<OperatorCertificate>),
}

impl Peer {
    fn of(request: &ServiceRequest) -> Self {
        if let Some(peer) = request.conn_data::<Arc<PeerCertificate>>() {
            Self::ServiceProvider(Arc::clone(peer))
        } else if let Some(operator) = request.conn_data::<Arc<OperatorCertificate>>() {
            Self::Operator(Arc::clone(operator))
        } else {
            Self::Nobody
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::ServiceProvider(peer) => Some(peer.sp.as_str()),
            Self::Operator(operator) => Some(operator.name.as_str()),
        }
    }
}

/// What a request is up to. An inquiry is a POST that changes nothing, so is asking for a token
/// to inquire with.
fn act_of(listener: &str, method: &Method, path: &str) -> Act {
    if listener == super::OPERATOR {
        return Act::Operator;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        || path.starts_with("/ics-inquiry/")
        || path.starts_with("/oauth2/");
    if reads { Act::Read } else { Act::Change }
}

/// The row a request was about: named in its path, or made by it.
fn mapping_of<B>(response: &ServiceResponse<B>) -> Option<MappingId> {
    let named = response.request().match_info().get("mappingId");
    let made = || {
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        location.rsplit('/').next()
    };
    // Parsed: what a caller writes there never stands in the log as it came.
    MappingId::parse(named.or_else(made)?).ok()
}

/// A line being written. Values come from fixed alphabets (ids, patterns, numbers of ours), so
/// nothing in them needs escaping.
struct Line {
    text: String,
    json: bool,
}

impl Line {
    fn begin(format: LogFormat, now: &str) -> Self {
        let mut line = Self {
            text: String::with_capacity(320),
            json: format == LogFormat::Json,
        };
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

/// Where many inquiries come in one request.
const BULK_PATH: &str = "/ics-inquiry/v1/retrieve-bulk";

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
pub(crate) struct RequestId(u64);

impl RequestId {
    pub(crate) fn next() -> Self {
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
