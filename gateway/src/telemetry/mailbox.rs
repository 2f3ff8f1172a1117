//! What each request out of a mailbox leaves: a line in the decision log, its numbers. It came by no
//! listener, but the CSE that answers it is the same. As elsewhere, nothing is done that leaves no line.

use std::sync::Arc;
use std::time::Instant;

use ics_core::port::PortFuture;
use ics_onem2m::caller::Caller;
use ics_onem2m::handler::Handler;
use ics_onem2m::primitive::{Operation, Refusal, Request, Response};
use ics_onem2m::rsc::Rsc;
use ics_onem2m::{Answered, Cse};

use super::decision::{Act, Entry, Room, Verdict, render_request};
use super::{ONEM2M, RequestId, Telemetry};

/// The CSE, as a mailbox sees it, each request logged and counted.
pub(crate) struct MailboxActs {
    cse: Arc<Cse>,
    platform: String,
    telemetry: Telemetry,
}

/// A request under way: its line has its room already.
struct Doing {
    room: Option<Room>,
    began: Instant,
    operation: Operation,
}

impl MailboxActs {
    /// Requests that the CSE of that platform keeps for `cse`.
    pub(crate) const fn new(cse: Arc<Cse>, platform: String, telemetry: Telemetry) -> Self {
        Self {
            cse,
            platform,
            telemetry,
        }
    }

    /// `None` when there is no room for its line.
    fn begin(&self, request: &Request) -> Option<Doing> {
        let room = match &self.telemetry.decisions {
            None => None,
            Some(log) => {
                let room = log.reserve(Act::Change);
                if room.is_none() {
                    let metrics = self.telemetry.metrics.of(ONEM2M);
                    metrics.count_unlogged_refusal();
                }
                Some(room?)
            }
        };
        Some(Doing {
            room,
            began: Instant::now(),
            operation: request.operation,
        })
    }

    fn end(&self, doing: Doing, answered: &Answered) {
        let rsc = answered.response.rsc;
        let status = rsc.http_status();
        let metrics = self.telemetry.metrics.of(ONEM2M);
        let verdict = Verdict::of_status(status);
        metrics.count_request(answered.point, verdict, doing.began.elapsed());
        let principal = answered.principal.as_ref();
        let platform = self.platform.as_str();
        let line = render_request(&Entry {
            time: &self.telemetry.clock.now().to_string(),
            request_id: &RequestId::next().to_string(),
            listener: ONEM2M,
            who: Some(principal.map_or(platform, |principal| principal.sp.as_str())),
            proof: Some(principal.map_or("claim", |principal| principal.proof.name())),
            via: principal.map(|_| platform),
            point: answered.point,
            method: if doing.operation == Operation::Update {
                "PUT"
            } else {
                "POST"
            },
            route: "mailbox",
            status,
            cause: (!rsc.is_success()).then(|| rsc.name()),
            object: None,
        });
        if let Some(room) = doing.room {
            room.write(line.as_bytes());
        }
    }

    fn refuse_unlogged(&self, request: &Request) -> Response {
        let refusal = Refusal::new(Rsc::InternalServerError, "not now; ask again");
        self.cse.refuse(request, refusal).response
    }
}

impl Handler for MailboxActs {
    fn handle<'a>(&'a self, caller: &'a Caller, request: Request) -> PortFuture<'a, Response> {
        Box::pin(async move {
            let Some(doing) = self.begin(&request) else {
                return self.refuse_unlogged(&request);
            };
            let answered = self.cse.answer(caller, request).await;
            self.end(doing, &answered);
            answered.response
        })
    }

    fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        let Some(doing) = self.begin(request) else {
            return self.refuse_unlogged(request);
        };
        let answered = self.cse.refuse(request, refusal);
        self.end(doing, &answered);
        answered.response
    }
}
