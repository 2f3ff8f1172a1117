//! The CSE on CoAP (TS-0008): method, options and payload in, code, options and payload out. What
//! carries them, and proves who asks, is the device channel's DTLS listener; the gateway joins them.

use std::sync::Arc;

use crate::binding::coap::{OPTIONS, ROOTS, Unreadable, read_request, write_response};
use crate::caller::Caller;
use crate::handler::{Handler, refusal_of};
use crate::primitive::Refusal;
use crate::rsc::Rsc;

/// The options of oneM2M: a request with one of them is for the CSE.
pub const COAP_OPTIONS: &[u16] = OPTIONS;
/// The first segments of paths that are for the CSE, options or not.
pub const COAP_ROOTS: &[&str] = ROOTS;

/// What an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoapAnswer {
    /// Class and detail of its code.
    pub code: (u8, u8),
    /// Its options, by ascending number.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Its payload.
    pub payload: Vec<u8>,
}

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

    /// Answers a request of `caller`: the code of its method, its options (all that are there but those
    /// of the transport: blocks, tokens), its payload put together.
    pub async fn answer(
        &self,
        caller: &Caller,
        (method, options, payload): (u8, &[(u16, Vec<u8>)], &[u8]),
    ) -> CoapAnswer {
        let (response, operation) = match read_request(method, options, payload) {
            Ok(request) => {
                let operation = request.operation;
                (self.handler.handle(caller, request).await, operation)
            }
            Err((partial, why)) => {
                let response = self.handler.refuse(&partial, refusal(&why));
                (response, partial.operation)
            }
        };
        let written = write_response(&response, operation);
        CoapAnswer {
            code: written.code,
            options: written.options,
            payload: written.payload,
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
