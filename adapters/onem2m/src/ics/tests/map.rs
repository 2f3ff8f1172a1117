use std::time::Duration;

use ics_core::party::PartyStatus;
use serde_json::{Value, json};

use super::rig::{Rig, SERIAL, SERVICE, UTI, direct, mapping, member, refused, sp};
use crate::caller::{Originator, Standing};
use crate::primitive::{Operation, Request};
use crate::rsc::Rsc;

const MAP: &str = "/id-ics/ics/map";

/// A mapping request with other attributes; null takes one away.
fn changed(rig: &Rig, attributes: Value) -> Request {
    let mut content = mapping(UTI);
    let members = content["ics:idmap"].as_object_mut().unwrap();
    let Value::Object(attributes) = attributes else {
        panic!("attributes by name");
    };
    for (name, value) in attributes {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    rig.create(MAP, content)
}

#[tokio::test]
async fn a_mapping_is_made_and_shown_without_serial_number_and_device() {
    let rig = Rig::new().await;
    let request = changed(
        &rig,
        json!({ "man": "acme", "mod": "Fridge9", "vper": 3600, "isp": "acme", "e2e": "AAEC",
                "et": "20271121T120000", "ucsu": "user-7", "ucex": "20271120T120000" }),
    );
    let answer = rig.ask(&direct("shop"), &request).await.unwrap();
    assert_eq!(answer.rsc, Rsc::Created);
    let row = member(&answer, "ics:idmap").clone();
    let ri = row["ri"].as_str().unwrap();
    assert_eq!(answer.location, Some(format!("/id-ics/ics/map/{ri}")));
    let mut names: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
    names.sort_unstable();
    let expected = [
        "cnd", "cr", "ct", "et", "isp", "lbl", "lt", "man", "mod", "msta", "pi", "ri", "rn", "svu",
        "ty", "uti", "vper",
    ];
    assert_eq!(names, expected);
    assert_eq!(row["msta"], 1);
    assert_eq!(row["ty"], 28);
    assert_eq!((&row["pi"], &row["rn"]), (&json!("map"), &json!(ri)));
    assert_eq!((&row["svu"], &row["uti"]), (&json!(SERVICE), &json!(UTI)));
    assert_eq!(
        (&row["vper"], &row["cr"]),
        (&json!(3600), &json!("/id-in/Cshop"))
    );
    assert_eq!(row["ct"], "20261121T120000,000");
    // The consent ends before the UTI does.
    assert_eq!(row["et"], "20271120T120000,000");
    assert!(!answer.content.unwrap().to_string().contains(SERIAL));
}

#[tokio::test]
async fn the_resource_id_does_not_tell_the_uti() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    assert!(!UTI.replace('-', "").contains(&id));
}

#[tokio::test]
async fn the_result_content_decides_what_the_answer_holds() {
    let rig = Rig::new().await;
    for (rcn, expected) in [
        (0, None),
        (1, Some("ics:idmap")),
        (2, Some("m2m:uri")),
        (3, Some("m2m:rce")),
        (9, Some("ics:idmap")),
    ] {
        let mut request = changed(&rig, json!({}));
        request.result_content = Some(rcn);
        let answer = rig.ask(&direct("shop"), &request).await.unwrap();
        let content = answer.content.clone();
        let name = content.and_then(|c| c.as_object()?.keys().next().cloned());
        assert_eq!(name.as_deref(), expected, "{rcn}");
        match rcn {
            2 => assert_eq!(member(&answer, "m2m:uri"), &json!(answer.location)),
            3 => assert_eq!(member(&answer, "m2m:rce")["ics:idmap"]["msta"], 1),
            9 => {
                let row = member(&answer, "ics:idmap");
                assert!(row.get("svu").is_none() && row.get("ri").is_some());
            }
            _ => {}
        }
    }
    let mut request = changed(&rig, json!({}));
    request.result_content = Some(8);
    let refusal = refused(rig.ask(&direct("shop"), &request).await);
    assert_eq!(refusal.0, Rsc::BadRequest);
}

#[tokio::test]
async fn the_same_request_is_answered_by_the_same_row() {
    let rig = Rig::new().await;
    let first = rig.ask(&direct("shop"), &changed(&rig, json!({}))).await;
    let again = rig.ask(&direct("shop"), &changed(&rig, json!({}))).await;
    assert_eq!(first.unwrap(), again.unwrap());
}

