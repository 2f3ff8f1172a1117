//! Mutual TLS beside a program that has none: haproxy before it, and on its way out.
//!
//! It changes nothing but the case of header field names, which it writes small.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::domain::free_ports;
use crate::openssl::TestCertificate;

/// A running haproxy; its process ends with it.
pub struct Haproxy {
    port: u16,
    scheme: &'static str,
    daemon: Daemon,
    own: TempDir,
}

impl Haproxy {
    /// Before a server: takes TLS from those with a certificate under `clients`, shows
    /// `certificate`, and passes everything on to `server` in plain HTTP.
    pub fn front(server: SocketAddr, certificate: &TestCertificate, clients: &Path) -> Self {
        Self::start("https", |own| {
            let shown = bundle(own, certificate);
            (
                format!("ssl crt {shown} ca-file {} verify required", text(clients)),
                format!("{server}"),
            )
        })
    }

    /// On the way out: takes plain HTTP from loopback and passes everything on to `server` with
    /// TLS, showing `certificate`. The server's own must be under `root` and hold for `name`.
    pub fn egress(
        server: SocketAddr,
        certificate: &TestCertificate,
        (root, name): (&Path, &str),
    ) -> Self {
        Self::start("http", |own| {
            let shown = bundle(own, certificate);
            let checked = format!("ca-file {} verify required verifyhost {name}", text(root));
            (
                String::new(),
                format!("{server} ssl crt {shown} {checked} sni str({name})"),
            )
        })
    }

    /// The same without a certificate to show.
    pub fn bare_egress(server: SocketAddr, (root, name): (&Path, &str)) -> Self {
        Self::start("http", |_| {
            let checked = format!("ca-file {} verify required verifyhost {name}", text(root));
            (
                String::new(),
                format!("{server} ssl {checked} sni str({name})"),
            )
        })
    }

    /// `https://127.0.0.1:port` before a server, `http://..` on the way out.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// What it has printed.
    pub fn printed(&self) -> String {
        self.daemon.printed()
    }

    /// Ends it by its pid, without warning.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Starts it again, at the same port.
    pub fn resume(&self) {
        let mut command = Command::new(program());
        command
            .arg("-db")
            .arg("-f")
            .arg(self.own.path().join("haproxy.cfg"));
        self.daemon.start(&mut command, || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// `sides` says, given its directory, how it listens and how it reaches the server.
    fn start(scheme: &'static str, sides: impl FnOnce(&Path) -> (String, String)) -> Self {
        let own = TempDir::new().expect("a temporary directory");
        let [port] = free_ports();
        let (listening, reaching) = sides(own.path());
        let configuration = format!(
            "global\n  maxconn 256\n\
             defaults\n  mode http\n  retries 0\n  http-reuse never\n  timeout connect 5s\n  \
             timeout client 60s\n  timeout server 60s\n\
             frontend one\n  bind 127.0.0.1:{port} {listening}\n  default_backend other\n\
             backend other\n  server it {reaching}\n"
        );
        fs::write(own.path().join("haproxy.cfg"), configuration).expect("a writable directory");
        let haproxy = Self {
            port,
            scheme,
            daemon: Daemon::new(own.path().join("haproxy.log")),
            own,
        };
        haproxy.resume();
        haproxy
    }
}

/// Certificate and key in one file, as haproxy wants them.
fn bundle(own: &Path, certificate: &TestCertificate) -> String {
    let files = [&certificate.certificate, &certificate.key];
    let both: String = files
        .map(|file| fs::read_to_string(file).expect("a PEM file"))
        .concat();
    let bundle = own.join("shown.pem");
    fs::write(&bundle, both).expect("a writable directory");
    text(&bundle).to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// Debian keeps it where users do not look.
fn program() -> &'static str {
    let of_debian = "/usr/sbin/haproxy";
    if Path::new(of_debian).exists() {
        of_debian
    } else {
        "haproxy"
    }
}
