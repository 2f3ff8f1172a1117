//! What an AE of the platform does there: containers, instances, subscriptions, discovery.

use ics_tests::{Acme, PointOfAccess};
use serde_json::{Value, json};

use super::world::{Ae, instance, subscription};

#[test]
fn an_ae_is_told_what_is_put_into_its_container_and_leaves_nothing_behind() {
    let acme = Acme::options().start();
    let before = acme.tree();
    let shop = Ae::register(&acme, "shop", None);
    let own = shop.client.retrieve(&shop.address).expect(2000);
    let own = own.member("m2m:ae");
    assert_eq!(
        (&own["ri"], &own["aei"]),
        (&json!("Cshop"), &json!("Cshop"))
    );

    let goods = shop.container("goods");
    let target = PointOfAccess::open();
    let made = shop
        .client
        .create(&goods, 23, &subscription("news", &target.url()))
        .expect(2001);
    let id = made.member("m2m:sub")["ri"].clone();
    let id = format!("{}/{}", Acme::CSE_ID, id.as_str().unwrap());
    // Verified before it was made.
    let first = &target.received()[0];
    assert_eq!(first.header("x-m2m-origin"), Some(Acme::CSE_ID));
    assert_eq!(
        first.body()["m2m:sgn"],
        json!({"vrq": true, "sur": id, "cr": "Cshop"})
    );

    let put = shop
        .client
        .create(&goods, 4, &instance("bread"))
        .expect(2001);
    let told = target.notified("the news", |told| told.get("nev").is_some());
    assert_eq!(told["sur"], json!(id));
    assert_eq!(told["nev"]["net"], json!(3));
    assert_eq!(told["nev"]["rep"]["m2m:cin"], put.member("m2m:cin"));
    // Who put it there is not said unless asked for.
    assert!(put.member("m2m:cin").get("cr").is_none());
    let signed = json!({"m2m:cin": {"con": "milk", "cr": null}});
    let put = shop.client.create(&goods, 4, &signed).expect(2001);
    assert_eq!(put.member("m2m:cin")["cr"], "Cshop");
    let latest = shop.client.retrieve(&format!("{goods}/la")).expect(2000);
    assert_eq!(latest.member("m2m:cin")["con"], "milk");

    assert_ne!(acme.tree(), before);
    shop.client.delete(&shop.address).expect(2002);
    assert_eq!(acme.tree().to_json(), before.to_json());
}

#[test]
fn a_subscription_whose_target_does_not_answer_is_not_made() {
    let acme = Acme::options()
        .setting("cse", "requestExpirationDelta", "2.0")
        .start();
    let shop = Ae::register(&acme, "shop", None);
    let goods = shop.container("goods");
    let before = acme.tree();
    let subscribe = |target: &str| {
        let asked = shop
            .client
            .create(&goods, 23, &subscription("news", target));
        asked.expect(5204);
        assert_eq!(acme.tree(), before);
    };

    let target = PointOfAccess::open();
    target.fall_silent();
    subscribe(&target.url());
    let nobody = target.url();
    drop(target);
    subscribe(&nobody);
}

#[test]
fn an_ae_may_refuse_to_be_told_and_a_bare_url_may_not() {
    let acme = Acme::options().start();
    let point = PointOfAccess::open();
    point.refuse(4103);
    let shop = Ae::register(&acme, "shop", None);
    Ae::register(&acme, "bank", Some(&point.url()));
    let goods = shop.container("goods");
    let to_ae = subscription("one", "Cbank");
    shop.client.create(&goods, 23, &to_ae).expect(5204);
    // What comes back from a URL is not looked at.
    let to_url = subscription("other", &point.url());
    shop.client.create(&goods, 23, &to_url).expect(2001);
    point.wait("the verification of both", |request| {
        request.path != "/Cbank"
    });
}

