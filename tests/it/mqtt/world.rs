//! An operator's domain with two IoT SPs whose devices the gateway hosts, and a third party SP.

use ics_tests::{Domain, HostedDevice, Mapping, Party, fresh_uuid};
use serde_json::{Value, json};

pub(super) struct World {
    pub(super) domain: Domain,
    pub(super) acme: Party,
    pub(super) bolt: Party,
    pub(super) shop: Party,
}

impl World {
    pub(super) fn start() -> Self {
        Self::start_with(|configuration| configuration)
    }

    pub(super) fn start_with(edit: impl FnOnce(String) -> String) -> Self {
        let domain = Domain::start(edit);
        let iot_sp = |id: &str, prefix: &str| {
            domain.onboard(&json!({
                "id": id, "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": prefix }],
                "callbackOrigins": [format!("https://{id}.example")],
            }))
        };
        let (acme, bolt) = (iot_sp("acme", "ACME-"), iot_sp("bolt", "BOLT-"));
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": ["https://shop.example"],
        }));
        shop.grant = "https://shop.example/services".to_owned();
        shop.callback = "https://shop.example/callback".to_owned();
        domain.agree(&acme, &shop);
        domain.agree(&bolt, &shop);
        Self {
            domain,
            acme,
            bolt,
            shop,
        }
    }

    /// A device of acme's.
    pub(super) fn device(&self, name: &str) -> HostedDevice {
        self.domain.host(&self.acme, &format!("ACME-{name}"))
    }

    /// The shop asks for a device of acme's: a row that waits for it.
    #[track_caller]
    pub(super) fn offer(&self, device: &HostedDevice) -> Mapping {
        let service = self.shop.service("doors");
        self.shop
            .ask_for(&self.acme, &service, &fresh_uuid(), &device.serial)
    }

    /// Where acme manages a device.
    pub(super) fn path_of(&self, device: &HostedDevice) -> String {
        let devices = self.acme.path("ics-device", "devices");
        format!("{devices}/{}", device.id)
    }

    /// A device as acme sees it.
    #[track_caller]
    pub(super) fn seen(&self, device: &HostedDevice) -> Value {
        self.acme.get(&self.path_of(device)).expect(200).json()
    }

    /// The newest version of its document, and the newest it said it holds.
    #[track_caller]
    pub(super) fn versions(&self, device: &HostedDevice) -> (u64, u64) {
        let document = &self.seen(device)["document"];
        let number = |name: &str| document[name].as_u64().expect("a number");
        (number("version"), number("acknowledged"))
    }
}

/// `{"v":..}`.
pub(super) fn acknowledge(version: u64) -> Vec<u8> {
    json!({ "v": version }).to_string().into_bytes()
}
