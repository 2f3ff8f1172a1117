//! The end of a request whose body did not come in time.
//!
//! After an answer actix-web waits for the rest of a chunked body that nobody holds any more, for
//! as long as its sender likes, `Connection: close` or not; of a body that somebody still holds,
//! it gives the rest up. So what was left unread is held until its answer is out.

use core::pin::Pin;
use core::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::ConnectionType;
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

/// A body that is not whole, kept in the extensions of its request.
pub(crate) struct Unread {
    _payload: Payload,
}

impl Unread {
    /// Leaves `payload` with `request`, for [`close_if_late`].
    pub(crate) fn leave(request: &HttpRequest, payload: Payload) {
        request.extensions_mut().insert(Self { _payload: payload });
    }
}

/// The answer to a request. Where its body was refused as [`TooSlow`], the connection is closed
/// with it (RFC 9110 15.5.9), or the rest of that body would be waited for.
///
/// [`TooSlow`]: crate::BodyRefusal::TooSlow
#[must_use]
pub fn close_if_late(request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
    let Some(unread) = request.extensions_mut().remove::<Unread>() else {
        return response;
    };
    response
        .head_mut()
        .set_connection_type(ConnectionType::Close);
    response.map_body(|_, body| {
        BoxBody::new(Answer {
            body,
            _unread: unread,
        })
    })
}

/// The body of an answer, and what it answers.
struct Answer {
    body: BoxBody,
    _unread: Unread,
}

impl MessageBody for Answer {
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

#[cfg(test)]
mod tests;
