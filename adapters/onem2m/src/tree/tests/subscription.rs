use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{Rig, create, inner, originator};
use crate::outbound::{Unreachable, Via};
use crate::rsc::Rsc;
use crate::tree::Parent;

const URL: &str = "http://t.example/n";

fn sub(attributes: Value) -> Value {
    let mut sub = json!({});
    sub["m2m:sub"] = attributes;
    let members = &mut sub["m2m:sub"];
    if members.get("nu").is_none() {
        members["nu"] = json!([URL]);
    }
    sub
}

/// `ics/Cone/c`, watched by `s` with these attributes; its verification has been taken.
async fn rig_with(attributes: Value) -> Rig {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.made("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": { "rn": "c" } }))
        .await;
    let mut content = sub(attributes);
    content["m2m:sub"]["rn"] = json!("s");
    rig.made("Cone", (23, "ics/Cone/c"), content).await;
    let _ = rig.targets.next().await;
    rig
}

async fn update(rig: &Rig, attributes: Value) -> Rsc {
    rig.put("Cone", "ics/Cone/c", json!({ "m2m:cnt": attributes }))
        .await
        .0
}

async fn add(rig: &Rig, content: &str) {
    rig.made(
        "Cone",
        (4, "ics/Cone/c"),
        json!({ "m2m:cin": { "con": content } }),
    )
    .await;
}

#[tokio::test]
async fn a_target_is_asked_first_and_defaults_are_filled_in() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    let made = rig
        .made("Cone", (23, "ics/Cone"), sub(json!({ "rn": "s" })))
        .await;
    assert_eq!(made["enc"], json!({ "net": [1] }));
    assert_eq!(made["nct"], 1);
    assert_eq!(made["nu"], json!([URL]));
    assert_eq!(made.get("cr"), None);
    let (via, asked) = rig.targets.next().await;
    assert_eq!(via, Via::PointOfAccess(URL.into()));
    assert_eq!(
        (asked.to.as_str(), asked.from.as_deref()),
        (URL, Some("/id-ics"))
    );
    let sur = format!("/id-ics/{}", made["ri"].as_str().unwrap());
    let expected = json!({ "m2m:sgn": { "vrq": true, "sur": sur, "cr": "Cone" } });
    assert_eq!(asked.content.map(Value::Object), Some(expected));
}

#[tokio::test]
async fn a_target_that_does_not_confirm_is_not_notified() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    let failed = Rsc::SubscriptionVerificationFailed;
    for answer in [
        Err(Unreachable::Connection),
        Ok(Rsc::OriginatorHasNoPrivilege),
    ] {
        rig.targets.answer(URL, answer);
        let content = sub(json!({ "rn": "s" }));
        assert_eq!(
            rig.create("Cone", (23, "ics/Cone"), content).await.0,
            failed
        );
        assert_eq!(rig.get("Cone", "ics/Cone/s").await.0, Rsc::NotFound);
    }
    rig.targets.answer(URL, Ok(Rsc::Ok));
    rig.made("Cone", (23, "ics/Cone"), sub(json!({ "rn": "s" })))
        .await;
    rig.targets
        .answer("http://other.example", Err(Unreachable::Timeout));
    let other = json!({ "m2m:sub": { "nu": [URL, "http://other.example"] } });
    assert_eq!(rig.put("Cone", "ics/Cone/s", other).await.0, failed);
    assert_eq!(rig.shown("Cone", "ics/Cone/s").await["nu"], json!([URL]));
}

#[tokio::test]
async fn only_what_is_new_is_asked_in_an_update() {
    let rig = rig_with(json!({})).await;
    let more = json!({ "m2m:sub": { "nu": [URL, "http://other.example"] } });
    assert_eq!(rig.put("Cone", "ics/Cone/c/s", more).await.0, Rsc::Updated);
    let asked = rig.targets.all();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].to, "http://other.example");
}

