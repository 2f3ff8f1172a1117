use serde_json::json;

use super::rig::{Rig, UTI, direct, refused};
use crate::primitive::{Operation, Outcome};
use crate::rsc::Rsc;

async fn subscribe(rig: &Rig, who: &str, to: &str) -> Outcome {
    let content = json!({ "m2m:sub": { "nu": ["/id-in/Cshop"], "enc": { "net": [1, 2] } } });
    let mut request = rig.create(to, content);
    request.resource_type = Some(23);
    rig.ask(&direct(who), &request).await
}

#[tokio::test]
async fn who_owns_it_may_watch_it() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let (row, pending) = (format!("/id-ics/map-{id}"), format!("/id-ics/pnd-{id}"));
    for (who, to, expected) in [
        ("shop", "/id-ics/ics/map", None),
        ("acme", "/id-ics/ics/pnd", None),
        ("shop", row.as_str(), None),
        ("acme", row.as_str(), None),
        ("acme", pending.as_str(), None),
        (
            "acme",
            "/id-ics/ics/map",
            Some(Rsc::OriginatorHasNoPrivilege),
        ),
        (
            "shop",
            "/id-ics/ics/pnd",
            Some(Rsc::OriginatorHasNoPrivilege),
        ),
        ("shop2", row.as_str(), Some(Rsc::NotFound)),
        ("acme2", row.as_str(), Some(Rsc::NotFound)),
        ("shop", pending.as_str(), Some(Rsc::NotFound)),
        ("shop", "/id-ics/ics/inq", Some(Rsc::TargetNotSubscribable)),
        ("acme", "/id-ics/ics/dmp", Some(Rsc::TargetNotSubscribable)),
    ] {
        let outcome = subscribe(&rig, who, to).await;
        assert_eq!(
            outcome.err().map(|refusal| refusal.rsc),
            expected,
            "{who} {to}"
        );
    }
    let asked = rig.watches.asked.lock().unwrap();
    let parents: Vec<_> = asked
        .iter()
        .map(|(ri, path, _)| (ri.clone(), path.clone()))
        .collect();
    assert_eq!(parents[0], ("map".into(), "ics/map".into()));
    assert_eq!(
        parents[2],
        (format!("map-{id}"), format!("ics/map/map-{id}"))
    );
    assert_eq!(asked.len(), 5);
}

#[tokio::test]
async fn what_the_deleter_has_watching_a_row_is_told_and_ends() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let ri = format!("map-{id}");
    let shop = "/id-in/Cshop";
    let row = rig.watches.add(&ri, shop, shop, &[2], 1);
    let other = rig.watches.add(&ri, shop, shop, &[1], 1);
    let all = rig.watches.add("map", shop, shop, &[3, 4], 3);
    let delete = rig.request(Operation::Delete, &format!("/id-ics/{ri}"));
    rig.ask(&direct("shop"), &delete).await.unwrap();
    let shown = json!({ "ics:idmap": {
        "ri": ri, "rn": ri, "ty": 28, "cnd": crate::ics::DEFINITION, "msta": 3,
    } });
    let uri = json!({ "m2m:uri": format!("/id-ics/{ri}") });
    let told = rig.watches.told.lock().unwrap();
    assert_eq!(*told, [(all, 4, uri), (row.clone(), 2, shown)]);
    assert_eq!(*rig.watches.ended.lock().unwrap(), [row, other]);
}

#[tokio::test]
async fn a_demapping_by_key_is_told_like_a_delete() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let acme = "/id-in/Cacme";
    let sub = rig.watches.add(&format!("pnd-{id}"), acme, acme, &[2], 3);
    let content = json!({ "ics:dmp": { "did": "d-1", "mcau": "DEVICE_UNREGISTERED" } });
    let demap = rig.create("/id-ics/ics/dmp", content);
    rig.ask(&direct("acme"), &demap).await.unwrap();
    let uri = json!({ "m2m:uri": format!("/id-ics/pnd-{id}") });
    assert_eq!(*rig.watches.told.lock().unwrap(), [(sub.clone(), 2, uri)]);
    assert_eq!(*rig.watches.ended.lock().unwrap(), [sub]);
}

#[tokio::test]
async fn a_new_row_is_told_to_what_its_third_party_has_watching_and_once() {
    let rig = Rig::new().await;
    let sub = rig
        .watches
        .add("map", "/id-in/Cshop", "/id-in/Cshop", &[3], 1);
    rig.watches
        .add("map", "/id-in/Cshop2", "/id-in/Cshop2", &[3], 1);
    rig.map(UTI).await;
    rig.map(UTI).await;
    let told = rig.watches.told.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0.as_str(), told[0].1), (sub.as_str(), 3));
    assert_eq!(told[0].2["ics:idmap"]["uti"], UTI);
    assert_eq!(told[0].2["ics:idmap"].get("dsn"), None);
}

#[tokio::test]
async fn what_the_other_side_has_watching_stays_until_it_was_told() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let ri = format!("map-{id}");
    rig.watches
        .add(&ri, "/id-in/Cacme", "/id-in/Cacme", &[2], 1);
    let delete = rig.request(Operation::Delete, &format!("/id-ics/{ri}"));
    rig.ask(&direct("shop"), &delete).await.unwrap();
    assert!(rig.watches.ended.lock().unwrap().is_empty());
    assert!(rig.watches.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_delete_that_found_nothing_tells_nobody() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let ri = format!("map-{id}");
    rig.watches
        .add(&ri, "/id-in/Cshop2", "/id-in/Cshop2", &[2], 1);
    let delete = rig.request(Operation::Delete, &format!("/id-ics/{ri}"));
    let outcome = rig.ask(&direct("shop2"), &delete).await;
    assert_eq!(refused(outcome).0, Rsc::NotFound);
    assert!(rig.watches.told.lock().unwrap().is_empty());
    assert!(rig.watches.ended.lock().unwrap().is_empty());
}
