//! Registrations of IoT SPs, and how a request finds the one it is for.

use ics_tests::{Party, Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

fn subscriptions(iot_sp: &Party) -> String {
    iot_sp.path("ics-device-mapping", "subscriptions")
}

#[test]
fn a_registration_narrows_what_was_granted_and_never_widens_it() {
    let sandbox = Sandbox::start();
    let acme = sandbox.acme();
    let terms = |namespaces: Value| json!({ "notificationDestination": acme.callback, "serialNamespaces": namespaces });
    let narrower = json!([{ "prefix": "ACME-X" }]);
    let made = acme
        .post(&subscriptions(&acme), &terms(narrower.clone()))
        .expect(201)
        .json();
    assert_eq!(made["serialNamespaces"], narrower);
    for wider in [json!([{ "prefix": "BOLT-" }]), json!([{ "prefix": "A" }])] {
        let refused = acme
            .post(&subscriptions(&acme), &terms(wider.clone()))
            .expect(403);
        assert_eq!(refused.cause(), "SERIAL_NAMESPACE_NOT_GRANTED");
        let own = made["self"].as_str().expect("a link");
        acme.put(own, &terms(wider)).expect(403);
        assert_eq!(acme.get(own).expect(200).json(), made);
    }
    let elsewhere = json!({ "notificationDestination": "https://127.0.0.1:1/x" });
    assert_eq!(
        acme.post(&subscriptions(&acme), &elsewhere)
            .expect(400)
            .cause(),
        "MANDATORY_IE_INCORRECT"
    );
}

#[test]
fn a_registration_is_read_replaced_and_patched() {
    let sandbox = Sandbox::start();
    let acme = sandbox.acme();
    let terms = json!({ "notificationDestination": acme.callback, "supportedFeatures": "3" });
    let made = acme.post(&subscriptions(&acme), &terms).expect(201).json();
    assert_eq!(made["supportedFeatures"], "3");
    let own = made["self"].as_str().expect("a link").to_owned();
    let second = format!("{}/second", acme.callback);
    let replaced = acme
        .put(&own, &json!({ "notificationDestination": second }))
        .expect(200)
        .json();
    assert_eq!(replaced["notificationDestination"], second);
    assert_eq!(
        replaced["supportedFeatures"], "3",
        "negotiated for the resource's life"
    );
    let patch = json!({ "serialNamespaces": [{ "prefix": "ACME-9" }] });
    let patched = acme.curl("PATCH", &own).bearer(&acme.token());
    let patched = patched.header("Content-Type", "application/merge-patch+json");
    let patched = patched
        .bytes(patch.to_string().as_bytes())
        .send()
        .expect(200)
        .json();
    assert_eq!(patched["notificationDestination"], second);
    assert_eq!(patched["serialNamespaces"], patch["serialNamespaces"]);
    assert_eq!(acme.get(&own).expect(200).json(), patched);
    let list = acme.get(&subscriptions(&acme)).expect(200).json();
    assert!(
        list.as_array().is_some_and(|list| list.contains(&patched)),
        "{list}"
    );
    // Not another's.
    let foreign = own.replace(&acme.id, &sandbox.bolt().id);
    sandbox.bolt().get(&foreign).expect(404);
    sandbox.bolt().delete(&foreign).expect(404);
}

#[test]
fn an_unknown_serial_number_and_one_of_a_stranger_get_the_same_answer() {
    let sandbox = Sandbox::start();
    let (music, bolt) = (sandbox.music(), sandbox.bolt());
    let ask = |serial: &str| {
        let request = music.request(&music.service("polka"), &fresh_uuid(), serial);
        music.post_mapping(&request).expect(404)
    };
    // BOLT- belongs to an IoT SP that has no agreement with this caller; ZZZ- to nobody.
    let unagreed = ask(&bolt.fresh_serial());
    let unknown = ask(&format!("ZZZ-{}", fresh_uuid()));
    assert_eq!(unagreed.cause(), "IOT_SP_NOT_FOUND");
    assert_eq!(unagreed.comparable(), unknown.comparable());
}

#[test]
fn a_pattern_wider_than_the_grant_brings_in_nothing_more() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let terms = json!({
        "notificationDestination": acme.callback, "serialNamespaces": [{ "pattern": ".*" }],
    });
    acme.post(&subscriptions(&acme), &terms).expect(201);
    let foreign = shop.request(&shop.service("eggs"), &fresh_uuid(), "ZZZ-4711");
    assert_eq!(
        shop.post_mapping(&foreign).expect(404).cause(),
        "IOT_SP_NOT_FOUND"
    );
    let broken = json!({
        "notificationDestination": acme.callback, "serialNamespaces": [{ "pattern": "a)|(?:.*" }],
    });
    acme.post(&subscriptions(&acme), &broken).expect(400);
}

