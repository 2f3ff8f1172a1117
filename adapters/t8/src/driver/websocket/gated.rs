//! What an SP sends by its websocket, on its way to actix-ws: no frame that is too long gets there.
//!
//! actix-ws keeps all it is sent of a frame until it has the whole, and looks at its size then: a
//! frame that declares 2^62 bytes would fill the memory.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload as RawPayload;
use actix_web::error::PayloadError;
use actix_web::web::{Bytes, Payload};
use actix_web::{FromRequest as _, HttpRequest};
use actix_ws::ProtocolError;
use futures_util::Stream;

use crate::wire::FrameGate;

/// `payload`, which ends with an error at the head of a frame of more than `largest` bytes.
pub(super) fn gate(
    request: &HttpRequest,
    payload: Payload,
    largest: u64,
) -> Result<Payload, actix_web::Error> {
    let gated = Gated {
        payload: payload.into_inner(),
        gate: FrameGate::new(largest),
    };
    let mut gated: RawPayload = RawPayload::Stream {
        payload: Box::pin(gated),
    };
    Payload::from_request(request, &mut gated).into_inner()
}

/// Whether the stream of messages ended because a frame was too long.
pub(super) fn is_too_large(error: &ProtocolError) -> bool {
    match error {
        ProtocolError::Overflow => true,
        ProtocolError::Io(error) => error
            .get_ref()
            .and_then(|error| error.downcast_ref())
            .is_some_and(|error| matches!(error, PayloadError::Overflow)),
        _ => false,
    }
}

struct Gated {
    payload: RawPayload,
    gate: FrameGate,
}

impl Stream for Gated {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = ready!(Pin::new(&mut this.payload).poll_next(cx));
        Poll::Ready(next.map(|bytes| {
            let bytes = bytes?;
            let passed = this.gate.pass(&bytes);
            passed.map_err(|_| PayloadError::Overflow).map(|()| bytes)
        }))
    }
}
