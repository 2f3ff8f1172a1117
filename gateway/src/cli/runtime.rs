//! The runtime behind verbs that serve, and the signals that end them.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write as _};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a verb answers.
pub(super) type Outcome = Result<(), Box<dyn Error>>;

/// Runs `work` to its end.
///
/// # Errors
/// What `work` answered, or that there is no runtime.
pub(super) fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Runs `work` to its end, or until the process is asked to end: then it is dropped, with the
/// processes and directories it made.
///
/// # Errors
/// What `work` answered, or that it was cut off.
pub(super) fn block_on_until_asked_to_end(work: impl Future<Output = Outcome>) -> Outcome {
    block_on(async {
        let mut signals = Signals::listen()?;
        let asked = async { while let Request::Reload = signals.next().await {} };
        tokio::select! {
            outcome = work => outcome,
            () = asked => Err("cut off by a signal".into()),
        }
    })
}

/// What a signal asks for.
pub(super) enum Request {
    /// SIGTERM, SIGINT.
    End,
    /// SIGHUP.
    Reload,
}

/// The signals a process that serves listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    // Held so that a limit of file sizes is an error to whoever writes, like a full disk, and not
    // the end of the process.
    _file_size: Signal,
}

/// SIGXFSZ on Linux.
const FILE_SIZE_EXCEEDED: i32 = 25;

impl Signals {
    /// Listens from now on; before this the system's defaults hold.
    ///
    /// # Errors
    /// [`io::Error`] when signals cannot be taken.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED))?,
        })
    }

    /// The next request.
    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.terminate.recv() => Request::End,
            _ = self.interrupt.recv() => Request::End,
            _ = self.hang_up.recv() => Request::Reload,
        }
    }
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
