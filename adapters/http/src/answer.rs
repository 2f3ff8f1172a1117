//! What is held until an answer is out: its last part taken, or nobody there any more to take it.

use core::pin::Pin;
use core::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::web::Bytes;

/// The answer, and `held` dropped when it is out.
#[must_use]
pub fn hold_until_out<B, H>(response: ServiceResponse<B>, held: H) -> ServiceResponse<BoxBody>
where
    B: MessageBody + 'static,
    H: Unpin + 'static,
{
    response.map_body(|_, body| {
        BoxBody::new(Answer {
            body: body.boxed(),
            _held: held,
        })
    })
}

struct Answer<H> {
    body: BoxBody,
    _held: H,
}

impl<H: Unpin> MessageBody for Answer<H> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