#[tokio::test]
async fn targets_are_urls_aes_and_who_is_behind_the_registrar() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let unreachable =
        json!({ "m2m:ae": { "rn": "Cmute", "api": "N.t", "rr": false, "srv": ["4"] } });
    rig.made("Cmute", (2, "ics"), unreachable).await;
    let failed = Rsc::SubscriptionVerificationFailed;
    let rows = [
        ("its own AE-ID", "Cone", Rsc::Created, 0),
        ("its own AE", "ics/Cone", Rsc::Created, 0),
        ("its own, SP-relative", "/id-ics/Cone", Rsc::Created, 0),
        ("another AE", "Ctwo", Rsc::Created, 1),
        ("a remote AE", "/id-in/Cfar", Rsc::Created, 1),
        ("an AE that cannot be called", "Cmute", failed, 0),
        ("nobody", "Cnobody", failed, 0),
        ("a container", "ics/map", failed, 0),
        ("ourselves", "ics", Rsc::BadRequest, 0),
        ("ourselves by CSE-ID", "/id-ics", Rsc::BadRequest, 0),
        (
            "our point of access",
            "http://ics.example:8000",
            Rsc::BadRequest,
            0,
        ),
        (
            "below it",
            "HTTP://ICS.example:8000/ics/x",
            Rsc::BadRequest,
            0,
        ),
        ("beside it", "http://ics.example:80001", Rsc::Created, 1),
    ];
    for (said, nu, rsc, asked) in rows {
        let content = sub(json!({ "nu": [nu] }));
        assert_eq!(
            rig.create("Cone", (23, "ics/Cone"), content).await.0,
            rsc,
            "{said}"
        );
        assert_eq!(rig.targets.all().len(), asked, "{said}");
        for _ in 0..asked {
            let _ = rig.targets.next().await;
        }
    }
    // One that cannot be called may subscribe for itself, and is not told.
    let own = sub(json!({ "nu": ["Cmute"] }));
    assert_eq!(
        rig.create("Cmute", (23, "ics/Cmute"), own).await.0,
        Rsc::Created
    );
}

#[tokio::test]
async fn an_ae_is_told_at_its_point_of_access_in_the_release_it_speaks() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.made("Cone", (23, "ics/Cone"), sub(json!({ "nu": ["Cone"] })))
        .await;
    rig.put("Cone", "ics/Cone", json!({ "m2m:ae": { "lbl": ["a"] } }))
        .await;
    let (via, told) = rig.targets.next().await;
    assert_eq!(via, Via::PointOfAccess("http://Cone.example".into()));
    assert_eq!(told.to, "http://Cone.example");
    assert_eq!(told.release.as_deref(), Some("3"));
    rig.made(
        "Cone",
        (23, "ics/Cone"),
        sub(json!({ "nu": ["/id-in/Cfar"] })),
    )
    .await;
    let (via, asked) = rig.targets.next().await;
    assert_eq!((via, asked.to.as_str()), (Via::Registrar, "/id-in/Cfar"));
}

#[tokio::test]
async fn an_update_is_told_as_wanted() {
    let all = rig_with(json!({ "enc": { "net": [1] }, "nct": 1 })).await;
    update(&all, json!({ "lbl": ["a"], "mni": 3 })).await;
    let told = all.targets.next_content().await;
    let event = &told["m2m:sgn"]["nev"];
    assert_eq!(event["net"], 1);
    assert_eq!(event["rep"]["m2m:cnt"]["lbl"], json!(["a"]));
    assert_eq!(event["rep"]["m2m:cnt"]["ty"], 3);
    assert_eq!(told["m2m:sgn"].get("cr"), None);

    let modified = rig_with(json!({ "nct": 2 })).await;
    update(&modified, json!({ "lbl": ["a"] })).await;
    update(&modified, json!({ "lbl": ["a"] })).await;
    for _ in 0..2 {
        let told = modified.targets.next_content().await;
        assert_eq!(
            told["m2m:sgn"]["nev"]["rep"],
            json!({ "m2m:cnt": { "lbl": ["a"] } })
        );
    }

    let by_id = rig_with(json!({ "nct": 3 })).await;
    update(&by_id, json!({ "lbl": ["a"] })).await;
    let told = by_id.targets.next_content().await;
    let ri = by_id.shown("Cone", "ics/Cone/c").await["ri"].clone();
    let uri = format!("/id-ics/{}", ri.as_str().unwrap());
    assert_eq!(told["m2m:sgn"]["nev"]["rep"], json!({ "m2m:uri": uri }));
}

