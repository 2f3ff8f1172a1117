//! A device of an MQTT library: one connection, for as long as it lives.

use ics_tests::{DeviceClient, HostedDevice, Library, Version};
use serde_json::Value;

use super::Device;

pub(in crate::mqtt) struct Program {
    thing: HostedDevice,
    version: Version,
    pub(in crate::mqtt) client: DeviceClient,
    requests: u32,
}

impl Program {
    pub(in crate::mqtt) fn connect(
        thing: &HostedDevice,
        library: Library,
        version: Version,
    ) -> Self {
        let mut client = thing.connect(library, version);
        for own in ["doc", "inq/#", "rev/+/+"] {
            client.subscribe(&thing.topic(own));
        }
        Self {
            thing: thing.clone(),
            version,
            client,
            requests: 0,
        }
    }
}

impl Device for Program {
    fn document(&mut self, at_least: u64) -> Value {
        let topic = self.thing.topic("doc");
        let is_new = |document: &Value| document["v"].as_u64().is_some_and(|v| v >= at_least);
        let message = self.client.wait_message("a document", |message| {
            message.topic == topic && is_new(&message.json())
        });
        assert_eq!(message.qos, 1);
        let is_v5 = self.version == Version::V5;
        let content_type = message.content_type.as_deref();
        assert_eq!(content_type, is_v5.then_some("application/json"));
        message.json()
    }

    fn publish(&mut self, own: &str, payload: &[u8]) {
        self.client.publish(&self.thing.topic(own), payload);
    }

    fn ask(&mut self, own: &str, payload: &[u8], is_accepted: bool) -> Value {
        self.requests += 1;
        let outcome = if is_accepted { "accepted" } else { "rejected" };
        if self.version == Version::V5 && own == "inq" {
            let correlation = [0, self.requests as u8, 0xff];
            let response = self.thing.topic("inq/answers");
            let way = (response.as_str(), correlation.as_slice());
            let taken = self
                .client
                .try_request(&self.thing.topic(own), payload, way);
            assert_eq!(taken, Some(0));
            // Behind a broker a device that listens there hears its question too.
            let answer = self.client.wait_message("an answer", |message| {
                message.topic == response && message.correlation.as_deref() == Some(&correlation)
            });
            return answer.json();
        }
        let request = self.thing.topic(&format!("{own}/r-{}", self.requests));
        self.client.publish(&request, payload);
        let answer = format!("{request}/{outcome}");
        let message = self
            .client
            .wait_message("an answer", |message| message.topic == answer);
        message.json()
    }
}
