//! A device of libcoap's clients: a session for each thing it does.

use ics_tests::{Coap, CoapClient, CoapCredential, CoapReply, Sandbox, wait_for};
use ics_tests::{HostedDevice, device::unhex};
use serde_json::{Value, json};

use crate::mqtt::story::Device;

pub(super) struct Desk(pub(super) Coap);

/// What the first device of a sandbox shows when it has a key.
pub(super) fn key(sandbox: &Sandbox) -> CoapCredential {
    CoapCredential::Key {
        identity: sandbox.env("ICS_DEV_PSK_ID").to_owned(),
        key: unhex(sandbox.env("ICS_DEV_PSK")),
    }
}

/// What a device shows when it has a certificate.
pub(super) fn certificate(thing: &HostedDevice) -> CoapCredential {
    CoapCredential::Certificate {
        certificate: thing.certificate.clone(),
        key: thing.key.clone(),
        authority: thing.place.authority.clone(),
    }
}

impl Desk {
    pub(super) fn new(sandbox: &Sandbox, client: CoapClient, credential: CoapCredential) -> Self {
        let url = sandbox.env("ICS_COAPS_URL");
        let address = url.strip_prefix("coaps://").expect("a coaps: URL");
        Self(Coap::new(client, address.trim_end_matches('/'), credential))
    }

    #[track_caller]
    pub(super) fn document(&self) -> CoapReply {
        self.0.get("/ics/v1/doc").accept(50).expect("2.05")
    }
}

impl Device for Desk {
    fn document(&mut self, at_least: u64) -> Value {
        wait_for("a document", || {
            let document = Self::document(self).json();
            let is_new = document["v"].as_u64().is_some_and(|v| v >= at_least);
            is_new.then_some(document)
        })
    }

    fn publish(&mut self, own: &str, payload: &[u8]) {
        let path = format!("/ics/v1/{own}");
        let payload = std::str::from_utf8(payload).expect("a text");
        self.0.post(&path, payload).expect("2.04");
    }

    fn ask(&mut self, own: &str, payload: &[u8], is_accepted: bool) -> Value {
        let path = format!("/ics/v1/{own}");
        let payload = std::str::from_utf8(payload).expect("a text");
        let request = match (own, payload) {
            ("inq", "") => self.0.get(&path).accept(50),
            ("inq", _) => self.0.fetch(&path, payload).accept(50),
            _ => self.0.post(&path, payload),
        };
        match (is_accepted, own) {
            (true, "inq") => request.expect("2.05").json(),
            (true, _) => {
                request.expect("2.04");
                json!({})
            }
            // Told as MQTT tells it: the code, and the word.
            (false, _) => json!({ "code": 404, "err": request.expect("4.04").text() }),
        }
    }
}
