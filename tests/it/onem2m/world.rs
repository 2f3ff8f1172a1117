//! What the tests put into a platform.

use ics_tests::{Acme, OneM2mClient};
use serde_json::{Value, json};

/// An AE of the platform: itself, and the address of its resource.
pub(crate) struct Ae {
    /// It, as a client of its CSE.
    pub(crate) client: OneM2mClient,
    /// `cse-in/shop`.
    pub(crate) address: String,
}

impl Ae {
    /// Registers `C<name>` as `name`, reachable at that point of access, if any.
    pub(crate) fn register(acme: &Acme, name: &str, point_of_access: Option<&str>) -> Self {
        let client = acme.client(&format!("C{name}"));
        let mut ae = json!({
            "rn": name, "api": "N.org.example.test", "rr": point_of_access.is_some(), "srv": ["4"],
        });
        if let Some(url) = point_of_access {
            ae["poa"] = json!([url]);
        }
        client
            .create(Acme::BASE, 2, &json!({"m2m:ae": ae}))
            .expect(2001);
        Self {
            client,
            address: format!("{}/{name}", Acme::BASE),
        }
    }

    /// Makes a container of it; answers its address.
    pub(crate) fn container(&self, name: &str) -> String {
        let content = json!({"m2m:cnt": {"rn": name}});
        self.client.create(&self.address, 3, &content).expect(2001);
        format!("{}/{name}", self.address)
    }

    /// Lets others do these operations on it.
    pub(crate) fn grant(&self, others: &[&str], operations: u8) {
        let own = self.client.retrieve(&self.address).expect(2000);
        let itself = own.member("m2m:ae")["aei"].clone();
        let policy = json!({"m2m:acp": {
            "pv": {"acr": [
                {"acor": others, "acop": operations},
                {"acor": [itself], "acop": 63},
            ]},
            "pvs": {"acr": [{"acor": [itself], "acop": 63}]},
        }});
        let made = self.client.create(Acme::BASE, 1, &policy).expect(2001);
        let id = made.member("m2m:acp")["ri"].clone();
        let ae = json!({"m2m:ae": {"acpi": [id]}});
        self.client.update(&self.address, &ae).expect(2004);
    }
}

/// A subscription to new children that tells that target.
pub(crate) fn subscription(name: &str, target: &str) -> Value {
    json!({"m2m:sub": {"rn": name, "nu": [target], "nct": 1, "enc": {"net": [3]}}})
}

/// A content instance.
pub(crate) fn instance(content: &str) -> Value {
    json!({"m2m:cin": {"con": content}})
}

/// The registration of `/id-ics`, reached at that point of access.
pub(crate) fn remote_cse(point_of_access: &str) -> Value {
    json!({"m2m:csr": {
        "rn": "id-ics", "cb": "/id-ics/ics", "csi": "/id-ics", "cst": 2, "srv": ["3", "4"],
        "csz": ["application/json"], "poa": [point_of_access], "rr": true, "dcse": [],
    }})
}
