//! A device as its firmware's developer would make one: an MQTT library nobody here wrote, in a
//! process of its own (`tests/devices/`), that does what it is told and tells what came.
//!
//! Lines are JSON texts. To it: `{"do":"subscribe","n":1,"topic":..,"qos":1}`,
//! `{"do":"publish","n":2,"topic":..,"payload":HEX,"response":..,"correlation":HEX}`,
//! `{"do":"close"}`. From it: `{"connected":true,"properties":{..}}`, `{"refused":REASON}`,
//! `{"n":1,"reason":REASON}`, `{"topic":..,"payload":HEX,..}`, `{"disconnected":REASON}`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::condition::wait_for;

/// A hosted device: what its maker puts into it.
#[derive(Clone, Debug)]
pub struct HostedDevice {
    /// The ID the gateway minted for it.
    pub id: String,
    /// What is printed on it.
    pub serial: String,
    /// Its certificate and key, PEM.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
    /// Where it connects.
    pub place: MqttPlace,
}

/// An MQTT listener.
#[derive(Clone, Debug)]
pub struct MqttPlace {
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The authority of its certificate.
    pub authority: PathBuf,
}

/// An MQTT library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// paho-mqtt (Python).
    Paho,
    /// aiomqtt (Python).
    Aiomqtt,
    /// mqtt.js (Node).
    MqttJs,
}

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V3,
    /// 5.
    V5,
}

impl Version {
    /// The protocol level in CONNECT.
    pub fn level(self) -> u8 {
        match self {
            Self::V3 => 4,
            Self::V5 => 5,
        }
    }
}

impl HostedDevice {
    /// A topic of its own subtree.
    pub fn topic(&self, own: &str) -> String {
        format!("ics/v1/d/{}/{own}", self.id)
    }

    /// What its client is told to connect with.
    pub fn settings(&self, version: Version) -> Value {
        json!({
            "version": version.level(),
            "host": self.place.host,
            "port": self.place.port,
            "ca": self.place.authority,
            "certificate": self.certificate,
            "key": self.key,
            // What a device calls itself is nothing to the gateway; a broker wants different names.
            "clientId": format!("whatever {} calls itself", self.serial),
        })
    }

    /// Connects; it must be let in.
    #[track_caller]
    pub fn connect(&self, library: Library, version: Version) -> DeviceClient {
        let client = DeviceClient::start(library, &self.settings(version));
        client.wait_connected();
        client
    }
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMessage {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Its quality of service.
    pub qos: u64,
    /// What MQTT 5 says it is.
    pub content_type: Option<String>,
    /// What MQTT 5 says it answers.
    pub correlation: Option<Vec<u8>>,
}

impl DeviceMessage {
    /// The payload as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("JSON")
    }
}

/// A device's client, connected or not; its process ends with it.
pub struct DeviceClient {
    process: Child,
    input: ChildStdin,
    said: Arc<Mutex<Vec<Value>>>,
    orders: u64,
}

