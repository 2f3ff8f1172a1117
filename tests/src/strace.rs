//! strace at a running process: kills it at a sync of its disk, or has a sync do nothing.
//!
//! strace counts each call of each thread by itself. It is attached, so that a test chooses the
//! moment from which it counts; that needs root, or `kernel.yama.ptrace_scope = 0`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::condition::{eventually, wait_for};

/// strace at all threads of a process; detached, or gone with that process, when dropped.
pub struct Strace {
    child: Child,
}

impl Strace {
    /// Kills process `pid` when one of its threads makes this call, counted from now on: before
    /// the call has done anything.
    pub fn kill_at(pid: u32, at: &NthCall) -> Self {
        let NthCall { call, nth } = at;
        Self::attach(pid, call, &format!("inject={call}:signal=KILL:when={nth}"))
    }

    /// From now on `calls` of process `pid` do nothing and succeed.
    pub fn skip(pid: u32, calls: &str) -> Self {
        Self::attach(pid, calls, &format!("inject={calls}:retval=0"))
    }

    /// From now on `calls` of process `pid` do nothing and fail with `error`; with `only`, those on
    /// that file.
    pub fn fail(pid: u32, calls: &str, error: &str, only: Option<&Path>) -> Self {
        let injection = format!("inject={calls}:error={error}");
        let trace = format!("trace={calls}");
        let mut options = vec!["-o", "/dev/null", "-e", &trace, "-e", &injection];
        if let Some(file) = only {
            options.extend(["-P", file.to_str().expect("UTF-8")]);
        }
        Self::start(pid, &options)
    }

    /// Writes down `calls` of process `pid` from now on, a line each: thread and call.
    pub fn record(pid: u32, calls: &str, to: &Path) -> Self {
        let to = to.to_str().expect("UTF-8");
        Self::start(pid, &["-o", to, "-e", &format!("trace={calls}")])
    }

    fn attach(pid: u32, calls: &str, injection: &str) -> Self {
        let trace = format!("trace={calls}");
        Self::start(pid, &["-o", "/dev/null", "-e", &trace, "-e", injection])
    }

    fn start(pid: u32, options: &[&str]) -> Self {
        Self::try_start(pid, options).unwrap_or_else(|why| panic!("strace: {why}"))
    }

    fn try_start(pid: u32, options: &[&str]) -> Result<Self, String> {
        let mut child = Command::new("strace")
            .args(["-f", "-qqq", "-p", &pid.to_string()])
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("not to be started: {error}"))?;
        let attached = wait_for("strace to be attached", || {
            if child.try_wait().expect("a child").is_some() {
                return Some(false);
            }
            is_traced(pid).then_some(true)
        });
        if attached {
            return Ok(Self { child });
        }
        let output = child.wait_with_output().expect("it ended");
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Whether this machine has it, and lets it look at processes.
    ///
    /// # Errors
    /// Why not.
    pub fn is_usable() -> Result<(), String> {
        let mut sleeper = Command::new("sleep").arg("60").spawn().expect("sleep");
        let tried = Self::try_start(sleeper.id(), &["-o", "/dev/null", "-e", "trace=fsync"]);
        sleeper.kill().expect("it runs");
        sleeper.wait().expect("it ends");
        tried.map(drop)
    }

    /// Waits for its end: the process it looks at has ended, and what it wrote down is whole.
    pub fn wait(mut self) {
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "strace: {status}");
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Told to end it detaches; left to itself it ends with the process.
        if let Ok(None) = self.child.try_wait() {
            let pid = self.child.id().to_string();
            let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
        }
        let _ = self.child.wait();
    }
}

/// A call of a thread, counted among those of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NthCall {
    /// Its name.
    pub call: String,
    /// From 1.
    pub nth: u32,
}

/// What the thread that made the most of the recorded calls made, in order.
pub fn calls_of_busiest_thread(record: &Path) -> Vec<NthCall> {
    let text = fs::read_to_string(record).expect("a record");
    let mut by_thread = BTreeMap::<&str, Vec<NthCall>>::new();
    for (made, _) in text.lines().filter_map(|line| line.split_once('(')) {
        let (thread, call) = made.split_once(' ').expect("a thread and a call");
        let call = call.trim();
        let calls = by_thread.entry(thread).or_default();
        let before = calls.iter().filter(|made| made.call == call).count() as u32;
        calls.push(NthCall {
            call: call.to_owned(),
            nth: before + 1,
        });
    }
    let busiest = by_thread.into_values().max_by_key(Vec::len);
    busiest.unwrap_or_default()
}

/// Whether a tracer is at every thread of the process.
fn is_traced(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}

/// Waits until the process has stopped itself (SIGSTOP).
pub(crate) fn wait_until_stopped(pid: u32) {
    eventually("the process to stop itself", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| state.starts_with('T'))
    });
}
