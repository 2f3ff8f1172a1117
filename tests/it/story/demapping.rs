//! Y.4462 10.2: by either side, for each of its four causes, and what never comes back.

use ics_tests::{Mapping, Party, Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

const CAUSES: [&str; 4] = [
    "DEVICE_UNREGISTERED",
    "UTI_INVALID",
    "SERVICE_INVALID",
    "USER_AUTHORIZATION_WITHDRAWN",
];

fn told_of_end(party: &Party, mapping: &Mapping) -> Value {
    party
        .inbox
        .wait(&mapping.uti, "the de-mapping notice", |body| {
            body.get("cause").is_some()
        })
}

fn ends(party: &Party, mapping: &Mapping) -> usize {
    let bodies = party.inbox.about(&mapping.uti);
    bodies
        .iter()
        .filter(|body| body.get("cause").is_some())
        .count()
}

fn links(answer: &Value) -> Vec<String> {
    let links = answer["mappings"].as_array().expect("links").iter();
    links
        .map(|link| link.as_str().expect("a link").to_owned())
        .collect()
}

#[test]
fn the_third_party_demaps_for_each_cause_and_the_iot_sp_is_told() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for cause in CAUSES {
        let device = fresh_device();
        let mapping = shop.establish(&acme, "eggs", &device);
        let mut selector = mapping.key();
        selector["subCause"] = "MOVED_OUT".into();
        let answer = shop.demap(cause, &selector).expect(200).json();
        assert_eq!(answer["removed"], 1, "{cause}");
        assert_eq!(links(&answer), [mapping.own.as_str()]);
        let told = told_of_end(&acme, &mapping);
        assert_eq!(told["cause"], cause);
        assert_eq!(told["subCause"], "MOVED_OUT");
        assert_eq!(told["mapping"], mapping.assignment);
        assert_eq!(told["deviceId"], device);
        assert_eq!(told["serviceUri"], mapping.service);
        assert_eq!(shop.status(&mapping), "DELETED");
        assert_eq!(shop.get(&mapping.own).json()["mappingCause"], cause);
        shop.inquire(&mapping.service, &mapping.uti).expect(404);
        acme.inquire_device(&device).expect(404);
        sandbox.settle();
        assert_eq!(
            (ends(&shop, &mapping), ends(&acme, &mapping)),
            (0, 1),
            "{cause}"
        );
    }
}

#[test]
fn the_iot_sp_demaps_for_each_cause_and_the_third_party_is_told() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for cause in CAUSES {
        let device = fresh_device();
        let mapping = shop.establish(&acme, "eggs", &device);
        let answer = acme
            .demap(cause, &json!({ "mapping": mapping.assignment }))
            .expect(200);
        assert_eq!(
            links(&answer.json()),
            [mapping.assignment.as_str()],
            "{cause}"
        );
        let told = told_of_end(&shop, &mapping);
        assert_eq!(told["cause"], cause);
        assert_eq!(told["mapping"], mapping.own);
        assert!(told.get("deviceId").is_none(), "{told}");
        shop.inquire(&mapping.service, &mapping.uti).expect(404);
        acme.inquire_device(&device).expect(404);
        sandbox.settle();
        assert_eq!(
            (ends(&shop, &mapping), ends(&acme, &mapping)),
            (1, 0),
            "{cause}"
        );
    }
}

#[test]
fn each_selector_takes_the_rows_it_names_and_no_others() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (serial, uti, device) = (acme.fresh_serial(), fresh_uuid(), fresh_device());
    let ask = |service: &str, uti: &str| {
        let mapping = shop.ask_for(&acme, &shop.service(service), uti, &serial);
        acme.accept(&mapping, &device).expect(200);
        mapping
    };
    let withdrawn = "USER_AUTHORIZATION_WITHDRAWN";
    let rows = || {
        let answer = acme.inquire_device(&device);
        if answer.status == 404 {
            0
        } else {
            super::keys(&answer.json()).len()
        }
    };
    let other = ask("other", &fresh_uuid());
    // Third party SP: one row by link or key, a UTI's, a service's.
    let (eggs, milk) = (ask("eggs", &uti), ask("milk", &uti));
    shop.demap(withdrawn, &json!({ "mapping": eggs.own }))
        .expect(200);
    assert_eq!(rows(), 2);
    shop.demap(withdrawn, &milk.key()).expect(200);
    assert_eq!(rows(), 1);
    let (_, _) = (ask("eggs", &uti), ask("milk", &uti));
    assert_eq!(
        shop.demap(withdrawn, &json!({ "uti": uti }))
            .expect(200)
            .json()["removed"],
        2
    );
    assert_eq!(rows(), 1);
    let (eggs, _) = (ask("eggs", &fresh_uuid()), ask("eggs", &fresh_uuid()));
    let by_service = json!({ "serviceUri": eggs.service });
    assert_eq!(
        shop.demap(withdrawn, &by_service).expect(200).json()["removed"],
        2
    );
    assert_eq!(rows(), 1);
    // IoT SP: those of a service on a device, then all of the device.
    let (eggs, _) = (ask("eggs", &fresh_uuid()), ask("milk", &fresh_uuid()));
    let by_both = json!({ "deviceId": device, "serviceUri": eggs.service });
    assert_eq!(
        acme.demap(withdrawn, &by_both).expect(200).json()["removed"],
        1
    );
    assert_eq!(rows(), 2);
    let by_device = json!({ "deviceId": device });
    assert_eq!(
        acme.demap(withdrawn, &by_device).expect(200).json()["removed"],
        2
    );
    assert_eq!(shop.status(&other), "DELETED");
}

