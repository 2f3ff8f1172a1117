//! Eclipse Mosquitto on loopback, as a bench has it, without locks; and as a platform has it, where
//! certificates say who may publish what.

use std::path::Path;

use crate::broker::start;
use crate::daemon::Daemon;
use crate::domain::free_ports;
use crate::openssl::{TestAuthority, TestCertificate, server_extensions, sp_extensions};

/// A running broker; its process ends with it.
pub struct OpenBroker {
    port: u16,
    daemon: Daemon,
    dir: tempfile::TempDir,
}

/// A broker that believes certificates of its own authority alone.
pub struct ClosedBroker {
    /// It, once it runs.
    pub broker: OpenBroker,
    /// Who certifies it and its clients.
    pub authority: TestAuthority,
}

impl ClosedBroker {
    /// Starts one with mosquitto's access control list, which names clients by common name.
    pub fn start(acl: &str) -> Self {
        let broker = OpenBroker::prepare();
        let dir = broker.dir.path();
        let authority = TestAuthority::create(dir, "broker-ca", "/CN=broker authority");
        let names = server_extensions("IP:127.0.0.1");
        let server = authority.issue(dir, "server", &names, &["-days", "2"]);
        std::fs::write(dir.join("acl"), acl).expect("a writable directory");
        let file = |key: &str, path: &Path| format!("{key} {}\n", path.display());
        broker.configure(
            &[
                file("cafile", &authority.certificate),
                file("certfile", &server.certificate),
                file("keyfile", &server.key),
                file("acl_file", &dir.join("acl")),
                "require_certificate true\nuse_identity_as_username true\n".to_owned(),
            ]
            .concat(),
        );
        Self { broker, authority }
    }

    /// A certificate for a client of that name.
    pub fn client(&self, name: &str) -> TestCertificate {
        let dir = self.broker.dir.path();
        self.authority.issue_to(dir, name, &sp_extensions(name))
    }
}

impl OpenBroker {
    /// Starts one on a free port that takes everybody.
    pub fn start() -> Self {
        let own = Self::prepare();
        own.configure("allow_anonymous true\n");
        own
    }

    fn prepare() -> Self {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let [port] = free_ports();
        let daemon = Daemon::new(dir.path().join("mosquitto.log"));
        Self { port, daemon, dir }
    }

    fn configure(&self, more: &str) {
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

    /// Its port of loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn configuration(&self) -> std::path::PathBuf {
        Path::join(self.dir.path(), "mosquitto.conf")
    }
}
