//! The end of a bulk inquiry: its answer goes out in parts, so what became of its lines is told
//! when the last part is out, or when nobody takes any more.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use ics_core::audit::BulkTally;
use ics_http::hold_until_out;

use super::Recorder;
use super::attempt::Peer;
use crate::telemetry::decision::{Room, render_bulk_end};

/// Writes the closing line when it is dropped.
pub(super) struct BulkEnd {
    pub(super) recorder: Arc<Recorder>,
    pub(super) peer: Peer,
    pub(super) request_id: String,
    pub(super) tally: BulkTally,
    pub(super) room: Option<Room>,
}

impl BulkEnd {
    /// The answer, its end told.
    pub(super) fn after(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        hold_until_out(response, self)
    }
}

impl Drop for BulkEnd {
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            let time = self.recorder.telemetry.clock.now().to_string();
            let line = render_bulk_end(
                (&time, &self.request_id),
                (self.recorder.listener, self.peer.name()),
                self.tally.outcomes(),
            );
            room.write(line.as_bytes());
        }
    }
}
