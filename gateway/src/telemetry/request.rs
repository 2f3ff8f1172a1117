//! What every request leaves: a line in the log, a line in the decision log, its numbers.
//!
//! Lines are written by hand: tracing's fields and layers cost 3 us of a request that takes 30,
//! and these have always the same fields.

mod attempt;
mod bulk;
mod line;
mod primitive;

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::rt::spawn;
use actix_web::{Error, HttpResponse};
use futures_util::future::{Either, LocalBoxFuture};
use ics_http::{HeldBody, hold_body, noted_during};

use super::Telemetry;
use super::decision::{Act, Room, render_unanswered};
use super::metrics::ListenerMetrics;
use super::writer::LogSink;
use crate::config::LogFormat;
use attempt::Attempt;
use bulk::BulkEnd;
pub(crate) use line::RequestId;
pub(crate) use primitive::LoggedCse;

/// Where lines go, and how they read.
#[derive(Clone)]
pub(crate) struct RequestLines {
    pub(super) sink: LogSink,
    pub(super) format: LogFormat,
}

/// Middleware that leaves the traces. A handler names its reference point by putting a
/// [`ReferencePoint`](ics_core::reference_point::ReferencePoint) into the request's extensions, or the response's; the cause of a refusal by
/// putting a [`RefusalCause`](ics_core::audit::RefusalCause) into the response's, the outcomes of many inquiries a [`BulkTally`](ics_core::audit::BulkTally);
/// who proved itself by more than the connection, a [`Principal`](ics_core::principal::Principal).
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
            let (response, verdict) = noted_during(answer).await;
            let response = response?;
            let end = attempt.end(&response, verdict);
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

impl Recorder {
    /// A request that nobody was answered: what was done is not known.
    fn note_unanswered(&self, room: Option<Room>, who: Option<&str>, method: &'static str) {
        self.metrics.count_unanswered();
        if let Some(room) = room {
            let time = self.telemetry.clock.now().to_string();
            let request_id = RequestId::next().to_string();
            let line = render_unanswered((&time, &request_id), (self.listener, who), method);
            room.write(line.as_bytes());
        }
    }
}