#[test]
fn a_selector_of_the_other_side_none_and_two_are_refused() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let mapping = shop.establish(&acme, "eggs", &device);
    let cause = "SERVICE_INVALID";
    // A device ID is the IoT SP's to name, a UTI the third party's: another reference point.
    for other_side in [
        shop.demap(cause, &json!({ "deviceId": device })),
        acme.demap(cause, &mapping.key()),
    ] {
        assert_eq!(other_side.expect(403).cause(), "INSUFFICIENT_SCOPE");
    }
    assert_eq!(
        shop.demap(cause, &json!({})).expect(400).cause(),
        "MANDATORY_IE_MISSING"
    );
    shop.demap(
        cause,
        &json!({ "mapping": mapping.own, "uti": mapping.uti }),
    )
    .expect(400);
    shop.demap("BORED", &mapping.key()).expect(400);
    // Rows of others are simply not matched.
    sandbox.music().demap(cause, &mapping.key()).expect(404);
    sandbox
        .bolt()
        .demap(cause, &json!({ "deviceId": device }))
        .expect(404);
    sandbox
        .bolt()
        .demap(cause, &json!({ "mapping": mapping.assignment }))
        .expect(404);
    shop.inquire(&mapping.service, &mapping.uti).expect(200);
}

#[test]
fn an_invalid_uti_takes_all_its_rows_whoever_says_it_and_never_comes_back() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for says in [&shop, &acme] {
        let (serial, uti, device) = (acme.fresh_serial(), fresh_uuid(), fresh_device());
        let ask = |service: &str| {
            let mapping = shop.ask_for(&acme, &shop.service(service), &uti, &serial);
            acme.accept(&mapping, &device).expect(200);
            mapping
        };
        let (eggs, milk) = (ask("eggs"), ask("milk"));
        let pending = shop.ask_for(&acme, &shop.service("beer"), &uti, &serial);
        // One row is named; the UTI goes with all of them.
        let link = if says.id == shop.id {
            &eggs.own
        } else {
            &eggs.assignment
        };
        let answer = says
            .demap("UTI_INVALID", &json!({ "mapping": link }))
            .expect(200);
        assert_eq!(answer.json()["removed"], 3);
        for mapping in [&eggs, &milk, &pending] {
            assert_eq!(shop.status(mapping), "DELETED");
            shop.inquire(&mapping.service, &mapping.uti).expect(404);
        }
        for service in ["eggs", "cheese"] {
            let again = shop.request(&shop.service(service), &uti, &serial);
            assert_eq!(shop.post_mapping(&again).expect(409).cause(), "UTI_IN_USE");
        }
        assert_eq!(
            acme.accept(&pending, &device).expect(409).cause(),
            "MAPPING_NOT_PENDING"
        );
    }
}

#[test]
fn an_unregistered_device_loses_all_its_rows_and_its_id_never_comes_back() {
    let sandbox = Sandbox::start();
    let (shop, music, acme) = (sandbox.shop(), sandbox.music(), sandbox.acme());
    let device = fresh_device();
    let egg = shop.establish(&acme, "eggs", &device);
    let song = music.establish(&acme, "polka", &device);
    let by_device = json!({ "deviceId": device });
    let answer = acme.demap("DEVICE_UNREGISTERED", &by_device).expect(200);
    assert_eq!(answer.json()["removed"], 2);
    assert_eq!(told_of_end(&shop, &egg)["cause"], "DEVICE_UNREGISTERED");
    assert_eq!(told_of_end(&music, &song)["cause"], "DEVICE_UNREGISTERED");
    acme.inquire_device(&device).expect(404);

    let again = shop.ask(&acme, "eggs");
    assert_eq!(
        acme.accept(&again, &device).expect(409).cause(),
        "DEVICE_REVOKED"
    );
    let row = shop.get(&again.own).expect(200).json();
    assert_eq!(
        (&row["mappingStatus"], &row["mappingCause"]),
        (&json!("FAILED"), &json!("DEVICE_NOT_AVAILABLE"))
    );
    // Dead for this IoT SP only: device IDs are keyed by the pair.
    let elsewhere = shop.ask(&sandbox.bolt(), "eggs");
    sandbox.bolt().accept(&elsewhere, &device).expect(200);
}

#[test]
fn a_device_unregistered_before_any_row_had_it_cannot_come_in_any_more() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    acme.demap("DEVICE_UNREGISTERED", &json!({ "deviceId": device }))
        .expect(404);
    let mapping = shop.ask(&acme, "eggs");
    assert_eq!(
        acme.accept(&mapping, &device).expect(409).cause(),
        "DEVICE_REVOKED"
    );
}

