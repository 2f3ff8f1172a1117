//! Y.4462 10.1 to 10.3 through a platform of others: every party speaks with its own CSE alone.

use ics_tests::{Acme, OneM2mClient, PointOfAccess, Sandbox, TokenClaims, TokenKey, fresh_uuid};
use serde_json::{Value, json};

use super::world::Ae;

const MAP: &str = "/id-ics/ics/map";
const INQ: &str = "/id-ics/ics/inq";
const DMP: &str = "/id-ics/ics/dmp";

/// NOTIFY: what the service must be given to tell an AE.
const NOTIFY: u8 = 16;

/// A party on the platform.
struct Party {
    ae: Ae,
    key: TokenKey,
    told: PointOfAccess,
}

impl Party {
    fn join(acme: &Acme, sandbox: &Sandbox, (name, prefix): (&str, &str)) -> Self {
        let told = PointOfAccess::open();
        let ae = Ae::register(acme, name, Some(&told.url()));
        ae.grant(&["/id-ics"], NOTIFY);
        Self {
            ae,
            key: sandbox.token_key(prefix),
            told,
        }
    }

    fn client(&self) -> &OneM2mClient {
        &self.ae.client
    }

    #[track_caller]
    fn create(&self, to: &str, content: &Value, rsc: u16) -> Value {
        let answer = self
            .client()
            .signed(&self.key, ("POST", to), Some(28), content);
        answer.expect(rsc).content()
    }

    /// What it is told of rows.
    fn row(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let row = |told: &Value| told["nev"]["rep"]["ics:idmap"].clone();
        row(&self.told.notified(what, |told| fits(&row(told))))
    }
}

struct Stage {
    acme: Acme,
    sandbox: Sandbox,
    shop: Party,
    bolt: Party,
}

impl Stage {
    fn set() -> Self {
        let acme = Acme::options().admitting("/id-ics").start();
        let sandbox = Sandbox::start_joined(&acme.url());
        let shop = Party::join(&acme, &sandbox, ("shop", "ICS_3P"));
        let bolt = Party::join(&acme, &sandbox, ("bolt-iot", "ICS_IOT2"));
        Self {
            acme,
            sandbox,
            shop,
            bolt,
        }
    }

    fn service(&self) -> String {
        format!("{}/eggs", self.sandbox.env("ICS_3P_SERVICE"))
    }

    fn request(&self, serial: &str, uti: &str) -> Value {
        json!({"ics:idmap": {
            "cnd": "org.example.ics.identityMapping", "svu": self.service(), "uti": uti, "dsn": serial,
            "ucid": "c-81", "ucgt": "20260101T000000", "ucpu": "dpv:RequestedServiceProvision",
        }})
    }

    fn by_transaction(&self, uti: &str) -> Value {
        json!({"ics:inq": {"svu": self.service(), "uti": uti}})
    }
}

#[test]
fn a_mapping_is_made_used_and_ended_through_the_platform() {
    let stage = Stage::set();
    let Stage { shop, bolt, .. } = &stage;
    let (uti, device) = (fresh_uuid(), fresh_uuid());

    // 10.1, steps 1 and 2: asked for, and pending.
    let made = shop.create(MAP, &stage.request("BOLT-1", &uti), 2001);
    assert_eq!(made["ics:idmap"]["msta"], 1, "{made}");
    assert!(made["ics:idmap"].get("dsn").is_none(), "{made}");

    // Step 3: its IoT SP is told, with the serial number.
    let offer = bolt.row("the offer", |row| row["uti"] == uti.as_str());
    assert_eq!(offer["dsn"], "BOLT-1");
    let pending = format!("/id-ics/ics/pnd/{}", offer["rn"].as_str().expect("a name"));

    // Step 7: it names the device; step 9: both are told.
    let complete = json!({"ics:idmap": {"did": device}});
    let answer = bolt
        .client()
        .signed(&bolt.key, ("PUT", &pending), None, &complete);
    answer.expect(2004);
    shop.row("the result", |row| {
        row["uti"] == uti.as_str() && row["msta"] == 2
    });

    // 10.3, both cases.
    let found = shop.create(INQ, &stage.by_transaction(&uti), 2001);
    assert_eq!(found["ics:inq"]["did"], device.as_str(), "{found}");
    let of_device = json!({"ics:inq": {"did": device}});
    let found = bolt.create(INQ, &of_device, 2001);
    assert!(found.to_string().contains(&uti), "{found}");

    // 10.2: ended, told, forgotten.
    let end = json!({"ics:dmp": {
        "svu": stage.service(), "uti": uti, "mcau": "USER_AUTHORIZATION_WITHDRAWN",
    }});
    shop.create(DMP, &end, 2001);
    bolt.row("the end", |row| {
        row["uti"] == uti.as_str() && row["msta"] == 3
    });
    shop.create(INQ, &stage.by_transaction(&uti), 4004);
    bolt.create(INQ, &of_device, 4004);
}

/// The platform knows no 4106, and would make 5103 of it.
#[test]
fn who_does_not_prove_itself_behind_the_platform_changes_nothing() {
    let stage = Stage::set();
    let Stage {
        acme, shop, bolt, ..
    } = &stage;
    let uti = fresh_uuid();
    let request = stage.request("BOLT-2", &uti);

    // No `tok`, one of another AE, and one of nobody.
    shop.client().create(MAP, 28, &request).expect(4103);
    let forged = shop
        .client()
        .signed(&bolt.key, ("POST", MAP), Some(28), &request);
    forged.expect(4103);
    let nobody = acme.client("CNobody");
    nobody
        .signed(&shop.key, ("POST", MAP), Some(28), &request)
        .expect(4103);

    // One that was signed for another content, another target, another request, or is over.
    for (what, tampered) in [
        ("cth", json!("x")),
        ("to", json!(DMP)),
        ("rqi", json!("another")),
        ("op", json!(3)),
        ("aud", json!("/id-other")),
        ("exp", json!(1)),
        ("fr", json!("/id-in/Cbolt-iot")),
    ] {
        let asked = shop.client().request("POST", MAP);
        let mut claims = TokenClaims::new(&shop.key, 1, MAP, asked.id());
        claims.0[what] = tampered;
        let answer = asked.signed(Some(28), &shop.key.sign_into(&request, &claims));
        assert_eq!(answer.rsc, 4103, "{what}: {answer:?}");
    }
    shop.create(INQ, &stage.by_transaction(&uti), 4004);
    let told = bolt.told.received();
    assert!(told.is_empty(), "the IoT SP was told of {told:?}");

    // The same token for another request.
    let asked = shop.client().request("POST", MAP);
    let claims = TokenClaims::new(&shop.key, 1, MAP, asked.id());
    let signed = shop.key.sign_into(&request, &claims);
    asked.signed(Some(28), &signed).expect(2001);
    shop.client().create(MAP, 28, &signed).expect(4103);
    stage.sandbox.stop();
    let log = std::fs::read_to_string(stage.sandbox.dir().join("domain/decisions/decisions.jsonl"));
    let log = log.expect("the decision log");
    let refused = log.lines().filter(|line| {
        line.contains("\"listener\":\"onem2m\"") && line.contains("ORIGINATOR_NOT_AUTHENTICATED")
    });
    assert!(refused.count() >= 11, "{log}");
}