#[tokio::test]
async fn the_same_pair_for_another_device_is_a_conflict() {
    let rig = Rig::new().await;
    rig.map(UTI).await;
    let request = changed(&rig, json!({ "dsn": "acme-00032" }));
    let (rsc, said) = refused(rig.ask(&direct("shop"), &request).await);
    assert_eq!(rsc, Rsc::Conflict);
    assert!(!said.contains(UTI));
}

#[tokio::test]
async fn a_content_that_is_not_well_formed_is_a_bad_request() {
    let rig = Rig::new().await;
    for attributes in [
        json!({ "cnd": null }),
        json!({ "svu": null }),
        json!({ "uti": null }),
        json!({ "dsn": null }),
        json!({ "uti": 17 }),
        json!({ "vper": "long" }),
        json!({ "vper": -1 }),
        json!({ "et": "2027-11-21" }),
        json!({ "ucgt": "yesterday" }),
        json!({ "ucid": null }),
        json!({ "e2e": "=" }),
        json!({ "did": "d-1" }),
        json!({ "msta": 2 }),
        json!({ "rn": UTI }),
        json!({ "lbl": ["x"] }),
        json!({ "acpi": [] }),
        json!({ "cr": "/id-in/Cshop" }),
        json!({ "serialNumber": "x" }),
    ] {
        let outcome = rig
            .ask(&direct("shop"), &changed(&rig, attributes.clone()))
            .await;
        assert_eq!(refused(outcome).0, Rsc::BadRequest, "{attributes}");
    }
    for content in [
        json!({}),
        json!({ "ics:inq": {} }),
        json!({ "ics:idmap": [] }),
        json!({ "ics:idmap": mapping(UTI)["ics:idmap"], "m2m:cnt": {} }),
    ] {
        let outcome = rig
            .ask(&direct("shop"), &rig.create(MAP, content.clone()))
            .await;
        assert_eq!(refused(outcome).0, Rsc::BadRequest, "{content}");
    }
    let mut empty = rig.request(Operation::Create, MAP);
    empty.resource_type = Some(28);
    let outcome = rig.ask(&direct("shop"), &empty).await;
    assert_eq!(refused(outcome).0, Rsc::BadRequest);
}

#[tokio::test]
async fn a_refusal_never_repeats_what_was_sent() {
    let rig = Rig::new().await;
    for attributes in [
        json!({ "310150123456789": "x" }),
        json!({ "uti": "310150123456789" }),
        json!({ "dsn": " 310150123456789" }),
        json!({ "isp": "310150123456789" }),
        json!({ "cnd": "310150123456789" }),
        json!({ "vper": "310150123456789" }),
    ] {
        let outcome = rig
            .ask(&direct("shop"), &changed(&rig, attributes.clone()))
            .await;
        let (_, said) = refused(outcome);
        assert!(!said.contains("310150123456789"), "{said}");
    }
}

#[tokio::test]
async fn what_is_well_formed_and_no_identifier_of_its_kind_is_unacceptable() {
    let rig = Rig::new().await;
    for attributes in [
        json!({ "cnd": "org.onem2m.home.moduleclass.battery" }),
        json!({ "svu": "eggs" }),
        json!({ "uti": "310150123456789" }),
        json!({ "uti": "2c1d43b8-e6d7-11ed-a05b-0242ac120003" }),
        json!({ "dsn": "" }),
        json!({ "isp": "No SP" }),
        json!({ "man": "310150123456789" }),
        json!({ "pcod": "short" }),
        json!({ "vper": 1 }),
        json!({ "et": "20201121T120000" }),
        json!({ "ucsu": "somebody@mail.example" }),
    ] {
        let outcome = rig
            .ask(&direct("shop"), &changed(&rig, attributes.clone()))
            .await;
        assert_eq!(
            refused(outcome).0,
            Rsc::ContentsUnacceptable,
            "{attributes}"
        );
    }
}

