//! The runtime behind verbs that serve, and the signals that end them.

use std::error::Error;
use std::future::{Future, pending};
use std::io::{self, Read, Write as _};
use std::{process, thread};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

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
            () = asked => Err(CUT_OFF.into()),
        }
    })
}

/// What a verb says that was asked to end before it was through.
const CUT_OFF: &str = "cut off by a signal";

/// Whether this process was asked to end, for work that has something to clear away and looks now
/// and then. Asked a second time, the process ends as it stands.
pub(super) struct EndWatch {
    asked: watch::Receiver<bool>,
}

impl EndWatch {
    /// Looks out for SIGTERM and SIGINT from now on. SIGHUP keeps what it meant: `nohup` works.
    ///
    /// # Errors
    /// [`io::Error`] when signals cannot be taken.
    pub(super) fn begin() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let (ask, asked) = watch::channel(false);
        let within = runtime.enter();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let file_size = signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED))?;
        drop(within);
        // A thread of its own: whoever works here may not be waiting for anything.
        let watch = async move {
            let _file_size = file_size;
            for asked_before in [false, true] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if asked_before {
                    process::exit(1);
                }
                ask.send_replace(true);
            }
        };
        let watching = thread::Builder::new().name("signals".to_owned());
        watching.spawn(move || runtime.block_on(watch))?;
        Ok(Self { asked })
    }

    /// Looks out for nothing: for work that a signal may end as it stands.
    pub(super) fn idle() -> Self {
        Self {
            asked: watch::channel(false).1,
        }
    }

    /// Returns when the process was asked to end.
    pub(super) async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            // Nobody looks out.
            pending::<()>().await;
        }
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`io::Error`] when the process was asked to end.
    pub(super) fn check(&self) -> io::Result<()> {
        if *self.asked.borrow() {
            // Not `Interrupted`: that is tried again.
            return Err(io::Error::other(CUT_OFF));
        }
        Ok(())
    }

    /// What came of the work. What went wrong after the process was asked to end, went wrong for
    /// that.
    ///
    /// # Errors
    /// As `outcome`.
    pub(super) fn judge(&self, outcome: Outcome) -> Outcome {
        outcome.map_err(|error| self.check().err().map_or(error, Into::into))
    }
}

/// Reads until the process is asked to end.
pub(super) struct Watched<'w, R> {
    pub(super) input: R,
    pub(super) ending: &'w EndWatch,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.ending.check()?;
        self.input.read(into)
    }
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
