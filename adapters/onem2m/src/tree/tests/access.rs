use serde_json::{Value, json};

use super::rig::{Rig, create, originator, request};
use crate::caller::{Originator, Standing};
use crate::primitive::Operation;
use crate::rsc::Rsc;
use crate::tree::Grant;

const DENIED: Rsc = Rsc::OriginatorHasNoPrivilege;

fn acp(name: &str, pv: Value, pvs: Value) -> Value {
    let mut acp = json!({ "m2m:acp": { "rn": name, "pv": {}, "pvs": {} } });
    acp["m2m:acp"]["pv"]["acr"] = pv;
    acp["m2m:acp"]["pvs"]["acr"] = pvs;
    acp
}

fn rule(originators: &[&str], operations: u8) -> Value {
    json!({ "acor": originators, "acop": operations })
}

/// AEs `Cone`, `Ctwo` and a policy of `Cone` by which `granted` may do `operations`.
async fn rig_with(granted: &[&str], operations: u8) -> Rig {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let policy = acp(
        "p",
        json!([rule(granted, operations)]),
        json!([rule(&["Cone"], 63)]),
    );
    rig.made("Cone", (1, "ics/Cone"), policy).await;
    let container = json!({ "m2m:cnt": { "rn": "c", "acpi": ["ics/Cone/p"] } });
    rig.made("Cone", (3, "ics/Cone"), container).await;
    rig
}

#[tokio::test]
async fn a_policy_comes_back_as_it_was_sent() {
    let rig = Rig::new().await;
    let pv = json!([rule(&["Cone", "Canother*", "Cyet*Originator"], 63)]);
    let pvs = json!([rule(&["Cone"], 63)]);
    let made = rig
        .made("CAdmin", (1, "ics"), acp("p", pv.clone(), pvs.clone()))
        .await;
    assert_eq!((&made["pv"]["acr"], &made["pvs"]["acr"]), (&pv, &pvs));
    let shown = rig.shown("Cone", "ics/p").await;
    assert_eq!((&shown["pv"]["acr"], &shown["ty"]), (&pv, &json!(1)));
}

#[tokio::test]
async fn what_is_no_policy_is_refused() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    let good = json!([rule(&["Cone"], 63)]);
    let with_rule = |pv: Value| acp("p", json!([pv]), good.clone());
    let rows = [
        (
            "no pvs",
            json!({ "m2m:acp": { "pv": { "acr": [] } } }),
            Rsc::BadRequest,
        ),
        (
            "no pv",
            json!({ "m2m:acp": { "pvs": { "acr": good } } }),
            Rsc::BadRequest,
        ),
        (
            "an empty pvs",
            json!({ "m2m:acp": { "pv": {}, "pvs": {} } }),
            Rsc::BadRequest,
        ),
        (
            "no rule in pvs",
            acp("p", good.clone(), json!([])),
            Rsc::BadRequest,
        ),
        (
            "too many operations",
            with_rule(rule(&["a"], 64)),
            Rsc::BadRequest,
        ),
        (
            "no operations",
            with_rule(json!({ "acor": ["a"] })),
            Rsc::BadRequest,
        ),
        (
            "an unknown condition",
            with_rule(json!({ "acor": ["a"], "acop": 1, "x": 1 })),
            Rsc::BadRequest,
        ),
        (
            "a condition not checked",
            with_rule(json!({ "acor": ["a"], "acop": 1, "acco": [] })),
            Rsc::NotImplemented,
        ),
        (
            "ty as a list",
            with_rule(json!({ "acor": ["a"], "acop": 1, "acod": [{ "ty": [3] }] })),
            Rsc::BadRequest,
        ),
    ];
    for (said, content, rsc) in rows {
        assert_eq!(
            rig.create("CAdmin", (1, "ics"), content).await.0,
            rsc,
            "{said}"
        );
    }
    for pv in [json!({ "acr": [] }), json!({})] {
        let content = json!({ "m2m:acp": { "pv": pv, "pvs": { "acr": good } } });
        rig.made("Cone", (1, "ics"), content).await;
    }
}