#[tokio::test]
async fn who_may_not_is_refused_by_name_of_the_reason() {
    let rig = Rig::new().await;
    let role = rig.ask(&direct("acme"), &changed(&rig, json!({}))).await;
    let service = changed(&rig, json!({ "svu": "https://shop2.example/s/eggs" }));
    let service = rig.ask(&direct("shop"), &service).await;
    let consent = json!({ "ucid": null, "ucgt": null, "ucpu": null });
    let consent = rig.ask(&direct("shop"), &changed(&rig, consent)).await;
    let agreement = changed(&rig, json!({ "isp": "both", "dsn": "both-1" }));
    let agreement = rig.ask(&direct("shop"), &agreement).await;
    let texts: Vec<_> = [role, service, consent, agreement]
        .into_iter()
        .map(|outcome| {
            let (rsc, said) = refused(outcome);
            assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege, "{said}");
            said
        })
        .collect();
    assert_eq!(
        texts,
        [
            "the operation is not open to the originator's role",
            "`svu` is not owned by the originator",
            "the user's consent is required",
            "no agreement in force",
        ]
    );
}

#[tokio::test]
async fn a_suspended_party_is_not_served() {
    let rig = Rig::new().await;
    let (shop, suspended) = (sp("shop"), PartyStatus::Suspended);
    let changing = rig.service.change_party_status(&shop, suspended, rig.now);
    changing.await.unwrap();
    let outcome = rig.ask(&direct("shop"), &changed(&rig, json!({}))).await;
    let (rsc, said) = refused(outcome);
    assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(said, "the originator is not served");
}

#[tokio::test]
async fn only_service_providers_ask_for_mappings() {
    let rig = Rig::new().await;
    for standing in [Standing::Admin, Standing::Hop] {
        let who = Originator {
            id: "/id-in".into(),
            standing,
        };
        let outcome = rig.ask(&who, &changed(&rig, json!({}))).await;
        assert_eq!(refused(outcome).0, Rsc::OriginatorHasNoPrivilege);
    }
}

#[tokio::test]
async fn a_serial_number_nobody_answers_for_looks_like_a_device_that_is_away() {
    let mut rig = Rig::new().await;
    let unknown = changed(&rig, json!({ "dsn": "nobody-1" }));
    let unknown = refused(rig.ask(&direct("shop"), &unknown).await);
    assert_eq!(unknown.0, Rsc::DeniedByRemoteEntity);

    let mut waiting = changed(&rig, json!({ "vper": 60 }));
    let made = rig.ask(&direct("shop"), &waiting).await.unwrap();
    let id = member(&made, "ics:idmap")["ri"]
        .as_str()
        .unwrap()
        .to_owned();
    rig.wait(Duration::from_secs(30));
    waiting.request_expiration = Some("200".into());
    // While somebody waits for it, it is rejected.
    let reject = json!({ "ics:idmap": { "msta": 4, "mcau": "OWNER_REFUSED" } });
    let reject = rig.update(&format!("/id-ics/{}", id.replace("map-", "pnd-")), reject);
    let (shop, acme) = (direct("shop"), direct("acme"));
    let (waited, rejected) = tokio::join!(rig.ask(&shop, &waiting), rig.ask(&acme, &reject));
    assert_eq!(rejected.unwrap().rsc, Rsc::Updated);
    assert_eq!(refused(waited), unknown);
}

#[tokio::test]
async fn a_request_that_waits_is_answered_when_the_device_is_there() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let mut waiting = changed(&rig, json!({}));
    waiting.request_expiration = Some("60000".into());
    let complete = json!({ "ics:idmap": { "did": "d-1" } });
    let complete = rig.update(&format!("/id-ics/pnd-{id}"), complete);
    let (shop, acme) = (direct("shop"), direct("acme"));
    let (waited, completed) = tokio::join!(rig.ask(&shop, &waiting), rig.ask(&acme, &complete));
    completed.unwrap();
    let waited = waited.unwrap();
    assert_eq!(waited.rsc, Rsc::Created);
    let row = member(&waited, "ics:idmap");
    assert_eq!((&row["msta"], row.get("did")), (&json!(2), None));
}

