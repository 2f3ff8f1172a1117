use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::port::SignatureVerifier as _;
use ics_core::reference_point::ReferencePoint;
use serde_json::{Value, json};

use super::rig::{
    FakeSignatures, Rig, SERVICE, UTI, behind, direct, key, mapping, member, noon, refused,
};
use crate::caller::{Originator, Standing};
use crate::primitive::{Operation, Request};
use crate::rsc::Rsc;
use crate::token::canonical;

const MAP: &str = "/id-ics/ics/map";

/// Signs `request` as `sp`, with other claims where `change` makes them so.
fn sign(sp: &str, mut request: Request, change: impl FnOnce(&mut Value)) -> Request {
    let name = request
        .content
        .as_ref()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let content = request.content.as_ref().unwrap()[&name].clone();
    let digest = FakeSignatures.sha256(canonical(&content).as_bytes());
    let seconds = noon().millis() / 1000;
    let mut claims = json!({
        "fr": format!("/id-in/C{sp}"),
        "op": request.operation.number(),
        "to": request.to,
        "aud": "/id-ics",
        "rqi": request.request_id,
        "jti": format!("j-{}", request.request_id),
        "iat": seconds,
        "exp": seconds + 300,
        "cth": URL_SAFE_NO_PAD.encode(digest),
    });
    change(&mut claims);
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": "EdDSA" })), encode(&claims));
    let signature = FakeSignatures.sign(&key(sp), signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let content = request.content.as_mut().unwrap();
    content[&name]["tok"] = token.into();
    request
}

#[tokio::test]
async fn a_caller_behind_a_cse_tells_the_whole_story_by_its_tokens() {
    let rig = Rig::new().await;
    let request = sign("shop", rig.create(MAP, mapping(UTI)), |_| {});
    let made = rig.ask(&behind("shop"), &request).await.unwrap();
    let row = member(&made, "ics:idmap");
    assert_eq!(row.get("tok"), None);
    let ri = row["ri"].as_str().unwrap().replace("map-", "pnd-");

    let complete = rig.update(
        &format!("/id-ics/{ri}"),
        json!({ "ics:idmap": { "did": "d-1" } }),
    );
    let complete = sign("acme", complete, |_| {});
    let completed = rig.ask(&behind("acme"), &complete).await.unwrap();
    assert_eq!(completed.rsc, Rsc::Updated);

    let pair = json!({ "ics:inq": { "svu": SERVICE, "uti": UTI } });
    let inquiry = sign("shop", rig.create("/id-ics/ics/inq", pair), |_| {});
    let answer = rig.ask(&behind("shop"), &inquiry).await.unwrap();
    assert_eq!(member(&answer, "ics:inq")["did"], "d-1");

    let rows = json!({ "ics:dmp": { "did": "d-1", "mcau": "DEVICE_UNREGISTERED" } });
    let demap = sign("acme", rig.create("/id-ics/ics/dmp", rows), |_| {});
    let demapped = rig.ask(&behind("acme"), &demap).await.unwrap();
    assert_eq!(member(&demapped, "ics:dmp")["rmvd"], 1);
}

#[tokio::test]
async fn the_signed_address_may_have_another_form() {
    let rig = Rig::new().await;
    let mut request = rig.create("/id-ics/-/map", mapping(UTI));
    request = sign("shop", request, |claims| {
        claims["to"] = "//ics.example/id-ics/map".into();
    });
    assert!(rig.ask(&behind("shop"), &request).await.is_ok());
}

#[tokio::test]
async fn without_a_token_nobody_behind_a_cse_is_anybody() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let row = format!("/id-ics/map-{id}");
    for request in [
        rig.create(MAP, mapping(UTI)),
        rig.retrieve(MAP),
        rig.retrieve(&row),
        rig.request(Operation::Delete, &row),
        rig.update(
            &format!("/id-ics/pnd-{id}"),
            json!({ "ics:idmap": { "did": "d-2" } }),
        ),
    ] {
        let (rsc, said) = refused(rig.ask(&behind("shop"), &request).await);
        assert_eq!(rsc, Rsc::OriginatorNotAuthenticated, "{said}");
    }
    assert_eq!(rig.row(&id).await["msta"], 2);
}