#[tokio::test]
async fn a_policy_is_governed_by_its_self_privileges_alone() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let policy = acp(
        "p",
        json!([rule(&["Ctwo"], 63)]),
        json!([rule(&["Cone"], 61)]),
    );
    rig.made("Cone", (1, "ics/Cone"), policy).await;
    let update = json!({ "m2m:acp": { "lbl": ["a"] } });
    assert_eq!(
        rig.get("Cone", "ics/Cone/p").await.0,
        DENIED,
        "no bit to retrieve"
    );
    assert_eq!(rig.get("Ctwo", "ics/Cone/p").await.0, DENIED);
    assert_eq!(rig.get("CAdmin", "ics/Cone/p").await.0, Rsc::Ok);
    assert_eq!(
        rig.put("Ctwo", "ics/Cone/p", update.clone()).await.0,
        DENIED
    );
    assert_eq!(rig.put("Cone", "ics/Cone/p", update).await.0, Rsc::Updated);
    for pvs in [json!({}), json!(null), json!({ "acr": [] })] {
        let update = json!({ "m2m:acp": { "pvs": pvs } });
        assert_eq!(
            rig.put("Cone", "ics/Cone/p", update).await.0,
            Rsc::BadRequest
        );
    }
    assert_eq!(rig.delete("Ctwo", "ics/Cone/p").await, DENIED);
    assert_eq!(rig.delete("Cone", "ics/Cone/p").await, Rsc::Deleted);
}

#[tokio::test]
async fn each_operation_wants_its_bit() {
    for bit in [1, 2, 4, 8, 16, 32] {
        let rig = rig_with(&["Ctwo"], bit).await;
        let grant = |of: u8, rsc: Rsc| if of == bit { rsc } else { DENIED };
        let to = "ics/Cone/c";
        let child = json!({ "m2m:cnt": { "rn": "d" } });
        assert_eq!(
            rig.create("Ctwo", (3, to), child).await.0,
            grant(1, Rsc::Created)
        );
        assert_eq!(rig.get("Ctwo", to).await.0, grant(2, Rsc::Ok));
        let update = json!({ "m2m:cnt": { "lbl": ["a"] } });
        assert_eq!(rig.put("Ctwo", to, update).await.0, grant(4, Rsc::Updated));
        assert_eq!(rig.query("Ctwo", to, "fu=1").await.0, grant(32, Rsc::Ok));
        assert_eq!(rig.delete("Ctwo", to).await, grant(8, Rsc::Deleted));
    }
}

#[tokio::test]
async fn originators_are_named_whole_or_with_wildcards() {
    let rows: [(&[&str], &str, bool); 10] = [
        (&["Ctwo"], "Ctwo", true),
        (&["/id-ics/Ctwo"], "Ctwo", true),
        (&["//ics.example/id-ics/Ctwo"], "Ctwo", true),
        (&["all"], "Ctwo", true),
        (&["*"], "Ctwo", true),
        (&["Ct*"], "Ctwo", true),
        (&["C*o"], "Ctwo", true),
        (&["C*x"], "Ctwo", false),
        (&["Ctw"], "Ctwo", false),
        (&["Cyet*Originator"], "CyetAnother", false),
    ];
    for (granted, from, may) in rows {
        let rig = rig_with(granted, 2).await;
        let rsc = if may { Rsc::Ok } else { DENIED };
        assert_eq!(
            rig.get(from, "ics/Cone/c").await.0,
            rsc,
            "{granted:?} {from}"
        );
    }
}

#[tokio::test]
async fn without_a_policy_what_is_made_is_its_creators_and_the_admins() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    rig.made("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": { "rn": "c" } }))
        .await;
    rig.made(
        "Cone",
        (4, "ics/Cone/c"),
        json!({ "m2m:cin": { "con": "x" } }),
    )
    .await;
    for to in ["ics/Cone/c", "ics/Cone/c/la"] {
        assert_eq!(rig.get("Cone", to).await.0, Rsc::Ok);
        assert_eq!(rig.get("CAdmin", to).await.0, Rsc::Ok);
        for stranger in ["Ctwo", "Cnobody"] {
            assert_eq!(rig.get(stranger, to).await.0, DENIED);
            assert_eq!(rig.delete(stranger, to).await, DENIED);
        }
    }
}

