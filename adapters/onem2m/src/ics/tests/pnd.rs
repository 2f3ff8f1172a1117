use std::time::Duration;

use ics_core::outbox::{Addressee, OutboxKey, Subject};
use ics_core::procedure::delivery::DeliveryReport;
use ics_core::reference_point::Role;
use serde_json::{Value, json};

use super::rig::{Rig, SERIAL, UTI, direct, member, refused, sp};
use crate::primitive::{Operation, Outcome};
use crate::rsc::Rsc;

const PND: &str = "/id-ics/ics/pnd";

async fn complete(rig: &Rig, who: &str, id: &str, content: Value) -> Outcome {
    let to = format!("{PND}/pnd-{id}");
    let request = rig.update(&to, json!({ "ics:idmap": content }));
    rig.ask(&direct(who), &request).await
}

#[tokio::test]
async fn what_waits_is_listed_for_its_iot_sp_with_the_serial_number() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    rig.established(&UTI.replace('1', "2"), "d-2").await;
    let list = async |who: &str| {
        let request = rig.query(PND, &[("rcn", "4")]);
        rig.ask(&direct(who), &request).await
    };
    let own = list("acme").await.unwrap();
    let rows = member(&own, "m2m:cnt")["ics:idmap"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["ri"], format!("pnd-{id}"));
    assert_eq!(
        (&rows[0]["dsn"], &rows[0]["msta"]),
        (&json!(SERIAL), &json!(1))
    );
    // It ends with the waiting.
    assert_eq!(rows[0]["et"], "20261122T120000,000");
    let other = list("acme2").await.unwrap();
    assert_eq!(member(&other, "m2m:cnt").get("ics:idmap"), None);
    let third_party = list("shop").await;
    assert_eq!(refused(third_party).0, Rsc::OriginatorHasNoPrivilege);
    let uril = rig.query(PND, &[("fu", "1")]);
    let uril = rig.ask(&direct("acme"), &uril).await.unwrap();
    assert_eq!(
        member(&uril, "m2m:uril"),
        &json!([format!("{PND}/pnd-{id}")])
    );
}

#[tokio::test]
async fn what_waits_is_shown_to_its_iot_sp_alone() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let request = rig.retrieve(&format!("{PND}/pnd-{id}"));
    let own = rig.ask(&direct("acme"), &request).await.unwrap();
    assert_eq!(member(&own, "ics:idmap")["dsn"], SERIAL);
    let other = refused(rig.ask(&direct("acme2"), &request).await);
    assert_eq!(other, (Rsc::NotFound, "no such mapping".into()));
    let third_party = refused(rig.ask(&direct("shop"), &request).await);
    assert_eq!(third_party.0, Rsc::OriginatorHasNoPrivilege);
}

#[tokio::test]
async fn the_device_id_completes_the_row_and_again() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    for content in [json!({ "did": "d-1" }), json!({ "did": "d-1", "msta": 2 })] {
        let answer = complete(&rig, "acme", &id, content).await.unwrap();
        assert_eq!(answer.rsc, Rsc::Updated);
        let row = member(&answer, "ics:idmap");
        assert_eq!((&row["msta"], &row["did"]), (&json!(2), &json!("d-1")));
        assert_eq!(row.get("dsn"), None);
    }
    assert_eq!(rig.row(&id).await["msta"], 2);
}

#[tokio::test]
async fn another_device_for_the_same_row_is_a_conflict() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let refusal = refused(complete(&rig, "acme", &id, json!({ "did": "d-2" })).await);
    assert_eq!(
        refusal,
        (Rsc::Conflict, "the mapping has another device".into())
    );
}

#[tokio::test]
async fn nobody_else_completes_a_row() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let other = refused(complete(&rig, "acme2", &id, json!({ "did": "d-1" })).await);
    assert_eq!(other, (Rsc::NotFound, "no such mapping".into()));
    let third_party = refused(complete(&rig, "shop", &id, json!({ "did": "d-1" })).await);
    assert_eq!(third_party.0, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(rig.row(&id).await["msta"], 1);
}

#[tokio::test]
async fn a_completion_that_is_none_changes_nothing() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    for content in [
        json!({}),
        json!({ "did": 1 }),
        json!({ "msta": 3 }),
        json!({ "msta": 4 }),
        json!({ "msta": 4, "did": "d-1", "mcau": "NO" }),
        json!({ "did": "d-1", "mcau": "NO" }),
        json!({ "did": "d-1", "svu": "https://shop.example/s/milk" }),
    ] {
        let refusal = refused(complete(&rig, "acme", &id, content.clone()).await);
        assert_eq!(refusal.0, Rsc::BadRequest, "{content}");
    }
    for content in [
        json!({ "did": "imei-490154203237518" }),
        // It gives the serial number away.
        json!({ "did": SERIAL }),
        json!({ "msta": 4, "mcau": "because" }),
    ] {
        let refusal = refused(complete(&rig, "acme", &id, content.clone()).await);
        assert_eq!(refusal.0, Rsc::ContentsUnacceptable, "{content}");
    }
    assert_eq!(rig.row(&id).await["msta"], 1);
}

