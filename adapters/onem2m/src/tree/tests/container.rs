use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{Rig, create, inner, request, with_query};
use crate::primitive::Operation;
use crate::rsc::Rsc;

/// An AE `Cone` with a container `c` that has these attributes.
async fn rig_with(attributes: Value) -> Rig {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    let mut container = json!({ "m2m:cnt": attributes });
    container["m2m:cnt"]["rn"] = json!("c");
    rig.made("Cone", (3, "ics/Cone"), container).await;
    rig
}

fn cin(content: &str) -> Value {
    json!({ "m2m:cin": { "con": content } })
}

async fn add(rig: &Rig, content: &str) -> Value {
    rig.made("Cone", (4, "ics/Cone/c"), cin(content)).await
}

async fn newest_and_oldest(rig: &Rig) -> (Value, Value) {
    let latest = rig.shown("Cone", "ics/Cone/c/la").await;
    let oldest = rig.shown("Cone", "ics/Cone/c/ol").await;
    (latest["con"].clone(), oldest["con"].clone())
}

#[tokio::test]
async fn a_new_container_is_empty() {
    let rig = rig_with(json!({})).await;
    let shown = rig.shown("Cone", "ics/Cone/c").await;
    assert_eq!(shown["ty"], 3);
    assert_eq!(shown["pi"], "Cone");
    assert_eq!(
        (&shown["st"], &shown["cni"], &shown["cbs"]),
        (&json!(0), &json!(0), &json!(0))
    );
    for absent in ["cr", "lbl", "mni", "mbs", "mia", "acpi"] {
        assert_eq!(shown.get(absent), None, "{absent}");
    }
    let unnamed = rig
        .made("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": {} }))
        .await;
    let path = format!("ics/Cone/{}", unnamed["rn"].as_str().unwrap());
    assert_eq!(rig.shown("Cone", &path).await["ri"], unnamed["ri"]);
    assert_eq!(rig.get("Cone", "ics/Cone/c/la").await.0, Rsc::NotFound);
    assert_eq!(rig.get("Cone", "ics/Cone/c/ol").await.0, Rsc::NotFound);
}

#[tokio::test]
async fn what_is_no_container_is_refused() {
    let rig = rig_with(json!({})).await;
    let rows = [
        ("taken", json!({ "m2m:cnt": { "rn": "c" } }), Rsc::Conflict),
        ("another member", json!({ "wrong": {} }), Rsc::BadRequest),
        ("no object", json!({ "m2m:cnt": 1 }), Rsc::BadRequest),
        (
            "a creator's name",
            json!({ "m2m:cnt": { "cr": "wrong" } }),
            Rsc::BadRequest,
        ),
        (
            "below zero",
            json!({ "m2m:cnt": { "mni": -1 } }),
            Rsc::BadRequest,
        ),
        (
            "a fraction",
            json!({ "m2m:cnt": { "mni": 1.5 } }),
            Rsc::BadRequest,
        ),
        (
            "null",
            json!({ "m2m:cnt": { "mni": null } }),
            Rsc::BadRequest,
        ),
        ("cni", json!({ "m2m:cnt": { "cni": 1 } }), Rsc::BadRequest),
        (
            "et in the past",
            json!({ "m2m:cnt": { "et": "20261121T195959" } }),
            Rsc::BadRequest,
        ),
        (
            "et that is none",
            json!({ "m2m:cnt": { "et": "tomorrow" } }),
            Rsc::BadRequest,
        ),
        (
            "announced",
            json!({ "m2m:cnt": { "at": ["/id-in"] } }),
            Rsc::NotImplemented,
        ),
    ];
    for (said, content, rsc) in rows {
        assert_eq!(
            rig.create("Cone", (3, "ics/Cone"), content).await.0,
            rsc,
            "{said}"
        );
    }
    let made = rig
        .made(
            "Cone",
            (3, "ics/Cone"),
            json!({ "m2m:cnt": { "mni": 2.0 } }),
        )
        .await;
    assert_eq!(made["mni"], json!(2));
    let made = rig
        .made(
            "Cone",
            (3, "ics/Cone"),
            json!({ "m2m:cnt": { "cr": null } }),
        )
        .await;
    assert_eq!(made["cr"], "Cone");
    assert_eq!(
        rig.create("Cone", (3, "ics"), json!({ "m2m:cnt": {} }))
            .await
            .0,
        Rsc::OriginatorHasNoPrivilege
    );
    rig.made("CAdmin", (3, "ics"), json!({ "m2m:cnt": {} }))
        .await;
    rig.made("Cone", (3, "ics/Cone/c"), json!({ "m2m:cnt": {} }))
        .await;
}

