use std::sync::Arc;

use ics_core::device::CredentialId;
use ics_core::id::{DeviceId, SpId};
use ics_core::principal::DeviceIdentity;
use ics_core::time::Timestamp;
use serde_json::{Value, json};

use super::rig::{Rig, create, originator, request};
use crate::caller::{Originator, Standing};
use crate::outbound::Via;
use crate::primitive::Operation;
use crate::rsc::Rsc;

fn ae() -> Value {
    json!({ "m2m:ae": { "api": "N.test", "rr": false, "srv": ["4"] } })
}

fn ae_with(name: &str, value: Value) -> Value {
    let mut ae = ae();
    ae["m2m:ae"][name] = value;
    ae
}

#[tokio::test]
async fn the_base_shows_what_it_is_to_whom_it_knows() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    for from in ["CAdmin", "Cone"] {
        let (rsc, answer) = rig.get(from, "ics").await;
        assert_eq!(rsc, Rsc::Ok, "{from}");
        let base = &answer["m2m:cb"];
        assert_eq!(base["csi"], "/id-ics");
        assert_eq!(base["ri"], "id-ics");
        assert_eq!(base["rn"], "ics");
        assert_eq!(base["ty"], 5);
        assert_eq!(base["pi"], "");
        assert_eq!(base["srt"], json!([1, 2, 3, 4, 5, 16, 17, 23, 28]));
        assert_eq!(base["srv"], json!(["2a", "3", "4", "5"]));
        assert_eq!(base["ctm"], "20261121T200000,000");
        assert_eq!(base.get("et"), None);
    }
    assert_eq!(
        rig.get("Cstranger", "ics").await.0,
        Rsc::OriginatorHasNoPrivilege
    );
    assert_eq!(rig.get("", "ics").await.0, Rsc::BadRequest);
    assert_eq!(rig.delete("CAdmin", "ics").await, Rsc::OperationNotAllowed);
    assert_eq!(
        rig.put("CAdmin", "ics", json!({ "m2m:cse": {} })).await.0,
        Rsc::OperationNotAllowed
    );
    assert_eq!(
        rig.ask("CAdmin", request(Operation::Update, "ics")).await.0,
        Rsc::BadRequest
    );
}

#[tokio::test]
async fn unknown_resources_are_not_found() {
    let rig = Rig::new().await;
    for to in [
        "ics/none",
        "none",
        "/id-ics/none",
        "ics/none/la",
        "ics/la",
        "/id-ics/ics/map/none",
    ] {
        assert_eq!(rig.get("CAdmin", to).await.0, Rsc::NotFound, "{to}");
        assert_eq!(rig.delete("CAdmin", to).await, Rsc::NotFound, "{to}");
        assert_eq!(rig.put("CAdmin", to, ae()).await.0, Rsc::NotFound, "{to}");
        let made = rig
            .create("CAdmin", (3, to), json!({ "m2m:cnt": {} }))
            .await;
        assert_eq!(made.0, Rsc::NotFound, "{to}");
    }
}

#[tokio::test]
async fn an_ae_is_named_by_the_cse_or_by_itself() {
    let rig = Rig::new().await;
    for (from, first) in [("C", 'C'), ("", 'C'), ("S", 'S')] {
        let made = rig.made(from, (2, "ics"), ae()).await;
        let id = made["aei"].as_str().unwrap();
        assert!(id.starts_with(first) && id.len() > 1, "{id}");
        assert_eq!(made["ri"], made["aei"]);
        assert_eq!(made["rn"], made["aei"]);
        assert_eq!(made["pi"], "id-ics");
        assert_eq!(made.get("st"), None);
        assert_eq!(made.get("cr"), None);
        assert_eq!(rig.get(id, id).await.0, Rsc::Ok);
    }
    let made = rig
        .made("Cown", (2, "ics"), ae_with("rn", json!("mine")))
        .await;
    assert_eq!(
        (&made["aei"], &made["rn"]),
        (&json!("Cown"), &json!("mine"))
    );
}