#[test]
fn an_iot_sp_that_is_named_needs_an_agreement_and_no_namespace() {
    let sandbox = Sandbox::start();
    let (shop, music, acme) = (sandbox.shop(), sandbox.music(), sandbox.acme());
    let named = |iot_sp: &str, serial: &str| {
        let mut request = music.request(&music.service("polka"), &fresh_uuid(), serial);
        request["iotSpId"] = iot_sp.into();
        music.post_mapping(&request)
    };
    let serial = fresh_uuid();
    let unagreed = named(&sandbox.bolt().id, &serial).expect(403);
    assert_eq!(unagreed.cause(), "NO_AGREEMENT");
    for nobody in ["nobody", &music.id, &shop.id] {
        assert_eq!(
            named(nobody, &serial).expect(403).comparable(),
            unagreed.comparable()
        );
    }
    // It answers for what it is asked by name.
    let answer = named(&acme.id, "4711").expect(201);
    assert_eq!(answer.json()["iotSpId"], acme.id);
}

#[test]
fn a_serial_number_that_two_agreed_iot_sps_answer_for_goes_to_neither_unless_named() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let rival = json!({
        "id": "rival-iot", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-R" }],
    });
    let agreement = json!({ "iotSpId": "rival-iot", "thirdPartySpId": shop.id });
    for (path, body) in [("sps", rival), ("agreements", agreement)] {
        let path = format!("/operator/v1/{path}");
        sandbox.operator("POST", &path, Some(&body)).expect(201);
    }
    let serial = format!("ACME-R{}", fresh_uuid());
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &serial);
    let ambiguous = shop.post_mapping(&request).expect(409);
    assert_eq!(ambiguous.cause(), "IOT_SP_AMBIGUOUS");
    request["iotSpId"] = acme.id.clone().into();
    let row = shop.post_mapping(&request).expect(201).json();
    assert_eq!(row["iotSpId"], acme.id);
    sandbox.settle();
    assert_eq!(shop.list().len(), 1);
}

#[test]
fn a_serial_number_goes_to_the_registration_that_wants_it() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for known in acme
        .get(&subscriptions(&acme))
        .expect(200)
        .json()
        .as_array()
        .expect("a list")
    {
        acme.delete(known["self"].as_str().expect("a link"))
            .expect(204);
    }
    for (prefix, folder) in [("ACME-X", "x"), ("ACME-Y", "y")] {
        let destination = format!("{}/{folder}", acme.callback);
        let terms = json!({
            "notificationDestination": destination, "serialNamespaces": [{ "prefix": prefix }],
        });
        acme.post(&subscriptions(&acme), &terms).expect(201);
    }
    let serial = format!("ACME-Y{}", fresh_uuid());
    let mapping = shop.ask_for(&acme, &shop.service("eggs"), &fresh_uuid(), &serial);
    acme.inbox.wait(&mapping.uti, "the push", |body| {
        body["deviceSerialNumber"] == serial
    });
    acme.accept(&mapping, &fresh_device()).expect(200);
    sandbox.settle();
    let paths = acme
        .inbox
        .all()
        .into_iter()
        .filter(|n| n["body"]["uti"] == mapping.uti);
    assert!(paths.clone().count() >= 2);
    assert!(
        paths
            .into_iter()
            .all(|n| n["path"] == format!("/{}/y", acme.id))
    );
}
