//! The runtime behind verbs that serve, and the signals that end them.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write as _};

use tokio::signal::unix::{SignalKind, signal};

/// What a verb answers.
pub(super) type Outcome = Result<(), Box<dyn Error>>;

/// Runs `work` to its end.
///
/// # Errors
/// What `work` answered, or that there is no runtime.
pub(super) fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Waits until the process is asked to end (SIGTERM, SIGINT).
///
/// # Errors
/// [`io::Error`] when signals cannot be taken.
pub(super) async fn asked_to_end() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// A line on standard output, out at once.
///
/// # Errors
/// [`io::Error`] when nobody reads.
pub(super) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
