//! Y.4462 10.1 to 10.3 through a platform of others: every party speaks with its own CSE alone.

use ics_tests::{TokenClaims, fresh_uuid};
use serde_json::json;

use super::stage::{DMP, INQ, MAP, Stage};

#[test]
fn a_mapping_is_made_used_and_ended_through_the_platform() {
    live_through(&Stage::set());
}

#[test]
fn a_mapping_is_made_used_and_ended_over_the_broker_of_the_platform() {
    let stage = Stage::set_by_broker();
    let registered = stage.acme.admin().retrieve("cse-in/id-ics").expect(2000);
    let points = registered.member("m2m:csr")["poa"].to_string();
    assert!(points.contains("mqtt://"), "{points}");
    live_through(&stage);
}

fn live_through(stage: &Stage) {
    let Stage { shop, bolt, .. } = stage;
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
    bolt.ask((3, &pending), None, &complete, 2004);
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
    assert_eq!(bolt.times_told(), 0, "the IoT SP was told of it");

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
