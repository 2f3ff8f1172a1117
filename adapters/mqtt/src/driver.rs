//! The socket of one connection: whole packets in, bytes out, both bounded. The only file here
//! that reads or writes one.
//!
//! What comes in is held until it is a packet, at most one of the greatest size and a little more.
//! While the peer does not take what is to go out, nothing more is taken from it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::packet::{Malformed, measure};

/// How much is read at once.
const CHUNK: usize = 2048;
/// With so much to go out, nothing more is read.
const MOST_WAITING: usize = 16 * 1024;
/// A buffer that was larger is given back when it is empty.
const KEPT: usize = 512;
/// How long a peer has to take the last words, and how long it is then waited for.
const FAREWELL: Duration = Duration::from_secs(2);
/// How much it may send meanwhile that nobody reads, in bytes: one that floods does not listen.
const MOST_DISCARDED: usize = 64 * 1024;

/// One connection.
pub(crate) struct Driver<Io> {
    io: Io,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// How much of `outbox` is out.
    written: usize,
    needs_flush: bool,
    /// When the peer last took something, or was first to take something.
    moved: Instant,
    longest_packet: usize,
}

/// What has come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A whole packet is there, of so many bytes.
    Packet(usize),
    /// All that was to go out is out.
    Drained,
}

/// Nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The peer is gone.
    Gone,
    /// What it sends is no MQTT.
    Malformed(Malformed),
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Driver<Io> {
    pub(crate) fn new(io: Io, longest_packet: usize) -> Self {
        Self {
            io,
            inbox: Vec::new(),
            outbox: Vec::new(),
            written: 0,
            needs_flush: false,
            moved: Instant::now(),
            longest_packet,
        }
    }

    /// Where to put what is to go out.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        if self.is_drained() {
            self.moved = Instant::now();
        }
        self.needs_flush = true;
        &mut self.outbox
    }

    pub(crate) const fn is_drained(&self) -> bool {
        self.outbox.is_empty() && !self.needs_flush
    }

    /// Since when the peer has not taken what it should.
    pub(crate) fn stuck_since(&self) -> Option<Instant> {
        (!self.is_drained()).then_some(self.moved)
    }

    /// Takes the packet that [`Progress::Packet`] told of.
    pub(crate) fn take_packet(&mut self, length: usize) -> Vec<u8> {
        let length = length.min(self.inbox.len());
        let rest = self.inbox.split_off(length);
        std::mem::replace(&mut self.inbox, rest)
    }

    /// Writes and reads until a packet is there, or, if so wanted, until all is out. May be
    /// dropped and called again.
    pub(crate) async fn progress(&mut self, until_drained: bool) -> Result<Progress, Broken> {
        poll_fn(|cx| self.poll_progress(cx, until_drained)).await
    }

    /// Writes what goes out at once, without waiting: an answer and its PUBACK in one flush.
    pub(crate) async fn nudge(&mut self) {
        poll_fn(|cx| {
            // A failure is told by the next `progress`.
            let _ = self.poll_write(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Says the last words, and waits a little for the peer to hear them: bytes of it that nobody
    /// reads would otherwise reset the connection under them.
    pub(crate) async fn close(mut self) {
        let said = timeout(FAREWELL, poll_fn(|cx| self.poll_finish(cx))).await;
        if matches!(said, Ok(true)) {
            let mut left = MOST_DISCARDED;
            let _ = timeout(FAREWELL, poll_fn(|cx| self.poll_discard(cx, &mut left))).await;
        }
    }

    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        until_drained: bool,
    ) -> Poll<Result<Progress, Broken>> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) if until_drained => return Poll::Ready(Ok(Progress::Drained)),
            Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
            _ => {}
        }
        while self.outbox.len().saturating_sub(self.written) < MOST_WAITING {
            match measure(&self.inbox, self.longest_packet) {
                Ok(Some(length)) if self.inbox.len() >= length => {
                    return Poll::Ready(Ok(Progress::Packet(length)));
                }
                Ok(_) => {}
                Err(malformed) => return Poll::Ready(Err(Broken::Malformed(malformed))),
            }
            match ready!(self.poll_read(cx)) {
                Ok(()) => {}
                Err(broken) => return Poll::Ready(Err(broken)),
            }
        }
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut chunk = [0; CHUNK];
        let mut chunk = ReadBuf::new(&mut chunk);
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut chunk)) {
            Ok(()) if !chunk.filled().is_empty() => {
                self.inbox.extend_from_slice(chunk.filled());
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(Broken::Gone)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while let Some(left @ [_, ..]) = self.outbox.get(self.written..) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, left)) {
                Ok(taken) if taken > 0 => {
                    self.written = self.written.saturating_add(taken);
                    self.moved = Instant::now();
                    self.forget_written();
                }
                _ => return Poll::Ready(Err(Broken::Gone)),
            }
        }
        if self.needs_flush {
            if ready!(Pin::new(&mut self.io).poll_flush(cx)).is_err() {
                return Poll::Ready(Err(Broken::Gone));
            }
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn forget_written(&mut self) {
        if self.written >= self.outbox.len() {
            self.written = 0;
            self.outbox.clear();
            self.outbox.shrink_to(KEPT);
        } else if self.written >= MOST_WAITING {
            drop(self.outbox.drain(..self.written));
            self.written = 0;
        }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if ready!(self.poll_write(cx)).is_err() {
            return Poll::Ready(false);
        }
        let done = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        Poll::Ready(done.is_ok())
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        while *left > 0 {
            self.inbox.clear();
            if ready!(self.poll_read(cx)).is_err() {
                break;
            }
            *left = left.saturating_sub(self.inbox.len());
        }
        Poll::Ready(())
    }
}
