//! The whole story of a hosted device, by one client after the other, each as it comes: figure 3
//! (steps 4 to 6 over MQTT), Appendix I.1, figure 5 case 1, figure 4, and the device's own way out.

pub(super) mod desk;
pub(super) mod program;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_tests::{HostedDevice, Library, Party, Sandbox, Version, eventually, fresh_uuid};
use serde_json::{Value, json};

use desk::Desk;
use program::Program;

/// What a device does, whatever it is made of.
pub(crate) trait Device {
    /// Waits for a document of this version or a later one.
    fn document(&mut self, at_least: u64) -> Value;
    /// Publishes at QoS 1 to a topic of its own; it must be taken.
    fn publish(&mut self, own: &str, payload: &[u8]);
    /// Asks something at a topic of its own and waits for the answer, in the form of its version
    /// of MQTT.
    fn ask(&mut self, own: &str, payload: &[u8], is_accepted: bool) -> Value;
}

/// A device in a world of its own, with both its service providers.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) shop: Party,
    pub(crate) acme: Party,
    pub(crate) thing: HostedDevice,
    version: u64,
    /// Whether PUBACK is the gateway's own word; a broker's says nothing of what is durable.
    is_direct: bool,
}

impl World {
    fn start() -> Self {
        let sandbox = Sandbox::start();
        let thing = sandbox.lock();
        Self::of(sandbox, thing, true)
    }

    pub(crate) fn of(sandbox: Sandbox, thing: HostedDevice, is_direct: bool) -> Self {
        let mut world = Self {
            shop: sandbox.shop(),
            acme: sandbox.acme(),
            thing,
            sandbox,
            version: 0,
            is_direct,
        };
        // That of the empty document it was registered with.
        (world.version, _) = world.versions();
        world
    }

    /// The newest version of its document, and the newest it said it holds, as its IoT SP sees them.
    pub(crate) fn versions(&self) -> (u64, u64) {
        let path = self.acme.path("ics-device", "devices");
        let path = format!("{path}/{}", self.thing.id);
        let document = &self.acme.get(&path).expect(200).json()["document"];
        let number = |name: &str| document[name].as_u64().expect("a number");
        (number("version"), number("acknowledged"))
    }

    /// The device gets a newer document than it has.
    pub(crate) fn next_document(&mut self, device: &mut dyn Device) -> Value {
        let document = device.document(self.version + 1);
        self.version = document["v"].as_u64().expect("a version");
        document
    }

    /// The device says that it stored what it got last.
    pub(crate) fn acknowledge(&self, device: &mut dyn Device) {
        let (version, acknowledged) = self.versions();
        assert!(version == self.version && acknowledged < version);
        let payload = json!({ "v": self.version }).to_string();
        device.publish("doc/ack", payload.as_bytes());
        if !self.is_direct {
            eventually("the acknowledgement", || self.versions().1 == version);
        }
        assert_eq!(self.versions(), (version, version));
    }

    /// Figure 3: the row is established; answers service URI, UTI and the row's id.
    pub(crate) fn map(&mut self, device: &mut dyn Device) -> (String, String, String) {
        let (service, uti) = (self.shop.service("doors"), fresh_uuid());
        let mut request = self.shop.request(&service, &uti, &self.thing.serial);
        // What the third party alone understands: bytes that are no text.
        let sealed = URL_SAFE_NO_PAD.encode([0, 0xff, 0x0a, 0xc3, 0x28]);
        request["e2e"] = json!(sealed);
        let answer = self.shop.post_mapping(&request).expect(201);
        let mapping = self.shop.follow(&self.acme, &request, &answer);
        assert_eq!(self.shop.status(&mapping), "PENDING");
        let inquired = self.shop.inquire(&service, &uti);
        assert_eq!(inquired.status, 404);

        let document = self.next_document(device);
        let row = json!({ "id": mapping.id(), "svc": service, "uti": uti, "e2e": sealed });
        assert_eq!(document["m"], json!([row]));
        // Offered, not yet held: nothing is told of it.
        device.ask("inq", b"{}", false);
        assert_eq!(self.shop.status(&mapping), "PENDING");
        self.acknowledge(device);

        assert_eq!(self.shop.status(&mapping), "ESTABLISHED");
        for party in [&self.shop, &self.acme] {
            party.inbox.wait(&uti, "the result", |body| {
                body["mappingStatus"] == "ESTABLISHED"
            });
        }
        let found = self.shop.inquire(&service, &uti).expect(200).json();
        assert_eq!(found["deviceId"], self.thing.id.as_str());
        (service, uti, mapping.id().to_owned())
    }

    /// Figure 5 case 1: all three identifiers.
    pub(super) fn inquire(&self, device: &mut dyn Device, (service, uti, id): (&str, &str, &str)) {
        let row = json!({ "id": id, "svc": service, "uti": uti });
        let all = json!({ "did": self.thing.id, "m": [row] });
        assert_eq!(device.ask("inq", b"", true), all);
        let own = json!({ "svc": service }).to_string();
        assert_eq!(device.ask("inq", own.as_bytes(), true), all);
        let other = json!({ "svc": format!("{service}/other") }).to_string();
        let refused = json!({ "code": 404, "err": "no_mapping" });
        assert_eq!(device.ask("inq", other.as_bytes(), false), refused);
    }