#[tokio::test]
async fn with_a_custodian_it_is_the_custodians() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    let container = json!({ "m2m:cnt": { "rn": "c", "cstn": "someone" } });
    rig.made("CAdmin", (3, "ics/Cone"), container).await;
    assert_eq!(rig.get("Cone", "ics/Cone/c").await.0, DENIED);
    assert_eq!(rig.get("other", "ics/Cone/c").await.0, DENIED);
    assert_eq!(rig.get("someone", "ics/Cone/c").await.0, Rsc::Ok);
    assert_eq!(rig.delete("someone", "ics/Cone/c").await, Rsc::Deleted);
}

#[tokio::test]
async fn what_has_no_policy_is_also_for_whom_the_policy_above_names() {
    let rig = rig_with(&["Ctwo"], 2).await;
    let child = json!({ "m2m:cnt": { "rn": "d" } });
    let made = rig.create("Cone", (3, "ics/Cone/c"), child.clone()).await;
    assert_eq!(made.0, DENIED, "its own policy does not name the creator");
    rig.made("CAdmin", (3, "ics/Cone/c"), child).await;
    assert_eq!(rig.get("Ctwo", "ics/Cone/c/d").await.0, Rsc::Ok);
    assert_eq!(rig.get("Cone", "ics/Cone/c/d").await.0, DENIED);
}

#[tokio::test]
async fn which_policies_hold_is_for_their_self_privileges() {
    let rig = rig_with(&["Ctwo"], 63).await;
    let update = |acpi: Value| json!({ "m2m:cnt": { "acpi": acpi } });
    let to = "ics/Cone/c";
    let both = json!({ "m2m:cnt": { "acpi": ["ics/Cone/p"], "lbl": ["a"] } });
    assert_eq!(rig.put("Cone", to, both).await.0, Rsc::BadRequest);
    assert_eq!(
        rig.put("Ctwo", to, update(json!(["ics/Cone/p"]))).await.0,
        DENIED
    );
    assert_eq!(
        rig.put("Cone", to, update(json!(["none"]))).await.0,
        Rsc::BadRequest
    );
    assert_eq!(
        rig.put("Cone", to, update(json!(["ics/Cone/c"]))).await.0,
        Rsc::BadRequest
    );
    assert_eq!(
        rig.put("Cone", to, update(json!([]))).await.0,
        Rsc::BadRequest
    );
    assert_eq!(
        rig.put("Cone", to, update(json!(["/id-ics/-/Cone/p"])))
            .await
            .0,
        Rsc::Updated
    );
    assert_eq!(rig.put("Ctwo", to, update(json!(null))).await.0, DENIED);
    assert_eq!(
        rig.put("Cone", to, update(json!(null))).await.0,
        Rsc::Updated
    );
    assert_eq!(rig.get("Ctwo", to).await.0, DENIED);
    assert_eq!(rig.get("Cone", to).await.0, Rsc::Ok);
}

#[tokio::test]
async fn with_its_last_policy_gone_a_resource_is_its_creators() {
    let rig = rig_with(&["Ctwo"], 63).await;
    assert_eq!(rig.get("Cone", "ics/Cone/c").await.0, DENIED);
    assert_eq!(rig.delete("Cone", "ics/Cone/p").await, Rsc::Deleted);
    assert_eq!(rig.get("Cone", "ics/Cone/c").await.0, Rsc::Ok);
    assert_eq!(rig.get("Ctwo", "ics/Cone/c").await.0, DENIED);
    // A policy that comes later under the same name is another one.
    let policy = acp(
        "p",
        json!([rule(&["Ctwo"], 63)]),
        json!([rule(&["Cone"], 63)]),
    );
    rig.made("Cone", (1, "ics/Cone"), policy).await;
    assert_eq!(rig.get("Ctwo", "ics/Cone/c").await.0, DENIED);
}

#[tokio::test]
async fn a_rule_may_be_for_some_types_alone() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.ae("Ctwo").await;
    let rules = json!([{ "acor": ["Ctwo"], "acop": 1, "acod": [{ "chty": [4] }] },
        { "acor": ["Ctwo"], "acop": 2, "acod": [{ "ty": 4, "chty": [1] }] }]);
    let policy = acp("p", rules, json!([rule(&["Cone"], 63)]));
    rig.made("Cone", (1, "ics/Cone"), policy).await;
    let container = json!({ "m2m:cnt": { "rn": "c", "acpi": ["ics/Cone/p"] } });
    rig.made("Cone", (3, "ics/Cone"), container).await;
    let to = "ics/Cone/c";
    assert_eq!(
        rig.create("Ctwo", (3, to), json!({ "m2m:cnt": {} }))
            .await
            .0,
        DENIED
    );
    rig.made("Ctwo", (4, to), json!({ "m2m:cin": { "con": "x" } }))
        .await;
    assert_eq!(rig.get("Ctwo", "ics/Cone/c/la").await.0, Rsc::Ok);
    assert_eq!(rig.get("Ctwo", to).await.0, DENIED);
}

