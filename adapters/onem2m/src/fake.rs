//! A CSE that notes what it is asked, for tests.

use std::sync::Mutex;

use ics_core::port::PortFuture;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::caller::Caller;
use crate::handler::Handler;
use crate::primitive::{Answer, Refusal, Request, Response};
use crate::rsc::Rsc;

/// Answers everything with 2000 and the address, once it may.
pub(crate) struct FakeCse {
    asked: Mutex<Vec<(String, Request)>>,
    turns: Semaphore,
}

impl FakeCse {
    /// It may answer so many requests.
    pub(crate) fn new(turns: usize) -> Self {
        Self {
            asked: Mutex::default(),
            turns: Semaphore::new(turns),
        }
    }

    /// It may answer so many more.
    pub(crate) fn permit(&self, turns: usize) {
        self.turns.add_permits(turns);
    }

    /// What it was asked, and by whom.
    pub(crate) fn asked(&self) -> Vec<(String, Request)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Handler for FakeCse {
    fn handle<'a>(&'a self, caller: &'a Caller, request: Request) -> PortFuture<'a, Response> {
        Box::pin(async move {
            let asked = (format!("{caller:?}"), request.clone());
            self.asked.lock().unwrap().push(asked);
            self.turns.acquire().await.unwrap().forget();
            let answer = Answer::with(Rsc::Ok, "m2m:uri", json!(request.to));
            let mut response = Response::to(&request, Ok(answer));
            response.from = Some("/id-ics".into());
            response
        })
    }

    fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        Response::to(request, Err(refusal))
    }
}