#[tokio::test]
async fn names_and_originators_are_not_taken_twice() {
    let rig = Rig::new().await;
    rig.made("Cone", (2, "ics"), ae_with("rn", json!("name")))
        .await;
    let again = [
        (
            "a name that is taken",
            "C",
            ae_with("rn", json!("name")),
            Rsc::Conflict,
        ),
        (
            "a collection's name",
            "C",
            ae_with("rn", json!("map")),
            Rsc::Conflict,
        ),
        (
            "an originator that is registered",
            "Cone",
            ae(),
            Rsc::AlreadyRegistered,
        ),
        (
            "both",
            "Cone",
            ae_with("rn", json!("name")),
            Rsc::AlreadyRegistered,
        ),
    ];
    for (said, from, content, rsc) in again {
        assert_eq!(rig.create(from, (2, "ics"), content).await.0, rsc, "{said}");
    }
}

#[tokio::test]
async fn what_is_no_ae_is_refused() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    let mut bare = ae();
    bare["m2m:ae"].as_object_mut().unwrap().remove("api");
    let rows = [
        (
            "no prefix",
            "id-in",
            "ics",
            ae(),
            Rsc::SecurityAssociationRequired,
        ),
        (
            "another prefix",
            "Xae",
            "ics",
            ae(),
            Rsc::SecurityAssociationRequired,
        ),
        (
            "a prefix and nonsense",
            "C a",
            "ics",
            ae(),
            Rsc::SecurityAssociationRequired,
        ),
        (
            "below an AE",
            "Ctwo",
            "ics/Cone",
            ae(),
            Rsc::InvalidChildType,
        ),
        ("without api", "C", "ics", bare, Rsc::BadRequest),
        (
            "a wrong api",
            "C",
            "ics",
            ae_with("api", json!("Xtest")),
            Rsc::BadRequest,
        ),
        (
            "a bare api",
            "C",
            "ics",
            ae_with("api", json!("N")),
            Rsc::BadRequest,
        ),
        (
            "an early api",
            "C",
            "ics",
            ae_with("api", json!("rtest")),
            Rsc::BadRequest,
        ),
        (
            "a name with a query",
            "C",
            "ics",
            ae_with("rn", json!("test?")),
            Rsc::BadRequest,
        ),
        (
            "a name with a blank",
            "C",
            "ics",
            ae_with("rn", json!("a b")),
            Rsc::BadRequest,
        ),
        (
            "a reserved name",
            "C",
            "ics",
            ae_with("rn", json!("la")),
            Rsc::BadRequest,
        ),
        (
            "a name that no path keeps",
            "C",
            "ics",
            ae_with("rn", json!("..")),
            Rsc::BadRequest,
        ),
        (
            "a creator",
            "C",
            "ics",
            ae_with("cr", json!(null)),
            Rsc::BadRequest,
        ),
        (
            "a serialization",
            "C",
            "ics",
            ae_with("csz", json!(["wrong"])),
            Rsc::BadRequest,
        ),
        (
            "mixed labels",
            "C",
            "ics",
            ae_with("lbl", json!(["a", 23])),
            Rsc::BadRequest,
        ),
        (
            "rr as text",
            "C",
            "ics",
            ae_with("rr", json!("true")),
            Rsc::BadRequest,
        ),
        (
            "ri",
            "C",
            "ics",
            ae_with("ri", json!("own")),
            Rsc::BadRequest,
        ),
        (
            "aei",
            "C",
            "ics",
            ae_with("aei", json!("Cown")),
            Rsc::BadRequest,
        ),
        (
            "unknown attribute",
            "C",
            "ics",
            ae_with("xyz", json!(1)),
            Rsc::BadRequest,
        ),
        (
            "a permanent identifier",
            "C",
            "ics",
            ae_with("mei", json!("1@a")),
            Rsc::NotImplemented,
        ),
        (
            "no such policy",
            "C",
            "ics",
            ae_with("acpi", json!(["none"])),
            Rsc::BadRequest,
        ),
        (
            "another type",
            "C",
            "ics",
            json!({ "m2m:cnt": {} }),
            Rsc::BadRequest,
        ),
        (
            "two members",
            "C",
            "ics",
            json!({ "m2m:ae": {}, "x": 1 }),
            Rsc::BadRequest,
        ),
        ("no content", "C", "ics", json!(null), Rsc::BadRequest),
    ];
    for (said, from, to, content, rsc) in rows {
        assert_eq!(rig.create(from, (2, to), content).await.0, rsc, "{said}");
    }
}