#[tokio::test]
async fn each_event_is_told_to_whom_it_concerns() {
    for net in 1..=4_u64 {
        let rig = rig_with(json!({ "enc": { "net": [net] } })).await;
        update(&rig, json!({ "lbl": ["a"] })).await;
        add(&rig, "x").await;
        assert_eq!(rig.delete("Cone", "ics/Cone/c/la").await, Rsc::Deleted);
        assert_eq!(rig.delete("Cone", "ics/Cone/c").await, Rsc::Deleted);
        let told = rig.targets.next_content().await;
        assert_eq!(told["m2m:sgn"]["nev"]["net"], net);
        let expected = if net < 3 { "m2m:cnt" } else { "m2m:cin" };
        assert!(
            told["m2m:sgn"]["nev"]["rep"].get(expected).is_some(),
            "{told}"
        );
        assert!(rig.targets.all().is_empty(), "{net}");
    }
}

#[tokio::test]
async fn notifications_come_in_their_order_and_with_the_creator_if_wanted() {
    let rig = rig_with(json!({ "enc": { "net": [3] }, "cr": null })).await;
    assert_eq!(rig.shown("Cone", "ics/Cone/c/s").await["cr"], "Cone");
    for n in 0..20 {
        add(&rig, &n.to_string()).await;
    }
    for n in 0..20 {
        let told = rig.targets.next_content().await;
        assert_eq!(
            told["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"],
            n.to_string()
        );
        assert_eq!(told["m2m:sgn"]["cr"], "Cone");
    }
}

#[tokio::test]
async fn attributes_and_child_types_narrow_what_is_told() {
    let rig = rig_with(json!({ "enc": { "net": [1], "atr": ["lbl"] } })).await;
    update(&rig, json!({ "mni": 3 })).await;
    update(&rig, json!({ "lbl": ["a"] })).await;
    let told = rig.targets.next_content().await;
    assert_eq!(
        told["m2m:sgn"]["nev"]["rep"]["m2m:cnt"]["lbl"],
        json!(["a"])
    );
    assert!(rig.targets.all().is_empty());

    let rig = rig_with(json!({ "enc": { "net": [3], "chty": [3] } })).await;
    add(&rig, "x").await;
    rig.made("Cone", (3, "ics/Cone/c"), json!({ "m2m:cnt": {} }))
        .await;
    let told = rig.targets.next_content().await;
    assert!(told["m2m:sgn"]["nev"]["rep"].get("m2m:cnt").is_some());
}

#[tokio::test]
async fn instances_that_make_room_are_not_told_of() {
    let rig = rig_with(json!({ "enc": { "net": [4] } })).await;
    update(&rig, json!({ "mni": 1 })).await;
    add(&rig, "1").await;
    add(&rig, "2").await;
    assert_eq!(rig.delete("Cone", "ics/Cone/c/la").await, Rsc::Deleted);
    let told = rig.targets.next_content().await;
    assert_eq!(told["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"], "2");
    assert!(rig.targets.all().is_empty());
}

#[tokio::test]
async fn what_a_subscription_cannot_ask_for_is_refused() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let rows = [
        ("no target", json!({ "nu": [] }), Rsc::BadRequest),
        (
            "a target that is no text",
            json!({ "nu": [1] }),
            Rsc::BadRequest,
        ),
        (
            "nct 2 for children",
            json!({ "nct": 2, "enc": { "net": [3] } }),
            Rsc::BadRequest,
        ),
        ("nct 4", json!({ "nct": 4 }), Rsc::BadRequest),
        ("no event", json!({ "enc": { "net": [] } }), Rsc::BadRequest),
        (
            "an event that is none",
            json!({ "enc": { "net": [99] } }),
            Rsc::BadRequest,
        ),
        (
            "missing data",
            json!({ "enc": { "net": [8] } }),
            Rsc::BadRequest,
        ),
        (
            "blocking beside others",
            json!({ "enc": { "net": [1, 7] } }),
            Rsc::BadRequest,
        ),
        (
            "blocking",
            json!({ "nct": 2, "enc": { "net": [7] } }),
            Rsc::NotImplemented,
        ),
        (
            "empty containers",
            json!({ "enc": { "net": [5] } }),
            Rsc::NotImplemented,
        ),
        (
            "a child type not there",
            json!({ "enc": { "net": [3], "chty": [2] } }),
            Rsc::BadRequest,
        ),
        (
            "an unknown condition",
            json!({ "enc": { "xyz": 1 } }),
            Rsc::BadRequest,
        ),
        (
            "a condition not done",
            json!({ "enc": { "sza": 1 } }),
            Rsc::NotImplemented,
        ),
        ("exc 0", json!({ "exc": 0 }), Rsc::BadRequest),
        ("statistics", json!({ "nse": true }), Rsc::NotImplemented),
        ("a rate", json!({ "rl": {} }), Rsc::NotImplemented),
        ("a batch of nothing", json!({ "bn": {} }), Rsc::BadRequest),
        ("a creator's name", json!({ "cr": "x" }), Rsc::BadRequest),
        ("su to ourselves", json!({ "su": "ics" }), Rsc::BadRequest),
    ];
    for (said, attributes, rsc) in rows {
        let content = sub(attributes);
        assert_eq!(
            rig.create("Cone", (23, "ics/Cone"), content).await.0,
            rsc,
            "{said}"
        );
    }
    assert!(rig.targets.all().is_empty(), "nobody was asked");
    let denied = Rsc::OriginatorHasNoPrivilege;
    assert_eq!(
        rig.create("Ctwo", (23, "ics/Cone"), sub(json!({}))).await.0,
        denied
    );
    let instance = rig
        .made("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": { "rn": "c" } }))
        .await;
    rig.made(
        "Cone",
        (4, "ics/Cone/c"),
        json!({ "m2m:cin": { "con": "x", "rn": "i" } }),
    )
    .await;
    assert_eq!(instance["ty"], 3);
    let below = rig
        .create("Cone", (23, "ics/Cone/c/i"), sub(json!({})))
        .await;
    assert_eq!(below.0, Rsc::TargetNotSubscribable);
}

