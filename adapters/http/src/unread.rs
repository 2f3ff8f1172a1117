//! The end of a request whose body was not read to its end: refused by its head, too long, too
//! late.
//!
//! After an answer actix-web reads and throws away the rest of a chunked body that nobody holds any
//! more, for as long as its sender likes, `Connection: close` or not; of a body that somebody still
//! holds, as of one of a declared length, it gives the rest up and closes the connection (RFC 9112
//! 9.6). So a listener holds each chunked body until its answer is out.

use core::cell::RefCell;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::rc::Rc;

use actix_web::HttpMessage as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::web::Bytes;
use futures_util::Stream;

use crate::answer::hold_until_out;

/// A chunked body, held whoever reads it or does not.
#[must_use = "a body that is not held is waited for without end"]
pub struct HeldBody(
    #[expect(dead_code, reason = "held until the answer is out")] Rc<RefCell<Payload>>,
);

/// Takes hold of the body of `request`, which is read as before; `None` when it is not chunked.
pub fn hold_body(request: &mut ServiceRequest) -> Option<HeldBody> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let body = Rc::new(RefCell::new(request.take_payload()));
    let reader = Reader(Rc::clone(&body));
    request.set_payload(Payload::Stream {
        payload: Box::pin(reader),
    });
    Some(HeldBody(body))
}

impl HeldBody {
    /// The answer, the body held until it is out.
    #[must_use]
    pub fn until_answered<B>(self, response: ServiceResponse<B>) -> ServiceResponse<BoxBody>
    where
        B: MessageBody + 'static,
    {
        hold_until_out(response, self)
    }
}

/// Reads a body that somebody holds.
struct Reader(Rc<RefCell<Payload>>);

impl Stream for Reader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

#[cfg(test)]
mod tests;
