//! Log lines are handed over in memory and written by a thread of their own: a slow standard
//! error costs lines, never requests.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The most bytes that wait to be written; what comes then is dropped, and counted.
const CAPACITY: usize = 1 << 20;

/// How long the writer gathers lines before it writes them together.
const GATHER: Duration = Duration::from_millis(5);

/// The thread that writes. Dropping it writes what waits, and ends the log.
pub(crate) struct LogWriter {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    dropped: u64,
    ended: bool,
}

impl LogWriter {
    /// Starts a thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> Self {
        let queue = Arc::new(Queue::default());
        let shared = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("log".into());
        // Without the thread the service runs and is silent; the queue stays bounded.
        let thread = thread.spawn(move || shared.write_all(out)).ok();
        Self { queue, thread }
    }

    /// Where lines are handed over.
    pub(super) fn sink(&self) -> LogSink {
        LogSink(Arc::clone(&self.queue))
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.queue.lock().ended = true;
        self.queue.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len().saturating_add(line.len()) > CAPACITY {
            state.dropped = state.dropped.saturating_add(1);
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.changed.notify_one();
        }
    }

    fn write_all(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let state = self.lock();
            let waited = self
                .changed
                .wait_while(state, |s| s.waiting.is_empty() && !s.ended);
            let state = waited.unwrap_or_else(PoisonError::into_inner);
            // One wake-up and one write for all lines of a few milliseconds.
            let gathered = self.changed.wait_timeout_while(state, GATHER, |s| !s.ended);
            let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines, &mut state.waiting);
            let dropped = std::mem::take(&mut state.dropped);
            let ended = state.ended;
            drop(state);
            // There is nowhere to say that the log cannot be written.
            let _ = out.write_all(&lines);
            if dropped > 0 {
                let _ = writeln!(
                    out,
                    "{{\"level\":\"WARN\",\"dropped_log_lines\":{dropped}}}"
                );
            }
            let _ = out.flush();
            lines.clear();
            if ended {
                return;
            }
        }
    }
}

/// Where lines are handed over; cheap to clone.
#[derive(Clone)]
pub(crate) struct LogSink(Arc<Queue>);

impl LogSink {
    /// Hands a whole line over.
    pub(super) fn hand_over(&self, line: &[u8]) {
        self.0.hand_over(line);
    }
}

impl Write for LogSink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.hand_over(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogSink {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
