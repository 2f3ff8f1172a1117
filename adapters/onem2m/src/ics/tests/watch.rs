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
    let sub = rig
        .watches
        .add(&ri, "/id-in/Cshop", "/id-in/Cshop", &[2], 1);
    rig.watches
        .add(&ri, "/id-in/Cshop", "/id-in/Cother", &[1], 1);
    let delete = rig.request(Operation::Delete, &format!("/id-ics/{ri}"));
    rig.ask(&direct("shop"), &delete).await.unwrap();
    let expected = json!({ "ics:idmap": {
        "ri": ri, "rn": ri, "ty": 28, "cnd": crate::ics::DEFINITION, "msta": 3,
    } });
    assert_eq!(*rig.watches.told.lock().unwrap(), [(sub, 2, expected)]);
    assert_eq!(*rig.watches.dropped.lock().unwrap(), [ri]);
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
    assert!(rig.watches.dropped.lock().unwrap().is_empty());
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
    assert_eq!(
        refused(rig.ask(&direct("shop2"), &delete).await).0,
        Rsc::NotFound
    );
    assert!(rig.watches.told.lock().unwrap().is_empty());
    assert!(rig.watches.dropped.lock().unwrap().is_empty());
}