#[tokio::test]
async fn a_token_proves_its_own_request_and_no_other() {
    let rig = Rig::new().await;
    let seconds = noon().millis() / 1000;
    let changes: [(&str, Value); 13] = [
        ("fr", json!("/id-in/Cshop2")),
        ("op", json!(2)),
        ("to", json!("/id-ics/ics/inq")),
        ("to", json!("ics/map")),
        ("to", json!("/id-other/ics/map")),
        ("aud", json!("/id-other")),
        ("rqi", json!("another")),
        ("jti", json!("")),
        ("iat", json!(seconds + 60)),
        ("iat", json!(seconds - 1)),
        ("exp", json!(seconds)),
        ("exp", json!(seconds + 301)),
        ("cth", json!("AAAA")),
    ];
    for (name, value) in changes {
        let request = sign("shop", rig.create(MAP, mapping(UTI)), |claims| {
            claims[name] = value.clone();
        });
        let (rsc, said) = refused(rig.ask(&behind("shop"), &request).await);
        assert_eq!(
            rsc,
            Rsc::OriginatorNotAuthenticated,
            "{name} {value} {said}"
        );
    }
    let list = rig.query(MAP, &[("fu", "1")]);
    let list = rig.ask(&direct("shop"), &list).await.unwrap();
    assert_eq!(member(&list, "m2m:uril"), &json!([]), "nothing was made");
}

#[tokio::test]
async fn a_token_of_another_party_proves_nobody() {
    let rig = Rig::new().await;
    let request = sign("shop2", rig.create(MAP, mapping(UTI)), |claims| {
        claims["fr"] = "/id-in/Cshop".into();
    });
    let forged = refused(rig.ask(&behind("shop"), &request).await);
    let unknown = sign("shop2", rig.create(MAP, mapping(UTI)), |claims| {
        claims["fr"] = "/id-in/Cnobody".into();
    });
    let unknown = refused(rig.ask(&behind("nobody"), &unknown).await);
    assert_eq!(forged.0, Rsc::OriginatorNotAuthenticated);
    // Who is registered is not told.
    assert_eq!(forged, unknown);
}

#[tokio::test]
async fn another_content_is_not_what_was_signed() {
    let rig = Rig::new().await;
    let mut request = sign("shop", rig.create(MAP, mapping(UTI)), |_| {});
    let content = request.content.as_mut().unwrap();
    content["ics:idmap"]["dsn"] = "acme-00032".into();
    let (rsc, said) = refused(rig.ask(&behind("shop"), &request).await);
    assert_eq!(rsc, Rsc::OriginatorNotAuthenticated);
    assert!(said.contains("another content"), "{said}");
}

#[tokio::test]
async fn the_same_request_again_is_told_what_it_was_told() {
    let rig = Rig::new().await;
    rig.established(UTI, "d-1").await;
    let rows = json!({ "ics:dmp": { "did": "d-1", "mcau": "DEVICE_UNREGISTERED" } });
    let demap = sign("acme", rig.create("/id-ics/ics/dmp", rows), |_| {});
    let first = rig.ask(&behind("acme"), &demap).await.unwrap();
    // Done again, it would find nothing.
    let again = rig.ask(&behind("acme"), &demap).await.unwrap();
    assert_eq!(first, again);
}

#[tokio::test]
async fn a_used_jti_proves_no_other_request() {
    let rig = Rig::new().await;
    let claim = |claims: &mut Value| claims["jti"] = "once".into();
    let first = sign("shop", rig.create(MAP, mapping(UTI)), claim);
    rig.ask(&behind("shop"), &first).await.unwrap();
    let second = sign("shop", rig.create(MAP, mapping(UTI)), claim);
    let (rsc, said) = refused(rig.ask(&behind("shop"), &second).await);
    assert_eq!(rsc, Rsc::OriginatorNotAuthenticated);
    assert!(said.contains("jti"), "{said}");
    // Another party's is another.
    let content = json!({ "ics:inq": { "did": "d-1" } });
    let other = sign("acme", rig.create("/id-ics/ics/inq", content), claim);
    assert_eq!(
        refused(rig.ask(&behind("acme"), &other).await).0,
        Rsc::NotFound
    );
}