#[tokio::test]
async fn a_request_that_waited_in_vain_is_answered_as_pending() {
    let rig = Rig::new().await;
    let mut waiting = changed(&rig, json!({}));
    waiting.request_expiration = Some("20".into());
    let answer = rig.ask(&direct("shop"), &waiting).await.unwrap();
    assert_eq!(member(&answer, "ics:idmap")["msta"], 1);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let rig = Rig::new().await;
    let who = direct("slow");
    let mut last = rig.ask(&who, &rig.retrieve(MAP)).await;
    while last.is_ok() {
        last = rig.ask(&who, &rig.retrieve(MAP)).await;
    }
    let (rsc, said) = refused(last);
    assert_eq!(rsc, Rsc::InternalServerError);
    assert_eq!(said, "too many requests: come back in 1 s");
}

#[tokio::test]
async fn mappings_that_failed_too_often_are_no_longer_taken() {
    let rig = Rig::new().await;
    for number in 0..3 {
        let uti = format!("{}{number}", UTI.get(..35).unwrap());
        let made = rig
            .ask(&direct("shop"), &changed(&rig, json!({ "uti": uti })))
            .await;
        let Ok(made) = made else {
            let (rsc, said) = refused(made);
            assert_eq!((rsc, number), (Rsc::OriginatorHasNoPrivilege, 2));
            assert_eq!(said, "quota of failed mappings exceeded");
            return;
        };
        let ri = member(&made, "ics:idmap")["ri"]
            .as_str()
            .unwrap()
            .replace("map-", "pnd-");
        let reject = json!({ "ics:idmap": { "msta": 4, "mcau": "NO" } });
        let reject = rig.update(&format!("/id-ics/{ri}"), reject);
        rig.ask(&direct("acme"), &reject).await.unwrap();
    }
    panic!("all were taken");
}

#[tokio::test]
async fn what_fails_here_is_an_internal_error_without_words_about_it() {
    let rig = Rig::new().await;
    rig.sealer
        .down
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let outcome = rig.ask(&direct("shop"), &changed(&rig, json!({}))).await;
    let expected = (Rsc::InternalServerError, "not now: come back".into());
    assert_eq!(refused(outcome), expected);
}

#[tokio::test]
async fn a_foreign_row_and_one_that_is_not_there_look_the_same() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let mut texts = Vec::new();
    for (who, to) in [
        ("shop2", format!("/id-ics/map-{id}")),
        ("acme2", format!("/id-ics/map-{id}")),
        ("acme2", format!("/id-ics/pnd-{id}")),
        ("both", format!("/id-ics/map-{id}")),
        ("shop", format!("/id-ics/map-{}", "0".repeat(32))),
        ("acme", format!("/id-ics/pnd-{}", "0".repeat(32))),
    ] {
        for operation in [Operation::Retrieve, Operation::Delete] {
            let outcome = rig.ask(&direct(who), &rig.request(operation, &to)).await;
            if !(operation == Operation::Delete && to.contains("pnd-")) {
                texts.push(refused(outcome));
            }
        }
    }
    assert!(
        texts
            .iter()
            .all(|text| *text == (Rsc::NotFound, "no such mapping".into()))
    );
}

#[tokio::test]
async fn each_side_sees_its_own_view_of_a_row() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let shop = rig.row(&id).await;
    assert_eq!((&shop["msta"], shop.get("did")), (&json!(2), None));
    assert_eq!(shop["isp"], "acme");
    let request = rig.retrieve(&format!("/id-ics/map-{id}"));
    let acme = rig.ask(&direct("acme"), &request).await.unwrap();
    let acme = member(&acme, "ics:idmap");
    assert_eq!(
        (&acme["did"], &acme["ucid"]),
        (&json!("d-1"), &json!("c-81"))
    );
    assert_eq!((acme.get("dsn"), acme.get("isp")), (None, None));
}

#[tokio::test]
async fn a_listed_attribute_is_answered_alone_and_an_unknown_one_refused() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let to = format!("/id-ics/map-{id}");
    let request = rig.query(&to, &[("atrl", "msta+uti")]);
    let answer = rig.ask(&direct("shop"), &request).await.unwrap();
    assert_eq!(
        member(&answer, "ics:idmap"),
        &json!({ "msta": 1, "uti": UTI })
    );
    let request = rig.query(&to, &[("atrl", "mni")]);
    let outcome = rig.ask(&direct("shop"), &request).await;
    assert_eq!(refused(outcome).0, Rsc::BadRequest);
}