#[tokio::test]
async fn behind_another_cse_a_name_is_worth_nothing() {
    let rig = rig_with(&["/id-in/*"], 63).await;
    let who = |standing| Originator {
        id: "/id-in/Cone".into(),
        standing,
    };
    let get = || request(Operation::Retrieve, "ics/Cone/c");
    let refused = rig
        .send(&who(Standing::BehindHop), get())
        .await
        .unwrap_err();
    assert_eq!(refused.rsc, DENIED);
    assert!(rig.send(&who(Standing::Hop), get()).await.is_ok());
    let open = rig_with(&["all"], 2).await;
    assert!(open.send(&who(Standing::BehindHop), get()).await.is_ok());
}

#[tokio::test]
async fn the_collections_of_the_ics_show_who_may_and_change_nothing() {
    let rig = Rig::new().await;
    rig.tree.show_grants(
        "map",
        &[Grant {
            originators: vec!["/id-in/Cshop".into()],
            operations: 1,
        }],
    );
    let policy = rig.shown("CAdmin", "ics/acp-map").await;
    let expected = json!([{ "acor": ["/id-in/Cshop"], "acop": 1 }]);
    assert_eq!(policy["pv"]["acr"], expected);
    assert_eq!(
        rig.shown("CAdmin", "ics/map").await["acpi"],
        json!(["acp-map"])
    );
    assert_eq!(rig.get("/id-in", "ics/acp-map").await.0, Rsc::Ok);
    assert_eq!(rig.get("Cone", "ics/acp-map").await.0, DENIED);
    for to in ["ics/map", "ics/acp-map", "ics/pnd"] {
        assert_eq!(
            rig.delete("CAdmin", to).await,
            Rsc::OperationNotAllowed,
            "{to}"
        );
        let update = rig.put("CAdmin", to, json!({ "m2m:cnt": {} })).await;
        assert_eq!(update.0, Rsc::OperationNotAllowed, "{to}");
        let below = create(23, to, json!({ "m2m:sub": { "nu": ["http://t.example"] } }));
        let refused = rig.send(&originator("CAdmin"), below).await.unwrap_err();
        assert_eq!(refused.rsc, Rsc::OperationNotAllowed, "{to}");
    }
}

#[tokio::test]
async fn whoever_gets_an_ae_id_next_does_not_get_what_was_made_under_it() {
    let rig = rig_with(&["Ctwo"], 63).await;
    rig.made(
        "Ctwo",
        (3, "ics/Cone/c"),
        json!({ "m2m:cnt": { "rn": "d" } }),
    )
    .await;
    let nu = json!({ "m2m:sub": { "rn": "s", "nu": ["Ctwo"] } });
    rig.made("Ctwo", (23, "ics/Cone/c"), nu).await;
    let none = json!({ "m2m:acp": { "pv": { "acr": [rule(&["Cone"], 63)] } } });
    assert_eq!(rig.put("Cone", "ics/Cone/p", none).await.0, Rsc::Updated);
    assert_eq!(rig.get("Ctwo", "ics/Cone/c/d").await.0, Rsc::Ok, "its own");
    assert_eq!(rig.delete("Ctwo", "Ctwo").await, Rsc::Deleted);
    rig.ae("Ctwo").await;
    assert_eq!(rig.get("Ctwo", "ics/Cone/c/d").await.0, DENIED);
    assert_eq!(rig.get("Cone", "ics/Cone/c/d").await.0, Rsc::Ok);
    assert_eq!(rig.get("CAdmin", "ics/Cone/c/s").await.0, Rsc::NotFound);
    let rig = rig.reopen().await.unwrap();
    assert_eq!(rig.get("Ctwo", "ics/Cone/c/d").await.0, DENIED);
}
