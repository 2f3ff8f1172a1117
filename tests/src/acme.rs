//! A oneM2M platform nobody here wrote: ACME CSE as an IN-CSE of its own, on loopback.
//!
//! It must not be asked anything before its log says that it is up: it dies of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::domain::free_ports;
use crate::onem2m::{OneM2mClient, Tree};
use crate::open_broker::OpenBroker;

/// A running CSE; its process and its directory end with it.
pub struct Acme {
    own: TempDir,
    port: u16,
    daemon: Daemon,
}

/// How one is to be, before it is started.
pub struct AcmeOptions {
    /// By section, then by key.
    settings: BTreeMap<String, BTreeMap<String, String>>,
    allowed: Vec<String>,
}

impl Acme {
    /// Its CSE-ID.
    pub const CSE_ID: &str = "/id-in";
    /// The name of its CSEBase.
    pub const BASE: &str = "cse-in";
    /// The originator that may do everything there.
    pub const ADMIN: &str = "CAdmin";
    /// The domain of its service provider.
    pub const DOMAIN: &str = "acme.example.com";

    /// One over HTTP alone that forgets everything and admits no foreign CSE, unless it is told
    /// otherwise.
    pub fn options() -> AcmeOptions {
        let options = AcmeOptions {
            settings: BTreeMap::new(),
            allowed: Vec::new(),
        };
        options
            .setting("basic.config", "cseType", "IN")
            .setting("basic.config", "cseID", &Self::CSE_ID[1..])
            .setting("basic.config", "cseName", Self::BASE)
            .setting("basic.config", "adminID", Self::ADMIN)
            .setting(
                "basic.config",
                "serviceProviderID",
                &format!("//{}", Self::DOMAIN),
            )
            .setting("basic.config", "networkInterface", "127.0.0.1")
            .setting("basic.config", "cseHost", "127.0.0.1")
            .setting("basic.config", "databaseType", "memory")
            .setting("basic.config", "logLevel", "info")
            .setting("logging", "enableFileLogging", "true")
            .setting("websocket", "enable", "false")
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Somebody who comes to it as that originator.
    pub fn client(&self, originator: &str) -> OneM2mClient {
        OneM2mClient::new(&self.url(), originator)
    }

    /// Its admin.
    pub fn admin(&self) -> OneM2mClient {
        self.client(Self::ADMIN)
    }

    /// Everything it holds.
    pub fn tree(&self) -> Tree {
        Tree::of(&self.admin(), Self::BASE)
    }

    /// Ends it (SIGTERM, of which it dies: it unregisters nothing); its directory stays.
    pub fn stop(&self) {
        self.daemon.terminate();
    }

    /// Ends it without warning; its directory stays.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Starts it again on the same directory and port; when this returns, it may be asked.
    pub fn resume(&self) {
        let logs = self.logs();
        // What it said before is not what it says now.
        let _ = std::fs::remove_dir_all(&logs);
        let mut command = Command::new(program());
        command
            .arg("-dir")
            .arg(self.own.path())
            .arg("--headless")
            .current_dir(self.own.path());
        self.daemon
            .start(&mut command, || self.log().contains("CSE started"));
    }

    /// Its log since it was last started.
    pub fn log(&self) -> String {
        let files = std::fs::read_dir(self.logs()).into_iter().flatten();
        files
            .filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok())
            .collect()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    fn logs(&self) -> PathBuf {
        self.own.path().join("logs")
    }
}

impl AcmeOptions {
    /// Lets this CSE (`/id-ics`) register.
    #[must_use]
    pub fn admitting(mut self, cse: &str) -> Self {
        self.allowed.push(cse.to_owned());
        let all = self.allowed.join(",");
        self.setting("cse.registration", "allowedCSROriginators", &all)
    }

    /// Keeps what it holds, past its end.
    #[must_use]
    pub fn durable(self) -> Self {
        self.setting("basic.config", "databaseType", "tinydb")
    }

    /// Speaks MQTT too, by that broker.
    #[must_use]
    pub fn mqtt(self, broker: &OpenBroker) -> Self {
        self.setting("mqtt", "enable", "true")
            .setting("mqtt", "address", "127.0.0.1")
            .setting("mqtt", "port", &broker.port().to_string())
    }

    /// Looks every so many seconds whether those that registered are still there (60 without).
    #[must_use]
    pub fn probing_every(self, seconds: u32) -> Self {
        self.setting("cse.registration", "checkInterval", &seconds.to_string())
    }

    /// Anything else of its configuration.
    #[must_use]
    pub fn setting(mut self, section: &str, key: &str, value: &str) -> Self {
        let section = self.settings.entry(section.to_owned()).or_default();
        section.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Starts it; when this returns, it may be asked.
    pub fn start(self) -> Acme {
        let own = TempDir::new().expect("a temporary directory");
        let [port] = free_ports();
        let options = self.setting("basic.config", "httpPort", &port.to_string());
        let text = options.text();
        std::fs::write(own.path().join("acme.ini"), text).expect("a writable directory");
        let daemon = Daemon::new(own.path().join("printed.log"));
        let acme = Acme { own, port, daemon };
        acme.resume();
        acme
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.settings {
            writeln!(text, "[{section}]").expect("a string");
            for (key, value) in keys {
                writeln!(text, "{key}={value}").expect("a string");
            }
        }
        text
    }
}

/// As `tests/run` installs it.
fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".acme-venv/bin/acmecse")
}
