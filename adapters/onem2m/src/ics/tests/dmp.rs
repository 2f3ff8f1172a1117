use serde_json::{Value, json};

use super::rig::{Rig, SERVICE, UTI, direct, member, refused};
use crate::primitive::Outcome;
use crate::rsc::Rsc;

const DMP: &str = "/id-ics/ics/dmp";

async fn demap(rig: &Rig, who: &str, content: Value) -> Outcome {
    let request = rig.create(DMP, json!({ "ics:dmp": content }));
    rig.ask(&direct(who), &request).await
}

#[tokio::test]
async fn either_side_demaps_by_what_it_knows() {
    let withdrawn = "USER_AUTHORIZATION_WITHDRAWN";
    for (who, content) in [
        (
            "shop",
            json!({ "svu": SERVICE, "uti": UTI, "mcau": withdrawn }),
        ),
        (
            "shop",
            json!({ "uti": UTI, "mcau": "UTI_INVALID", "scau": "EXPIRED" }),
        ),
        ("shop", json!({ "svu": SERVICE, "mcau": "SERVICE_INVALID" })),
        (
            "acme",
            json!({ "did": "d-1", "mcau": "DEVICE_UNREGISTERED" }),
        ),
        (
            "acme",
            json!({ "did": "d-1", "svu": SERVICE, "mcau": withdrawn }),
        ),
    ] {
        let rig = Rig::new().await;
        let id = rig.established(UTI, "d-1").await;
        let answer = demap(&rig, who, content.clone()).await.unwrap();
        assert_eq!(
            (answer.rsc, &answer.location),
            (Rsc::Created, &None),
            "{content}"
        );
        let shown = member(&answer, "ics:dmp");
        assert_eq!(
            (&shown["rmvd"], &shown["mcau"]),
            (&json!(1), &content["mcau"])
        );
        let row = rig.row(&id).await;
        assert_eq!((&row["msta"], &row["mcau"]), (&json!(3), &content["mcau"]));
        let again = refused(demap(&rig, who, content).await);
        assert_eq!(again, (Rsc::NotFound, "no such mapping".into()));
    }
}

#[tokio::test]
async fn rows_of_others_are_not_matched() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    for (who, content) in [
        (
            "shop2",
            json!({ "svu": SERVICE, "uti": UTI, "mcau": "SERVICE_INVALID" }),
        ),
        (
            "acme2",
            json!({ "did": "d-1", "mcau": "DEVICE_UNREGISTERED" }),
        ),
    ] {
        let refusal = refused(demap(&rig, who, content).await);
        assert_eq!(refusal, (Rsc::NotFound, "no such mapping".into()));
    }
    for (who, content) in [
        (
            "acme",
            json!({ "svu": SERVICE, "uti": UTI, "mcau": "SERVICE_INVALID" }),
        ),
        (
            "shop",
            json!({ "did": "d-1", "mcau": "DEVICE_UNREGISTERED" }),
        ),
    ] {
        let refusal = refused(demap(&rig, who, content).await);
        assert_eq!(refusal.0, Rsc::OriginatorHasNoPrivilege);
    }
    assert_eq!(rig.row(&id).await["msta"], 2);
}

#[tokio::test]
async fn a_demapping_without_rows_or_cause_is_a_bad_request() {
    let rig = Rig::new().await;
    for content in [
        json!({ "mcau": "SERVICE_INVALID" }),
        json!({ "svu": SERVICE, "uti": UTI }),
        json!({ "did": "d-1", "uti": UTI, "mcau": "SERVICE_INVALID" }),
        json!({ "uti": UTI, "mcau": 3 }),
        json!({ "uti": UTI, "mcau": "SERVICE_INVALID", "dsn": "x" }),
    ] {
        let refusal = refused(demap(&rig, "shop", content.clone()).await);
        assert_eq!(refusal.0, Rsc::BadRequest, "{content}");
    }
    for content in [
        json!({ "uti": UTI, "mcau": "BORED" }),
        json!({ "uti": UTI, "mcau": "UTI_INVALID", "scau": "so what" }),
        json!({ "uti": "short", "mcau": "UTI_INVALID" }),
    ] {
        let refusal = refused(demap(&rig, "shop", content.clone()).await);
        assert_eq!(refusal.0, Rsc::ContentsUnacceptable, "{content}");
    }
}

#[tokio::test]
async fn more_rows_than_one_answer_waits_for_are_a_job_of_the_caller() {
    let rig = Rig::new().await;
    for number in 0..1001 {
        rig.map(&format!("0b7f3a52-7d0a-4b1e-9f35-{number:012}"))
            .await;
    }
    let content = json!({ "svu": SERVICE, "mcau": "SERVICE_INVALID" });
    let answer = demap(&rig, "shop", content).await.unwrap();
    assert_eq!(answer.rsc, Rsc::AcceptedSynch);
    let uri = member(&answer, "m2m:uri").as_str().unwrap().to_owned();
    assert_eq!(answer.location.as_ref(), Some(&uri));
    let show = async |who: &str| rig.ask(&direct(who), &rig.retrieve(&uri)).await;
    let job = show("shop").await.unwrap();
    let job = member(&job, "m2m:req").clone();
    assert_eq!((&job["rs"], &job["ors"]["rsc"]), (&json!(3), &json!(1001)));
    while rig.service.step_jobs(rig.now).await.unwrap() > 0 {}
    let job = show("shop").await.unwrap();
    let job = member(&job, "m2m:req").clone();
    assert_eq!((&job["rs"], &job["ors"]["rsc"]), (&json!(1), &json!(2001)));
    assert_eq!(job["ors"]["pc"]["ics:dmp"]["rmvd"], 1001);
    let foreign = refused(show("acme").await);
    assert_eq!(foreign, (Rsc::NotFound, "no such resource".into()));
}
