//! A broker as operators run them: Eclipse Mosquitto, by the recipe that the gateway writes.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::Daemon;
use crate::device::{HostedDevice, MqttPlace};
use crate::domain::free_ports;
use crate::gateway::Gateway;
use crate::openssl::{TestAuthority, server_extensions};

/// A broker's files, and its process where it runs; that ends with it.
pub struct Broker {
    dir: PathBuf,
    port: u16,
    section: String,
    daemon: Daemon,
}

impl Broker {
    /// One made by the recipe for the gateway of that configuration; its files are in `dir`.
    pub fn by_recipe(configuration: &Path, dir: &Path) -> Self {
        let [port] = free_ports();
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        std::fs::create_dir_all(dir).expect("a writable directory");
        let authority = TestAuthority::create(dir, "broker-ca", "/CN=broker authority");
        let names = server_extensions("IP:127.0.0.1");
        let server = authority.issue(dir, "server", &names, &["-days", "2"]);
        let out = dir.join("recipe");
        let made = Gateway::run(&[
            "mqtt",
            "recipe",
            "--config",
            &text(configuration),
            "--out",
            &text(&out),
            "--directory",
            &text(&out),
            "--port",
            &port.to_string(),
            "--certificate",
            &text(&server.certificate),
            "--key",
            &text(&server.key),
        ]);
        assert!(made.status.success(), "{made:?}");
        let section = String::from_utf8(made.stdout).expect("UTF-8");
        let section = section
            .replace("mqtt.example:", "127.0.0.1:")
            .replace("broker-ca.pem", &text(&authority.certificate));
        let broker = Self {
            dir: dir.to_owned(),
            port,
            section,
            daemon: Daemon::new(dir.join("mosquitto.log")),
        };
        // A broker that is started as root becomes somebody else, who may not read these files.
        broker.edit("mosquitto.conf", |conf| {
            conf + "user root\nautosave_interval 1\n"
        });
        broker
    }

    /// What the recipe says to add to the gateway's configuration.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// A file of its own: `acl`, `mosquitto.conf`, `device-ca.pem`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join("recipe").join(name)
    }

    /// Changes one of its files.
    pub fn edit(&self, name: &str, edit: impl FnOnce(String) -> String) {
        let file = self.file(name);
        let text = std::fs::read_to_string(&file).expect("a file of the recipe");
        std::fs::write(file, edit(text)).expect("a writable file");
    }

    /// Starts it; when this returns, it takes connections.
    pub fn start(&self) {
        start(&self.daemon, &self.file("mosquitto.conf"), self.port);
    }

    /// Ends it by its pid, without warning.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Everything it has written to its log.
    pub fn log(&self) -> String {
        self.daemon.printed()
    }

    /// The device, as it comes by this broker.
    #[must_use]
    pub fn bring(&self, device: HostedDevice) -> HostedDevice {
        HostedDevice {
            place: MqttPlace {
                host: "127.0.0.1".to_owned(),
                port: self.port,
                authority: self.dir.join("broker-ca.pem"),
            },
            ..device
        }
    }
}

/// Starts mosquitto by that configuration; when this returns, it takes connections.
pub(crate) fn start(daemon: &Daemon, configuration: &Path, port: u16) {
    let mut command = Command::new(mosquitto());
    command.arg("-v").arg("-c").arg(configuration);
    daemon.start(&mut command, || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
}

/// Debian keeps it where users do not look.
fn mosquitto() -> &'static str {
    let of_debian = "/usr/sbin/mosquitto";
    if Path::new(of_debian).exists() {
        of_debian
    } else {
        "mosquitto"
    }
}
