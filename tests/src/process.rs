//! A process of the gateway: started, waited for, ended by its pid.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use crate::condition::wait_for;
use crate::gateway::Gateway;

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
        std::fs::create_dir_all(dir).expect("a writable directory");
        let (out, log) = (dir.join("stdout.log"), dir.join("stderr.log"));
        let errors = File::options().create(true).append(true).open(&log);
        let mut child = Command::new(Gateway::binary())
            .args(args)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a writable directory"))
            .stderr(errors.expect("a log"))
            .spawn()
            .expect("it starts");
        wait_for("the gateway's ready line", || {
            if let Some(status) = child.try_wait().expect("a child") {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("the gateway ended with {status}:\n{log}");
            }
            let said = std::fs::read_to_string(&out).unwrap_or_default();
            let whole_lines = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
            whole_lines
                .lines()
                .any(|line| line.starts_with(ready))
                .then_some(())
        });
        *self.0.lock().unwrap() = Some(child);
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

    fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill").success(), "kill -s {name} {pid}");
    }

    /// Waits for its end.
    pub fn wait(&self) -> ExitStatus {
        let child = self.0.lock().unwrap().take();
        child.expect("a running process").wait().expect("it ends")
    }
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
