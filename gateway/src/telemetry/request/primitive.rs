//! What a request of oneM2M leaves that came by a line of another listener, or of none: over a broker, on
//! the session of a device.

use std::sync::Arc;
use std::time::Instant;

use ics_core::port::PortFuture;
use ics_http::noted_during;
use ics_onem2m::caller::Caller;
use ics_onem2m::handler::Handler;
use ics_onem2m::primitive::{Operation, Refusal, Request, Response};
use ics_onem2m::rsc::Rsc;
use ics_onem2m::{Answered, Cse};

use super::Recorder;
use super::attempt::{AskedBy, Peer};
use super::line::{Line, RequestId};
use crate::telemetry::decision::{Act, Entry, Room, Verdict, render_request};
use crate::telemetry::{ONEM2M, Telemetry};

/// The CSE; each request it is given is done to its end, and leaves its traces.
#[derive(Clone)]
pub(crate) struct LoggedCse {
    cse: Arc<Cse>,
    recorder: Arc<Recorder>,
    /// How it came: what stands for the route.
    line: &'static str,
}

impl LoggedCse {
    /// The traces of requests that come by `line`.
    pub(crate) fn new(cse: &Arc<Cse>, telemetry: &Telemetry, line: &'static str) -> Self {
        Self {
            cse: Arc::clone(cse),
            recorder: Arc::new(Recorder {
                listener: ONEM2M,
                telemetry: telemetry.clone(),
                metrics: Arc::clone(telemetry.metrics.of(ONEM2M)),
            }),
            line,
        }
    }

    async fn answer(self, caller: Caller, request: Request) -> Response {
        let peer = Peer::OneM2m(caller.clone());
        let Some(attempt) = Attempt::begin(&self, peer, request.operation) else {
            // Never unlogged: what leaves no line is not done.
            return self.cse.refuse(&request, not_now()).response;
        };
        let from = request.from.clone();
        let (answered, verdict) = noted_during(self.cse.answer(&caller, request)).await;
        attempt.end(&answered, verdict);
        self.cse.word((&caller, from.as_deref()), answered.response)
    }
}

const fn not_now() -> Refusal {
    Refusal::new(Rsc::InternalServerError, "not now: come back")
}

impl Handler for LoggedCse {
    fn handle<'a>(&'a self, caller: &'a Caller, request: Request) -> PortFuture<'a, Response> {
        let asked = request.clone();
        let work = tokio::spawn(self.clone().answer(caller.clone(), request));
        Box::pin(async move {
            let done = work.await;
            done.unwrap_or_else(|_| self.cse.refuse(&asked, not_now()).response)
        })
    }

    fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        let answered = self.cse.refuse(request, refusal);
        if let Some(attempt) = Attempt::begin(self, Peer::Nobody, Operation::Retrieve) {
            attempt.end(&answered, None);
        }
        answered.response
    }
}

/// A request under way, whose line has its room already; dropped before it ended, what was done is not
/// known.
struct Attempt {
    recorder: Arc<Recorder>,
    line: &'static str,
    method: &'static str,
    peer: Peer,
    began: Instant,
    room: Option<Room>,
    is_ended: bool,
}

impl Attempt {
    /// `None` when there is no room for its line.
    fn begin(logged: &LoggedCse, peer: Peer, operation: Operation) -> Option<Self> {
        let recorder = Arc::clone(&logged.recorder);
        let (method, act) = method_of(operation);
        let room = match &recorder.telemetry.decisions {
            None => None,
            Some(log) => {
                let room = log.reserve(act);
                if room.is_none() {
                    recorder.metrics.count_unlogged_refusal();
                }
                Some(room?)
            }
        };
        Some(Self {
            recorder,
            line: logged.line,
            method,
            peer,
            began: Instant::now(),
            room,
            is_ended: false,
        })
    }

    fn end(mut self, answered: &Answered, last: Option<u64>) {
        self.is_ended = true;
        let telemetry = &self.recorder.telemetry;
        let rsc = answered.response.rsc;
        let (status, elapsed) = (rsc.http_status(), self.began.elapsed());
        let verdict = Verdict::of_status(status);
        self.recorder
            .metrics
            .count_request(answered.point, verdict, elapsed);
        let time = telemetry.clock.now().to_string();
        let request_id = RequestId::next().to_string();
        let asked_by = AskedBy::of(&self.peer, answered.principal.as_ref());
        if let Some(room) = self.room.take() {
            let line = render_request(&Entry {
                time: &time,
                request_id: &request_id,
                listener: self.recorder.listener,
                who: asked_by.who,
                proof: asked_by.proof,
                via: asked_by.via,
                point: answered.point,
                method: self.method,
                route: self.line,
                status,
                cause: (!rsc.is_success()).then(|| rsc.name()),
                verdict: last,
                object: None,
            });
            room.write(line.as_bytes());
        }
        if let Some(lines) = &telemetry.lines {
            let mut line = Line::begin(lines.format, &time);
            line.text("listener", self.recorder.listener);
            line.text("method", self.method);
            line.text("route", self.line);
            line.plain("status", status);
            if let Some(who) = asked_by.who {
                line.text("sp", who);
            }
            if let Some(point) = answered.point {
                line.text("reference_point", point.label());
            }
            line.plain("duration_us", elapsed.as_micros());
            line.text("request_id", &request_id);
            lines.sink.hand_over(&line.end());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        let room = self.room.take();
        self.recorder
            .note_unanswered(room, self.peer.name(), self.method);
    }
}

/// As HTTP has it (TS-0009 6.2.1), and whether it may change something.
const fn method_of(operation: Operation) -> (&'static str, Act) {
    match operation {
        Operation::Create | Operation::Notify => ("POST", Act::Change),
        Operation::Retrieve => ("GET", Act::Read),
        Operation::Update => ("PUT", Act::Change),
        Operation::Delete => ("DELETE", Act::Change),
    }
}
