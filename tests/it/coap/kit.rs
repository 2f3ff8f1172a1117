//! The devices of the kit at libcoap's own server: a document that is put there is observed, stored,
//! and acknowledged by what libcoap then holds at `doc/ack`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ics_tests::{Coap, CoapClient, CoapCredential, CoapServer, Gateway, UdpProxy, UdpWeather};
use ics_tests::{device::hex, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "0123456789abcdef";

/// A device of the kit; its process ends with this.
struct Thing {
    own: TempDir,
    process: Child,
}

impl Thing {
    fn start(mut command: Command, address: &str) -> Self {
        let own = TempDir::new().expect("a temporary directory");
        let log = File::create(own.path().join("log")).expect("a file");
        let process = command
            .arg(own.path().join("copy.json"))
            .env("ICS_COAPS_URL", format!("coaps://{address}"))
            .env("ICS_DEV_PSK_ID", "d-abc.1")
            .env("ICS_DEV_PSK", hex(KEY.as_bytes()))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("tests/run builds and installs it");
        Self { own, process }
    }

    fn say(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().expect("a pipe");
        writeln!(input, "{line}").expect("it listens");
    }

    fn copy(&self) -> Option<Value> {
        let stored = std::fs::read(self.own.path().join("copy.json")).ok()?;
        Some(serde_json::from_slice(&stored).expect("whole or not at all"))
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn document(version: u64, pairs: usize) -> Value {
    let pair = |n| {
        let id = format!("0193a1c0-0000-7000-8000-{n:012}");
        json!({ "id": id, "svc": "https://shop.example/services/eggs", "uti": format!("uti-{n}") })
    };
    json!({ "v": version, "m": (0..pairs).map(pair).collect::<Vec<_>>() })
}

/// What the server holds, and a device that lives through it, in parts too and on a bad line.
fn live(device: Command) {
    let server = CoapServer::start(&["-h", "hint", "-k", KEY]);
    let desk = Coap::new(CoapClient::OpenSsl, &server.plain(), CoapCredential::Plain);
    let put = |document: &Value| {
        let put = desk.request("put", "/ics/v1/doc").block(1024);
        let payload = document.to_string();
        put.payload(50, payload.as_bytes()).send();
    };
    let said = |path: &str| {
        let reply = desk.get(path).send().reply.expect("libcoap's server");
        (reply.code == "2.05").then(|| reply.json())
    };
    put(&document(1, 1));
    let upstream = server.secure().parse().expect("an address");
    let proxy = UdpProxy::open(upstream, UdpWeather::FAIR, 11);
    let mut thing = Thing::start(device, &proxy.address().to_string());
    // The second comes as news, the third in parts, the fourth over a bad line.
    for (version, pairs, loss) in [(1, 1, 0), (2, 0, 0), (3, 16, 0), (4, 2, 20)] {
        proxy.change(UdpWeather {
            loss,
            duplication: loss,
            reordering: loss,
        });
        put(&document(version, pairs));
        eventually("the acknowledgement", || {
            said("/ics/v1/doc/ack").is_some_and(|said| said == json!({ "v": version }))
        });
        let copy = thing.copy().expect("it was durable before");
        assert_eq!(copy["v"], version);
        assert_eq!(copy["m"], document(version, pairs)["m"]);
    }
    proxy.change(UdpWeather::FAIR);
    thing.say(r#"event 0193a1c0-0000-7000-8000-000000000001 {"at": 1.50e+3}"#);
    eventually("the event", || {
        let came = desk.get("/ics/v1/evt").send().reply.expect("an answer");
        came.payload == br#"{"id":"0193a1c0-0000-7000-8000-000000000001","data":{"at": 1.50e+3}}"#
    });
    thing.say("give-up 0193a1c0-0000-7000-8000-000000000001");
    eventually("the end of a pair", || {
        let own = json!({ "id": "0193a1c0-0000-7000-8000-000000000001" });
        said("/ics/v1/rev") == Some(own)
    });
}

fn kit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/device")
}

#[test]
fn the_rust_device_follows_what_is_put_at_libcoap_s_server() {
    live(Command::new(
        Gateway::binary().with_file_name("coap_device"),
    ));
}

#[test]
fn the_python_device_follows_what_is_put_at_libcoap_s_server() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut device = Command::new(tests.join(".venv/bin/python"));
    device.arg(kit().join("python/ics_coap_device.py"));
    live(device);
}
