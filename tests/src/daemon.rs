//! A program of others that serves beside the gateway: started, waited for, ended by its pid.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::condition::eventually;
use crate::process::signal;

/// One that may run or not; killed when this is dropped. What it prints is kept in a file.
pub(crate) struct Daemon {
    printed: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Daemon {
    /// One that does not run yet; what it prints will go to that file.
    pub(crate) fn new(printed: PathBuf) -> Self {
        Self {
            printed,
            child: Mutex::default(),
        }
    }

    /// Starts it; when this returns, it is ready.
    pub(crate) fn start(&self, command: &mut Command, mut is_ready: impl FnMut() -> bool) {
        let name = command.get_program().to_owned();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.printed);
        let log = log.expect("a writable directory");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
        eventually(&format!("{name:?} to be ready"), || {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "{name:?} {ended:?}: {}", self.printed());
            is_ready()
        });
        *self.child.lock().unwrap() = Some(child);
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub(crate) fn terminate(&self) {
        let mut child = self.take();
        signal(child.id(), "TERM");
        eventually("the end of a process", || {
            child.try_wait().expect("a child").is_some()
        });
    }

    /// Ends it without warning.
    pub(crate) fn kill(&self) {
        let mut child = self.take();
        child.kill().expect("a running process");
        child.wait().expect("it ends");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        let child = self.child.lock().unwrap();
        child.as_ref().expect("a running process").id()
    }

    /// Everything it has printed, over all its starts.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.printed).unwrap_or_default()
    }

    fn take(&self) -> Child {
        let child = self.child.lock().unwrap().take();
        child.expect("a running process")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(Some(mut child)) = self.child.get_mut().map(Option::take) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