#[tokio::test]
async fn releases_differ_in_what_an_ae_has_to_say() {
    let rig = Rig::new().await;
    let mut early = create(2, "ics", ae_with("api", json!("rtest")));
    early.release = Some("3".into());
    assert_eq!(rig.ask("C", early).await.0, Rsc::Created);
    let mut without = ae();
    without["m2m:ae"].as_object_mut().unwrap().remove("srv");
    let mut earliest = create(2, "ics", without.clone());
    earliest.release = Some("2a".into());
    assert_eq!(rig.ask("C", earliest).await.0, Rsc::Created);
    assert_eq!(
        rig.create("C", (2, "ics"), without).await.0,
        Rsc::BadRequest
    );
}

#[tokio::test]
async fn types_that_are_not_made_are_told_apart() {
    let rig = Rig::new().await;
    let rows = [
        (5, Rsc::OperationNotAllowed),
        (17, Rsc::OperationNotAllowed),
        (9, Rsc::NotImplemented),
        (28, Rsc::NotImplemented),
        (10_002, Rsc::NotImplemented),
        (0, Rsc::BadRequest),
        (999, Rsc::BadRequest),
    ];
    for (ty, rsc) in rows {
        assert_eq!(
            rig.create("CAdmin", (ty, "ics"), json!({})).await.0,
            rsc,
            "{ty}"
        );
    }
    let mut untyped = request(Operation::Create, "ics");
    untyped.content = ae().as_object().cloned();
    assert_eq!(rig.ask("C", untyped).await.0, Rsc::BadRequest);
}

#[tokio::test]
async fn an_ae_is_its_own() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let shown = rig.shown("Cone", "ics/Cone").await;
    assert!(shown["ct"].as_str() <= shown["lt"].as_str());
    assert!(shown["lt"].as_str() < shown["et"].as_str());
    assert_eq!(shown["rr"], true);
    assert_eq!(shown["srv"], json!(["3"]));
    for from in ["Ctwo", "Cstranger"] {
        assert_eq!(
            rig.get(from, "ics/Cone").await.0,
            Rsc::OriginatorHasNoPrivilege
        );
        assert_eq!(
            rig.delete(from, "ics/Cone").await,
            Rsc::OriginatorHasNoPrivilege
        );
        let update = rig
            .put(from, "ics/Cone", json!({ "m2m:ae": { "lbl": ["a"] } }))
            .await;
        assert_eq!(update.0, Rsc::OriginatorHasNoPrivilege);
    }
    assert_eq!(
        rig.get("/id-ics/Cone", "ics/Cone").await.0,
        Rsc::OriginatorHasNoPrivilege
    );
}

#[tokio::test]
async fn an_ae_is_updated_within_its_table() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    let update = |attributes: Value| json!({ "m2m:ae": attributes });
    rig.pass(std::time::Duration::from_secs(5));
    let (rsc, answer) = rig
        .put("Cone", "ics/Cone", update(json!({ "lbl": ["tag:0"] })))
        .await;
    assert_eq!(rsc, Rsc::Updated);
    assert_eq!(answer["m2m:ae"]["lbl"], json!(["tag:0"]));
    assert_eq!(answer["m2m:ae"]["lt"], "20261121T200005,000");
    assert_eq!(rig.shown("Cone", "ics/Cone").await["lbl"], json!(["tag:0"]));
    let (rsc, answer) = rig
        .put("Cone", "ics/Cone", update(json!({ "lbl": null })))
        .await;
    assert_eq!((rsc, answer["m2m:ae"].get("lbl")), (Rsc::Updated, None));
    for refused in [
        json!({ "ty": 2 }),
        json!({ "pi": "x" }),
        json!({ "rn": "x" }),
        json!({ "api": "N.other" }),
        json!({ "rr": null }),
        json!({ "xyz": 1 }),
        json!({ "et": "20251121T200000" }),
        json!({ "lbl": ["two  blanks"] }),
        json!({ "lbl": ["tab\t"] }),
        json!({ "lbl": [""] }),
    ] {
        let (rsc, _) = rig.put("Cone", "ics/Cone", update(refused.clone())).await;
        assert_eq!(rsc, Rsc::BadRequest, "{refused}");
    }
}

#[tokio::test]
async fn with_an_ae_goes_all_that_lies_below() {
    let rig = Rig::new().await;
    let ae = rig.ae("Cone").await;
    let cnt = rig
        .made("Cone", (3, &ae), json!({ "m2m:cnt": { "rn": "c" } }))
        .await;
    rig.made(
        "Cone",
        (4, "ics/Cone/c"),
        json!({ "m2m:cin": { "con": "x" } }),
    )
    .await;
    assert_eq!(rig.delete("Cone", "ics/Cone").await, Rsc::Deleted);
    assert_eq!(
        rig.get("CAdmin", cnt["ri"].as_str().unwrap()).await.0,
        Rsc::NotFound
    );
    assert!(rig.shelf.records().is_empty());
    assert!(rig.tree.ae("Cone").is_none());
    rig.ae("Cone").await;
    assert_eq!(rig.get("Cone", "ics/Cone/c").await.0, Rsc::NotFound);
}

