//! A device of mosquitto's clients: a connection for each thing it does.

use ics_tests::{HostedDevice, Mosquitto, Version, wait_for};
use serde_json::Value;

use super::Device;

/// Longer than any honest wait, in seconds.
const LIMIT: &str = "60";

pub(in crate::mqtt) struct Desk {
    thing: HostedDevice,
    version: Version,
    requests: u32,
}

impl Desk {
    pub(in crate::mqtt) fn new(thing: &HostedDevice, version: Version) -> Self {
        Self {
            thing: thing.clone(),
            version,
            requests: 0,
        }
    }

    fn client(&self, program: &str) -> Mosquitto {
        Mosquitto::new(program, &self.thing, self.version)
    }
}

impl Device for Desk {
    fn document(&mut self, at_least: u64) -> Value {
        wait_for("a document", || {
            let topic = self.thing.topic("doc");
            let options = ["-t", &topic, "-C", "1", "-W", LIMIT];
            let printed = self.client("mosquitto_sub").with(&options).expect();
            let document: Value = serde_json::from_str(&printed).expect("JSON");
            let is_new = document["v"].as_u64().is_some_and(|v| v >= at_least);
            is_new.then_some(document)
        })
    }

    fn publish(&mut self, own: &str, payload: &[u8]) {
        let payload = std::str::from_utf8(payload).expect("a text");
        let topic = self.thing.topic(own);
        self.client("mosquitto_pub")
            .with(&["-t", &topic, "-m", payload])
            .expect();
    }

    fn ask(&mut self, own: &str, payload: &[u8], is_accepted: bool) -> Value {
        self.requests += 1;
        let outcome = if is_accepted { "accepted" } else { "rejected" };
        // A response topic is for inquiries over MQTT 5; all else is answered beside the request.
        let (topic, answer) = if self.version == Version::V5 && own == "inq" {
            (own.to_owned(), format!("{own}/answer"))
        } else {
            let request = format!("{own}/r-{}", self.requests);
            (request.clone(), format!("{request}/{outcome}"))
        };
        let (topic, answer) = (self.thing.topic(&topic), self.thing.topic(&answer));
        let payload = std::str::from_utf8(payload).expect("a text");
        let mut options = vec!["-t", &topic, "-e", &answer, "-W", LIMIT];
        match payload {
            "" => options.push("-n"),
            _ => options.extend(["-m", payload]),
        }
        let printed = self.client("mosquitto_rr").with(&options).expect();
        serde_json::from_str(&printed).expect("JSON")
    }
}
