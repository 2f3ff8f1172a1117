//! The answer to a bulk request on the socket: sent as it is made.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::rt::spawn;
use actix_web::web::Bytes;

use crate::operation::NDJSON;
use crate::resource::bulk::{Bulk, CutOff};

/// An answer that is sent as it is made.
pub(super) fn stream(bulk: Bulk) -> HttpResponse {
    let tally = bulk.tally();
    let body = Lines {
        next: Some(go_on(bulk)),
        waited: true,
    };
    let mut response = HttpResponse::Ok();
    response.extensions_mut().insert(tally);
    response
        .insert_header((CONTENT_TYPE, NDJSON))
        .body(BoxBody::new(body))
}

/// The answers to a bulk inquiry, some lines at one go; between two goes others have their turn.
struct Lines {
    next: Option<Step>,
    waited: bool,
}

type Step = Pin<Box<dyn Future<Output = Option<Result<(Bytes, Bulk), CutOff>>>>>;

/// The next go. One that changes something runs to its end, even when the caller hangs up meanwhile.
fn go_on(bulk: Bulk) -> Step {
    if bulk.changes() {
        Box::pin(async { spawn(bulk.next()).await.unwrap_or(Some(Err(CutOff))) })
    } else {
        Box::pin(bulk.next())
    }
}

impl MessageBody for Lines {
    type Error = CutOff;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if !this.waited {
            this.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(step) = &mut this.next else {
            return Poll::Ready(None);
        };
        let made = std::task::ready!(step.as_mut().poll(cx));
        this.waited = false;
        let (lines, next): (_, Option<Step>) = match made {
            Some(Ok((lines, rest))) => (Some(Ok(lines)), Some(go_on(rest))),
            Some(Err(cut_off)) => (Some(Err(cut_off)), None),
            None => (None, None),
        };
        this.next = next;
        Poll::Ready(lines)
    }
}