#[tokio::test]
async fn to_watch_one_has_to_be_let_read() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let policy = |operations: u8| {
        json!({ "m2m:acp": { "rn": format!("p{operations}"),
            "pv": { "acr": [{ "acor": ["Ctwo"], "acop": operations }] },
            "pvs": { "acr": [{ "acor": ["Cone"], "acop": 63 }] } } })
    };
    for operations in [1, 3] {
        rig.made("Cone", (1, "ics/Cone"), policy(operations)).await;
        let container = json!({ "m2m:cnt": { "rn": format!("c{operations}"),
            "acpi": [format!("ics/Cone/p{operations}")] } });
        rig.made("Cone", (3, "ics/Cone"), container).await;
    }
    let refused = rig
        .create("Ctwo", (23, "ics/Cone/c1"), sub(json!({})))
        .await;
    assert_eq!(refused.0, Rsc::SubscriptionCreatorHasNoPrivilege);
    let made = rig
        .made("Ctwo", (23, "ics/Cone/c3"), sub(json!({ "rn": "s" })))
        .await;
    let _ = rig.targets.next().await;
    assert_eq!(made["rn"], "s");
    // Where notifications go is its creator's alone to see.
    assert_eq!(
        rig.get("Cone", "ics/Cone/c3/s").await.0,
        Rsc::OriginatorHasNoPrivilege
    );
    assert_eq!(rig.get("Ctwo", "ics/Cone/c3/s").await.0, Rsc::Ok);
    // Who may not read any more is not told any more.
    let none = json!({ "m2m:acp": { "pv": { "acr": [{ "acor": ["Cone"], "acop": 63 }] } } });
    assert_eq!(rig.put("Cone", "ics/Cone/p3", none).await.0, Rsc::Updated);
    let update = json!({ "m2m:cnt": { "lbl": ["a"] } });
    assert_eq!(rig.put("Cone", "ics/Cone/c3", update).await.0, Rsc::Updated);
    let own = rig.made("Cone", (23, "ics/Cone/c3"), sub(json!({}))).await;
    let asked = rig.targets.next_content().await;
    assert!(
        asked.to_string().contains(own["ri"].as_str().unwrap()),
        "nothing came before"
    );
}

#[tokio::test]
async fn a_subscription_is_updated_within_its_table() {
    let rig = rig_with(json!({ "enc": { "net": [3] } })).await;
    let put = async |attributes: Value| {
        let content = json!({ "m2m:sub": attributes });
        let (rsc, answer) = rig.put("Cone", "ics/Cone/c/s", content).await;
        (
            rsc,
            if rsc == Rsc::Updated {
                inner(&answer)
            } else {
                Value::Null
            },
        )
    };
    let (rsc, shown) = put(json!({ "exc": 5 })).await;
    assert_eq!((rsc, &shown["exc"]), (Rsc::Updated, &json!(5)));
    let (rsc, shown) = put(json!({ "enc": null })).await;
    assert_eq!((rsc, &shown["enc"]["net"]), (Rsc::Updated, &json!([1])));
    for refused in [
        json!({ "nu": null }),
        json!({ "su": "x" }),
        json!({ "ty": 23 }),
        json!({ "enc": { "net": [3], "chty": [2] } }),
        json!({ "nu": ["ics"] }),
    ] {
        assert_eq!(put(refused).await.0, Rsc::BadRequest);
    }
}

