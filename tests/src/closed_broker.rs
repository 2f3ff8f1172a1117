//! A broker as a platform has it: Eclipse Mosquitto on loopback, where certificates say who may publish
//! what.

use std::path::Path;

use crate::open_broker::OpenBroker;
use crate::openssl::{TestAuthority, TestCertificate, server_extensions, sp_extensions};

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
        let dir = broker.dir();
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
        let dir = self.broker.dir();
        self.authority.issue_to(dir, name, &sp_extensions(name))
    }
}