#[tokio::test]
async fn every_form_of_an_address_leads_to_the_same() {
    let rig = Rig::new().await;
    let ae = rig.ae("Cone").await;
    let cnt = rig
        .made("Cone", (3, &ae), json!({ "m2m:cnt": { "rn": "c" } }))
        .await;
    let ri = cnt["ri"].as_str().unwrap();
    let forms = [
        "ics/Cone/c".to_owned(),
        "-/Cone/c".to_owned(),
        "Cone/c".to_owned(),
        ri.to_owned(),
        "/id-ics/ics/Cone/c".to_owned(),
        "/id-ics/-/Cone/c".to_owned(),
        format!("/id-ics/{ri}"),
        "//ics.example/id-ics/ics/Cone/c".to_owned(),
        "//ics.example/id-ics/-/Cone/c".to_owned(),
        format!("//ics.example/id-ics/{ri}"),
    ];
    for form in &forms {
        assert_eq!(rig.shown("Cone", form).await["ri"], ri, "{form}");
    }
}

fn device(id: &str) -> Standing {
    Standing::Device(Arc::new(DeviceIdentity {
        iot_sp: SpId::parse("iot").unwrap(),
        device_id: DeviceId::parse(id).unwrap(),
        credential: CredentialId(1),
        not_after: Timestamp::MAX,
    }))
}

