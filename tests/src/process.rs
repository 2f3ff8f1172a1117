//! A process of the gateway: started, waited for, ended by its pid.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use crate::condition::wait_for;
use crate::gateway::Gateway;
use crate::strace::{Strace, wait_until_stopped};

/// A process that may run or not; killed when this is dropped.
#[derive(Default)]
pub struct Process(Mutex<Option<Child>>);

impl Process {
    /// Starts the gateway with these arguments and waits for a line on its standard output that
    /// starts with `ready`. Standard output and error go to `stdout.log` (anew) and `stderr.log`
    /// (appended) in `dir`.
    pub fn start<S: AsRef<OsStr>>(&self, args: &[S], dir: &Path, ready: &str) {
        self.start_in(&[], args, dir, ready);
    }

    /// The same, with more in its environment.
    pub fn start_in<S: AsRef<OsStr>>(
        &self,
        environment: &[(String, String)],
        args: &[S],
        dir: &Path,
        ready: &str,
    ) {
        if let Err(status) = self.try_start(environment, args, (dir, ready)) {
            let log = std::fs::read_to_string(dir.join("stderr.log")).unwrap_or_default();
            panic!("the gateway ended with {status}:\n{log}");
        }
    }

    /// The same.
    ///
    /// # Errors
    /// How it ended, when that was before it was ready.
    pub fn try_start<S: AsRef<OsStr>>(
        &self,
        environment: &[(String, String)],
        args: &[S],
        (dir, ready): (&Path, &str),
    ) -> Result<(), ExitStatus> {
        let mut command = Command::new(Gateway::binary());
        command.args(args).envs(environment.iter().cloned());
        let child = spawn(&mut command, dir);
        self.wait_until_ready(child, dir, ready)
    }

    /// The same, but nothing of the gateway has run yet when `attach` is handed its process id.
    ///
    /// # Errors
    /// How it ended, when that was before it was ready.
    pub fn start_traced<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        (dir, ready): (&Path, &str),
        attach: impl FnOnce(u32) -> Strace,
    ) -> Result<Strace, ExitStatus> {
        let child = spawn(&mut stopped_before(args), dir);
        let strace = go_on_traced(child.id(), attach);
        self.wait_until_ready(child, dir, ready).map(|()| strace)
    }

    fn wait_until_ready(
        &self,
        mut child: Child,
        dir: &Path,
        ready: &str,
    ) -> Result<(), ExitStatus> {
        let out = dir.join("stdout.log");
        wait_for("the gateway's ready line", || {
            if let Some(status) = child.try_wait().expect("a child") {
                return Some(Err(status));
            }
            let said = std::fs::read_to_string(&out).unwrap_or_default();
            let whole_lines = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
            whole_lines
                .lines()
                .any(|line| line.starts_with(ready))
                .then_some(Ok(()))
        })?;
        *self.0.lock().unwrap() = Some(child);
        Ok(())
    }

    /// Ends it as an operator would (SIGTERM) and tells how it ended.
    pub fn stop(&self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Kills it without warning.
    pub fn kill(&self) {
        self.signal("KILL");
        self.wait();
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0
            .lock()
            .unwrap()
            .as_ref()
            .expect("a running process")
            .id()
    }

    /// Sends it a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Whether it runs no more, by whatever hand.
    pub fn is_ended(&self) -> bool {
        let mut child = self.0.lock().unwrap();
        let child = child.as_mut().expect("a process that was started");
        child.try_wait().expect("a child").is_some()
    }

    /// Waits for its end.
    pub fn wait(&self) -> ExitStatus {
        let child = self.0.lock().unwrap().take();
        child.expect("a running process").wait().expect("it ends")
    }
}

fn spawn(command: &mut Command, dir: &Path) -> Child {
    std::fs::create_dir_all(dir).expect("a writable directory");
    let log = dir.join("stderr.log");
    let errors = File::options().create(true).append(true).open(log);
    command
        .stdin(Stdio::null())
        .stdout(File::create(dir.join("stdout.log")).expect("a writable directory"))
        .stderr(errors.expect("a log"))
        .spawn()
        .expect("it starts")
}

/// The gateway with these arguments, its process stopped before anything of it has run.
pub(crate) fn stopped_before<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "kill -s STOP $$; exec \"$0\" \"$@\""])
        .arg(Gateway::binary())
        .args(args);
    command
}

/// Lets such a process go on, once strace is attached.
pub(crate) fn go_on_traced(pid: u32, attach: impl FnOnce(u32) -> Strace) -> Strace {
    wait_until_stopped(pid);
    let strace = attach(pid);
    signal(pid, "CONT");
    strace
}

/// Sends a process a signal, by its name without `SIG`.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(status.expect("kill").success(), "kill -s {name} {pid}");
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(Some(mut child)) = self.0.get_mut().map(Option::take) {
            // By its pid, and nothing else.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
