//! Steps 3 to 9 in all the ways an IoT SP may take them: pushed, pulled, refused, tested.

use ics_tests::{Domain, Mapping, Party, Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

use super::is_result;

fn is_push(body: &Value) -> bool {
    body.get("deviceSerialNumber").is_some()
}

/// Ends all registrations of an IoT SP: it takes no pushes any more.
fn unsubscribe(iot_sp: &Party) {
    let list = iot_sp.path("ics-device-mapping", "subscriptions");
    for subscription in iot_sp
        .get(&list)
        .expect(200)
        .json()
        .as_array()
        .expect("a list")
    {
        let own = subscription["self"].as_str().expect("a link");
        iot_sp.get(own).expect(200);
        iot_sp.delete(own).expect(204);
        assert_eq!(
            iot_sp.get(own).expect(404).cause(),
            "SUBSCRIPTION_NOT_FOUND"
        );
        iot_sp.delete(own).expect(404);
    }
}

fn assignments(iot_sp: &Party, status: &str) -> Vec<Value> {
    let path = format!("assignments?status={status}");
    let list = iot_sp
        .get(&iot_sp.path("ics-device-mapping", &path))
        .expect(200)
        .json();
    list.as_array().expect("a list").clone()
}

fn has(list: &[Value], mapping: &Mapping) -> bool {
    list.iter().any(|item| item["self"] == mapping.assignment)
}

#[test]
fn a_refusal_of_the_iot_sp_is_device_not_available_to_the_third_party() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.ask(&acme, "eggs");
    let outcome = acme
        .reject(&mapping, "SERIAL_NUMBER_UNKNOWN")
        .expect(200)
        .json();
    assert_eq!(outcome["mappingStatus"], "FAILED");
    assert_eq!(outcome["mappingCause"], "REJECTED");
    let told = shop
        .inbox
        .wait(&mapping.uti, "the failure", is_result("FAILED"));
    assert_eq!(told["mappingCause"], "DEVICE_NOT_AVAILABLE");
    assert!(told.get("undo").is_none(), "{told}");
    let told = acme
        .inbox
        .wait(&mapping.uti, "the failure", is_result("FAILED"));
    assert_eq!(told["undo"], true);
    let answer = shop.get(&mapping.own).expect(200);
    assert_eq!(answer.json()["mappingStatus"], "FAILED");
    assert_eq!(answer.json()["mappingCause"], "DEVICE_NOT_AVAILABLE");
    for text in [answer.body, shop.inbox.about(&mapping.uti)[0].to_string()] {
        assert!(
            !text.contains("SERIAL_NUMBER_UNKNOWN") && !text.contains("REJECTED"),
            "{text}"
        );
    }
    shop.inquire(&mapping.service, &mapping.uti).expect(404);
    assert_eq!(
        acme.accept(&mapping, &fresh_device()).expect(409).cause(),
        "MAPPING_NOT_PENDING"
    );
    // After FAILED the same key may be used again.
    let again = shop.ask_for(&acme, &mapping.service, &mapping.uti, &mapping.serial);
    acme.accept(&again, &fresh_device()).expect(200);
}

#[test]
fn an_iot_sp_that_takes_no_pushes_pulls_its_assignments() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    unsubscribe(&acme);
    let (mapping, device) = (shop.ask(&acme, "eggs"), fresh_device());
    assert!(has(&assignments(&acme, "PENDING"), &mapping));
    assert!(!has(&assignments(&acme, "ESTABLISHED"), &mapping));
    let open = acme.get(&mapping.assignment).expect(200).json();
    assert_eq!(open["mappingStatus"], "PENDING");
    assert_eq!(open["deviceSerialNumber"], mapping.serial);
    assert_eq!(open["serviceUri"], mapping.service);
    assert_eq!(open["uti"], mapping.uti);
    assert_eq!(open["consent"]["id"], "c-81");
    sandbox
        .bolt()
        .get(&mapping.assignment.replace(&acme.id, &sandbox.bolt().id))
        .expect(404);

    acme.accept(&mapping, &device).expect(200);

    let closed = acme.get(&mapping.assignment).expect(200);
    assert_eq!(closed.json()["mappingStatus"], "ESTABLISHED");
    assert_eq!(closed.json()["deviceId"], device);
    assert!(!closed.body.contains(&mapping.serial), "{closed:?}");
    assert!(!has(&assignments(&acme, "PENDING"), &mapping));
    assert!(has(&assignments(&acme, "ESTABLISHED"), &mapping));
    shop.inbox
        .wait(&mapping.uti, "the result", is_result("ESTABLISHED"));
    sandbox.settle();
    assert_eq!(acme.inbox.about(&mapping.uti), Vec::<Value>::new());
}

