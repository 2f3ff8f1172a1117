//! Figures 3 to 6 of Y.4462 as both service providers live through them, with curl alone.

mod assignment;
mod conventions;
mod demapping;
mod resource;

use ics_tests::{Mapping, Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

/// The result of step 9, as both sides are told.
fn is_result(status: &str) -> impl Fn(&Value) -> bool {
    move |body| body["mappingStatus"] == status
}

#[test]
fn a_token_is_bound_to_its_certificate_and_kept_by_nobody() {
    let sandbox = Sandbox::start();
    let answer = sandbox.shop().ask_token("").expect(200);
    let token = answer.json();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 600);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let scopes = token["scope"].as_str().expect("scopes");
    assert!(scopes.contains("ics-mapping:request"), "{scopes}");
    assert!(!scopes.contains("ics-mapping:assign"), "{scopes}");
}

#[test]
fn a_mapping_is_requested_pushed_assigned_told_to_both_and_inquired() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (service, uti) = (shop.service("eggs"), fresh_uuid());
    let (serial, device) = (acme.fresh_serial(), fresh_device());

    // Steps 1 and 2.
    let mut request = shop.request(&service, &uti, &serial);
    request["deviceVendor"] = "acme".into();
    request["e2e"] = "AAECAw".into();
    let answer = shop.post_mapping(&request).expect(201);
    let row = answer.json();
    assert_eq!(answer.header("location"), row["self"].as_str());
    assert_eq!(row["mappingStatus"], "PENDING");
    assert_eq!(row["iotSpId"], acme.id);
    assert_eq!(row["mappingCause"], Value::Null);
    assert!(row.get("deviceId").is_none() && row.get("deviceSerialNumber").is_none());
    assert!(!answer.body.contains(&serial), "{answer:?}");
    let mapping = shop.follow(&acme, &request, &answer);

    // Step 3: to the IoT SP whose serial number it is, and to nobody else.
    let push = acme
        .inbox
        .wait(&uti, "the push", |body| body.get("assignment").is_some());
    assert_eq!(push["serviceUri"], service);
    assert_eq!(push["deviceSerialNumber"], serial);
    assert_eq!(push["assignment"], mapping.assignment);
    assert_eq!(push["consent"]["id"], "c-81");
    assert_eq!(push["e2e"], "AAECAw");
    for member in ["notificationId", "subscription", "expiry"] {
        assert!(push[member].is_string(), "{member} in {push}");
    }
    assert_eq!(sandbox.bolt().inbox.about(&uti), Vec::<Value>::new());

    // Step 7, and step 9 to the IoT SP at once.
    let outcome = acme.accept(&mapping, &device).expect(200);
    assert_eq!(outcome.json()["mappingStatus"], "ESTABLISHED");
    assert!(!outcome.body.contains(&serial), "{outcome:?}");

    // Step 9 to both.
    let told = shop
        .inbox
        .wait(&uti, "the result", is_result("ESTABLISHED"));
    assert_eq!(told["mapping"], mapping.own);
    assert!(
        told.get("deviceId").is_none() && told.get("deviceSerialNumber").is_none(),
        "{told}"
    );
    let told = acme
        .inbox
        .wait(&uti, "the result", is_result("ESTABLISHED"));
    assert_eq!(told["mapping"], mapping.assignment);
    assert!(
        told["sequence"].as_u64() > push["sequence"].as_u64(),
        "{told} after {push}"
    );

    // 10.3, both cases: all three identifiers.
    assert_eq!(shop.status(&mapping), "ESTABLISHED");
    let by_device = acme.inquire_device(&device).expect(200).json();
    assert_eq!(by_device["deviceId"], device);
    assert_eq!(by_device["mappings"][0]["serviceUri"], service);
    assert_eq!(by_device["mappings"][0]["uti"], uti);
    let by_transaction = shop.inquire(&service, &uti).expect(200).json();
    let expected =
        json!({ "deviceId": device, "iotSpId": acme.id, "serviceUri": service, "uti": uti });
    assert_eq!(by_transaction, expected);
}

