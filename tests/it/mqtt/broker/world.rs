//! A sandbox behind a broker, and a device of mosquitto's clients that sleeps between what it does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_tests::{Broker, Gateway, HostedDevice, Mosquitto, Sandbox, Version, eventually, wait_for};
use serde_json::Value;

use crate::mqtt::story::desk::Desk;
use crate::mqtt::story::{Device, World};

/// A world whose devices come through a broker.
pub(super) struct Brokered {
    pub(super) world: World,
    pub(super) broker: Broker,
}

impl Brokered {
    /// One that is served.
    pub(super) fn start() -> Self {
        let brokered = Self::start_with(|_| {});
        brokered.wait_served();
        let log = brokered.world.sandbox.log();
        assert!(!log.contains("broker refused"), "{log}");
        brokered
    }

    /// Devices are served through the broker.
    pub(super) fn wait_served(&self) {
        eventually("the broker to be served", || {
            let log = self.world.sandbox.log();
            log.contains("serving devices through the broker")
        });
    }

    /// Waits until the gateway has settled all messages of devices that the broker passed on, at
    /// least so many; answers how many.
    pub(super) fn wait_settled(&self, at_least: usize) -> usize {
        wait_for("all messages to be settled", || {
            let log = self.broker.log();
            let passed_on = log.matches("Sending PUBLISH to ics-gateway-1 ").count();
            let settled = log.matches("Received PUBACK from ics-gateway-1 ").count();
            (settled == passed_on && settled >= at_least).then_some(settled)
        })
    }

    /// The device's IoT SP is suspended, or resumes.
    pub(super) fn set(&self, verb: &str) {
        let path = format!("/operator/v1/sps/{}/{verb}", self.world.acme.id);
        let sandbox = &self.world.sandbox;
        sandbox.operator("POST", &path, None).expect(200);
    }

    /// One with a broker that is not as the recipe has it.
    pub(super) fn start_with(spoil: impl FnOnce(&Broker)) -> Self {
        let sandbox = Sandbox::start();
        let configuration = sandbox.file("ICS_CONFIG");
        let broker = Broker::by_recipe(&configuration, &sandbox.dir().join("broker"));
        spoil(&broker);
        broker.start();
        assert!(sandbox.stop().success());
        let text = std::fs::read_to_string(&configuration).expect("a configuration");
        let text = format!("{text}\n{}", broker.section());
        std::fs::write(&configuration, text).expect("a writable file");
        sandbox.spawn();
        let thing = broker.bring(sandbox.lock());
        Self {
            world: World::of(sandbox, thing, false),
            broker,
        }
    }

    /// What doctor says of the broker.
    pub(super) fn doctor(&self) -> Vec<Value> {
        let configuration = self.world.sandbox.file("ICS_CONFIG");
        let configuration = configuration.to_str().expect("UTF-8");
        let said = Gateway::run(&["doctor", "--json", "--config", configuration]);
        let findings: Vec<Value> = serde_json::from_slice(&said.stdout).expect("JSON");
        let of_broker = |finding: &Value| finding["area"] == "mqtt broker";
        findings.into_iter().filter(of_broker).collect()
    }

    /// How each of its findings is.
    pub(super) fn doctor_lights(&self) -> Vec<String> {
        let doctor = self.doctor();
        let light = |finding: &Value| finding["light"].as_str().expect("a light").to_owned();
        doctor.iter().map(light).collect()
    }

    /// The gateway does not serve the broker, and says why.
    pub(super) fn wait_refused(&self) {
        eventually("a refusal", || {
            let log = self.world.sandbox.log();
            log.contains("broker refused")
        });
        let log = self.world.sandbox.log();
        assert!(log.contains("topics of another device"), "{log}");
        assert!(!log.contains("serving devices through the broker"), "{log}");
    }

    /// The gateway and doctor refuse it; doctor's reading of the list names this.
    pub(super) fn is_refused(&self, list_says: &str) {
        self.wait_refused();
        let doctor = self.doctor();
        let red: Vec<&Value> = doctor.iter().filter(|f| f["light"] == "red").collect();
        let text = |finding: &Value| finding["text"].as_str().expect("a text").to_owned();
        assert_eq!(red.len(), 2, "{doctor:?}");
        assert!(text(red[0]).contains(list_says), "{red:?}");
        assert!(text(red[1]).contains("topics of another device"), "{red:?}");
        // The rest of the gateway serves.
        let shop = &self.world.shop;
        assert_eq!(
            shop.inquire(&shop.service("doors"), &ics_tests::fresh_uuid())
                .status,
            404
        );
    }

    pub(super) fn leaves_no_identifier_in_the_log(&self) {
        let log = self.world.sandbox.log();
        for known in [&self.world.thing.id, &self.world.thing.serial] {
            assert!(!log.contains(known.as_str()), "{known}");
        }
    }
}

/// A number that a third party was told as the data of an event.
pub(super) fn read_number(data: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(data).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

/// A device of mosquitto's clients. It gets its document as such a one does behind a broker: it
/// listens, says that it is there, and hears it.
pub(super) struct Sleeper {
    thing: HostedDevice,
    version: Version,
    desk: Desk,
}

impl Sleeper {
    pub(super) fn new(thing: &HostedDevice, version: Version) -> Self {
        Self {
            thing: thing.clone(),
            version,
            desk: Desk::new(thing, version),
        }
    }

    fn say_it_is_there(&self) {
        let topic = self.thing.topic("st");
        Mosquitto::new("mosquitto_pub", &self.thing, self.version)
            .with(&["-t", &topic, "-m", "{}"])
            .expect();
    }
}

impl Device for Sleeper {
    fn document(&mut self, at_least: u64) -> Value {
        let topic = self.thing.topic("doc");
        wait_for("a document", || {
            let mut listener = Mosquitto::new("mosquitto_sub", &self.thing, self.version)
                .with(&["-t", &topic, "-C", "1", "-W", "5"])
                .spawn();
            // It may not listen yet when it is said: then it is said again.
            let printed = loop {
                self.say_it_is_there();
                if listener.is_over() {
                    break listener.output();
                }
            };
            let document: Value = serde_json::from_str(&printed).ok()?;
            let is_new = document["v"].as_u64().is_some_and(|v| v >= at_least);
            is_new.then_some(document)
        })
    }

    fn publish(&mut self, own: &str, payload: &[u8]) {
        self.desk.publish(own, payload);
    }

    fn ask(&mut self, own: &str, payload: &[u8], is_accepted: bool) -> Value {
        self.desk.ask(own, payload, is_accepted)
    }
}