#[tokio::test]
async fn a_container_counts_its_updates() {
    let rig = rig_with(json!({})).await;
    let update = json!({ "m2m:cnt": { "lbl": ["a"], "mni": 10, "mbs": 9999 } });
    let (rsc, answer) = rig.put("Cone", "ics/Cone/c", update).await;
    assert_eq!(rsc, Rsc::Updated);
    let shown = &answer["m2m:cnt"];
    assert_eq!(
        (&shown["st"], &shown["mni"], &shown["mbs"]),
        (&json!(1), &json!(10), &json!(9999))
    );
    let (rsc, answer) = rig
        .put("Cone", "ics/Cone/c", json!({ "m2m:cnt": {} }))
        .await;
    assert_eq!((rsc, &answer["m2m:cnt"]["st"]), (Rsc::Updated, &json!(2)));
    let (_, answer) = rig
        .put("Cone", "ics/Cone/c", json!({ "m2m:cnt": { "mni": null } }))
        .await;
    assert_eq!(answer["m2m:cnt"].get("mni"), None);
    for refused in [
        json!({ "ty": 3 }),
        json!({ "pi": "x" }),
        json!({ "st": 7 }),
        json!({ "unknown": 1 }),
        json!({ "mni": -1 }),
        json!({ "cr": null }),
    ] {
        let (rsc, _) = rig
            .put("Cone", "ics/Cone/c", json!({ "m2m:cnt": refused }))
            .await;
        assert_eq!(rsc, Rsc::BadRequest);
    }
}

#[tokio::test]
async fn an_instance_comes_back_as_it_was_sent() {
    let rig = rig_with(json!({})).await;
    for content in [
        json!("text"),
        json!(23),
        json!(2.5),
        json!(true),
        json!([1]),
        json!({"a":1}),
    ] {
        let sent = json!({ "m2m:cin": { "con": content, "cnf": "text/plain:0" } });
        rig.made("Cone", (4, "ics/Cone/c"), sent).await;
        let shown = rig.shown("Cone", "ics/Cone/c/la").await;
        assert_eq!(shown["con"], content);
        assert_eq!(shown["cnf"], "text/plain:0");
        assert!(shown["cs"].as_u64() > Some(0));
        assert!(shown.get("cr").is_none() && shown.get("acpi").is_none());
        assert_eq!(shown["ty"], 4);
    }
    let container = rig.shown("Cone", "ics/Cone/c").await;
    assert_eq!(
        (&container["st"], &container["cni"]),
        (&json!(6), &json!(6))
    );
    let last = rig.shown("Cone", "ics/Cone/c/la").await;
    assert_eq!(last["st"], json!(6));
}

#[tokio::test]
async fn what_is_no_instance_is_refused() {
    let rig = rig_with(json!({})).await;
    let with = |name: &str, value: Value| {
        let mut cin = cin("x");
        cin["m2m:cin"][name] = value;
        cin
    };
    let large = "x".repeat((64 << 10) + 1);
    let rows = [
        ("no content", json!({ "m2m:cin": {} }), Rsc::BadRequest),
        (
            "null",
            json!({ "m2m:cin": { "con": null } }),
            Rsc::BadRequest,
        ),
        ("policies", with("acpi", json!(["x"])), Rsc::BadRequest),
        (
            "a creator's name",
            with("cr", json!("wrong")),
            Rsc::BadRequest,
        ),
        ("cnf", with("cnf", json!("text")), Rsc::BadRequest),
        (
            "cnf with encoding alone",
            with("cnf", json!("text:0")),
            Rsc::BadRequest,
        ),
        (
            "cnf without encoding",
            with("cnf", json!("text/plain")),
            Rsc::BadRequest,
        ),
        (
            "cnf with too much",
            with("cnf", json!("text/plain:0:0:0")),
            Rsc::BadRequest,
        ),
        (
            "cnf with no encoding",
            with("cnf", json!("text/plain:9")),
            Rsc::BadRequest,
        ),
        ("dcnt 0", with("dcnt", json!(0)), Rsc::BadRequest),
        ("cs", with("cs", json!(1)), Rsc::BadRequest),
        ("too large", cin(&large), Rsc::NotAcceptable),
    ];
    for (said, content, rsc) in rows {
        assert_eq!(
            rig.create("Cone", (4, "ics/Cone/c"), content).await.0,
            rsc,
            "{said}"
        );
    }
    assert_eq!(
        rig.create("Cone", (4, "ics/Cone"), cin("x")).await.0,
        Rsc::InvalidChildType
    );
    let made = rig
        .made("Cone", (4, "ics/Cone/c"), with("cr", json!(null)))
        .await;
    assert_eq!(made["cr"], "Cone");
    let ri = made["ri"].as_str().unwrap();
    let update = json!({ "m2m:cin": { "lbl": ["a"] } });
    assert_eq!(
        rig.put("Cone", ri, update.clone()).await.0,
        Rsc::OperationNotAllowed
    );
    assert_eq!(
        rig.put("Cone", "ics/Cone/c/la", update).await.0,
        Rsc::OperationNotAllowed
    );
    assert_eq!(
        rig.create("Cone", (4, "ics/Cone/c/la"), cin("x")).await.0,
        Rsc::OperationNotAllowed
    );
}

