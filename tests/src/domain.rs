//! An operator domain as `init` makes one, served by `serve`: for what a sandbox does not allow.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::curl::{Answer, Curl};
use crate::device::{HostedDevice, MqttPlace};
use crate::gateway::Gateway;
use crate::openssl::openssl;
use crate::party::{Inbox, Party};
use crate::process::Process;
use crate::receiver::Receiver;
use crate::strace::Strace;

/// A domain, and the gateway that serves it.
pub struct Domain {
    own: TempDir,
    t8: u16,
    operator: u16,
    mqtt: u16,
    coap: u16,
    process: Process,
}

/// Ports in a row that are free now and that nobody else here is given. They lie below those that
/// the system gives to connections that go out: what is killed finds its own free when it is started
/// again.
pub fn free_ports<const N: usize>() -> [u16; N] {
    const FIRST: u16 = 10_000;
    const PLACES: usize = 9_000;
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    // Other processes of this kind begin elsewhere.
    let begin = std::process::id() as usize * 617;
    for _ in 0..PLACES {
        let place = (begin + GIVEN.fetch_add(N, Ordering::Relaxed)) % PLACES;
        let ports = std::array::from_fn(|n| FIRST + u16::try_from(place + n).expect("few"));
        if ports.iter().all(|port| is_free(*port)) {
            return ports;
        }
    }
    panic!("no port is free");
}

/// For TCP and for UDP.
fn is_free(port: u16) -> bool {
    let place = ("127.0.0.1", port);
    TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok()
}

impl Domain {
    /// A new domain, its configuration passed through `edit`; not served yet.
    pub fn create(edit: impl FnOnce(String) -> String) -> Self {
        let own = TempDir::new().expect("a temporary directory");
        let [t8, operator, mqtt, coap] = free_ports();
        let domain = Self {
            own,
            t8,
            operator,
            mqtt,
            coap,
            process: Process::default(),
        };
        let dir = domain.dir();
        let made = Gateway::run(&[
            "init",
            "--dir",
            dir.to_str().expect("UTF-8"),
            "--t8-address",
            &format!("127.0.0.1:{t8}"),
            "--operator-address",
            &format!("127.0.0.1:{operator}"),
            "--mqtt-address",
            &format!("127.0.0.1:{mqtt}"),
            "--coap-address",
            &format!("127.0.0.1:{coap}"),
        ]);
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let file = domain.configuration();
        let text = std::fs::read_to_string(&file).expect("gateway.toml");
        std::fs::write(&file, edit(text)).expect("a writable file");
        domain
    }

    /// A new domain, served.
    pub fn start(edit: impl FnOnce(String) -> String) -> Self {
        let domain = Self::create(edit);
        domain.serve();
        domain
    }

    /// Serves it; when this returns, all listeners accept.
    pub fn serve(&self) {
        let file = self.configuration();
        let args = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        self.process.start(&args, self.own.path(), "listening ");
    }

    /// Serves it, if it lets itself be served.
    ///
    /// # Errors
    /// How the gateway ended, when that was before it accepted; why is in its log.
    pub fn try_serve(&self) -> Result<(), ExitStatus> {
        let file = self.configuration();
        let args = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        self.process
            .try_start(&[], &args, (self.own.path(), "listening "))
    }

    /// Serves it with strace attached before anything of it has run.
    ///
    /// # Errors
    /// How the gateway ended, when that was before it accepted.
    pub fn serve_traced(&self, attach: impl FnOnce(u32) -> Strace) -> Result<Strace, ExitStatus> {
        let file = self.configuration();
        let args = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        let place = (self.own.path(), "listening ");
        self.process.start_traced(&args, place, attach)
    }

    /// Ends the gateway as an operator would.
    pub fn stop(&self) -> ExitStatus {
        self.process.stop()
    }

    /// Kills the gateway without warning.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// The gateway's process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends the gateway a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Whether the gateway runs no more, by whatever hand.
    pub fn is_ended(&self) -> bool {
        self.process.is_ended()
    }

    /// Waits for the end of a gateway that was told to end.
    pub fn wait(&self) -> ExitStatus {
        self.process.wait()
    }

    /// The domain's directory.
    pub fn dir(&self) -> PathBuf {
        self.own.path().join("domain")
    }

    /// Where a test may put files of its own.
    pub fn scratch(&self) -> &Path {
        self.own.path()
    }