impl DeviceClient {
    /// Starts one with these settings.
    pub fn start(library: Library, settings: &Value) -> Self {
        let mut process = interpreter(library)
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/run installs it");
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let said = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&said);
        std::thread::spawn(move || {
            let lines = BufReader::new(output.expect("a pipe")).lines();
            for line in lines.map_while(Result::ok) {
                let word = serde_json::from_str(&line).expect("JSON");
                hearing.lock().unwrap().push(word);
            }
            // Whatever it was waited for: nothing comes any more.
            hearing.lock().unwrap().push(json!({ "over": true }));
        });
        Self {
            process,
            input: input.expect("a pipe"),
            said,
            orders: 0,
        }
    }

    /// Everything it has said.
    pub fn said(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }

    /// Waits for a word that fits; `None` once its connection is over and none has.
    fn wait_word(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        wait_for(what, || {
            let said = self.said();
            let found = said.iter().find(|word| fits(word)).cloned();
            let is_over = said.iter().any(is_end);
            (found.is_some() || is_over).then_some(found)
        })
    }

    /// Waits until it is let in; answers what CONNACK says besides.
    #[track_caller]
    pub fn wait_connected(&self) -> Value {
        let word = self.wait_word("CONNACK", |word| word["connected"] == true);
        let word = word.unwrap_or_else(|| panic!("not let in: {:?}", self.said()));
        word["properties"].clone()
    }

    /// Waits until it is not let in; answers the reason of CONNACK, if there was one.
    #[track_caller]
    pub fn wait_refused(&self) -> Option<u64> {
        let word = self.wait_word("a refusal", |word| word["refused"].is_u64());
        let said = self.said();
        let was_let_in = said.iter().any(|word| word["connected"] == true);
        assert!(!was_let_in, "{said:?}");
        word.and_then(|word| word["refused"].as_u64())
    }

    /// Waits until its connection is closed; answers the reason of DISCONNECT, if there was one.
    pub fn wait_closed(&self) -> Option<u64> {
        let word = self.wait_word("the end of the connection", |word| {
            word.get("disconnected").is_some()
        });
        word.and_then(|word| word["disconnected"].as_u64())
    }

    fn order(&mut self, mut order: Value) -> Option<u64> {
        self.orders += 1;
        let n = self.orders;
        order["n"] = n.into();
        // One that is gone takes no more; what it last said tells why.
        let _ = writeln!(self.input, "{order}");
        let word = self.wait_word("what became of an order", |word| word["n"] == n)?;
        Some(word["reason"].as_u64().unwrap_or_else(|| panic!("{word}")))
    }

    /// Subscribes; answers the reason of SUBACK: 0 to 2 granted, from 128 on refused. `None`: the
    /// connection is over.
    pub fn try_subscribe(&mut self, filter: &str) -> Option<u64> {
        self.order(json!({ "do": "subscribe", "topic": filter }))
    }

    /// Subscribes; it must be granted.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str) {
        assert_eq!(self.try_subscribe(filter), Some(1), "{:?}", self.said());
    }

    /// Publishes at QoS 1; answers the reason of PUBACK (0 in 3.1.1). `None`: the connection is
    /// over.
    pub fn try_publish(&mut self, topic: &str, payload: &[u8]) -> Option<u64> {
        self.order(json!({ "do": "publish", "topic": topic, "payload": hex(payload) }))
    }

    /// Publishes at QoS 1; it must be taken.
    #[track_caller]
    pub fn publish(&mut self, topic: &str, payload: &[u8]) {
        let reason = self.try_publish(topic, payload);
        assert_eq!(reason, Some(0), "{topic} {:?}", self.said());
    }

    /// Publishes at QoS 1 with a response topic and correlation data, as MQTT 5 has them.
    pub fn try_request(
        &mut self,
        topic: &str,
        payload: &[u8],
        (response, correlation): (&str, &[u8]),
    ) -> Option<u64> {
        self.order(json!({
            "do": "publish", "topic": topic, "payload": hex(payload), "response": response,
            "correlation": hex(correlation),
        }))
    }

    /// The messages that came, in their order.
    pub fn messages(&self) -> Vec<DeviceMessage> {
        self.said().iter().filter_map(read_message).collect()
    }

    /// Waits for a message that fits.
    #[track_caller]
    pub fn wait_message(&self, what: &str, fits: impl Fn(&DeviceMessage) -> bool) -> DeviceMessage {
        let fits = |word: &Value| read_message(word).is_some_and(|message| fits(&message));
        let word = self.wait_word(what, fits);
        let message = word.as_ref().and_then(read_message);
        message.unwrap_or_else(|| panic!("{what} does not come: {:?}", self.said()))
    }

    /// Takes its leave, and waits for the end.
    pub fn close(&mut self) {
        let _ = writeln!(self.input, "{}", json!({ "do": "close" }));
        self.wait_closed();
    }
}

impl Drop for DeviceClient {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_end(word: &Value) -> bool {
    word.get("disconnected").is_some() || word["over"] == true || word.get("failed").is_some()
}

fn read_message(word: &Value) -> Option<DeviceMessage> {
    let text = |name: &str| word[name].as_str().map(str::to_owned);
    Some(DeviceMessage {
        topic: text("topic")?,
        payload: unhex(word["payload"].as_str()?),
        qos: word["qos"].as_u64()?,
        content_type: text("contentType"),
        correlation: word["correlation"].as_str().map(unhex),
    })
}

/// The program that is this library's device.
fn interpreter(library: Library) -> Command {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = |interpreter: PathBuf, file: &str| {
        let mut command = Command::new(interpreter);
        command.arg(tests.join("devices").join(file));
        command
    };
    match library {
        Library::Paho => program(tests.join(".venv/bin/python"), "device_paho.py"),
        Library::Aiomqtt => program(tests.join(".venv/bin/python"), "device_aiomqtt.py"),
        Library::MqttJs => program("node".into(), "device_mqttjs.mjs"),
    }
}

/// Bytes as digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digits as bytes.
pub fn unhex(digits: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(pair).collect()
}