#[tokio::test]
async fn the_end_of_a_subscription_is_told_before_the_answer() {
    let su = "http://su.example";
    let rig = rig_with(json!({ "su": su })).await;
    let ri = rig.shown("Cone", "ics/Cone/c/s").await["ri"].clone();
    let expected = json!({ "m2m:sgn": { "sud": true,
        "sur": format!("/id-ics/{}", ri.as_str().unwrap()) } });
    assert_eq!(rig.delete("Cone", "ics/Cone/c/s").await, Rsc::Deleted);
    let told = rig.targets.all();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to, su);
    assert_eq!(told[0].content.clone().map(Value::Object), Some(expected));

    let rig = rig_with(json!({ "su": su, "cr": null })).await;
    assert_eq!(rig.delete("Cone", "ics/Cone").await, Rsc::Deleted);
    let told = rig.targets.next_content().await;
    assert_eq!(
        (&told["m2m:sgn"]["sud"], &told["m2m:sgn"]["cr"]),
        (&json!(true), &json!("Cone"))
    );
}

#[tokio::test]
async fn a_subscription_ends_after_so_many_notifications() {
    let rig = rig_with(json!({ "exc": 2 })).await;
    for n in 0..3 {
        update(&rig, json!({ "lbl": [n.to_string()] })).await;
        let left = rig.get("Cone", "ics/Cone/c/s").await;
        match n {
            0 => assert_eq!(left.1["m2m:sub"]["exc"], 1),
            _ => assert_eq!(left.0, Rsc::NotFound),
        }
    }
    for n in 0..2 {
        let told = rig.targets.next_content().await;
        assert_eq!(
            told["m2m:sgn"]["nev"]["rep"]["m2m:cnt"]["lbl"],
            json!([n.to_string()])
        );
    }
    assert!(rig.targets.all().is_empty());
}

#[tokio::test]
async fn batches_are_sent_whole() {
    let rig = rig_with(json!({ "bn": { "num": 3 }, "enc": { "net": [3] } })).await;
    let shown = rig.shown("Cone", "ics/Cone/c/s").await;
    assert_eq!(shown["bn"], json!({ "num": 3, "dur": "PT10S" }));
    for content in ["1", "2", "3", "4"] {
        add(&rig, content).await;
    }
    let told = rig.targets.next_content().await;
    let batch = told["m2m:agn"]["m2m:sgn"].as_array().unwrap();
    let contents: Vec<_> = batch
        .iter()
        .map(|one| &one["nev"]["rep"]["m2m:cin"]["con"])
        .collect();
    assert_eq!(contents, ["1", "2", "3"]);
    assert_eq!(rig.delete("Cone", "ics/Cone/c/s").await, Rsc::Deleted);
    let rest = rig.targets.next_content().await;
    assert_eq!(
        rest["m2m:agn"]["m2m:sgn"][0]["nev"]["rep"]["m2m:cin"]["con"],
        "4"
    );
}

#[tokio::test]
async fn the_latest_of_a_batch_alone_is_sent_if_wanted() {
    let batch = json!({ "bn": { "num": 3 }, "ln": true, "enc": { "net": [3] } });
    let rig = rig_with(batch).await;
    for content in ["1", "2", "3"] {
        add(&rig, content).await;
    }
    let told = rig.targets.next_content().await;
    let batch = told["m2m:agn"]["m2m:sgn"].as_array().unwrap();
    assert_eq!(batch.len(), 1);
    assert_eq!(batch[0]["nev"]["rep"]["m2m:cin"]["con"], "3");
}

