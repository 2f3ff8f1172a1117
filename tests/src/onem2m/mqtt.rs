//! The same client over MQTT (TS-0010), by the clients of mosquitto and a broker without locks.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::condition::{eventually, wait_for};
use crate::openssl::TestCertificate;

/// How mosquitto_rr ends where no answer came in time (`MOSQ_ERR_TIMEOUT`).
const TIMED_OUT: i32 = 27;

/// An AE on a broker.
pub struct OneM2mMqtt {
    port: u16,
    shown: Option<(PathBuf, TestCertificate)>,
    originator: String,
    cse: String,
}

/// The requests of a CSE to an AE, as they come, each answered 2000; the client ends with this.
pub struct MqttNotifications {
    child: Child,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl OneM2mMqtt {
    /// One that comes as `originator` to the CSE with that id (`/id-in`), by the broker at that
    /// port of loopback.
    pub fn new(port: u16, originator: &str, cse: &str) -> Self {
        Self {
            port,
            shown: None,
            originator: topic_level(originator),
            cse: topic_level(cse),
        }
    }

    /// The same, believing servers under that root, and showing that certificate.
    #[must_use]
    pub fn shown(self, root: &Path, own: TestCertificate) -> Self {
        Self {
            shown: Some((root.to_owned(), own)),
            ..self
        }
    }

    /// Sends a request primitive that nobody is to answer: the client was let in, and waited in vain.
    #[track_caller]
    pub fn ask_in_vain(&self, primitive: &Value) {
        let output = self.ask(("req", "resp"), primitive, "3");
        assert_eq!(output.status.code(), Some(TIMED_OUT), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }

    /// Sends a request primitive, completed by `fr`, and waits for its answer.
    pub fn request(&self, primitive: Value) -> Value {
        self.exchange(("req", "resp"), primitive)
    }

    /// The same before registration, by the topics for it; the originator is the credential.
    pub fn registration(&self, primitive: Value) -> Value {
        self.exchange(("reg_req", "reg_resp"), primitive)
    }

    fn exchange(&self, (asked, answered): (&str, &str), mut primitive: Value) -> Value {
        if primitive.get("fr").is_none() {
            primitive["fr"] = json!(self.originator);
        }
        let output = self.ask((asked, answered), &primitive, "30");
        assert!(output.status.success(), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(answer["rqi"], primitive["rqi"], "{answer}");
        answer
    }

    fn ask(&self, (asked, answered): (&str, &str), primitive: &Value, patience: &str) -> Output {
        let places = format!("{}/{}/json", self.originator, self.cse);
        let mut command = client("mosquitto_rr", self.port);
        if let Some((root, own)) = &self.shown {
            command.arg("--cafile").arg(root);
            command.arg("--cert").arg(&own.certificate);
            command.arg("--key").arg(&own.key);
        }
        command
            .args(["-W", patience, "-t", &format!("/oneM2M/{asked}/{places}")])
            .args(["-e", &format!("/oneM2M/{answered}/{places}")])
            .args(["-m", &primitive.to_string()])
            .output()
            .expect("mosquitto-clients")
    }

    /// Listens for requests of the CSE from now on.
    pub fn listen(&self) -> MqttNotifications {
        let topic = format!("/oneM2M/req/{}/{}", self.cse, self.originator);
        let mut child = client("mosquitto_sub", self.port)
            .args(["-v", "-t", &format!("{topic}/#")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto-clients");
        let printed = BufReader::new(child.stdout.take().expect("a pipe"));
        let own = MqttNotifications {
            child,
            heard: Arc::default(),
        };
        let (heard, port) = (Arc::clone(&own.heard), self.port);
        std::thread::spawn(move || {
            for line in printed.lines().map_while(Result::ok) {
                if let Some((topic, text)) = line.split_once(' ')
                    && let Ok(primitive) = serde_json::from_str(text)
                {
                    answer(port, topic, &primitive);
                    heard.lock().unwrap().push(primitive);
                }
            }
        });
        // It listens once it hears itself.
        eventually("a subscription", || {
            publish(self.port, &format!("{topic}/heard"), &json!({}));
            !own.heard.lock().unwrap().is_empty()
        });
        own
    }
}

impl MqttNotifications {
    /// Waits for a request that fits.
    pub fn take(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || {
            let heard = self.heard.lock().unwrap();
            heard.iter().find(|request| fits(request)).cloned()
        })
    }

    /// How many requests were heard.
    pub fn heard(&self) -> usize {
        let heard = self.heard.lock().unwrap();
        let requests = heard.iter().filter(|said| said.get("op").is_some());
        requests.count()
    }
}

/// Takes a request.
fn answer(port: u16, topic: &str, request: &Value) {
    if request.get("op").is_none() {
        return;
    }
    let answer = json!({
        "rsc": 2000, "rqi": request["rqi"], "rvi": request["rvi"],
        "to": request["fr"], "fr": request["to"],
    });
    let topic = topic.replacen("/oneM2M/req/", "/oneM2M/resp/", 1);
    publish(port, &topic, &answer);
}

fn publish(port: u16, topic: &str, primitive: &Value) {
    let status = client("mosquitto_pub", port)
        .args(["-t", topic, "-m", &primitive.to_string()])
        .status();
    assert!(status.expect("mosquitto-clients").success());
}

impl Drop for MqttNotifications {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// TS-0010 6.4.2: an id in a topic has no `/` at its front, and `:` for those within.
fn topic_level(id: &str) -> String {
    id.trim_start_matches('/').replace('/', ":")
}

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1"])
        .stdin(Stdio::null());
    command
}