#[tokio::test]
async fn either_side_deletes_a_row_and_a_tombstone_tells_when_it_goes() {
    for who in ["shop", "acme"] {
        let rig = Rig::new().await;
        let id = rig.established(UTI, "d-1").await;
        let delete = rig.request(Operation::Delete, &format!("/id-ics/ics/map/map-{id}"));
        let answer = rig.ask(&direct(who), &delete).await.unwrap();
        assert_eq!((answer.rsc, answer.content), (Rsc::Deleted, None));
        let row = rig.row(&id).await;
        assert_eq!(row["msta"], 3);
        assert_eq!(row["mcau"], "USER_AUTHORIZATION_WITHDRAWN");
        assert_eq!(row["et"], "20261128T120000,000");
        let again = rig.ask(&direct(who), &delete).await;
        assert_eq!(refused(again), (Rsc::NotFound, "no such mapping".into()));
    }
}

#[tokio::test]
async fn a_pending_row_that_is_deleted_is_cancelled() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let delete = rig.request(Operation::Delete, &format!("/id-ics/map-{id}"));
    rig.ask(&direct("shop"), &delete).await.unwrap();
    let row = rig.row(&id).await;
    assert_eq!(
        (&row["msta"], &row["mcau"]),
        (&json!(3), &json!("CANCELLED"))
    );
}

#[tokio::test]
async fn discovery_finds_the_callers_rows_alone() {
    let rig = Rig::new().await;
    let one = rig.established(UTI, "d-1").await;
    let two = rig.map(&UTI.replace('1', "2")).await;
    let uril = async |who: &str, query: &[(&str, &str)]| {
        let answer = rig.ask(&direct(who), &rig.query(MAP, query)).await.unwrap();
        assert_eq!(answer.rsc, Rsc::Ok);
        member(&answer, "m2m:uril").clone()
    };
    let address = |id: &str| format!("/id-ics/ics/map/map-{id}");
    let both = json!([address(&one), address(&two)]);
    assert_eq!(uril("shop", &[("fu", "1")]).await, both);
    assert_eq!(uril("shop2", &[("fu", "1")]).await, json!([]));
    let of_type = [("fu", "1"), ("ty", "28"), ("cnd", "org.example.*")];
    assert_eq!(uril("shop", &of_type).await, both);
    assert_eq!(uril("shop", &[("fu", "1"), ("ty", "3")]).await, json!([]));
    assert_eq!(
        uril("shop", &[("fu", "1"), ("msta", "2")]).await,
        json!([address(&one)])
    );
    let window = [("fu", "1"), ("lim", "1"), ("ofst", "2")];
    assert_eq!(uril("shop", &window).await, json!([address(&two)]));
    let unstructured = [("fu", "1"), ("lim", "1"), ("drt", "2")];
    assert_eq!(
        uril("shop", &unstructured).await,
        json!([format!("/id-ics/map-{one}")])
    );
    let label = rig.row(&two).await["lbl"][0].as_str().unwrap().to_owned();
    assert!(label.starts_with("uti:") && label.len() == 47, "{label}");
    assert_eq!(
        uril("shop", &[("fu", "1"), ("lbl", &label)]).await,
        json!([address(&two)])
    );
    let later = [("fu", "1"), ("cra", "20261121T120001")];
    assert_eq!(uril("shop", &later).await, json!([]));
    let either = [("fu", "1"), ("fo", "2"), ("ty", "3"), ("msta", "1")];
    assert_eq!(uril("shop", &either).await, json!([address(&two)]));
}

#[tokio::test]
async fn discovery_reads_on_beyond_one_page_of_the_store() {
    let rig = Rig::new().await;
    for number in 0..300 {
        rig.map(&format!("0b7f3a52-7d0a-4b1e-9f35-{number:012}"))
            .await;
    }
    let request = rig.query(MAP, &[("fu", "1"), ("ofst", "290")]);
    let answer = rig.ask(&direct("shop"), &request).await.unwrap();
    let found = member(&answer, "m2m:uril").as_array().unwrap().len();
    assert_eq!(found, 11);
}

