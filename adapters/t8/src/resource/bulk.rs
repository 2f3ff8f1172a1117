//! `/ics-inquiry/v1/retrieve-bulk` (ICS-7, ICS-8) and `/ics-device/v1/{scsAsId}/register-bulk`
//! (ICS-2): many requests in one body, a line each, in their order. Each line gets the answer, or
//! the problem, that it would get one by one.

mod place;

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use ics_core::audit::BulkTally;
use ics_core::principal::Principal;
use ics_core::reference_point::ReferencePoint;

use super::{devices, inquiry};
use crate::api::T8Api;
use crate::exchange::{Call, Reply};
use crate::guard::still_admits;
use crate::operation::Operation;
use crate::problem::Problem;
use crate::wire::point_of_line;

pub(crate) use place::{Place, Places};

/// The most lines of one body (t8 A.4).
pub(crate) const MOST_LINES: usize = 10_000;
/// The most registrations of one body: each is a commit of its own.
pub(crate) const MOST_REGISTRATIONS: usize = 1_000;
/// The longest line: what a body may be one by one.
const LONGEST_LINE: usize = 64 * 1024;
/// How many lines are answered at one go: others wait that long for their turn.
const LINES_AT_ONE_GO: usize = 64;
/// The same of registrations.
const REGISTRATIONS_AT_ONE_GO: usize = 8;

/// A bulk inquiry under way.
pub(crate) struct Bulk {
    api: Arc<T8Api>,
    operation: Operation,
    asker: Asker,
    /// What is not answered yet.
    rest: Bytes,
    /// What became of the rest.
    tally: BulkTally,
}

/// Who asks, and with what: asked for again at every go, for an answer may take long to be read.
pub(crate) struct Asker {
    /// Who.
    pub(crate) principal: Principal,
    /// Over which point it was admitted.
    pub(crate) point: ReferencePoint,
    /// With which token.
    pub(crate) bearer: String,
    /// Its place among those under way.
    #[expect(dead_code, reason = "held until the inquiry is dropped")]
    pub(crate) place: Place,
}

/// The answer ends here: the caller is served no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("caller is served no longer")]
pub(crate) struct CutOff;

impl Bulk {
    /// Takes the inquiry, and counts each of its lines as a request: what it asks above the limit
    /// is owed before the next one is admitted.
    ///
    /// # Errors
    /// 413 for too many lines.
    pub(crate) fn begin(
        api: Arc<T8Api>,
        (operation, asker): (Operation, Asker),
        body: Bytes,
    ) -> Result<Self, Problem> {
        let ended = body.last().is_none_or(|last| *last == b'\n');
        let lines = body.iter().filter(|byte| **byte == b'\n').count();
        let lines = lines.saturating_add(usize::from(!ended));
        let most = match operation {
            Operation::RegisterDevicesInBulk => MOST_REGISTRATIONS,
            _ => MOST_LINES,
        };
        if lines > most {
            return Err(Problem::status_only(413));
        }
        let asked = u32::try_from(lines).unwrap_or(u32::MAX);
        let directory = api.service.directory();
        if let Some(party) = directory.party(&asker.principal.sp) {
            // The request itself was counted when it was admitted.
            let more = asked.saturating_sub(1);
            api.limiter.charge(party, more, api.clock.now());
        }
        Ok(Self {
            api,
            operation,
            asker,
            rest: body,
            tally: BulkTally::new(asked),
        })
    }

    /// Whether it changes something: then a go that was begun runs to its end.
    pub(crate) fn changes(&self) -> bool {
        self.operation == Operation::RegisterDevicesInBulk
    }

    /// How many lines there are, and what becomes of them.
    pub(crate) fn tally(&self) -> BulkTally {
        self.tally.clone()
    }

    /// The answers to the next lines; `None` after the last one.
    ///
    /// # Errors
    /// [`CutOff`] once certificate, token or party do not stand any more.
    pub(crate) async fn next(mut self) -> Option<Result<(Bytes, Self), CutOff>> {
        let Asker {
            principal,
            point,
            bearer,
            ..
        } = &self.asker;
        if !still_admits(&self.api, principal, *point, bearer) {
            return Some(Err(CutOff));
        }
        let mut answers = Vec::with_capacity(LINES_AT_ONE_GO.saturating_mul(256));
        let at_one_go = if self.changes() {
            REGISTRATIONS_AT_ONE_GO
        } else {
            LINES_AT_ONE_GO
        };
        for _ in 0..at_one_go {
            let Some(line) = self.take_line() else {
                break;
            };
            match self.answer(&line).await {
                Ok(reply) => {
                    self.tally.count(reply.status);
                    answers.extend(reply.body);
                }
                Err(problem) => {
                    self.tally.count(problem.status());
                    answers.extend(problem.to_json());
                }
            }
            answers.push(b'\n');
        }
        (!answers.is_empty()).then(|| Ok((answers.into(), self)))
    }

    /// The next line, without its end.
    fn take_line(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let mut line = self.rest.split_to(end.unwrap_or(self.rest.len()));
        if end.is_some() {
            self.rest = self.rest.slice(1..);
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len().saturating_sub(1));
        }
        Some(line)
    }

    /// As `retrieve-by-device`, `retrieve-by-transaction` or a registration would be answered now.
    async fn answer(&self, line: &[u8]) -> Result<Reply, Problem> {
        if line.len() > LONGEST_LINE {
            return Err(Problem::status_only(413));
        }
        let principal = &self.asker.principal;
        let point = match self.operation {
            Operation::RegisterDevicesInBulk => self.asker.point,
            _ => point_of_line(line),
        };
        if !principal.scopes.contains(point) {
            return Err(Problem::insufficient_scope(point));
        }
        let call = Call {
            principal: principal.clone(),
            point: Cell::new(point),
            root: &self.api.root,
            id: "",
            part: "",
            page: None,
            body: line,
            // As one by one: what may have run out is not shown.
            now: match self.operation {
                Operation::RegisterDevicesInBulk => self.api.clock.now(),
                _ => self.api.clock.latest(),
            },
        };
        let service = &self.api.service;
        match point {
            ReferencePoint::Ics2 => Box::pin(devices::register(service, &call)).await,
            ReferencePoint::Ics8 => inquiry::by_device(service, &call).await,
            _ => inquiry::by_transaction(service, &call).await,
        }
    }
}