#[test]
fn a_new_registration_is_pushed_to_where_it_says() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    unsubscribe(&acme);
    let destination = format!("{}/second/inbox", acme.callback);
    let terms = json!({ "notificationDestination": destination, "requestTestNotification": true });
    let path = acme.path("ics-device-mapping", "subscriptions");
    let made = acme.post(&path, &terms).expect(201);
    let own = made.json()["self"].as_str().expect("a link").to_owned();
    assert_eq!(made.header("location"), Some(own.as_str()));
    // TS 29.122 5.2.5.3: the test names the resource it was asked for with.
    ics_tests::eventually("the test notification", || {
        let bodies = acme.inbox.all();
        bodies
            .iter()
            .any(|n| n["body"]["subscription"] == own && n["body"].get("uti").is_none())
    });
    let mapping = shop.ask(&acme, "eggs");
    let push = acme.inbox.wait(&mapping.uti, "the push", is_push);
    assert_eq!(push["subscription"], own);
    let all = acme.inbox.all();
    let received = all.iter().find(|n| n["body"] == push).expect("the push");
    assert_eq!(received["path"], format!("/{}/second/inbox", acme.id));
}

#[test]
fn a_third_party_that_asks_for_a_test_notification_gets_it_before_the_result() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    request["requestTestNotification"] = true.into();
    let answer = shop.post_mapping(&request).expect(201);
    let mapping = shop.follow(&acme, &request, &answer);
    acme.accept(&mapping, &fresh_device()).expect(200);
    shop.inbox
        .wait(&mapping.uti, "the result", is_result("ESTABLISHED"));
    let all = shop.inbox.all();
    let of = |body: &Value| body["subscription"] == mapping.own || body["mapping"] == mapping.own;
    let about: Vec<_> = all
        .iter()
        .map(|n| &n["body"])
        .filter(|body| of(body))
        .collect();
    assert_eq!(about.len(), 2, "{about:?}");
    assert_eq!(about[0]["subscription"], mapping.own);
    assert!(about[0]["notificationId"].is_string());
    assert_eq!(about[1]["mappingStatus"], "ESTABLISHED");
}

#[test]
fn an_answer_says_either_which_device_or_why_not() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (mapping, device) = (shop.ask(&acme, "eggs"), fresh_device());
    let bad = [
        (json!({ "result": "ACCEPTED" }), "MANDATORY_IE_MISSING"),
        (json!({ "result": "REJECTED" }), "MANDATORY_IE_MISSING"),
        (json!({ "deviceId": device }), "MANDATORY_IE_MISSING"),
        (
            json!({ "result": "PERHAPS", "deviceId": device }),
            "MANDATORY_IE_INCORRECT",
        ),
        (
            json!({ "result": "ACCEPTED", "deviceId": device, "cause": "X" }),
            "MANDATORY_IE_INCORRECT",
        ),
        (
            json!({ "result": "ACCEPTED", "deviceId": 7 }),
            "MANDATORY_IE_INCORRECT",
        ),
        (
            json!({ "result": "ACCEPTED", "deviceId": device, "imei": "1" }),
            "INVALID_MSG_FORMAT",
        ),
    ];
    for (body, cause) in bad {
        assert_eq!(
            acme.put(&mapping.assignment, &body).expect(400).cause(),
            cause,
            "{body}"
        );
    }
    // A device ID that gives the serial number away is none.
    let telling = acme
        .accept(&mapping, &format!("dev-{}", mapping.serial))
        .expect(400);
    assert_eq!(telling.cause(), "PERMANENT_ID_NOT_ALLOWED");
    assert_eq!(shop.status(&mapping), "PENDING");
}