#[tokio::test]
async fn an_ae_of_a_sandbox_is_believed_if_it_is_somebodys() {
    let rig = Rig::new().await;
    let believed = |id: &str| Originator {
        id: id.into(),
        standing: Standing::Believed,
    };
    let made = rig
        .ask(&believed("/id-in/Cshop"), &rig.create(MAP, mapping(UTI)))
        .await;
    assert!(made.is_ok());
    for id in ["/id-in/Cnobody", "Cnobody", ""] {
        let outcome = rig.ask(&believed(id), &rig.create(MAP, mapping(UTI))).await;
        assert_eq!(refused(outcome).0, Rsc::OriginatorHasNoPrivilege);
    }
}

#[tokio::test]
async fn a_token_nobody_asked_for_is_put_aside() {
    let rig = Rig::new().await;
    let mut request = rig.create(MAP, mapping(UTI));
    request.content.as_mut().unwrap()["ics:idmap"]["tok"] = "x".into();
    assert!(rig.ask(&direct("shop"), &request).await.is_ok());
}

#[tokio::test]
async fn the_operators_originator_sees_collections_and_no_rows() {
    let rig = Rig::new().await;
    let id = rig.map(UTI).await;
    let admin = Originator {
        id: "CAdmin".into(),
        standing: Standing::Admin,
    };
    let cnt = rig.ask(&admin, &rig.retrieve(MAP)).await.unwrap();
    assert_eq!(member(&cnt, "m2m:cnt")["ri"], "map");
    let list = rig
        .ask(&admin, &rig.query(MAP, &[("fu", "1")]))
        .await
        .unwrap();
    assert_eq!(member(&list, "m2m:uril"), &json!([]));
    let row = rig
        .ask(&admin, &rig.retrieve(&format!("/id-ics/map-{id}")))
        .await;
    assert_eq!(refused(row).0, Rsc::OriginatorHasNoPrivilege);
}

#[tokio::test]
async fn a_subscription_through_another_cse_is_signed_too() {
    let rig = Rig::new().await;
    let content = json!({ "m2m:sub": { "nu": ["/id-in/Cshop"] } });
    let mut request = rig.create(MAP, content.clone());
    request.resource_type = Some(23);
    let bare = refused(rig.ask(&behind("shop"), &request).await);
    assert_eq!(bare.0, Rsc::OriginatorNotAuthenticated);
    let request = sign("shop", request, |_| {});
    rig.ask(&behind("shop"), &request).await.unwrap();
    let asked = rig.watches.asked.lock().unwrap();
    assert_eq!(Value::from(asked[0].2.content.clone().unwrap()), content);
}

#[tokio::test]
async fn the_logs_are_told_who_proved_itself_and_over_which_point() {
    let rig = Rig::new().await;
    let id = rig.established(UTI, "d-1").await;
    let row = format!("/id-ics/map-{id}");
    let pair = json!({ "ics:inq": { "svu": SERVICE, "uti": UTI } });
    let inq = "/id-ics/ics/inq";
    let signed = sign("shop", rig.create(inq, pair.clone()), |_| {});
    let device = json!({ "ics:inq": { "did": "d-1" } });
    for (who, request, party, point) in [
        (
            behind("shop"),
            signed,
            Some(("shop", "signature")),
            ReferencePoint::Ics7,
        ),
        (
            behind("shop"),
            rig.create(inq, pair),
            None,
            ReferencePoint::Ics7,
        ),
        (
            direct("acme"),
            rig.create(inq, device),
            Some(("acme", "claim")),
            ReferencePoint::Ics8,
        ),
        (
            direct("shop"),
            rig.retrieve(&row),
            Some(("shop", "claim")),
            ReferencePoint::Ics1,
        ),
        (
            direct("acme"),
            rig.retrieve(&row),
            Some(("acme", "claim")),
            ReferencePoint::Ics2,
        ),
        (
            direct("acme"),
            rig.request(Operation::Delete, &row),
            Some(("acme", "claim")),
            ReferencePoint::Ics4,
        ),
    ] {
        let handled = rig.handle(&who, &request).await;
        let principal = handled.principal.as_ref();
        let proved = principal.map(|principal| (principal.sp.as_str(), principal.proof.name()));
        assert_eq!((proved, handled.point), (party, point), "{}", request.to);
    }
}
