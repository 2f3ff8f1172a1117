//! Websockets that service providers have open: one for each SP and role, a newer in place of the
//! older. No sockets here: the driver holds them, this finds them.
//!
//! Nothing piles up: what a socket does not take stays with whoever sends it, who waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ics_core::outbox::Addressee;
use ics_core::port::{NotificationSockets, PortFuture, SocketClosed};
use tokio::sync::{mpsc, oneshot, watch};

/// Notifications that may wait for a socket to take them.
const WAITING: usize = 8;

/// The sockets that are open.
#[derive(Debug, Default)]
pub struct Sockets {
    lines: Mutex<HashMap<Addressee, Line>>,
    opened: AtomicU64,
    ended: AtomicBool,
}

/// The sender's end of a socket.
#[derive(Debug)]
struct Line {
    number: u64,
    outgoing: mpsc::Sender<Outgoing>,
    ending: watch::Sender<Option<Ending>>,
}

/// A notification on its way.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Its `notificationId`.
    pub(crate) id: String,
    /// The frame.
    pub(crate) body: Vec<u8>,
    /// Told when its acknowledgement has come; dropped when that can come no more.
    pub(crate) acknowledged: oneshot::Sender<()>,
}

/// Why a socket must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its SP opened another one.
    Replaced,
    /// The gateway stops.
    GoingAway,
}

/// The socket's end: what to send, and when to end. Gives the place up when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    sockets: Arc<Sockets>,
    addressee: Addressee,
    number: u64,
    outgoing: mpsc::Receiver<Outgoing>,
    ending: watch::Receiver<Option<Ending>>,
}

impl Sockets {
    /// Opens the socket of `addressee`; the one before it is told to end. `None`: the gateway stops.
    pub(crate) fn open(self: &Arc<Self>, addressee: &Addressee) -> Option<Seat> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let (to_socket, outgoing) = mpsc::channel(WAITING);
        let (tell_end, ending) = watch::channel(None);
        let line = Line {
            number,
            outgoing: to_socket,
            ending: tell_end,
        };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ended.load(Ordering::Acquire) {
            return None;
        }
        if let Some(older) = lines.insert(addressee.clone(), line) {
            older.ending.send_replace(Some(Ending::Replaced));
        }
        drop(lines);
        Some(Seat {
            sockets: Arc::clone(self),
            addressee: addressee.clone(),
            number,
            outgoing,
            ending,
        })
    }

    /// Ends them all, for ever: the gateway stops.
    pub fn close_all(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        self.ended.store(true, Ordering::Release);
        for (_, line) in lines.drain() {
            line.ending.send_replace(Some(Ending::GoingAway));
        }
    }

    fn find<T>(&self, addressee: &Addressee, read: impl FnOnce(&Line) -> T) -> Option<T> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(addressee).map(read)
    }
}

impl NotificationSockets for Sockets {
    fn open_socket(&self, addressee: &Addressee) -> Option<u64> {
        self.find(addressee, |line| line.number)
    }

    fn deliver<'a>(
        &'a self,
        addressee: &'a Addressee,
        notification_id: &'a str,
        body: Vec<u8>,
    ) -> PortFuture<'a, Result<(), SocketClosed>> {
        Box::pin(async move {
            let line = self.find(addressee, |line| line.outgoing.clone());
            let (acknowledged, answer) = oneshot::channel();
            let outgoing = Outgoing {
                id: notification_id.to_owned(),
                body,
                acknowledged,
            };
            let sent = line.ok_or(SocketClosed)?.send(outgoing).await;
            sent.map_err(|_| SocketClosed)?;
            answer.await.map_err(|_| SocketClosed)
        })
    }
}

impl Seat {
    /// The next notification to send.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        self.outgoing.recv().await
    }

    /// Waits until the socket must end.
    pub(crate) fn ending(&self) -> impl Future<Output = Ending> + use<> {
        let mut ending = self.ending.clone();
        async move {
            let told = ending.wait_for(Option::is_some).await;
            told.ok()
                .and_then(|told| *told)
                .unwrap_or(Ending::GoingAway)
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut lines = self
            .sockets
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let own = lines.get(&self.addressee).map(|line| line.number);
        if own == Some(self.number) {
            lines.remove(&self.addressee);
        }
    }
}

#[cfg(test)]
mod tests;