#[tokio::test]
async fn a_batch_does_not_wait_longer_than_it_says() {
    let rig = rig_with(json!({ "bn": { "dur": "PT0.01S" }, "enc": { "net": [3] } })).await;
    add(&rig, "1").await;
    let told = rig.targets.next_content().await;
    assert_eq!(told["m2m:agn"]["m2m:sgn"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_does_not_arrive_is_sent_again_a_few_times() {
    let rig = rig_with(json!({ "enc": { "net": [3] } })).await;
    rig.targets.answer(URL, Err(Unreachable::Connection));
    add(&rig, "1").await;
    for _ in 0..3 {
        let told = rig.targets.next_content().await;
        assert_eq!(told["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"], "1");
    }
    rig.targets.answer(URL, Ok(Rsc::Ok));
    add(&rig, "2").await;
    let told = rig.targets.next_content().await;
    assert_eq!(told["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"], "2");
}

#[tokio::test]
async fn rows_of_the_ics_are_watched_too() {
    let rig = Rig::new().await;
    let parent = Parent {
        ri: "map-17",
        path: "ics/map/map-17",
    };
    let who = originator("/id-in/Cshop");
    let nu = json!({ "nu": ["/id-in/Cshop"], "enc": { "net": [1, 2] }, "rn": "s" });
    let make = || create(23, "ics/map/map-17", sub(nu.clone()));
    let made = rig
        .tree
        .subscribe_at(&parent, &who, &make(), rig.now())
        .await
        .unwrap();
    assert_eq!(made.location.as_deref(), Some("/id-ics/ics/map/map-17/s"));
    let again = rig
        .tree
        .subscribe_at(&parent, &who, &make(), rig.now())
        .await
        .unwrap_err();
    assert_eq!(again.rsc, Rsc::Conflict);
    let rig = rig.reopen().await.unwrap();
    let watches = rig.tree.subscriptions_of("map-17");
    assert_eq!(watches.len(), 1);
    assert_eq!(watches[0].creator, "/id-in/Cshop");
    assert_eq!((&watches[0].net, watches[0].nct), (&vec![1, 2], 1));
    for to in [&watches[0].ri, "ics/map/map-17/s", "/id-ics/map-17/s"] {
        assert_eq!(rig.get("/id-in/Cshop", to).await.0, Rsc::Ok, "{to}");
        assert_eq!(
            rig.get("/id-in/Cother", to).await.0,
            Rsc::OriginatorHasNoPrivilege,
            "{to}"
        );
    }
    assert_eq!(
        rig.get("/id-in/Cshop", "ics/inq/map-17/s").await.0,
        Rsc::NotFound
    );
    rig.tree.tell(&watches[0].ri, 2, json!({ "ics:idmap": {} }));
    let (via, told) = rig.targets.next().await;
    assert_eq!((via, told.to.as_str()), (Via::Registrar, "/id-in/Cshop"));
    let told = Value::Object(told.content.unwrap());
    assert_eq!(
        told["m2m:sgn"]["nev"],
        json!({ "net": 2, "rep": { "ics:idmap": {} } })
    );
    assert_eq!(rig.delete("CAdmin", &watches[0].ri).await, Rsc::Deleted);
    assert!(rig.tree.subscriptions_of("map-17").is_empty());
    assert!(rig.shelf.records().is_empty());
}

#[tokio::test]
async fn a_collection_of_the_ics_is_watched_by_whom_the_ics_lets() {
    let rig = Rig::new().await;
    let parent = Parent {
        ri: "pnd",
        path: "ics/pnd",
    };
    let who = originator("/id-in/Ciot");
    let make = create(
        23,
        "ics/pnd",
        sub(json!({ "enc": { "net": [3] }, "rn": "s" })),
    );
    rig.tree
        .subscribe_at(&parent, &who, &make, rig.now())
        .await
        .unwrap();
    assert_eq!(rig.tree.subscriptions_of("pnd").len(), 1);
    assert_eq!(rig.get("/id-in/Ciot", "ics/pnd/s").await.0, Rsc::Ok);
    let rig = rig.reopen().await.unwrap();
    assert_eq!(rig.tree.subscriptions_of("pnd").len(), 1);
    rig.pass(Duration::from_secs(400 * 86_400));
    assert!(rig.tree.subscriptions_of("pnd").is_empty());
}

#[tokio::test]
async fn a_resource_is_watched_by_so_many_and_no_more() {
    let rig = rig_with(json!({})).await;
    for _ in 1..64 {
        rig.made("Cone", (23, "ics/Cone/c"), sub(json!({ "nu": ["Cone"] })))
            .await;
    }
    let more = rig
        .create("Cone", (23, "ics/Cone/c"), sub(json!({ "nu": ["Cone"] })))
        .await;
    assert_eq!(more.0, Rsc::OriginatorHasNoPrivilege);
}