#[tokio::test]
async fn a_hosted_device_has_one_ae_and_that_is_bound_to_it() {
    let rig = Rig::new().await;
    let who = |id: &str, device_id: &str| Originator {
        id: id.to_owned(),
        standing: device(device_id),
    };
    let named = || create(2, "ics", ae());
    let made = rig
        .send(&who("Cdev", "urn:dev:one"), named())
        .await
        .unwrap();
    assert!(!made.content.unwrap().to_string().contains("urn:dev:one"));
    let bound = rig.tree.ae("Cdev").unwrap();
    assert_eq!(bound.device, Some(DeviceId::parse("urn:dev:one").unwrap()));
    let again = rig.send(&who("Cother", "urn:dev:one"), named()).await;
    assert_eq!(again.unwrap_err().rsc, Rsc::AlreadyRegistered);
    let taken = rig.send(&who("Cdev", "urn:dev:two"), named()).await;
    assert_eq!(taken.unwrap_err().rsc, Rsc::AlreadyRegistered);
    let rig = rig.reopen().await.unwrap();
    assert_eq!(rig.tree.ae("Cdev"), Some(bound));
    assert_eq!(rig.delete("Cdev", "Cdev").await, Rsc::Deleted);
    assert!(
        rig.send(&who("Cother", "urn:dev:one"), named())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn who_is_behind_another_cse_does_not_register_here() {
    let rig = Rig::new().await;
    let who = Originator {
        id: "/id-in/Cone".into(),
        standing: Standing::BehindHop,
    };
    let refused = rig.send(&who, create(2, "ics", ae())).await.unwrap_err();
    assert_eq!(refused.rsc, Rsc::OriginatorHasNoPrivilege);
}

#[tokio::test]
async fn a_cse_on_the_list_registers_itself() {
    let rig = Rig::new().await;
    let csr = |csi: &str| {
        json!({ "m2m:csr": { "rn": "peer", "cb": format!("{csi}/cse"), "csi": csi, "rr": true,
            "poa": ["http://in.example"], "srv": ["4"] } })
    };
    let made = rig.create("/id-other", (16, "ics"), csr("/id-other")).await;
    assert_eq!(made.0, Rsc::OriginatorHasNoPrivilege);
    let made = rig.create("/id-in", (16, "ics"), csr("/id-other")).await;
    assert_eq!(made.0, Rsc::BadRequest);
    let made = rig.made("/id-in", (16, "ics"), csr("/id-in")).await;
    assert_eq!(
        (&made["ri"], &made["csi"]),
        (&json!("id-in"), &json!("/id-in"))
    );
    assert_eq!(
        rig.create("/id-in", (16, "ics"), csr("/id-in")).await.0,
        Rsc::Conflict
    );
    assert_eq!(rig.get("/id-in", "ics").await.0, Rsc::Ok);
    assert_eq!(rig.get("/id-in", "ics/peer").await.0, Rsc::Ok);
    let update = json!({ "m2m:csr": { "lbl": ["a"] } });
    assert_eq!(rig.put("/id-in", "id-in", update).await.0, Rsc::Updated);
    assert_eq!(rig.delete("/id-in", "id-in").await, Rsc::Deleted);
}

#[tokio::test]
async fn a_notification_for_an_ae_is_handed_on_to_it() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let notify = |content: Value| {
        let mut request = request(Operation::Notify, "ics/Cone");
        request.content = content.as_object().cloned();
        request
    };
    let signal = json!({ "m2m:sgn": { "nev": { "rep": {}, "net": 1 } } });
    assert_eq!(rig.ask("Cone", notify(signal.clone())).await.0, Rsc::Ok);
    let (via, sent) = rig.targets.next().await;
    assert_eq!(via, Via::PointOfAccess("http://Cone.example".into()));
    assert_eq!(sent.from.as_deref(), Some("Cone"));
    assert_eq!(sent.content.map(Value::Object), Some(signal.clone()));
    let rows = [
        (
            "another AE",
            "Ctwo",
            notify(signal.clone()),
            Rsc::OriginatorHasNoPrivilege,
        ),
        (
            "no notification",
            "Cone",
            notify(json!({ "x:y": {} })),
            Rsc::BadRequest,
        ),
        (
            "no content",
            "Cone",
            request(Operation::Notify, "ics/Cone"),
            Rsc::BadRequest,
        ),
    ];
    for (said, from, request, rsc) in rows {
        assert_eq!(rig.ask(from, request).await.0, rsc, "{said}");
    }
    let mut to_base = notify(signal.clone());
    to_base.to = "ics".into();
    assert_eq!(rig.ask("CAdmin", to_base).await.0, Rsc::BadRequest);
    rig.targets.answer(
        "http://Cone.example",
        Err(crate::outbound::Unreachable::Timeout),
    );
    assert_eq!(
        rig.ask("Cone", notify(signal)).await.0,
        Rsc::TargetNotReachable
    );
}

#[test]
fn the_admin_is_who_the_rig_says() {
    assert!(matches!(originator("CAdmin").standing, Standing::Admin));
}

/// A point of access that is this CSE itself under another name: what is sent there comes back.
#[derive(Default)]
struct Mirror {
    tree: std::sync::OnceLock<crate::tree::Tree>,
    answers: std::sync::Mutex<Vec<Rsc>>,
}

impl crate::outbound::Outbound for Mirror {
    fn send<'a>(
        &'a self,
        _: &'a Via,
        request: &'a crate::primitive::Request,
    ) -> ics_core::port::PortFuture<
        'a,
        Result<crate::primitive::Response, crate::outbound::Unreachable>,
    > {
        Box::pin(async move {
            let mut again = request.clone();
            again.to = "ics/Cone".into();
            let who = originator(again.from.as_deref().unwrap_or_default());
            let address = crate::address::Address::parse(&again.to, &super::rig::names()).unwrap();
            let tree = self.tree.get().unwrap();
            let now = Timestamp::from_millis(super::rig::START);
            let outcome = Box::pin(tree.handle((&who, &address), &again, now)).await;
            let response = crate::primitive::Response::to(&again, outcome);
            self.answers.lock().unwrap().push(response.rsc);
            Ok(response)
        })
    }
}

#[tokio::test]
async fn a_notification_that_comes_back_is_not_handed_on_again() {
    let mirror = Arc::new(Mirror::default());
    let rig = Rig::over(Arc::clone(&mirror) as Arc<dyn crate::outbound::Outbound>).await;
    assert!(mirror.tree.set(rig.tree.clone()).is_ok());
    rig.ae("Cone").await;
    let mut notify = request(Operation::Notify, "ics/Cone");
    notify.content = json!({ "m2m:sgn": {} }).as_object().cloned();
    assert_eq!(rig.ask("Cone", notify.clone()).await.0, Rsc::BadRequest);
    assert_eq!(*mirror.answers.lock().unwrap(), [Rsc::BadRequest]);
    // The next request of that ID is another one.
    assert_eq!(rig.ask("Cone", notify).await.0, Rsc::BadRequest);
    assert_eq!(mirror.answers.lock().unwrap().len(), 2);
}
