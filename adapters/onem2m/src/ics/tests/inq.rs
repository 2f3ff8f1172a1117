use serde_json::{Value, json};

use super::rig::{Rig, SERVICE, UTI, direct, member, refused};
use crate::rsc::Rsc;

const INQ: &str = "/id-ics/ics/inq";

async fn ask(rig: &Rig, who: &str, asked: Value) -> crate::primitive::Outcome {
    let request = rig.create(INQ, json!({ "ics:inq": asked }));
    rig.ask(&direct(who), &request).await
}

#[tokio::test]
async fn a_transaction_is_answered_with_its_device() {
    let rig = Rig::new().await;
    rig.established(UTI, "d-1").await;
    let answer = ask(&rig, "shop", json!({ "svu": SERVICE, "uti": UTI }))
        .await
        .unwrap();
    assert_eq!((answer.rsc, &answer.location), (Rsc::Created, &None));
    let now = "20261121T120000,000";
    let expected = json!({
        "ty": 28, "cnd": crate::ics::DEFINITION, "ct": now, "et": now,
        "svu": SERVICE, "uti": UTI, "did": "d-1", "isp": "acme",
    });
    assert_eq!(member(&answer, "ics:inq"), &expected);
}

#[tokio::test]
async fn a_device_is_answered_with_its_pairs() {
    let rig = Rig::new().await;
    let other = UTI.replace('1', "2");
    rig.established(UTI, "d-1").await;
    rig.established(&other, "d-1").await;
    let answer = ask(&rig, "acme", json!({ "did": "d-1" })).await.unwrap();
    assert_eq!(answer.rsc, Rsc::Created);
    let expected = json!([
        { "did": "d-1", "svu": SERVICE, "uti": UTI },
        { "did": "d-1", "svu": SERVICE, "uti": other },
    ]);
    assert_eq!(member(&answer, "ics:inq")["idmap"], expected);
    let of_other = json!({ "did": "d-1", "svu": "https://shop.example/s/milk" });
    assert_eq!(refused(ask(&rig, "acme", of_other).await).0, Rsc::NotFound);
}

#[tokio::test]
async fn every_miss_is_one_and_the_same() {
    let rig = Rig::new().await;
    rig.established(UTI, "d-1").await;
    let waiting = UTI.replace('1', "2");
    rig.map(&waiting).await;
    let gone = UTI.replace('1', "3");
    let id = rig.established(&gone, "d-3").await;
    let delete = rig.request(
        crate::primitive::Operation::Delete,
        &format!("/id-ics/map-{id}"),
    );
    rig.ask(&direct("shop"), &delete).await.unwrap();
    let milk = "https://shop.example/s/milk";
    for (who, asked) in [
        ("shop", json!({ "svu": milk, "uti": UTI })),
        (
            "shop",
            json!({ "svu": SERVICE, "uti": UTI.replace('1', "4") }),
        ),
        ("shop", json!({ "svu": SERVICE, "uti": waiting })),
        ("shop", json!({ "svu": SERVICE, "uti": gone })),
        ("shop2", json!({ "svu": SERVICE, "uti": UTI })),
        ("acme", json!({ "did": "d-3" })),
        ("acme", json!({ "did": "d-9" })),
        ("acme2", json!({ "did": "d-1" })),
    ] {
        let refusal = refused(ask(&rig, who, asked.clone()).await);
        assert_eq!(
            refusal,
            (Rsc::NotFound, "no such mapping".into()),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn the_case_of_the_other_role_is_not_open() {
    let rig = Rig::new().await;
    rig.established(UTI, "d-1").await;
    for (who, asked) in [
        ("acme", json!({ "svu": SERVICE, "uti": UTI })),
        ("shop", json!({ "did": "d-1" })),
    ] {
        let refusal = refused(ask(&rig, who, asked).await);
        assert_eq!(refusal.0, Rsc::OriginatorHasNoPrivilege);
    }
}

#[tokio::test]
async fn a_question_that_is_none_is_a_bad_request() {
    let rig = Rig::new().await;
    for asked in [
        json!({}),
        json!({ "uti": UTI }),
        json!({ "svu": SERVICE }),
        json!({ "did": "d-1", "uti": UTI }),
        json!({ "did": 7 }),
        json!({ "svu": SERVICE, "uti": UTI, "dsn": "x" }),
    ] {
        let refusal = refused(ask(&rig, "shop", asked.clone()).await);
        assert_eq!(refusal.0, Rsc::BadRequest, "{asked}");
    }
    for asked in [
        json!({ "did": "imsi-310150123456789" }),
        json!({ "svu": SERVICE, "uti": "short" }),
        json!({ "cnd": "org.other", "did": "d-1" }),
    ] {
        let refusal = refused(ask(&rig, "acme", asked.clone()).await);
        assert_eq!(refusal.0, Rsc::ContentsUnacceptable, "{asked}");
    }
}

#[tokio::test]
async fn nothing_is_kept_that_had_an_address() {
    let rig = Rig::new().await;
    rig.established(UTI, "d-1").await;
    let mut request = rig.create(INQ, json!({ "ics:inq": { "did": "d-1" } }));
    request.result_content = Some(2);
    let outcome = rig.ask(&direct("acme"), &request).await;
    assert_eq!(refused(outcome).0, Rsc::BadRequest);
    let list = rig.query(INQ, &[("fu", "1")]);
    let list = rig.ask(&direct("acme"), &list).await.unwrap();
    assert_eq!(member(&list, "m2m:uril"), &json!([]));
}
