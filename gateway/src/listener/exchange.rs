//! A connection between two requests: the head of the next one has a deadline, too.
//!
//! actix-http gives the first head of a connection its time and none to those after it: who sends
//! half of a second request would keep its place without end.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Where a connection stands; told by its requests, heeded by its stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange(Arc<AtomicU8>);

/// Nothing was asked yet: actix-http measures that time.
const NEW: u8 = 0;
/// What was asked is not answered yet; its body may still come, after a 100 (Continue).
const ASKED: u8 = 1;
/// There is an answer, and nothing of it is out yet.
const READY: u8 = 2;
/// An answer has begun to go out: the next head may come.
const ANSWERED: u8 = 3;
/// An answer of unknown length goes out; what comes meanwhile is nobody's head, on a websocket never.
const STREAMING: u8 = 4;

impl Exchange {
    /// The head of a request is whole.
    pub(super) fn note_request(&self) {
        self.0.store(ASKED, Ordering::Relaxed);
    }

    /// There is an answer.
    pub(super) fn note_answer(&self) {
        self.0.store(READY, Ordering::Relaxed);
    }

    /// The answer is a stream, out when what this gives back is dropped.
    pub(super) fn note_stream(&self) -> Streamed {
        self.0.store(STREAMING, Ordering::Relaxed);
        Streamed(self.clone())
    }

    fn pass(&self, from: u8, to: u8) {
        let order = Ordering::Relaxed;
        let _ = self.0.compare_exchange(from, to, order, order);
    }

    fn is_answered(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ANSWERED
    }
}

/// An answer that is a stream.
pub(super) struct Streamed(Exchange);

impl Drop for Streamed {
    fn drop(&mut self) {
        self.0.pass(STREAMING, ANSWERED);
    }
}

/// How long the head of a next request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadTimes {
    /// From its first byte to its last.
    pub(super) head: Duration,
    /// From the answer before it, if nothing is seen to come: half of it may lie there already.
    pub(super) whole: Duration,
}

/// A stream of HTTP/1.1 that fails with [`ErrorKind::TimedOut`] once a next head is overdue.
pub(super) struct Heeding<S> {
    stream: S,
    exchange: Exchange,
    times: HeadTimes,
    /// When the next head has to be whole, since an answer began to go out.
    due: Option<Due>,
    /// Made when the first is waited for, and kept; set anew only where `due` is earlier.
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    has_begun: bool,
}

impl<S> Heeding<S> {
    pub(super) fn new(stream: S, times: HeadTimes) -> Self {
        Self {
            stream,
            exchange: Exchange::default(),
            times,
            due: None,
            timer: None,
        }
    }

    /// The connection below.
    pub(super) const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// For its requests.
    pub(super) fn exchange(&self) -> Exchange {
        self.exchange.clone()
    }

    /// This came. Between two requests it is the next head, but for empty lines before it (RFC 9112
    /// 2.2).
    fn note_read(&mut self, bytes: &[u8]) {
        let is_empty = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if !is_empty && self.exchange.is_answered() && !self.due.is_some_and(|due| due.has_begun) {
            self.due = Some(Due {
                at: Instant::now() + self.times.head,
                has_begun: true,
            });
        }
    }

    /// Something of an answer is gone; if nobody was asked for it, it was refused at once.
    fn note_written(&mut self) {
        self.exchange.pass(NEW, ANSWERED);
        self.exchange.pass(READY, ANSWERED);
        self.due = None;
    }

    /// Ready once the next head is overdue.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.exchange.is_answered() {
            return Poll::Pending;
        }
        let whole = self.times.whole;
        let due = self.due.get_or_insert_with(|| Due {
            at: Instant::now() + whole,
            has_begun: false,
        });
        let at = due.at;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heeding<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if read.is_pending() {
            return self.poll_due(cx).map(|()| Err(ErrorKind::TimedOut.into()));
        }
        self.note_read(into.filled().get(before..).unwrap_or_default());
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heeding<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.note_written();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, parts));
        self.note_written();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
