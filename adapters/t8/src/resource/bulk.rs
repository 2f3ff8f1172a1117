//! `/ics-inquiry/v1/retrieve-bulk` (ICS-7, ICS-8): many inquiries in one body, a line each, in
//! their order. Each line gets the answer, or the problem, that it would get one by one.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use ics_core::principal::Principal;

use super::inquiry;
use crate::api::T8Api;
use crate::exchange::{Call, Reply};
use crate::problem::Problem;
use crate::wire::{BulkLine, parse_line, point_of_line};

/// The most lines of one body (t8 A.4).
pub(crate) const MOST_LINES: usize = 10_000;
/// How many lines are answered at one go: others wait that long for their turn.
const LINES_AT_ONE_GO: usize = 64;

/// A bulk inquiry under way.
pub(crate) struct Bulk {
    api: Arc<T8Api>,
    principal: Principal,
    /// What is not answered yet.
    rest: Bytes,
}

impl Bulk {
    /// Takes the inquiry, and counts each of its lines as a request: what it asks above the limit
    /// is owed before the next one is admitted.
    ///
    /// # Errors
    /// 413 for too many lines.
    pub(crate) fn begin(
        api: Arc<T8Api>,
        principal: Principal,
        body: Bytes,
    ) -> Result<Self, Problem> {
        let ended = body.last().is_none_or(|last| *last == b'\n');
        let lines = body.iter().filter(|byte| **byte == b'\n').count();
        let lines = lines.saturating_add(usize::from(!ended));
        if lines > MOST_LINES {
            return Err(Problem::status_only(413));
        }
        let directory = api.service.directory();
        if let Some(party) = directory.party(&principal.sp) {
            // The request itself was counted when it was admitted.
            let more = u32::try_from(lines.saturating_sub(1)).unwrap_or(u32::MAX);
            api.limiter.charge(party, more, api.clock.now());
        }
        Ok(Self {
            api,
            principal,
            rest: body,
        })
    }

    /// The answers to the next lines; `None` after the last one.
    pub(crate) async fn next(mut self) -> Option<(Bytes, Self)> {
        let mut answers = Vec::with_capacity(LINES_AT_ONE_GO.saturating_mul(256));
        for _ in 0..LINES_AT_ONE_GO {
            let Some(line) = self.take_line() else {
                break;
            };
            match self.answer(&line).await {
                Ok(reply) => answers.extend(reply.body),
                Err(problem) => answers.extend(problem.to_json()),
            }
            answers.push(b'\n');
        }
        (!answers.is_empty()).then(|| (answers.into(), self))
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

    /// As `retrieve-by-device` or `retrieve-by-transaction` would answer the line now.
    async fn answer(&self, line: &[u8]) -> Result<Reply, Problem> {
        let point = point_of_line(line);
        if !self.principal.scopes.contains(point) {
            return Err(Problem::insufficient_scope(point));
        }
        let parsed = parse_line(line)?;
        let call = Call {
            principal: self.principal.clone(),
            point: Cell::new(point),
            root: &self.api.root,
            id: "",
            page: None,
            body: line,
            now: self.api.clock.now(),
        };
        let service = &self.api.service;
        match &parsed {
            BulkLine::Device(body) => inquiry::answer_device(service, &call, body).await,
            BulkLine::Transaction(body) => inquiry::answer_transaction(service, &call, body).await,
        }
    }
}
