//! The CSE on CoAP (TS-0008): method, options and payload in, code, options and payload out. What
//! carries them, and proves who asks, is the device channel's DTLS listener; the gateway joins them.

use std::sync::Arc;

pub use crate::binding::coap::{CoapAnswer, CoapOption, CoapRequest};
use crate::binding::coap::{OPTIONS, ROOTS, Unreadable, read_request, write_response};
use crate::caller::Caller;
use crate::handler::{Handler, refusal_of};
use crate::primitive::Refusal;
use crate::rsc::Rsc;

/// The options of oneM2M: a request with one of them is for the CSE.
pub const COAP_OPTIONS: &[u16] = OPTIONS;
/// The first segments of paths that are for the CSE, options or not.
pub const COAP_ROOTS: &[&str] = ROOTS;

/// The CSE, as a CoAP listener sees it.
pub struct CoapService {
    handler: Arc<dyn Handler>,
}

impl CoapService {
    /// Requests are answered by `handler`.
    #[must_use]
    pub fn new(handler: Arc<dyn Handler>) -> Self {
        Self { handler }
    }

    /// Answers a request of `caller`.
    pub async fn answer(&self, caller: &Caller, said: &CoapRequest) -> CoapAnswer {
        match read_request(said) {
            Ok(request) => {
                let operation = request.operation;
                let response = self.handler.handle(caller, request).await;
                write_response(&response, operation)
            }
            Err(partial) => {
                let (request, why) = *partial;
                let response = self.handler.refuse(&request, refusal(&why));
                write_response(&response, request.operation)
            }
        }
    }
}

fn refusal(why: &Unreadable) -> Refusal {
    match why {
        Unreadable::Invalid(invalid) => refusal_of(invalid),
        Unreadable::ContentFormat => {
            Refusal::new(Rsc::UnsupportedMediaType, "content is application/json")
        }
        Unreadable::NotAcceptable => {
            Refusal::new(Rsc::NotAcceptable, "answers are application/json")
        }
        Unreadable::Method => {
            let said = "the method stands for no operation";
            Refusal::new(Rsc::OperationNotAllowed, said)
        }
    }
}

#[cfg(test)]
mod tests;
