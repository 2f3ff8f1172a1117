//! Whoever did not hear the answer asks again: nothing happens twice.

use ics_tests::{Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

#[test]
fn the_same_mapping_request_twice_is_one_row_and_one_push() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    let first = shop.post_mapping(&request).expect(201);
    let mapping = shop.follow(&acme, &request, &first);
    let again = shop.post_mapping(&request).expect(200);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.json()["self"], mapping.own);
    // Only (SP, service URI, UTI, serial number) are compared.
    request["validityPeriod"] = 600.into();
    request["requestTestNotification"] = true.into();
    let amended = shop.post_mapping(&request).expect(200).json();
    assert_eq!(amended["self"], mapping.own);
    assert_ne!(amended["validityPeriod"], 600);
    sandbox.settle();
    let received = acme.inbox.about(&mapping.uti);
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(shop.inbox.all().len(), 0);
    // Established meanwhile: still the same row.
    acme.accept(&mapping, &fresh_device()).expect(200);
    let late = shop.post_mapping(&request).expect(200).json();
    assert_eq!((&late["self"], &late["mappingStatus"]), (&json!(mapping.own), &json!("ESTABLISHED")));
    assert_eq!(shop.list().len(), 1);
}

#[test]
fn the_same_request_from_many_at_once_is_one_row_and_one_push() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for _ in 0..5 {
        let request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
        shop.token();
        let answers = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| shop.post_mapping(&request));
            let asking: Vec<_> = (0..8).map(|_| ask()).collect();
            asking.into_iter().map(|a| a.join().expect("a thread")).collect::<Vec<_>>()
        });
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let found = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((made, found), (1, 7), "{answers:?}");
        sandbox.settle();
        let uti = request["uti"].as_str().expect("a UTI");
        assert_eq!(acme.inbox.about(uti).len(), 1);
    }
    assert_eq!(shop.list().len(), 5);
}

#[test]
fn the_same_answer_to_an_assignment_twice_changes_and_tells_nothing_more() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (accepted, refused) = (shop.ask(&acme, "eggs"), shop.ask(&acme, "milk"));
    let device = fresh_device();
    let first = acme.accept(&accepted, &device).expect(200);
    assert_eq!(acme.accept(&accepted, &device).expect(200).json(), first.json());
    let row = shop.get(&accepted.own).expect(200).json();
    let first = acme.reject(&refused, "NO_SUCH_DEVICE").expect(200);
    assert_eq!(acme.reject(&refused, "NO_SUCH_DEVICE").expect(200).json(), first.json());
    // A late change of mind is none.
    assert_eq!(acme.reject(&accepted, "NO_SUCH_DEVICE").expect(409).cause(), "MAPPING_NOT_PENDING");
    assert_eq!(acme.accept(&refused, &device).expect(409).cause(), "MAPPING_NOT_PENDING");
    sandbox.settle();
    assert_eq!(shop.get(&accepted.own).expect(200).json(), row);
    for mapping in [&accepted, &refused] {
        let results = |inbox: &ics_tests::Inbox| {
            let bodies = inbox.about(&mapping.uti);
            bodies.iter().filter(|body| body.get("mappingStatus").is_some()).count()
        };
        assert_eq!((results(&shop.inbox), results(&acme.inbox)), (1, 1));
    }
}

#[test]
fn a_cancellation_and_a_demapping_done_twice_are_not_found_the_second_time() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let cancelled = shop.ask(&acme, "eggs");
    shop.delete(&cancelled.own).expect(204);
    assert_eq!(shop.delete(&cancelled.own).expect(404).cause(), "MAPPING_NOT_FOUND");
    for cause in ["USER_AUTHORIZATION_WITHDRAWN", "UTI_INVALID", "DEVICE_UNREGISTERED"] {
        let device = fresh_device();
        let mapping = shop.establish(&acme, "eggs", &device);
        let selectors = [mapping.key(), json!({ "uti": mapping.uti }), json!({ "mapping": mapping.own })];
        shop.demap(cause, &selectors[0]).expect(200);
        for selector in selectors {
            assert_eq!(shop.demap(cause, &selector).expect(404).cause(), "MAPPING_NOT_FOUND");
        }
        acme.demap(cause, &json!({ "deviceId": device })).expect(404);
        acme.demap(cause, &json!({ "mapping": mapping.assignment })).expect(404);
        sandbox.settle();
        let notices = |inbox: &ics_tests::Inbox| {
            inbox.about(&mapping.uti).iter().filter(|b| b.get("cause").is_some()).count()
        };
        assert_eq!((notices(&shop.inbox), notices(&acme.inbox)), (0, 1), "{cause}");
    }
}

#[test]
fn notifications_of_a_row_are_told_apart_by_id_and_ordered_by_sequence() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.establish(&acme, "eggs", &fresh_device());
    shop.demap("SERVICE_INVALID", &mapping.key()).expect(200);
    sandbox.settle();
    let bodies = acme.inbox.about(&mapping.uti);
    assert_eq!(bodies.len(), 3, "push, result, notice: {bodies:?}");
    let sequences: Vec<_> = bodies.iter().map(|b| b["sequence"].as_u64().expect("a number")).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    let mut ids: Vec<_> = bodies.iter().map(|b| b["notificationId"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let all: Vec<Value> = acme.inbox.all();
    let headers = all.iter().map(|n| &n["headers"]);
    for name in ["signature", "signature-input", "content-digest"] {
        assert!(headers.clone().all(|h| h[name].is_string()), "{name}");
    }
}