#[tokio::test]
async fn more_than_mni_pushes_out_the_oldest() {
    let rig = rig_with(json!({ "mni": 3 })).await;
    for content in ["1", "2", "3", "4"] {
        add(&rig, content).await;
    }
    assert_eq!(rig.shown("Cone", "ics/Cone/c").await["cni"], 3);
    assert_eq!(newest_and_oldest(&rig).await, (json!("4"), json!("2")));
    let (_, answer) = rig
        .put("Cone", "ics/Cone/c", json!({ "m2m:cnt": { "mni": 1 } }))
        .await;
    assert_eq!(
        (&answer["m2m:cnt"]["mni"], &answer["m2m:cnt"]["cni"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(answer["m2m:cnt"]["cbs"], 1);
    assert_eq!(newest_and_oldest(&rig).await, (json!("4"), json!("4")));
    rig.put("Cone", "ics/Cone/c", json!({ "m2m:cnt": { "mni": 0 } }))
        .await;
    assert_eq!(
        rig.create("Cone", (4, "ics/Cone/c"), cin("x")).await.0,
        Rsc::NotAcceptable
    );
}

#[tokio::test]
async fn more_than_mbs_pushes_out_the_oldest_and_alone_is_refused() {
    let rig = rig_with(json!({ "mbs": 30 })).await;
    let too_much = rig
        .create("Cone", (4, "ics/Cone/c"), cin(&"x".repeat(31)))
        .await;
    assert_eq!(too_much.0, Rsc::NotAcceptable);
    add(&rig, &"x".repeat(30)).await;
    for content in ["1234567890", "2234567890", "3234567890"] {
        add(&rig, content).await;
    }
    let shown = rig.shown("Cone", "ics/Cone/c").await;
    assert_eq!((&shown["cni"], &shown["cbs"]), (&json!(3), &json!(30)));
}

#[tokio::test]
async fn la_and_ol_are_deleted_as_what_they_stand_for() {
    let rig = rig_with(json!({})).await;
    for content in ["1", "2", "3", "4"] {
        add(&rig, content).await;
    }
    assert_eq!(rig.delete("Cone", "ics/Cone/c/la").await, Rsc::Deleted);
    assert_eq!(rig.delete("Cone", "ics/Cone/c/ol").await, Rsc::Deleted);
    assert_eq!(newest_and_oldest(&rig).await, (json!("3"), json!("2")));
    let shown = rig.shown("Cone", "ics/Cone/c").await;
    assert_eq!((&shown["cni"], &shown["cbs"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn what_has_expired_is_gone_at_once() {
    let rig = rig_with(json!({})).await;
    let et = rig.in_seconds(10);
    let content = json!({ "m2m:cin": { "con": "short", "et": et } });
    rig.made("Cone", (4, "ics/Cone/c"), content).await;
    add(&rig, "long").await;
    let inner_et = rig.in_seconds(20);
    let container = json!({ "m2m:cnt": { "rn": "d", "et": inner_et } });
    rig.made("Cone", (3, "ics/Cone"), container).await;
    let child = rig.made("Cone", (4, "ics/Cone/d"), cin("x")).await;
    assert_eq!(child["et"], json!(inner_et), "no later than the parent");
    rig.pass(Duration::from_secs(10));
    assert_eq!(
        newest_and_oldest(&rig).await,
        (json!("long"), json!("long"))
    );
    assert_eq!(rig.shown("Cone", "ics/Cone/c").await["cni"], 1);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.get("Cone", "ics/Cone/d").await.0, Rsc::NotFound);
    assert_eq!(
        rig.get("Cone", child["ri"].as_str().unwrap()).await.0,
        Rsc::NotFound
    );
    let before = rig.shelf.records().len();
    rig.tree.sweep(rig.now()).await.unwrap();
    assert_eq!(rig.shelf.records().len(), before - 3);
    // Its name is free again.
    rig.made("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": { "rn": "d" } }))
        .await;
}

#[tokio::test]
async fn an_expiration_is_lowered_to_what_may_be_and_comes_back_with_null() {
    let rig = rig_with(json!({ "et": "99991231T235959" })).await;
    let default = rig.shown("Cone", "ics/Cone").await["et"].clone();
    assert_eq!(rig.shown("Cone", "ics/Cone/c").await["et"], default);
    let soon = rig.in_seconds(60);
    let (_, answer) = rig
        .put("Cone", "ics/Cone/c", json!({ "m2m:cnt": { "et": soon } }))
        .await;
    assert_eq!(answer["m2m:cnt"]["et"], json!(soon));
    let (_, answer) = rig
        .put("Cone", "ics/Cone/c", json!({ "m2m:cnt": { "et": null } }))
        .await;
    assert_eq!(answer["m2m:cnt"]["et"], default);
}

#[tokio::test]
async fn instances_live_no_longer_than_mia() {
    let rig = rig_with(json!({ "mia": 2 })).await;
    add(&rig, "1").await;
    rig.pass(Duration::from_secs(1));
    add(&rig, "2").await;
    rig.pass(Duration::from_secs(1));
    assert_eq!(newest_and_oldest(&rig).await, (json!("2"), json!("2")));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.get("Cone", "ics/Cone/c/la").await.0, Rsc::NotFound);
    assert_eq!(rig.shown("Cone", "ics/Cone/c").await["cni"], 0);
}

#[tokio::test]
async fn an_instance_that_counts_its_retrievals_goes_with_the_last() {
    let rig = rig_with(json!({})).await;
    let counted = json!({ "m2m:cin": { "con": "x", "dcnt": 3 } });
    let made = rig.made("Cone", (4, "ics/Cone/c"), counted).await;
    let ri = made["ri"].as_str().unwrap();
    for left in [3, 2, 1] {
        assert_eq!(rig.shown("Cone", ri).await["dcnt"], left);
    }
    assert_eq!(rig.get("Cone", ri).await.0, Rsc::NotFound);
    assert_eq!(rig.shown("Cone", "ics/Cone/c").await["cni"], 0);
}

#[tokio::test]
async fn with_retrieval_disabled_instances_are_neither_read_nor_found() {
    let rig = rig_with(json!({ "disr": true })).await;
    let made = add(&rig, "x").await;
    for to in [
        made["ri"].as_str().unwrap(),
        "ics/Cone/c/la",
        "ics/Cone/c/ol",
    ] {
        assert_eq!(
            rig.get("Cone", to).await.0,
            Rsc::OperationNotAllowed,
            "{to}"
        );
        assert_eq!(
            rig.delete("Cone", to).await,
            Rsc::OperationNotAllowed,
            "{to}"
        );
    }
    let (_, found) = rig.query("Cone", "ics/Cone/c", "rcn=6").await;
    assert_eq!(found, json!({ "m2m:rrl": { "rrf": [] } }));
    assert_eq!(
        rig.delete("Cone", "ics/Cone/c").await,
        Rsc::OperationNotAllowed
    );
    let (rsc, answer) = rig
        .put(
            "Cone",
            "ics/Cone/c",
            json!({ "m2m:cnt": { "disr": false } }),
        )
        .await;
    assert_eq!((rsc, &answer["m2m:cnt"]["cni"]), (Rsc::Updated, &json!(0)));
    assert_eq!(
        rig.get("Cone", made["ri"].as_str().unwrap()).await.0,
        Rsc::NotFound
    );
}

#[tokio::test]
async fn a_create_answers_what_was_asked_for() {
    let rig = rig_with(json!({})).await;
    let rows = [
        (0, Rsc::Created),
        (1, Rsc::Created),
        (2, Rsc::Created),
        (3, Rsc::Created),
        (4, Rsc::BadRequest),
        (5, Rsc::BadRequest),
        (6, Rsc::BadRequest),
        (8, Rsc::BadRequest),
        (9, Rsc::Created),
        (12, Rsc::BadRequest),
    ];
    for (rcn, rsc) in rows {
        let name = format!("r{rcn}");
        let content = json!({ "m2m:cnt": { "rn": name, "mni": 7, "lbl": ["a"] } });
        let mut request = create(3, "ics/Cone", content);
        request.result_content = Some(rcn);
        let outcome = rig.send(&super::rig::originator("Cone"), request).await;
        let answer = match outcome {
            Ok(answer) => answer,
            Err(refusal) => {
                assert_eq!(refusal.rsc, rsc, "{rcn}");
                continue;
            }
        };
        assert_eq!(answer.rsc, rsc, "{rcn}");
        let path = format!("ics/Cone/{name}");
        assert_eq!(answer.location.as_deref(), Some(path.as_str()));
        let content = answer.content.unwrap_or(Value::Null);
        match rcn {
            0 => assert_eq!(content, Value::Null),
            2 => assert_eq!(content, json!({ "m2m:uri": path })),
            3 => {
                assert_eq!(content["m2m:rce"]["uri"], json!(path));
                assert_eq!(content["m2m:rce"]["m2m:cnt"]["mni"], 7);
            }
            9 => {
                let own = inner(&content);
                assert!(own.get("mni").is_none() && own.get("lbl").is_none());
                assert!(own.get("ri").is_some() && own.get("st").is_some());
            }
            _ => assert_eq!(content["m2m:cnt"]["mni"], 7),
        }
    }
}

#[tokio::test]
async fn updates_and_deletes_answer_what_was_asked_for() {
    let rig = rig_with(json!({ "mni": 5 })).await;
    let rows = [
        (0, Rsc::Updated),
        (1, Rsc::Updated),
        (2, Rsc::BadRequest),
        (4, Rsc::BadRequest),
        (9, Rsc::Updated),
        (12, Rsc::BadRequest),
    ];
    for (rcn, rsc) in rows {
        let mut request = request(Operation::Update, "ics/Cone/c");
        request.content = json!({ "m2m:cnt": { "lbl": ["a"] } }).as_object().cloned();
        request.result_content = Some(rcn);
        let (answered, content) = rig.ask("Cone", request).await;
        assert_eq!(answered, rsc, "{rcn}");
        match rcn {
            0 => assert_eq!(content, Value::Null),
            1 => assert_eq!(content["m2m:cnt"]["mni"], 5),
            9 => assert_eq!(content, json!({ "m2m:cnt": { "st": 3 } })),
            _ => {}
        }
    }
    add(&rig, "x").await;
    for (query, rsc) in [
        ("rcn=2", Rsc::BadRequest),
        ("rcn=9", Rsc::BadRequest),
        ("atrl=rn", Rsc::BadRequest),
        ("rcn=6", Rsc::Deleted),
    ] {
        let delete = with_query(request(Operation::Delete, "ics/Cone/c"), query).unwrap();
        let (answered, content) = rig.ask("Cone", delete).await;
        assert_eq!(answered, rsc, "{query}");
        if rsc == Rsc::Deleted {
            assert_eq!(content["m2m:rrl"]["rrf"][0]["typ"], 4);
        }
    }
}

#[tokio::test]
async fn nobody_has_more_than_he_may() {
    let mut settings = super::rig::settings();
    settings.limits.of_one.resources = 3;
    settings.limits.of_all.resources = 5;
    let rig = Rig::with(settings).await;
    rig.ae("Cone").await;
    let container = json!({ "m2m:cnt": { "rn": "c", "mni": 1 } });
    rig.made("Cone", (3, "ics/Cone"), container).await;
    add(&rig, "1").await;
    // It makes room for itself.
    add(&rig, "2").await;
    let more = rig
        .create("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": {} }))
        .await;
    assert_eq!(more.0, Rsc::OriginatorHasNoPrivilege);
    rig.ae("Ctwo").await;
    rig.ae("Cthree").await;
    let ae = json!({ "m2m:ae": { "api": "N.t", "rr": false, "srv": ["4"] } });
    assert_eq!(
        rig.create("C", (2, "ics"), ae.clone()).await.0,
        Rsc::InternalServerError
    );
    assert_eq!(rig.delete("Cone", "Cone").await, Rsc::Deleted);
    assert_eq!(rig.create("C", (2, "ics"), ae).await.0, Rsc::Created);
}

#[tokio::test]
async fn nothing_lies_deeper_than_an_address_reaches() {
    let rig = rig_with(json!({})).await;
    let mut to = "ics/Cone/c".to_owned();
    loop {
        let child = json!({ "m2m:cnt": { "rn": "d" } });
        let (rsc, _) = rig.create("Cone", (3, &to), child).await;
        if rsc != Rsc::Created {
            assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege);
            break;
        }
        to = format!("{to}/d");
        assert_eq!(rig.get("Cone", &to).await.0, Rsc::Ok);
    }
    assert_eq!(to.split('/').count(), 24);
    let (rsc, _) = rig.query("Cone", "ics/Cone", "rcn=4").await;
    assert_eq!(rsc, Rsc::Ok);
}
