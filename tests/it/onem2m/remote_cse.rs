//! A foreign CSE at the platform: who may register, what is passed on to it, and how it reaches an
//! AE there. The foreign CSE is a server of the test.

use ics_tests::{Acme, PointOfAccess, Received, Reply, answer_primitive, eventually};
use serde_json::{Value, json};

use super::world::{Ae, remote_cse};

/// A CSE that answers its CSEBase to everybody who retrieves it, and 4103 to everything else.
fn foreign_cse() -> PointOfAccess {
    let point = PointOfAccess::open();
    point.answer(answer);
    point
}

fn answer(request: &Received) -> Reply {
    if request.method == "GET" {
        answer_primitive(request, 2000, Some(&base()))
    } else {
        let why = json!({"m2m:dbg": "not you"});
        answer_primitive(request, 4103, Some(&why))
    }
}

fn base() -> Value {
    json!({"m2m:cb": {"ri": "id-ics", "rn": "ics", "csi": "/id-ics", "cst": 2, "srt": [3, 28],
        "srv": ["3", "4"], "csz": ["application/json"], "poa": [], "ty": 5, "pi": ""}})
}

#[test]
fn a_cse_registers_where_it_is_admitted_only_and_leaves_nothing_behind() {
    let foreign = foreign_cse();
    let closed = Acme::options().start();
    let ics = closed.client("/id-ics");
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(4103);

    let open = Acme::options()
        .admitting("/id-mn")
        .admitting("/id-ics")
        .start();
    let before = open.tree();
    let ics = open.client("/id-ics");
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(2001);
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(4105);
    let registered = ics.retrieve("cse-in/id-ics").expect(2000);
    assert_eq!(registered.member("m2m:csr")["ri"], "id-ics");
    let later = json!({"m2m:csr": {"et": "20301231T000000"}});
    ics.update("cse-in/id-ics", &later).expect(2004);
    open.client("Cother").delete("cse-in/id-ics").expect(4103);
    ics.delete("cse-in/id-ics").expect(2002);
    ics.update("cse-in/id-ics", &later).expect(4004);
    assert_eq!(open.tree().to_json(), before.to_json());
}

#[test]
fn what_is_for_a_foreign_cse_is_passed_on_and_its_answer_comes_back_unchanged() {
    let foreign = foreign_cse();
    let acme = Acme::options().admitting("/id-ics").start();
    let shop = Ae::register(&acme, "shop", None);
    shop.client.retrieve("/id-ics/ics").expect(4004);
    let ics = acme.client("/id-ics");
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(2001);

    let content = json!({"ics:idmap": {"svu": "https://shop.example", "foo": 1}});
    let refused = shop
        .client
        .request("POST", "/id-ics/ics/map")
        .header("Authorization", "Bearer of-nothing")
        .header("X-M2M-VSI", "said by us")
        .typed(28, &content)
        .send()
        .expect(4103);
    assert_eq!(refused.http.status, 403);
    assert_eq!(refused.content(), json!({"m2m:dbg": "not you"}));
    let passed = foreign.wait("the request", |request| request.method == "POST");
    assert_eq!(passed.path, "/~/id-ics/ics/map");
    assert_eq!(
        passed.header("content-type"),
        Some("application/json;ty=28")
    );
    assert_eq!(passed.header("x-m2m-vsi"), Some("said by us"));
    assert_eq!(passed.header("authorization"), None);
    assert_eq!(passed.header("x-m2m-ri"), refused.http.header("x-m2m-ri"));
    // Its content is not looked at; its originator is named in full.
    assert_eq!(passed.body(), content);
    assert_eq!(passed.header("x-m2m-origin"), Some("/id-in/Cshop"));

    // Nobody asks whether the originator is registered.
    let answered = acme.client("Cnobody").retrieve("/id-ics/ics").expect(2000);
    assert_eq!(answered.content(), base());
    foreign.wait("the stranger", |request| {
        request.header("x-m2m-origin") == Some("/id-in/Cnobody")
    });
    // Filters are known ones, or the request goes no further.
    let found = "/id-ics/ics?fu=1&rcn=6&lbl=uti:x";
    shop.client.retrieve(found).expect(2000);
    let asked = foreign.wait("the filter", |request| request.path.contains("lbl=uti:x"));
    assert!(
        asked.path.contains("fu=1") && asked.path.contains("rcn=6"),
        "{asked:?}"
    );
    let before = foreign.received().len();
    shop.client.retrieve("/id-ics/ics?fu=1&svu=x").expect(4000);
    assert_eq!(foreign.received().len(), before);

    drop(foreign);
    shop.client.retrieve("/id-ics/ics").expect(5103);
}