#[test]
fn an_ae_s_own_subscription_needs_no_confirmation_and_comes_to_its_point_of_access() {
    let acme = Acme::options().start();
    let point = PointOfAccess::open();
    let shop = Ae::register(&acme, "shop", Some(&point.url()));
    let goods = shop.container("goods");
    shop.client
        .create(&goods, 23, &subscription("news", "Cshop"))
        .expect(2001);
    shop.client
        .create(&goods, 4, &instance("bread"))
        .expect(2001);
    let told = point.wait("the news", |_| true);
    // Not verified; sent to the AE-ID below the point of access, in the AE's release.
    assert!(told.body()["m2m:sgn"].get("nev").is_some());
    assert_eq!(
        (told.method.as_str(), told.path.as_str()),
        ("POST", "/Cshop")
    );
    assert_eq!(told.header("x-m2m-rvi"), Some("4"));
}

#[test]
fn what_an_ae_may_not_is_refused_by_the_codes_of_the_standard() {
    let acme = Acme::options().start();
    let shop = Ae::register(&acme, "shop", None);
    let goods = shop.container("goods");
    let before = acme.tree();
    let again = json!({"m2m:cnt": {"rn": "goods"}});
    let stranger = acme.client("Cother");
    let refused: Vec<(&str, u16)> = vec![
        (
            "same name",
            shop.client.create(&shop.address, 3, &again).rsc,
        ),
        ("not there", shop.client.retrieve("cse-in/shop/none").rsc),
        ("not yours", stranger.retrieve(&goods).rsc),
        ("not yours to delete", stranger.delete(&shop.address).rsc),
        (
            "no originator",
            shop.client.anonymous().retrieve(&goods).rsc,
        ),
        (
            "unknown release",
            shop.client.release("99").retrieve(&goods).rsc,
        ),
        (
            "unknown filter",
            shop.client.retrieve("cse-in?fu=1&foo=1").rsc,
        ),
        (
            "CSEBase is not updated",
            acme.admin()
                .update("cse-in", &json!({"m2m:cb": {"lbl": ["a"]}}))
                .rsc,
        ),
        (
            "no child of that type",
            shop.client.create(&shop.address, 4, &instance("x")).rsc,
        ),
        (
            "unknown attribute",
            shop.client
                .update(&goods, &json!({"m2m:cnt": {"foo": 1}}))
                .rsc,
        ),
    ];
    let expected = [4105, 4004, 4103, 4103, 4000, 4001, 4000, 4005, 4108, 4000];
    let codes: Vec<u16> = refused.iter().map(|(_, rsc)| *rsc).collect();
    assert_eq!(codes, expected, "{refused:?}");
    assert_eq!(acme.tree(), before);
}

#[test]
fn resources_are_found_by_type_and_label_and_under_every_form_of_their_address() {
    let acme = Acme::options().start();
    let shop = Ae::register(&acme, "shop", None);
    let content = json!({"m2m:cnt": {"rn": "goods", "lbl": ["svc:1"]}});
    let made = shop.client.create(&shop.address, 3, &content).expect(2001);
    shop.container("other");
    let found = shop
        .client
        .retrieve("cse-in?fu=1&ty=3&lbl=svc:1")
        .expect(2000);
    assert_eq!(found.member("m2m:uril"), json!(["cse-in/shop/goods"]));

    let made = made.member("m2m:cnt");
    let id = made["ri"].as_str().unwrap();
    for address in [
        "cse-in/shop/goods",
        "-/shop/goods",
        id,
        "/id-in/cse-in/shop/goods",
        &format!("/id-in/{id}"),
        &format!("//{}/id-in/-/shop/goods", Acme::DOMAIN),
    ] {
        let there = shop.client.retrieve(address).expect(2000);
        assert_eq!(there.member("m2m:cnt"), made, "{address}");
    }
    let nested = shop.client.retrieve("cse-in/shop?rcn=4").expect(2000);
    let children = nested.member("m2m:ae")["m2m:cnt"].take();
    let names: Vec<&Value> = children
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["rn"])
        .collect();
    assert_eq!(names, [&json!("goods"), &json!("other")]);
}