#[tokio::test]
async fn labels_of_two_third_parties_cannot_be_compared() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let own = rig.row(&id).await["lbl"].clone();
    let svu = "https://both.example/s/eggs";
    let request = changed(&rig, json!({ "svu": svu }));
    let other = rig.ask(&direct("both"), &request).await.unwrap();
    let other = member(&other, "ics:idmap")["lbl"].clone();
    assert_ne!(own[0], other[0]);
    assert!(!own.to_string().contains(UTI));
}

#[tokio::test]
async fn a_collection_is_retrieved_in_the_forms_of_result_content() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let ask = async |rcn: &str| {
        let request = rig.query(MAP, &[("rcn", rcn)]);
        rig.ask(&direct("shop"), &request).await
    };
    let alone = rig.ask(&direct("shop"), &rig.retrieve(MAP)).await.unwrap();
    let cnt = member(&alone, "m2m:cnt");
    assert_eq!(
        (&cnt["ri"], &cnt["ty"], &cnt["pi"]),
        (&json!("map"), &json!(3), &json!("id-ics"))
    );
    assert_eq!(cnt.get("ics:idmap"), None);
    let rows = ask("4").await.unwrap();
    assert_eq!(member(&rows, "m2m:cnt")["ics:idmap"][0]["uti"], UTI);
    let rows = ask("8").await.unwrap();
    let names: Vec<_> = member(&rows, "m2m:cnt")
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names, ["ics:idmap"]);
    let reference =
        json!({ "nm": format!("map-{id}"), "typ": 28, "val": format!("/id-ics/ics/map/map-{id}") });
    let references = ask("5").await.unwrap();
    assert_eq!(member(&references, "m2m:cnt")["ch"], json!([reference]));
    let references = ask("6").await.unwrap();
    assert_eq!(
        member(&references, "m2m:rrl"),
        &json!({ "rrf": [reference] })
    );
    for rcn in ["0", "2", "3", "7", "9", "10"] {
        assert_eq!(refused(ask(rcn).await).0, Rsc::BadRequest, "{rcn}");
    }
}

#[tokio::test]
async fn an_identifier_in_a_query_is_refused() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    for to in [
        MAP.to_owned(),
        "/id-ics/ics/inq".into(),
        format!("/id-ics/map-{id}"),
    ] {
        for name in ["svu", "uti", "did", "dsn"] {
            let outcome = rig
                .ask(&direct("shop"), &rig.query(&to, &[(name, UTI)]))
                .await;
            let (rsc, said) = refused(outcome);
            assert_eq!(rsc, Rsc::BadRequest);
            assert!(said.contains(name) && !said.contains(UTI), "{said}");
        }
        let label = format!("uti:{UTI}");
        let outcome = rig
            .ask(&direct("shop"), &rig.query(&to, &[("lbl", &label)]))
            .await;
        assert_eq!(refused(outcome).0, Rsc::BadRequest);
    }
    let outcome = rig
        .ask(&direct("shop"), &rig.query(MAP, &[("con", "x")]))
        .await;
    assert_eq!(refused(outcome).0, Rsc::BadRequest);
}

#[tokio::test]
async fn what_is_not_offered_is_said_to_be() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let content = || json!({ "ics:idmap": { "did": "d-2" } });
    let row = format!("/id-ics/map-{id}");
    for request in [
        rig.update(MAP, content()),
        rig.request(Operation::Delete, MAP),
        rig.request(Operation::Notify, MAP),
        rig.update(&row, content()),
        rig.request(Operation::Notify, &row),
        rig.create("/id-ics/ics/pnd", mapping(UTI)),
        rig.request(Operation::Delete, &format!("/id-ics/pnd-{id}")),
        rig.update("/id-ics/ics/inq", content()),
        rig.request(Operation::Delete, "/id-ics/ics/dmp"),
    ] {
        let outcome = rig.ask(&direct("shop"), &request).await;
        assert_eq!(
            refused(outcome).0,
            Rsc::OperationNotAllowed,
            "{}",
            request.to
        );
    }
    let mut instance = rig.create(MAP, json!({ "m2m:cin": { "con": "x" } }));
    instance.resource_type = Some(4);
    let outcome = rig.ask(&direct("shop"), &instance).await;
    assert_eq!(refused(outcome).0, Rsc::InvalidChildType);
    instance.resource_type = None;
    let outcome = rig.ask(&direct("shop"), &instance).await;
    assert_eq!(refused(outcome).0, Rsc::BadRequest);
}
