//! Requests whose answer comes later, at the platform.

use ics_tests::{Acme, PointOfAccess, wait_for};
use serde_json::{Value, json};

use super::world::Ae;

#[test]
fn a_non_blocking_request_leaves_a_resource_with_its_answer() {
    let acme = Acme::options().start();
    let shop = Ae::register(&acme, "shop", None);
    let taken = shop.client.retrieve("cse-in/shop?rt=1").expect(1001);
    assert_eq!(taken.http.status, 202);
    let place = taken.member("m2m:uri");
    let kept = wait_for("an answer in the request", || {
        let kept = shop.client.retrieve(place.as_str().unwrap()).expect(2000);
        let kept = kept.member("m2m:req");
        (kept["rs"] == 1).then_some(kept)
    });
    assert_eq!(kept["ors"]["rsc"], 2000);
    assert_eq!(kept["ors"]["pc"]["m2m:ae"]["rn"], "shop");
}

#[test]
fn an_asynchronous_request_is_answered_where_its_originator_said() {
    let acme = Acme::options().start();
    let shop = Ae::register(&acme, "shop", None);
    let point = PointOfAccess::open();
    let asked = shop.client.request("GET", "cse-in/shop?rt=2");
    asked.header("X-M2M-RTU", &point.url()).send().expect(1002);
    let answer: Value = point.wait("the answer", |_| true).body();
    assert_eq!(answer["m2m:rsp"]["rsc"], 2000);
    assert_eq!(answer["m2m:rsp"]["pc"]["m2m:ae"]["rn"], json!("shop"));
}