#[test]
fn a_row_has_one_device_and_a_uti_one_device_for_ever() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let eggs = shop.establish(&acme, "eggs", &device);
    let other = acme.accept(&eggs, &fresh_device()).expect(409);
    assert_eq!(other.cause(), "DEVICE_ALREADY_ASSIGNED");
    // The same UTI with another serial number: neither for this service nor for another.
    for service in ["eggs", "milk"] {
        let request = shop.request(&shop.service(service), &eggs.uti, &acme.fresh_serial());
        assert_eq!(
            shop.post_mapping(&request).expect(409).cause(),
            "UTI_IN_USE"
        );
    }
    // The same serial number, and the IoT SP answers with another device.
    let milk = shop.ask_for(&acme, &shop.service("milk"), &eggs.uti, &eggs.serial);
    assert_eq!(
        acme.accept(&milk, &fresh_device()).expect(409).cause(),
        "UTI_IN_USE"
    );
    assert_eq!(shop.status(&milk), "FAILED");
    assert_eq!(
        shop.inquire(&eggs.service, &eggs.uti).expect(200).json()["deviceId"],
        device
    );
}

#[test]
fn two_third_parties_with_the_same_uti_do_not_know_of_each_other() {
    let sandbox = Sandbox::start();
    let (shop, music, acme) = (sandbox.shop(), sandbox.music(), sandbox.acme());
    let uti = fresh_uuid();
    let (one, other) = (fresh_device(), fresh_device());
    let egg = shop.ask_for(&acme, &shop.service("eggs"), &uti, &acme.fresh_serial());
    acme.accept(&egg, &one).expect(200);
    let song = music.ask_for(&acme, &music.service("polka"), &uti, &acme.fresh_serial());
    acme.accept(&song, &other).expect(200);
    assert_eq!(
        shop.inquire(&egg.service, &uti).expect(200).json()["deviceId"],
        one
    );
    assert_eq!(
        music.inquire(&song.service, &uti).expect(200).json()["deviceId"],
        other
    );
    music
        .demap("UTI_INVALID", &json!({ "uti": uti }))
        .expect(200);
    shop.inquire(&egg.service, &uti).expect(200);
}

/// A third party SP and an IoT SP of a domain with the settings `init` writes.
fn onboard_pair(domain: &Domain, limits: &Value) -> (Party, Party) {
    let nowhere = "https://127.0.0.1:1";
    let mut shop = domain.onboard(&json!({
        "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example"],
        "callbackOrigins": [nowhere], "limits": limits,
    }));
    let mut acme = domain.onboard(&json!({
        "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
    }));
    domain.agree(&acme, &shop);
    shop.grant = "https://shop.example".into();
    shop.callback = format!("{nowhere}/shop");
    acme.grant = "ACME-".into();
    (shop, acme)
}

#[test]
fn a_failure_at_the_device_looks_pending_to_the_third_party_for_a_while() {
    let domain = Domain::start(|text| text);
    let (shop, acme) = onboard_pair(&domain, &json!({}));
    let (failed, waiting) = (shop.ask(&acme, "eggs"), shop.ask(&acme, "milk"));
    let outcome = acme.reject(&failed, "OWNER_REFUSED").expect(200).json();
    assert_eq!(outcome["mappingStatus"], "FAILED");
    // Whatever happened at the IoT SP cannot be told by the time it took.
    for mapping in [&failed, &waiting] {
        let row = shop.get(&mapping.own).expect(200).json();
        assert_eq!(row["mappingStatus"], "PENDING");
        assert_eq!(row["mappingCause"], Value::Null);
        assert_eq!(row["updateTime"], row["createTime"]);
        assert_eq!(row["validityPeriod"], 24 * 3600);
    }
    let detail = format!("/operator/v1/mappings/{}", failed.id());
    let detail = domain.operator("GET", &detail, None).expect(200).json();
    assert_eq!(detail["status"], "FAILED", "the operator sees it as it is");
    assert!(!has(&assignments(&acme, "PENDING"), &failed));
    assert!(has(&assignments(&acme, "PENDING"), &waiting));
    let late = acme.accept(&failed, &fresh_device()).expect(409);
    assert_eq!(late.cause(), "MAPPING_NOT_PENDING");
}

#[test]
fn a_third_party_whose_mappings_fail_too_often_asks_no_more_that_day() {
    let domain = Domain::start(|text| text);
    let (shop, acme) = onboard_pair(&domain, &json!({ "failedMappingsPerDay": 2 }));
    let kept = shop.establish(&acme, "eggs", &fresh_device());
    for _ in 0..2 {
        let mapping = shop.ask(&acme, "eggs");
        acme.reject(&mapping, "NO_SUCH_DEVICE").expect(200);
    }
    let request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    let refused = shop.post_mapping(&request).expect(403);
    assert_eq!(refused.cause(), "QUOTA_EXCEEDED");
    shop.inquire(&kept.service, &kept.uti).expect(200);
}