#[test]
fn the_simulated_iot_sps_accept_their_automatic_serial_numbers() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    for (number, iot_sp) in [sandbox.acme(), sandbox.bolt()].iter().enumerate() {
        let serial = format!("{}AUTO-{number}", iot_sp.grant);
        let mapping = shop.ask_for(iot_sp, &shop.service("eggs"), &fresh_uuid(), &serial);
        shop.inbox
            .wait(&mapping.uti, "the result", is_result("ESTABLISHED"));
        let found = shop
            .inquire(&mapping.service, &mapping.uti)
            .expect(200)
            .json();
        assert_eq!(found["iotSpId"], iot_sp.id);
    }
}

#[test]
fn one_device_has_three_services_of_two_third_parties_and_keeps_two_when_one_ends() {
    let sandbox = Sandbox::start();
    let (shop, music, acme) = (sandbox.shop(), sandbox.music(), sandbox.acme());
    let (serial, device) = (acme.fresh_serial(), fresh_device());
    let ask = |party: &ics_tests::Party, service: &str| {
        let mapping = party.ask_for(&acme, &party.service(service), &fresh_uuid(), &serial);
        acme.accept(&mapping, &device).expect(200);
        mapping
    };
    let (eggs, milk, song) = (ask(&shop, "eggs"), ask(&shop, "milk"), ask(&music, "polka"));
    assert_eq!(
        keys(&acme.inquire_device(&device).expect(200).json()),
        sorted(&[&eggs, &milk, &song])
    );
    let one = json!({ "deviceId": device, "serviceUri": milk.service });
    let one = acme
        .post("/ics-inquiry/v1/retrieve-by-device", &one)
        .expect(200);
    assert_eq!(keys(&one.json()), sorted(&[&milk]));

    shop.demap("USER_AUTHORIZATION_WITHDRAWN", &milk.key())
        .expect(200);

    assert_eq!(
        keys(&acme.inquire_device(&device).expect(200).json()),
        sorted(&[&eggs, &song])
    );
    shop.inquire(&milk.service, &milk.uti).expect(404);
    shop.inquire(&eggs.service, &eggs.uti).expect(200);
    music.inquire(&song.service, &song.uti).expect(200);
}

/// The (service URI, UTI) of an answer to case 1, sorted.
fn keys(answer: &Value) -> Vec<(String, String)> {
    let rows = answer["mappings"].as_array().expect("rows");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut keys: Vec<_> = rows
        .iter()
        .map(|row| (text(&row["serviceUri"]), text(&row["uti"])))
        .collect();
    keys.sort();
    keys
}

fn sorted(mappings: &[&Mapping]) -> Vec<(String, String)> {
    let mut keys: Vec<_> = mappings
        .iter()
        .map(|m| (m.service.clone(), m.uti.clone()))
        .collect();
    keys.sort();
    keys
}

#[test]
fn a_service_uri_and_a_uti_that_live_in_two_different_rows_are_not_there() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let eggs = shop.establish(&acme, "eggs", &fresh_device());
    let milk = shop.establish(&acme, "milk", &fresh_device());
    let unknown = shop.inquire(&eggs.service, &fresh_uuid()).expect(404);
    assert_eq!(unknown.cause(), "MAPPING_NOT_FOUND");
    for (service, uti) in [(&eggs.service, &milk.uti), (&milk.service, &eggs.uti)] {
        let crossed = shop.inquire(service, uti).expect(404);
        assert_eq!(crossed.comparable(), unknown.comparable());
    }
}

#[test]
fn a_pending_a_cancelled_and_a_demapped_row_answer_like_one_that_never_was() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let never = shop
        .inquire(&shop.service("eggs"), &fresh_uuid())
        .expect(404)
        .comparable();
    let pending = shop.ask(&acme, "eggs");
    assert_eq!(
        shop.inquire(&pending.service, &pending.uti).comparable(),
        never
    );
    shop.delete(&pending.own).expect(204);
    assert_eq!(
        shop.inquire(&pending.service, &pending.uti).comparable(),
        never
    );
    let device = fresh_device();
    let gone = shop.establish(&acme, "eggs", &device);
    shop.demap("SERVICE_INVALID", &gone.key()).expect(200);
    assert_eq!(shop.inquire(&gone.service, &gone.uti).comparable(), never);
    let unknown = acme
        .inquire_device(&fresh_device())
        .expect(404)
        .comparable();
    assert_eq!(acme.inquire_device(&device).comparable(), unknown);
}
