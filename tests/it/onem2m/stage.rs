//! A platform, a gateway joined to it, and two parties who speak with the platform alone.

use ics_tests::{
    Acme, MqttNotifications, OneM2mClient, OneM2mMqtt, OpenBroker, PointOfAccess, Sandbox,
    TokenClaims, TokenKey, fresh_uuid,
};
use serde_json::{Value, json};

use super::world::Ae;

pub(super) const MAP: &str = "/id-ics/ics/map";
pub(super) const INQ: &str = "/id-ics/ics/inq";
pub(super) const DMP: &str = "/id-ics/ics/dmp";

/// NOTIFY: what the service must be given to tell an AE.
pub(super) const NOTIFY: u8 = 16;

/// A party on the platform.
pub(super) struct Party {
    pub(super) line: Line,
    pub(super) key: TokenKey,
}

/// How it speaks with its CSE.
pub(super) enum Line {
    Http(OneM2mClient, PointOfAccess),
    Mqtt(OneM2mMqtt, MqttNotifications),
}

impl Party {
    pub(super) fn join(acme: &Acme, sandbox: &Sandbox, (name, prefix): (&str, &str)) -> Self {
        let told = PointOfAccess::open();
        let ae = Ae::register(acme, name, Some(&told.url()));
        ae.grant(&["/id-ics"], NOTIFY);
        Self {
            line: Line::Http(ae.client, told),
            key: sandbox.token_key(prefix),
        }
    }

    pub(super) fn join_by(
        broker: &OpenBroker,
        sandbox: &Sandbox,
        (name, prefix): (&str, &str),
    ) -> Self {
        let originator = format!("C{name}");
        let client = OneM2mMqtt::new(broker.port(), &originator, Acme::CSE_ID);
        // Without its name behind it the platform would send it what is for itself, and so on.
        let point = format!("mqtt://127.0.0.1:{}//{originator}", broker.port());
        let ae = json!({"m2m:ae": {"rn": name, "api": "N.org.example.test", "rr": true,
            "srv": ["4"], "poa": [point]}});
        let made = client.registration(primitive(1, Acme::BASE, Some(2), ae));
        assert_eq!(made["rsc"], 2001, "{made}");
        let made = client.request(primitive(1, Acme::BASE, Some(1), policy(&originator)));
        assert_eq!(made["rsc"], 2001, "{made}");
        let policy = &made["pc"]["m2m:acp"]["ri"];
        let address = format!("{}/{name}", Acme::BASE);
        let policed = json!({"m2m:ae": {"acpi": [policy]}});
        let policed = client.request(primitive(3, &address, None, policed));
        assert_eq!(policed["rsc"], 2004, "{policed}");
        let told = client.listen();
        Self {
            line: Line::Mqtt(client, told),
            key: sandbox.token_key(prefix),
        }
    }

    pub(super) fn client(&self) -> &OneM2mClient {
        match &self.line {
            Line::Http(client, _) => client,
            Line::Mqtt(..) => panic!("it speaks MQTT"),
        }
    }

    #[track_caller]
    pub(super) fn create(&self, to: &str, content: &Value, rsc: u16) -> Value {
        self.ask((1, to), Some(28), content, rsc)
    }

    /// Asks, by a signed content.
    #[track_caller]
    pub(super) fn ask(
        &self,
        (op, to): (u8, &str),
        ty: Option<u16>,
        content: &Value,
        rsc: u16,
    ) -> Value {
        match &self.line {
            Line::Http(client, _) => {
                let method = if op == 3 { "PUT" } else { "POST" };
                let answer = client.signed(&self.key, (method, to), ty, content);
                answer.expect(rsc).content()
            }
            Line::Mqtt(client, _) => {
                // The platform gives the request another id on its way to the gateway.
                let claims = TokenClaims::of_any_request(&self.key, op, to);
                let content = self.key.sign_into(content, &claims);
                let answer = client.request(primitive(op, to, ty, content));
                assert_eq!(answer["rsc"], rsc, "{answer}");
                answer["pc"].clone()
            }
        }
    }

    /// What it is told of rows.
    pub(super) fn row(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let row = |told: &Value| told["nev"]["rep"]["ics:idmap"].clone();
        match &self.line {
            Line::Http(_, told) => row(&told.notified(what, |told| fits(&row(told)))),
            Line::Mqtt(_, told) => {
                let row = |request: &Value| row(&request["pc"]["m2m:sgn"]);
                row(&told.take(what, |request| fits(&row(request))))
            }
        }
    }

    /// Where it is told.
    pub(super) fn told(&self) -> &PointOfAccess {
        match &self.line {
            Line::Http(_, told) => told,
            Line::Mqtt(..) => panic!("it speaks MQTT"),
        }
    }

    /// How often it was told anything.
    pub(super) fn times_told(&self) -> usize {
        match &self.line {
            Line::Http(_, told) => told.received().len(),
            Line::Mqtt(_, told) => told.heard(),
        }
    }
}

pub(super) struct Stage {
    pub(super) acme: Acme,
    pub(super) sandbox: Sandbox,
    pub(super) shop: Party,
    pub(super) bolt: Party,
    // Last: the others speak over it.
    _broker: Option<OpenBroker>,
}

impl Stage {
    pub(super) fn set() -> Self {
        let acme = Acme::options().admitting("/id-ics").start();
        let sandbox = Sandbox::start_joined(&acme.url());
        let shop = Party::join(&acme, &sandbox, ("shop", "ICS_3P"));
        let bolt = Party::join(&acme, &sandbox, ("bolt-iot", "ICS_IOT2"));
        Self {
            acme,
            sandbox,
            shop,
            bolt,
            _broker: None,
        }
    }

    /// Platform, gateway and parties meet at a broker alone.
    pub(super) fn set_by_broker() -> Self {
        let broker = OpenBroker::start();
        let acme = Acme::options().admitting("/id-ics").mqtt(&broker).start();
        let sandbox = Sandbox::start_joined(&format!("mqtt://127.0.0.1:{}", broker.port()));
        let shop = Party::join_by(&broker, &sandbox, ("shop", "ICS_3P"));
        let bolt = Party::join_by(&broker, &sandbox, ("bolt-iot", "ICS_IOT2"));
        Self {
            acme,
            sandbox,
            shop,
            bolt,
            _broker: Some(broker),
        }
    }

    pub(super) fn service(&self) -> String {
        format!("{}/eggs", self.sandbox.env("ICS_3P_SERVICE"))
    }

    pub(super) fn request(&self, serial: &str, uti: &str) -> Value {
        json!({"ics:idmap": {
            "cnd": "org.example.ics.identityMapping", "svu": self.service(), "uti": uti, "dsn": serial,
            "ucid": "c-81", "ucgt": "20260101T000000", "ucpu": "dpv:RequestedServiceProvision",
        }})
    }

    pub(super) fn by_transaction(&self, uti: &str) -> Value {
        json!({"ics:inq": {"svu": self.service(), "uti": uti}})
    }
}

/// Lets the service notify, and itself do all.
fn policy(itself: &str) -> Value {
    json!({"m2m:acp": {
        "pv": {"acr": [
            {"acor": ["/id-ics"], "acop": NOTIFY},
            {"acor": [itself], "acop": 63},
        ]},
        "pvs": {"acr": [{"acor": [itself], "acop": 63}]},
    }})
}

fn primitive(op: u8, to: &str, ty: Option<u16>, content: Value) -> Value {
    let mut request = json!({"op": op, "to": to, "rqi": fresh_uuid(), "rvi": "4", "pc": content});
    if let Some(ty) = ty {
        request["ty"] = json!(ty);
    }
    request
}