#[test]
fn an_answer_that_is_no_primitive_comes_back_as_a_failure_of_the_platform() {
    let foreign = foreign_cse();
    let acme = Acme::options().admitting("/id-ics").start();
    let ics = acme.client("/id-ics");
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(2001);
    let asker = acme.client("Cshop");
    let without = |name: &'static str| {
        foreign.answer(move |request| {
            let mut reply = answer_primitive(request, 2000, Some(&base()));
            reply.headers.retain(|(given, _)| given != name);
            reply
        });
        asker.retrieve("/id-ics/ics").rsc
    };
    assert_eq!(without("Nothing"), 2000);
    assert_eq!(without("X-M2M-RVI"), 2000);
    assert_eq!(without("X-M2M-RI"), 4000);
    assert_eq!(without("X-M2M-RSC"), 5000);
    foreign.answer(|request| Reply {
        status: 401,
        ..answer_primitive(request, 2000, Some(&base()))
    });
    asker.retrieve("/id-ics/ics").expect(5000);
    // The status of HTTP does not count otherwise.
    foreign.answer(|request| Reply {
        status: 500,
        ..answer_primitive(request, 2000, Some(&base()))
    });
    asker.retrieve("/id-ics/ics").expect(2000);
}

#[test]
fn a_foreign_cse_that_no_longer_answers_is_forgotten() {
    let foreign = foreign_cse();
    let acme = Acme::options()
        .admitting("/id-ics")
        .probing_every(1)
        .start();
    let ics = acme.client("/id-ics");
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(2001);
    let probes = || {
        let received = foreign.received();
        let own = received
            .iter()
            .filter(|request| request.header("x-m2m-origin") == Some(Acme::CSE_ID));
        own.count()
    };
    eventually("two probes", || probes() > 1);
    ics.retrieve("cse-in/id-ics").expect(2000);
    foreign.refuse(4103);
    eventually("it to be forgotten", || {
        acme.admin().retrieve("cse-in/id-ics").rsc == 4004
    });
    // It comes again.
    foreign.answer(answer);
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(2001);
}

#[test]
fn a_foreign_cse_notifies_an_ae_that_lets_it() {
    let foreign = foreign_cse();
    let acme = Acme::options().admitting("/id-ics").start();
    let ics = acme.client("/id-ics");
    ics.create("cse-in", 16, &remote_cse(&foreign.url()))
        .expect(2001);
    let point = PointOfAccess::open();
    let shop = Ae::register(&acme, "shop", Some(&point.url()));
    let news = json!({"m2m:sgn": {"sur": "/id-ics/sub1", "nev": {"net": 1, "rep": {}}}});

    ics.notify("/id-in/Cshop", &news).expect(4103);
    assert!(point.received().is_empty());
    shop.grant(&["/id-ics"], 16);
    ics.notify("/id-in/Cshop", &news).expect(2000);
    let told = &point.received()[0];
    assert_eq!(told.path, "/~/id-in/Cshop");
    assert_eq!(told.header("x-m2m-origin"), Some("/id-ics"));
    assert_eq!(told.body(), news);
    // Nothing but a notification is let through, and what the AE answers comes back.
    ics.notify("/id-in/Cshop", &json!({"ics:offer": {}}))
        .expect(4000);
    point.refuse(4103);
    ics.notify("/id-in/Cshop", &news).expect(4103);
    drop(point);
    ics.notify("/id-in/Cshop", &news).expect(5103);
}