    /// A file of the domain.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Its configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.file("gateway.toml")
    }

    /// `127.0.0.1:port` of the T8 listener.
    pub fn t8_address(&self) -> String {
        format!("127.0.0.1:{}", self.t8)
    }

    /// `127.0.0.1:port` of the operator's listener.
    pub fn operator_address(&self) -> String {
        format!("127.0.0.1:{}", self.operator)
    }

    /// `127.0.0.1:port` of its CoAP listener.
    pub fn coap_address(&self) -> String {
        format!("127.0.0.1:{}", self.coap)
    }

    /// Its MQTT listener.
    pub fn mqtt(&self) -> MqttPlace {
        MqttPlace {
            host: "127.0.0.1".to_owned(),
            port: self.mqtt,
            authority: self.file("authority/sp-ca.pem"),
        }
    }

    /// Has a device hosted over MQTT and CoAP, as its IoT SP would over T8, with a certificate for a
    /// key made here.
    #[track_caller]
    pub fn host(&self, iot_sp: &Party, serial: &str) -> HostedDevice {
        self.host_over(&["mqtt", "coap"], iot_sp, serial)
    }

    /// Has a device hosted over these channels alone.
    #[track_caller]
    pub fn host_over(&self, channels: &[&str], iot_sp: &Party, serial: &str) -> HostedDevice {
        let mut id = String::new();
        let (certificate, key) = issue(self.own.path(), serial, |request| {
            let registration = json!({
                "deviceSerialNumber": serial, "channels": channels,
                "credentials": [{ "certificate": { "request": request } }],
            });
            let path = iot_sp.path("ics-device", "devices");
            let made = iot_sp.post(&path, &registration).expect(201).json();
            id = made["deviceId"].as_str().expect("an id").to_owned();
            made["credentials"][0].clone()
        });
        HostedDevice {
            id,
            serial: serial.to_owned(),
            certificate,
            key,
            place: self.mqtt(),
        }
    }

    /// Everything the gateway has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.own.path().join("stderr.log")).unwrap_or_default()
    }

    /// Calls the operator API.
    pub fn operator(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("https://{}{path}", self.operator_address());
        let curl = Curl::new(method, &url)
            .root(&self.file("authority/operator-ca.pem"))
            .certificate(
                &self.file("operator/cli.pem"),
                &self.file("operator/cli.key"),
            );
        match body {
            Some(body) => curl.json(body).send(),
            None => curl.send(),
        }
    }

    /// Onboards a service provider and issues its certificate, as an operator would.
    pub fn onboard(&self, new: &Value) -> Party {
        self.operator("POST", "/operator/v1/sps", Some(new))
            .expect(201);
        self.party(new["id"].as_str().expect("an id"))
    }

    /// A service provider that was onboarded, with a certificate of its own.
    pub fn party(&self, id: &str) -> Party {
        let (certificate, key) = issue(self.own.path(), id, |csr| {
            let path = format!("/operator/v1/sps/{id}/certificates");
            self.operator("POST", &path, Some(&json!({ "csr": csr })))
                .expect(201)
                .json()
        });
        Party {
            id: id.to_owned(),
            certificate,
            key,
            grant: String::new(),
            root: format!("https://{}", self.t8_address()),
            authority: self.file("authority/sp-ca.pem"),
            callback: String::new(),
            inbox: Inbox { url: String::new() },
            token: Mutex::new(None),
        }
    }

    /// Puts an agreement in force.
    pub fn agree(&self, iot_sp: &Party, third_party_sp: &Party) -> String {
        let body = json!({ "iotSpId": iot_sp.id, "thirdPartySpId": third_party_sp.id });
        let answer = self
            .operator("POST", "/operator/v1/agreements", Some(&body))
            .expect(201);
        answer.json()["agreementId"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// A receiver of notifications whose certificate the gateway believes.
    pub fn receiver(&self) -> Receiver {
        let (certificate, key) = self.server_certificate("receiver", "IP:127.0.0.1,DNS:localhost");
        Receiver::open(&self.file("authority/sp-ca.pem"), &certificate, &key)
    }

    /// A server certificate of the domain's own authority for these names.
    pub fn server_certificate(&self, name: &str, names: &str) -> (PathBuf, PathBuf) {
        let authority = crate::openssl::TestAuthority {
            certificate: self.file("authority/sp-ca.pem"),
            key: self.file("authority/sp-ca.key"),
        };
        let extensions = crate::openssl::server_extensions(names);
        let issued = authority.issue(self.own.path(), name, &extensions, &["-days", "2"]);
        (issued.certificate, issued.key)
    }
}

/// A new key in `dir`, and the certificate that `order` gets for it.
pub fn issue(dir: &Path, name: &str, order: impl FnOnce(String) -> Value) -> (PathBuf, PathBuf) {
    let at = |ending: &str| dir.join(format!("{name}.{ending}"));
    let (key, request, certificate) = (at("key"), at("csr"), at("pem"));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let curve = "ec_paramgen_curve:P-256";
    openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        curve,
        "-nodes",
        "-subj",
        "/CN=x",
        "-keyout",
        &text(&key),
        "-out",
        &text(&request),
    ]);
    let issued = order(std::fs::read_to_string(&request).expect("a request"));
    let pem = issued["certificate"].as_str().expect("a certificate");
    std::fs::write(&certificate, pem).expect("a writable directory");
    (certificate, key)
}
