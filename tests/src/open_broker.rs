//! A broker without locks: Eclipse Mosquitto on loopback, as a bench has one.

use std::path::Path;

use crate::broker::start;
use crate::daemon::Daemon;
use crate::domain::free_ports;

/// A running broker that takes everybody; its process ends with it.
pub struct OpenBroker {
    port: u16,
    daemon: Daemon,
    dir: tempfile::TempDir,
}

impl OpenBroker {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let [port] = free_ports();
        let daemon = Daemon::new(dir.path().join("mosquitto.log"));
        let own = Self { port, daemon, dir };
        // As root it would become somebody else, who may not read its files.
        let text = format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n");
        std::fs::write(own.configuration(), text).expect("a writable directory");
        own.resume();
        own
    }

    /// Starts it again, at the same port.
    pub fn resume(&self) {
        start(&self.daemon, &self.configuration(), self.port);
    }

    /// Ends it by its pid, without warning.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Its port of loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn configuration(&self) -> std::path::PathBuf {
        Path::join(self.dir.path(), "mosquitto.conf")
    }
}
