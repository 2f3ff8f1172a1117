//! An operator's domain with an IoT SP whose devices come over CoAP, and a third party SP that hears
//! of its rows.

use ics_tests::device::unhex;
use ics_tests::{
    Coap, CoapClient, CoapCredential, Domain, HostedDevice, Mapping, Party, Receiver, fresh_uuid,
};
use serde_json::{Value, json};

pub(crate) const SERVICE: &str = "https://shop.example/services";

pub(crate) struct World {
    pub(crate) domain: Domain,
    pub(crate) acme: Party,
    pub(crate) shop: Party,
    /// Takes what the two are told.
    pub(crate) receiver: Receiver,
}

/// A hosted device, with a certificate and with a key.
#[derive(Clone)]
pub(crate) struct Thing {
    pub(crate) hosted: HostedDevice,
    pub(crate) identity: String,
    pub(crate) key: Vec<u8>,
    /// The number of the credential that is the key.
    pub(crate) number: u64,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::start_with(|text| text)
    }

    /// The configuration passes through `edit`.
    pub(crate) fn start_with(edit: impl FnOnce(String) -> String) -> Self {
        let domain = Domain::start(|text| {
            let text = text.replace(
                "allowed_networks = []",
                "allowed_networks = [\"127.0.0.0/8\"]",
            );
            // A client of libcoap's has a session for each request.
            let many = "connects_at_once = 1000000\nconnects_per_second = 1000000\n";
            let mqtt = "#connects_at_once = 10\n#connects_per_second = 1\n";
            let coap = "#connects_at_once = 50\n#connects_per_second = 5\n";
            assert!(text.contains(mqtt) && text.contains(coap));
            edit(text.replace(mqtt, many).replace(coap, many))
        });
        let receiver = domain.receiver();
        let limits = json!({ "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000_000 });
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": [SERVICE],
            "callbackOrigins": [receiver.origin()], "limits": limits,
        }));
        shop.grant = SERVICE.to_owned();
        shop.callback = format!("{}/shop", receiver.origin());
        let mut acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": [receiver.origin()], "limits": limits,
        }));
        acme.grant = "ACME-".to_owned();
        domain.agree(&acme, &shop);
        Self {
            domain,
            acme,
            shop,
            receiver,
        }
    }

    /// A device of acme's.
    pub(crate) fn host(&self, name: &str) -> Thing {
        let serial = format!("ACME-{name}");
        let mut made = Value::Null;
        let issued = ics_tests::domain::issue(self.domain.scratch(), &serial, |request| {
            let registration = json!({
                "deviceSerialNumber": serial, "channels": ["mqtt", "coap"],
                "credentials": [{ "certificate": { "request": request } }, { "psk": {} }],
            });
            let path = self.acme.path("ics-device", "devices");
            made = self.acme.post(&path, &registration).expect(201).json();
            made["credentials"][0].clone()
        });
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let id = text(&made["deviceId"]);
        let mut keyed = made["credentials"][1].clone();
        // A key goes through the command line of libcoap's clients, and no zero does.
        while unhex(keyed["psk"].as_str().expect("a key")).contains(&0) {
            let path = self
                .acme
                .path("ics-device", &format!("devices/{id}/credentials"));
            keyed = self
                .acme
                .post(&path, &json!({ "psk": {} }))
                .expect(201)
                .json();
        }
        let identity = text(&keyed["pskIdentity"]);
        let number = identity.rsplit('.').next();
        let number = number.and_then(|number| number.parse().ok());
        Thing {
            hosted: HostedDevice {
                id,
                serial,
                certificate: issued.0,
                key: issued.1,
                place: self.domain.mqtt(),
            },
            identity,
            key: unhex(keyed["psk"].as_str().expect("a key")),
            number: number.expect("a number"),
        }
    }

    /// The shop asks for a device: a row that waits for it.
    #[track_caller]
    pub(crate) fn offer(&self, thing: &Thing) -> Mapping {
        let service = self.shop.service("doors");
        let serial = &thing.hosted.serial;
        self.shop
            .ask_for(&self.acme, &service, &fresh_uuid(), serial)
    }

    /// A row that the device holds.
    #[track_caller]
    pub(crate) fn establish(&self, thing: &Thing) -> Mapping {
        let mapping = self.offer(thing);
        let desk = self.desk(CoapClient::OpenSsl, thing.shown());
        let document = desk.get("/ics/v1/doc").accept(50).expect("2.05").json();
        desk.post(
            "/ics/v1/doc/ack",
            &json!({ "v": document["v"] }).to_string(),
        )
        .expect("2.04");
        assert_eq!(self.shop.status(&mapping), "ESTABLISHED");
        mapping
    }

    /// The newest version of its document, and the newest it said it holds.
    #[track_caller]
    pub(crate) fn versions(&self, thing: &Thing) -> (u64, u64) {
        let path = format!("devices/{}", thing.hosted.id);
        let path = self.acme.path("ics-device", &path);
        let document = self.acme.get(&path).expect(200).json()["document"].clone();
        let number = |name: &str| document[name].as_u64().expect("a number");
        (number("version"), number("acknowledged"))
    }

    /// A client of libcoap's at the gateway itself.
    pub(crate) fn desk(&self, client: CoapClient, shown: CoapCredential) -> Coap {
        Coap::new(client, &self.domain.coap_address(), shown)
    }

    /// How many devices have a session.
    pub(crate) fn sessions(&self) -> u64 {
        let served = self.domain.operator("GET", "/operator/v1/metrics", None);
        let text = served.expect(200).body;
        let name = r#"ics_connections{listener="coap"} "#;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|count| count.parse().ok()).expect("a count")
    }

    /// The events that the shop was told of a row.
    pub(crate) fn events(&self, mapping: &Mapping) -> Vec<Value> {
        let received = self.receiver.received();
        let of_shop = received.iter().filter(|received| received.path == "/shop");
        let bodies = of_shop.map(|received| received.body());
        bodies
            .filter(|body| body["uti"] == mapping.uti.as_str() && body["data"].is_string())
            .collect()
    }
}

impl Thing {
    /// Its key.
    pub(crate) fn shown(&self) -> CoapCredential {
        CoapCredential::Key {
            identity: self.identity.clone(),
            key: self.key.clone(),
        }
    }

    /// Its certificate.
    pub(crate) fn certified(&self) -> CoapCredential {
        super::desk::certificate(&self.hosted)
    }
}
