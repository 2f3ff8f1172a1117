//! A broker without locks: Eclipse Mosquitto on loopback, as a bench has one.

use std::path::Path;

use crate::broker::start;
use crate::daemon::Daemon;
use crate::domain::free_ports;

/// A running broker; its process ends with it.
pub struct OpenBroker {
    port: u16,
    daemon: Daemon,
    dir: tempfile::TempDir,
}

impl OpenBroker {
    /// Starts one on a free port that takes everybody.
    pub fn start() -> Self {
        let own = Self::prepare();
        own.configure("allow_anonymous true\n");
        own
    }

    pub(crate) fn prepare() -> Self {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let [port] = free_ports();
        let daemon = Daemon::new(dir.path().join("mosquitto.log"));
        Self { port, daemon, dir }
    }

    pub(crate) fn configure(&self, more: &str) {
        let port = self.port;
        // As root it would become somebody else, who may not read its files.
        let text = format!("user root\nlistener {port} 127.0.0.1\n{more}");
        std::fs::write(self.configuration(), text).expect("a writable directory");
        self.resume();
    }

    /// Starts it again, at the same port.
    pub fn resume(&self) {
        start(&self.daemon, &self.configuration(), self.port);
    }

    /// Ends it by its pid, without warning.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Everything it has written to its log.
    pub fn log(&self) -> String {
        self.daemon.printed()
    }

    /// Where its files lie.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its port of loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn configuration(&self) -> std::path::PathBuf {
        Path::join(self.dir.path(), "mosquitto.conf")
    }
}
