//! A gateway with its device listener, a third party and an IoT SP; devices run on a runtime beside.

use std::sync::atomic::{AtomicBool, Ordering};

use ics_core::id::SpId;
use ics_tests::device::HostedDevice;
use ics_tests::{Domain, Party, Receiver};
use ics_vault::make_request;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::caller::{Caller, Office};

pub(crate) const SERVICE: &str = "https://shop.example/services";

pub(crate) struct World {
    pub(crate) domain: Domain,
    pub(crate) shop: Office,
    pub(crate) acme: Office,
    pub(crate) runtime: Runtime,
    /// Takes what the two are told.
    pub(crate) receiver: Receiver,
    is_over: AtomicBool,
}

impl World {
    pub(crate) fn start() -> Self {
        let domain = Domain::create(|text| {
            let text = text
                .replace(
                    "allowed_networks = []",
                    "allowed_networks = [\"127.0.0.0/8\"]",
                )
                .replace("#first_retry = \"1s\"", "first_retry = \"200ms\"")
                .replace("#longest_retry = \"60s\"", "longest_retry = \"1s\"")
                .replace("#level = \"info\"", "level = \"warn\"");
            // All devices come from one address of a busy machine.
            let text = text.replace("#handshake_timeout = \"3s\"", "handshake_timeout = \"30s\"");
            // What fails, fails at once: nobody measures here how fast.
            let lines = text.lines().map(|line| match line.split_once(" = ") {
                Some((key @ ("failure_floor" | "failure_jitter"), _)) => {
                    format!("{key} = \"0s\"\n")
                }
                _ => format!("{line}\n"),
            });
            lines.collect()
        });
        domain.serve();
        let receiver = domain.receiver();
        let limits = json!({ "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000_000 });
        let origins = [receiver.origin()];
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": [SERVICE],
            "callbackOrigins": origins, "limits": limits,
        }));
        shop.callback = format!("{}/shop", origins[0]);
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "FR-" }],
            "callbackOrigins": origins, "limits": limits,
        }));
        domain.agree(&acme, &shop);
        Self {
            shop: Office::of(shop),
            acme: Office::of(acme),
            runtime: Runtime::new().expect("threads"),
            receiver,
            is_over: AtomicBool::new(false),
            domain,
        }
    }

    pub(crate) fn party(&self, id: &str) -> &Party {
        if id == "acme" {
            &self.acme.party
        } else {
            &self.shop.party
        }
    }

    /// Has a device with a certificate hosted under this serial number, or another where the answer
    /// was lost on the way.
    pub(crate) fn host(&self, acme: &mut Caller<'_>, serial: &str) -> HostedDevice {
        let made = make_request(&SpId::parse("acme").expect("an id")).expect("a request");
        let order = json!({ "certificate": { "request": made.request_pem } });
        let (device, serial) = self.register(acme, serial, ("mqtt", &order));
        let id = device["deviceId"].as_str().expect("an id").to_owned();
        let at = |ending: &str| self.domain.scratch().join(format!("{id}.{ending}"));
        let (certificate, key) = (at("pem"), at("key"));
        let pem = device["credentials"][0]["certificate"].as_str();
        std::fs::write(&certificate, pem.expect("a certificate")).expect("written");
        std::fs::write(&key, made.key_pem.as_bytes()).expect("written");
        HostedDevice {
            id,
            serial,
            certificate,
            key,
            place: self.domain.mqtt(),
        }
    }

    /// Registers a device on a channel with a credential; the answer, and the serial number it came
    /// to have.
    pub(crate) fn register(
        &self,
        acme: &mut Caller<'_>,
        serial: &str,
        (channel, credential): (&str, &Value),
    ) -> (Value, String) {
        let mut serial = serial.to_owned();
        loop {
            let registration = json!({
                "deviceSerialNumber": serial, "channels": [channel], "credentials": [credential],
            });
            let path = "/ics-device/v1/acme/devices";
            let answer = acme.call("POST", path, Some(&registration));
            if answer.status == 409 && acme.asked_again {
                serial.push_str("-again");
                continue;
            }
            return (answer.expect(201).json(), serial);
        }
    }

    pub(crate) fn end_mishaps(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}