#[test]
fn a_device_that_is_unregistered_for_one_service_lives_on_for_the_others() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let (eggs, milk) = (
        shop.establish(&acme, "eggs", &device),
        shop.establish(&acme, "milk", &device),
    );
    let one = json!({ "deviceId": device, "serviceUri": eggs.service });
    acme.demap("DEVICE_UNREGISTERED", &one).expect(200);
    shop.inquire(&milk.service, &milk.uti).expect(200);
    shop.establish(&acme, "beer", &device);
}

#[test]
fn a_demapped_pair_can_be_mapped_again_for_the_same_device_alone() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let first = shop.establish(&acme, "eggs", &device);
    shop.demap("USER_AUTHORIZATION_WITHDRAWN", &first.key())
        .expect(200);
    let again = shop.ask_for(&acme, &first.service, &first.uti, &first.serial);
    assert_ne!(again.own, first.own);
    assert_eq!(
        acme.accept(&first, &device).expect(409).cause(),
        "MAPPING_NOT_PENDING"
    );
    assert_eq!(
        acme.accept(&again, &fresh_device()).expect(409).cause(),
        "UTI_IN_USE"
    );
    let third = shop.ask_for(&acme, &first.service, &first.uti, &first.serial);
    acme.accept(&third, &device).expect(200);
    assert_eq!(
        shop.inquire(&first.service, &first.uti).expect(200).json()["deviceId"],
        device
    );
}

#[test]
fn a_demapping_that_races_an_assignment_ends_demapped() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for round in 0..40 {
        let (device, mapping) = (fresh_device(), shop.ask(&acme, "eggs"));
        let (by, selector) = if round % 2 == 0 {
            (&shop, mapping.key())
        } else {
            (&acme, json!({ "mapping": mapping.assignment }))
        };
        by.token();
        std::thread::scope(|scope| {
            let assignment = scope.spawn(|| acme.accept(&mapping, &device));
            let end = by.demap("USER_AUTHORIZATION_WITHDRAWN", &selector);
            assert_eq!(end.status, 200, "{end:?}");
            let assigned = assignment.join().expect("a thread");
            assert!(
                assigned.status == 200 || assigned.cause() == "MAPPING_NOT_PENDING",
                "{assigned:?}"
            );
        });
        assert_eq!(shop.status(&mapping), "DELETED", "round {round}");
        shop.inquire(&mapping.service, &mapping.uti).expect(404);
        acme.inquire_device(&device).expect(404);
        assert_eq!(
            acme.accept(&mapping, &device).expect(409).cause(),
            "MAPPING_NOT_PENDING"
        );
    }
}

#[test]
fn a_cancelled_request_makes_the_iot_sp_undo_and_tells_the_caller_nothing_new() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.ask(&acme, "eggs");
    acme.inbox.wait(&mapping.uti, "the push", |body| {
        body.get("assignment").is_some()
    });
    let cancelled = shop.delete(&mapping.own).expect(204);
    assert_eq!(cancelled.body, "");
    let told = acme
        .inbox
        .wait(&mapping.uti, "the undo", |body| body["undo"] == true);
    assert_eq!(told["mappingStatus"], "DELETED");
    assert_eq!(told["mappingCause"], "CANCELLED");
    let row = shop.get(&mapping.own).expect(200).json();
    assert_eq!(
        (&row["mappingStatus"], &row["mappingCause"]),
        (&json!("DELETED"), &json!("CANCELLED"))
    );
    assert_eq!(
        acme.accept(&mapping, &fresh_device()).expect(409).cause(),
        "MAPPING_NOT_PENDING"
    );
    sandbox.settle();
    assert_eq!(shop.inbox.about(&mapping.uti), Vec::<Value>::new());
}

#[test]
fn an_established_row_is_not_cancelled_over_ics_1() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.establish(&acme, "eggs", &fresh_device());
    assert_eq!(
        shop.delete(&mapping.own).expect(409).cause(),
        "MAPPING_NOT_PENDING"
    );
    assert_eq!(shop.status(&mapping), "ESTABLISHED");
}

#[test]
fn a_uti_without_a_row_left_can_still_be_killed() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for is_killed in [false, true] {
        let (uti, serial) = (fresh_uuid(), acme.fresh_serial());
        let mapping = shop.ask_for(&acme, &shop.service("eggs"), &uti, &serial);
        acme.accept(&mapping, &fresh_device()).expect(200);
        let link = json!({ "mapping": mapping.assignment });
        acme.demap("USER_AUTHORIZATION_WITHDRAWN", &link)
            .expect(200);
        if is_killed {
            let answer = shop.demap("UTI_INVALID", &json!({ "uti": uti }));
            assert_eq!(answer.expect(404).cause(), "MAPPING_NOT_FOUND");
        }
        let again = shop.post_mapping(&shop.request(&shop.service("eggs"), &uti, &serial));
        if is_killed {
            assert_eq!(again.expect(409).cause(), "UTI_IN_USE");
        } else {
            again.expect(201);
        }
    }
}
