//! A mapping as a test follows it: asked for by a third party SP, answered by an IoT SP.

use serde_json::{Value, json};

use crate::condition::eventually;
use crate::curl::Answer;
use crate::gateway::Sandbox;
use crate::party::Party;

/// A row, and what both sides call it.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The service.
    pub service: String,
    /// The transaction.
    pub uti: String,
    /// The device, as printed.
    pub serial: String,
    /// The third party SP's link.
    pub own: String,
    /// The IoT SP's link.
    pub assignment: String,
}

impl Mapping {
    /// Its id.
    pub fn id(&self) -> &str {
        self.own.rsplit('/').next().unwrap_or_default()
    }

    /// Service URI and UTI, as inquiries and de-mapping requests name a row.
    pub fn key(&self) -> Value {
        json!({ "serviceUri": self.service, "uti": self.uti })
    }
}

/// A fresh random UUID (version 4): good for a UTI.
pub fn fresh_uuid() -> String {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux");
    uuid.trim().to_owned()
}

/// A fresh device ID.
pub fn fresh_device() -> String {
    format!("d-{}", fresh_uuid())
}

impl Party {
    /// IoT SP: a serial number of its namespace that nobody has used.
    pub fn fresh_serial(&self) -> String {
        format!("{}{}", self.grant, fresh_uuid())
    }

    /// Third party SP: a service URI of its own.
    pub fn service(&self, name: &str) -> String {
        format!("{}/{name}", self.grant)
    }

    /// The body of a mapping request, with consent and everything.
    pub fn request(&self, service: &str, uti: &str, serial: &str) -> Value {
        json!({
            "serviceUri": service,
            "uti": uti,
            "deviceSerialNumber": serial,
            "notificationDestination": self.callback,
            "userConsent": {
                "consentId": "c-81",
                "grantedAt": "2026-01-01T00:00:00Z",
                "purpose": "dpv:RequestedServiceProvision",
            },
        })
    }

    /// Sends a mapping request.
    pub fn post_mapping(&self, request: &Value) -> Answer {
        self.post(&self.path("ics-mapping", "mappings"), request)
    }

    /// Asks for a mapping of this key; it must become a new row.
    #[track_caller]
    pub fn ask_for(&self, iot_sp: &Party, service: &str, uti: &str, serial: &str) -> Mapping {
        let request = self.request(service, uti, serial);
        let answer = self.post_mapping(&request).expect(201);
        self.follow(iot_sp, &request, &answer)
    }

    /// Asks for a mapping of a fresh UTI with a fresh device.
    #[track_caller]
    pub fn ask(&self, iot_sp: &Party, service: &str) -> Mapping {
        let service = self.service(service);
        self.ask_for(iot_sp, &service, &fresh_uuid(), &iot_sp.fresh_serial())
    }

    /// The row that `answer` tells of.
    #[track_caller]
    pub fn follow(&self, iot_sp: &Party, request: &Value, answer: &Answer) -> Mapping {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let own = text(&answer.json()["self"]);
        let id = own.rsplit('/').next().unwrap_or_default().to_owned();
        let path = iot_sp.path("ics-device-mapping", &format!("assignments/{id}"));
        Mapping {
            service: text(&request["serviceUri"]),
            uti: text(&request["uti"]),
            serial: text(&request["deviceSerialNumber"]),
            assignment: format!("{}{path}", iot_sp.root),
            own,
        }
    }

    /// A row that is established, with that device.
    #[track_caller]
    pub fn establish(&self, iot_sp: &Party, service: &str, device: &str) -> Mapping {
        let mapping = self.ask(iot_sp, service);
        let answer = iot_sp.accept(&mapping, device).expect(200);
        assert_eq!(answer.json()["mappingStatus"], "ESTABLISHED");
        mapping
    }

    /// IoT SP: step 7, the device stored the pair.
    pub fn accept(&self, mapping: &Mapping, device: &str) -> Answer {
        let body = json!({ "result": "ACCEPTED", "deviceId": device });
        self.put(&mapping.assignment, &body)
    }

    /// IoT SP: step 7, no mapping.
    pub fn reject(&self, mapping: &Mapping, cause: &str) -> Answer {
        let body = json!({ "result": "REJECTED", "cause": cause });
        self.put(&mapping.assignment, &body)
    }

    /// Third party SP: which device is behind this service URI and UTI (case 2)?
    pub fn inquire(&self, service: &str, uti: &str) -> Answer {
        let body = json!({ "serviceUri": service, "uti": uti });
        self.post("/ics-inquiry/v1/retrieve-by-transaction", &body)
    }

    /// IoT SP: which rows has this device (case 1)?
    pub fn inquire_device(&self, device: &str) -> Answer {
        let body = json!({ "deviceId": device });
        self.post("/ics-inquiry/v1/retrieve-by-device", &body)
    }

    /// De-maps what `selector` names.
    pub fn demap(&self, cause: &str, selector: &Value) -> Answer {
        let mut body = selector.clone();
        body["cause"] = cause.into();
        self.post(&self.path("ics-demapping", "demap"), &body)
    }

    /// Third party SP: the status of a row of its own.
    #[track_caller]
    pub fn status(&self, mapping: &Mapping) -> String {
        let row = self.get(&mapping.own).expect(200).json();
        row["mappingStatus"].as_str().expect("a status").to_owned()
    }

    /// Third party SP: all its rows, whatever their state.
    #[track_caller]
    pub fn list(&self) -> Vec<Value> {
        let path = self.path("ics-mapping", "mappings?limit=1000");
        let rows = self.get(&path).expect(200).json();
        rows.as_array().expect("a list").clone()
    }
}

impl Sandbox {
    /// Waits until nothing is left to deliver. Messages are stored with the change they tell of,
    /// so what has not arrived by then never will.
    pub fn settle(&self) {
        eventually("an empty outbox", || {
            let outbox = self
                .operator("GET", "/operator/v1/outbox", None)
                .expect(200);
            outbox.json()["items"].as_array().is_some_and(Vec::is_empty)
        });
    }
}