#[tokio::test]
async fn a_rejection_is_one_cause_to_the_third_party() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let reject = json!({ "msta": 4, "mcau": "SERIAL_NUMBER_UNKNOWN" });
    let answer = complete(&rig, "acme", &id, reject).await.unwrap();
    let row = member(&answer, "ics:idmap");
    assert_eq!(
        (&row["msta"], &row["mcau"]),
        (&json!(4), &json!("REJECTED"))
    );
    rig.sweep().await;
    let row = rig.row(&id).await;
    assert_eq!(
        (&row["msta"], &row["mcau"]),
        (&json!(4), &json!("DEVICE_NOT_AVAILABLE"))
    );
}

#[tokio::test]
async fn an_iot_sp_is_told_in_detail_why_a_row_has_failed() {
    for (cause, expected) in [
        ("SERIAL_NUMBER_UNKNOWN", Rsc::ExternalObjectNotFound),
        ("OWNER_REFUSED", Rsc::DeniedByRemoteEntity),
    ] {
        let rig = Rig::new().await;
        let id = rig.map(UTI).await;
        let reject = json!({ "msta": 4, "mcau": cause });
        complete(&rig, "acme", &id, reject).await.unwrap();
        let late = complete(&rig, "acme", &id, json!({ "did": "d-1" })).await;
        assert_eq!(refused(late).0, expected);
    }
}

#[tokio::test]
async fn a_row_nobody_answered_for_in_time_is_late_to_complete() {
    let mut rig = Rig::new().await;
    let id = rig.map(UTI).await;
    rig.wait(Duration::from_secs(25 * 3600));
    rig.sweep().await;
    let late = complete(&rig, "acme", &id, json!({ "did": "d-1" })).await;
    assert_eq!(refused(late).0, Rsc::ExternalObjectNotReachableBeforeRqet);
}

#[tokio::test]
async fn a_row_whose_push_was_refused_is_told_as_not_reachable() {
    let rig = Rig::new().await;
    rig.subscribe_over_t8("acme").await;
    let id = rig.map(UTI).await;
    let mapping =
        ics_core::id::MappingId::from_bytes(u128::from_str_radix(&id, 16).unwrap().to_be_bytes());
    let key = OutboxKey {
        addressee: Addressee {
            role: Role::IotSp,
            sp: sp("acme"),
        },
        subject: Subject::Mapping(mapping),
        sequence: 1,
    };
    let reported = rig
        .service
        .report_delivery(&key, DeliveryReport::Refused, rig.now);
    reported.await.unwrap();
    let late = complete(&rig, "acme", &id, json!({ "did": "d-1" })).await;
    assert_eq!(refused(late).0, Rsc::ExternalObjectNotReachable);
}

#[tokio::test]
async fn a_row_that_was_cancelled_is_not_pending() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let delete = rig.request(Operation::Delete, &format!("/id-ics/map-{id}"));
    rig.ask(&direct("shop"), &delete).await.unwrap();
    let late = complete(&rig, "acme", &id, json!({ "did": "d-1" })).await;
    assert_eq!(
        refused(late),
        (Rsc::Conflict, "the mapping is not pending".into())
    );
}

#[tokio::test]
async fn an_agreement_that_ended_meanwhile_is_named() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let directory = rig.service.directory();
    let agreement = directory
        .agreements()
        .find(|a| a.iot_sp == sp("acme") && a.third_party_sp == sp("shop"))
        .unwrap();
    let ended = rig.service.end_agreement(&agreement.id, rig.now);
    ended.await.unwrap();
    let late = complete(&rig, "acme", &id, json!({ "did": "d-1" })).await;
    assert_eq!(refused(late).0, Rsc::Conflict);
}

#[tokio::test]
async fn a_uti_of_another_device_overrules_the_completion() {
    let rig = Rig::new().await;
    // The UTI was once of another device.
    let id = rig.established(UTI, "d-1").await;
    let delete = rig.request(Operation::Delete, &format!("/id-ics/map-{id}"));
    rig.ask(&direct("shop"), &delete).await.unwrap();
    let id = rig.map(UTI).await;
    let refusal = refused(complete(&rig, "acme", &id, json!({ "did": "d-2" })).await);
    assert_eq!(refusal.0, Rsc::Conflict);
    let again = refused(complete(&rig, "acme", &id, json!({ "did": "d-2" })).await);
    assert_eq!(again, refusal);
}
