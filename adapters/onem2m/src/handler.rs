//! Who answers requests, whichever line they came by: the CSE.

use std::sync::Arc;

use ics_core::port::{Clock, PortFuture};

use crate::caller::Caller;
use crate::primitive::{InvalidPrimitive, Refusal, Request, Response};
use crate::repeats::Repeats;
use crate::rsc::Rsc;

/// Answers requests.
pub trait Handler: Send + Sync {
    /// Answers `request`, which came from `caller`.
    fn handle<'a>(&'a self, caller: &'a Caller, request: Request) -> PortFuture<'a, Response>;

    /// The answer to a request that cannot be handled; what of it could be read is there.
    fn refuse(&self, request: &Request, refusal: Refusal) -> Response;
}

/// Handles each request once: who repeats it is told the same.
pub struct Once {
    handler: Arc<dyn Handler>,
    clock: Arc<dyn Clock>,
    repeats: Repeats<Response>,
}

impl Once {
    /// What is new is for `handler`.
    #[must_use]
    pub fn new(handler: Arc<dyn Handler>, clock: Arc<dyn Clock>) -> Self {
        Self {
            handler,
            clock,
            repeats: Repeats::new(|response| response),
        }
    }
}

impl Handler for Once {
    fn handle<'a>(&'a self, caller: &'a Caller, request: Request) -> PortFuture<'a, Response> {
        Box::pin(async move {
            let name = caller.key();
            let asked = request.clone();
            let work = self.handler.handle(caller, request);
            let asked = (name.as_str(), &asked);
            self.repeats.once(asked, self.clock.as_ref(), work).await
        })
    }

    fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        self.handler.refuse(request, refusal)
    }
}

/// What is said of a primitive that could not be read.
pub(crate) fn refusal_of(invalid: &InvalidPrimitive) -> Refusal {
    let said = "is missing or not well formed";
    Refusal::about(Rsc::BadRequest, &invalid.name, said)
}
