//! Who is told through a platform: subscriptions at the ICS, and AEs that cannot be told.

use ics_tests::{OneM2mAnswer, PointOfAccess, TokenClaims, eventually, fresh_uuid};
use serde_json::{Value, json};

use super::stage::{INQ, MAP, NOTIFY, Party, Stage};
use super::world::Ae;

const PND: &str = "/id-ics/ics/pnd";

fn watch(targets: &[&str]) -> Value {
    json!({"m2m:sub": {"nu": targets, "nct": 1, "enc": {"net": [3]}}})
}

/// CREATE of a subscription at `pnd`, by a signed content.
fn subscribe(party: &Party, sub: &Value) -> OneM2mAnswer {
    let asked = party.client().request("POST", PND);
    let claims = TokenClaims::new(&party.key, 1, PND, asked.id());
    asked.signed(Some(23), &party.key.sign_into(sub, &claims))
}

/// Asks for a mapping of a device of bolt's; answers its UTI.
fn ask(stage: &Stage, serial: &str) -> String {
    let uti = fresh_uuid();
    let made = stage.shop.create(MAP, &stage.request(serial, &uti), 2001);
    assert_eq!(made["ics:idmap"]["msta"], 1, "{made}");
    uti
}

fn is_offer_of(told: &Value, uti: &str) -> bool {
    told["nev"]["rep"]["ics:idmap"]["uti"] == uti
}

#[test]
fn a_subscription_at_the_service_is_made_told_and_ended_through_the_platform() {
    let stage = Stage::set();
    let bolt = &stage.bolt;
    let desk = PointOfAccess::open();
    let watcher = Ae::register(&stage.acme, "desk", Some(&desk.url()));
    // The platform lets nobody notify it yet: not verified, not made.
    let sub = watch(&["/id-in/Cdesk"]);
    subscribe(bolt, &sub).expect(5204);
    watcher.grant(&["/id-ics"], NOTIFY);
    let made = subscribe(bolt, &sub).expect(2001).member("m2m:sub");
    let id = made["ri"].as_str().expect("ri").to_owned();
    let verified = desk.notified("its verification", |told| told["vrq"] == true);
    assert_eq!(verified["cr"], "/id-in/Cbolt-iot", "{verified}");

    let uti = ask(&stage, "BOLT-21");
    let told = desk.notified("the offer", |told| is_offer_of(told, &uti));
    assert_eq!(told["nev"]["net"], 3, "{told}");
    assert!(told["sur"].as_str().expect("sur").ends_with(&id), "{told}");
    assert_eq!(
        bolt.times_told(),
        0,
        "its AE was told beside its subscription"
    );

    // Who does not know its name, or is another, does not end it.
    let own = format!("/id-ics/{id}");
    stage.shop.client().delete(&own).expect(4103);
    stage.shop.client().delete("/id-ics/sub0").expect(4004);
    bolt.client().retrieve(&own).expect(2000);
    bolt.client().delete(&own).expect(2002);
    bolt.client().retrieve(&own).expect(4004);
    let uti = ask(&stage, "BOLT-22");
    bolt.row("the offer", |row| row["uti"] == uti.as_str());
}

#[test]
fn a_subscription_without_proof_or_of_another_is_not_made() {
    let stage = Stage::set();
    let (shop, bolt) = (&stage.shop, &stage.bolt);
    let sub = watch(&["/id-in/Cbolt-iot"]);
    bolt.client().create(PND, 23, &sub).expect(4103);
    let claims = TokenClaims::of_any_request(&shop.key, 1, PND);
    let forged = shop.key.sign_into(&sub, &claims);
    bolt.client().create(PND, 23, &forged).expect(4103);
    // A third party has nothing that waits.
    subscribe(shop, &watch(&["/id-in/Cshop"])).expect(4103);
    let uti = ask(&stage, "BOLT-23");
    let told = bolt
        .told()
        .notified("the offer", |told| is_offer_of(told, &uti));
    let sur = told["sur"].as_str().expect("sur");
    assert!(sur.contains("/pnd"), "told by a subscription: {told}");
}

#[test]
fn an_ae_whose_policy_lets_nobody_notify_is_told_once_it_does() {
    let stage = Stage::set();
    let bolt = &stage.bolt;
    // Its owner takes the right back.
    let bare = json!({"m2m:ae": {"acpi": null}});
    bolt.client().update("cse-in/bolt-iot", &bare).expect(2004);
    let uti = ask(&stage, "BOLT-24");
    eventually("a refused offer, and what to do", || {
        let log = stage.sandbox.log();
        log.contains("must give /id-ics the right to notify (acop 16)")
    });
    assert_eq!(bolt.times_told(), 0);
    let refusing = || {
        let shown = stage
            .sandbox
            .operator("GET", "/operator/v1/onem2m/registration", None);
        shown.expect(200).json()["refusing"].clone()
    };
    assert_eq!(refusing(), json!(["bolt-iot"]));
    // Nothing became of the row.
    stage.shop.create(INQ, &stage.by_transaction(&uti), 4004);
    let own = json!({"m2m:acp": {
        "pv": {"acr": [{"acor": ["/id-ics"], "acop": NOTIFY}, {"acor": ["Cbolt-iot"], "acop": 63}]},
        "pvs": {"acr": [{"acor": ["Cbolt-iot"], "acop": 63}]},
    }});
    let made = bolt.client().create("cse-in", 1, &own).expect(2001);
    let policed = json!({"m2m:ae": {"acpi": [made.member("m2m:acp")["ri"]]}});
    bolt.client()
        .update("cse-in/bolt-iot", &policed)
        .expect(2004);
    bolt.row("the offer, again", |row| row["uti"] == uti.as_str());
    eventually("nobody who refuses", || refusing().is_null());
}

#[test]
fn an_ae_that_is_not_reached_is_told_once_it_is() {
    let stage = Stage::set();
    let bolt = &stage.bolt;
    let point = PointOfAccess::open();
    let nobody = point.url();
    drop(point);
    let moved = |url: &str| json!({"m2m:ae": {"poa": [url]}});
    bolt.client()
        .update("cse-in/bolt-iot", &moved(&nobody))
        .expect(2004);
    let uti = ask(&stage, "BOLT-25");
    eventually("an offer that was not delivered", || {
        let log = stage.sandbox.log();
        let tried = |line: &str| line.contains("bolt-iot") && line.contains("delivery");
        log.lines()
            .any(|line| tried(line) && !line.contains("accepted"))
    });
    stage.shop.create(INQ, &stage.by_transaction(&uti), 4004);
    let back = moved(&bolt.told().url());
    bolt.client().update("cse-in/bolt-iot", &back).expect(2004);
    bolt.row("the offer, again", |row| row["uti"] == uti.as_str());
}
