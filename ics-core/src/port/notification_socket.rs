//! The port of websockets that service providers opened for what they are told (TS 29.122 5.2.5.4).

use alloc::vec::Vec;

use super::PortFuture;
use crate::outbox::Addressee;

/// There is no socket, or it ended before the acknowledgement came: send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("websocket closed")]
pub struct SocketClosed;

/// Carries notifications over the websockets that are open. At most one an addressee.
///
/// Sent is not delivered: only the addressee's acknowledgement is. A wrong "delivered" loses what it
/// was to be told; a wrong "closed" tells it twice.
pub trait NotificationSockets: Send + Sync {
    /// The socket of `addressee` that is open; another number each time one opens.
    fn open_socket(&self, addressee: &Addressee) -> Option<u64>;

    /// Sends `body`, the notification of that id, and waits for its acknowledgement; as long as the
    /// caller does. A caller that stops waiting does not take back what was sent.
    fn deliver<'a>(
        &'a self,
        addressee: &'a Addressee,
        notification_id: &'a str,
        body: Vec<u8>,
    ) -> PortFuture<'a, Result<(), SocketClosed>>;
}