    /// Appendix I.1: the third party has what the device said, byte by byte, and no more than
    /// service URI and UTI to know it by.
    pub(super) fn report(&self, device: &mut dyn Device, (service, uti, id): (&str, &str, &str)) {
        // Spaces, the order of members and the form of numbers are the device's own.
        let data = r#"{ "door":"open",  "at": 1.50e+3, "é": "\u00e9\/" }"#;
        let payload = format!(r#"{{"id":"{id}","data":{data}}}"#);
        device.publish("evt", payload.as_bytes());
        let told = self
            .shop
            .inbox
            .wait(uti, "the event", |body| body["data"].is_string());
        assert_eq!(told["serviceUri"], service);
        assert_eq!(told["dataContentType"], "application/json");
        let came = URL_SAFE_NO_PAD.decode(told["data"].as_str().expect("a text"));
        assert_eq!(came.expect("base64url"), data.as_bytes());
        assert!(!told.to_string().contains(&self.thing.id), "{told}");
        assert!(!told.to_string().contains(&self.thing.serial), "{told}");
    }

    /// The row is gone, and so is what the device may ask or say of it.
    fn is_over(&mut self, device: &mut dyn Device, (uti, cause): (&str, &str), told: &Party) {
        let document = self.next_document(device);
        assert_eq!(document["m"], json!([]));
        self.acknowledge(device);
        let refused = json!({ "code": 404, "err": "no_mapping" });
        assert_eq!(device.ask("inq", b"{}", false), refused);
        told.inbox
            .wait(uti, "the end", |body| body["cause"] == cause);
    }

    pub(crate) fn play(&mut self, device: &mut dyn Device) {
        let (service, uti, id) = self.map(device);
        self.inquire(device, (&service, &uti, &id));
        self.report(device, (&service, &uti, &id));
        let (shop, acme) = (self.sandbox.shop(), self.sandbox.acme());
        let withdrawn = "USER_AUTHORIZATION_WITHDRAWN";
        shop.demap(withdrawn, &json!({ "serviceUri": service, "uti": uti }))
            .expect(200);
        self.is_over(device, (&uti, withdrawn), &acme);

        let (service, uti, id) = self.map(device);
        self.inquire(device, (&service, &uti, &id));
        let device_id = self.thing.id.clone();
        let selector = json!({ "deviceId": device_id, "serviceUri": service });
        acme.demap("SERVICE_INVALID", &selector).expect(200);
        self.is_over(device, (&uti, "SERVICE_INVALID"), &shop);

        let (_, uti, id) = self.map(device);
        let own = json!({ "id": id }).to_string();
        assert_eq!(device.ask("rev", own.as_bytes(), true), json!({}));
        self.is_over(device, (&uti, "UTI_INVALID"), &shop);
        let told = acme.inbox.about(&uti);
        let told = told.iter().find(|body| body["cause"] == "UTI_INVALID");
        assert_eq!(told.expect("the end")["subCause"], "DEVICE_REVOKED");
        self.leaves_nothing_in_the_log();
    }

    /// No identifier of a row or a device is in the log.
    fn leaves_nothing_in_the_log(&self) {
        let log = self.sandbox.log();
        for known in [&self.thing.id, &self.thing.serial] {
            assert!(!log.contains(known.as_str()), "{known}");
        }
        eventually("an empty outbox", || {
            let path = "/operator/v1/outbox";
            let outbox = self.sandbox.operator("GET", path, None).expect(200);
            outbox.json()["items"].as_array().is_some_and(Vec::is_empty)
        });
    }
}

/// Plays it with a library, over both versions or one.
fn play_with(library: Library, version: Version) {
    let mut world = World::start();
    let mut device = Program::connect(&world.thing, library, version);
    world.play(&mut device);
}

#[test]
fn mosquitto_s_clients_play_it_over_mqtt_5() {
    let mut world = World::start();
    let mut device = Desk::new(&world.thing, Version::V5);
    world.play(&mut device);
}

#[test]
fn mosquitto_s_clients_play_it_over_mqtt_3() {
    let mut world = World::start();
    let mut device = Desk::new(&world.thing, Version::V3);
    world.play(&mut device);
}

#[test]
fn paho_plays_it_over_mqtt_5() {
    play_with(Library::Paho, Version::V5);
}

#[test]
fn paho_plays_it_over_mqtt_3() {
    play_with(Library::Paho, Version::V3);
}

#[test]
fn aiomqtt_plays_it_over_mqtt_5() {
    play_with(Library::Aiomqtt, Version::V5);
}

#[test]
fn aiomqtt_plays_it_over_mqtt_3() {
    play_with(Library::Aiomqtt, Version::V3);
}

#[test]
fn mqtt_js_plays_it_over_mqtt_5() {
    play_with(Library::MqttJs, Version::V5);
}

#[test]
fn mqtt_js_plays_it_over_mqtt_3() {
    play_with(Library::MqttJs, Version::V3);
}
