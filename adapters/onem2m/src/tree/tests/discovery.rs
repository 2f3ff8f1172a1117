use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{Rig, inner, originator, request, with_query};
use crate::caller::{Originator, Standing};
use crate::primitive::Operation;
use crate::rsc::Rsc;

/// `ics/Cone` with containers `c1`..`c3` (labels `tag:1`.., two instances in `c1`, a container `arp` in
/// each but the last), made a second apart.
async fn rig() -> Rig {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    for n in 1..=3 {
        rig.pass(Duration::from_secs(1));
        let name = format!("c{n}");
        let container =
            json!({ "m2m:cnt": { "rn": name, "lbl": [format!("tag:{n}")], "mni": 10 } });
        rig.made("Cone", (3, "ics/Cone"), container).await;
        if n < 3 {
            let arp = json!({ "m2m:cnt": { "rn": "arp" } });
            rig.made("Cone", (3, &format!("ics/Cone/c{n}")), arp).await;
        }
    }
    for (name, content, cnf) in [
        ("i1", "abc", "text/plain:0"),
        ("i2", "abcdef", "text/xml:0"),
    ] {
        let instance = json!({ "m2m:cin": { "rn": name, "con": content, "cnf": cnf } });
        rig.made("Cone", (4, "ics/Cone/c1"), instance).await;
    }
    rig
}

async fn found(rig: &Rig, query: &str) -> Vec<String> {
    let (rsc, content) = rig
        .query("Cone", "ics/Cone", &format!("fu=1&{query}"))
        .await;
    assert_eq!(rsc, Rsc::Ok, "{query}");
    let found = content["m2m:uril"].as_array().expect("a list");
    found
        .iter()
        .map(|uri| uri.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_criterion_finds_what_it_says() {
    let rig = rig().await;
    let c = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("ics/Cone/{name}"))
            .collect()
    };
    let all = ["c1", "c1/arp", "c1/i1", "c1/i2", "c2", "c2/arp", "c3"];
    let rows: [(&str, &[&str]); 32] = [
        ("lvl=9", &all),
        ("ty=4", &["c1/i1", "c1/i2"]),
        ("ty=3+4", &all),
        ("ty=2", &[]),
        ("lbl=tag:1", &["c1"]),
        ("lbl=tag:1+tag:3", &["c1", "c3"]),
        ("lbl=tag:*", &["c1", "c2", "c3"]),
        ("ty=4&lbl=tag:1", &[]),
        ("ty=4&lbl=tag:1&fo=2", &["c1", "c1/i1", "c1/i2"]),
        ("ty=3&lbl=tag:1&fo=3", &["c1/arp", "c2", "c2/arp", "c3"]),
        ("cni=2", &["c1"]),
        ("cbs=9", &["c1"]),
        ("mni=10", &["c1", "c2", "c3"]),
        ("con=a*", &["c1/i1", "c1/i2"]),
        ("con=abc", &["c1/i1"]),
        ("rn=arp", &["c1/arp", "c2/arp"]),
        ("cty=text/plain:0", &["c1/i1"]),
        ("sza=6", &["c1/i2"]),
        ("szb=6", &["c1/i1"]),
        ("crb=20261121T200002", &["c1", "c1/arp"]),
        ("cra=20261121T200002", &["c1/i1", "c1/i2", "c3"]),
        ("ms=20261121T200002", &["c1", "c1/i1", "c1/i2", "c3"]),
        ("us=20261121T200002", &["c1/arp"]),
        ("exb=20261121T200002", &[]),
        ("exa=20261121T200002", &all),
        ("stb=1", &["c1", "c1/i2"]),
        ("sts=1", &["c1/arp", "c2", "c2/arp", "c3"]),
        ("lvl=1", &["c1", "c2", "c3"]),
        ("lvl=0", &[]),
        ("lim=2", &["c1", "c1/arp"]),
        ("lim=2&ofst=3", &["c1/i1", "c1/i2"]),
        ("ty=3&arp=arp", &["c1/arp", "c2/arp"]),
    ];
    for (query, names) in rows {
        assert_eq!(found(&rig, query).await, c(names), "{query}");
    }
}

#[tokio::test]
async fn what_is_no_criterion_is_refused() {
    let rig = rig().await;
    let rows = [
        ("xxx=yyy", Rsc::BadRequest),
        ("fu=4223", Rsc::BadRequest),
        ("fo=4223", Rsc::BadRequest),
        ("szb=-1", Rsc::BadRequest),
        ("crb=yesterday", Rsc::BadRequest),
        ("smf=x", Rsc::NotImplemented),
        ("fu=3", Rsc::NotImplemented),
        ("fu=1&rcn=1", Rsc::BadRequest),
        ("fu=1&rcn=4", Rsc::BadRequest),
        ("fu=1&rcn=5", Rsc::BadRequest),
        ("fu=1&rcn=8", Rsc::BadRequest),
        ("fu=1&rcn=9", Rsc::BadRequest),
        ("rcn=0", Rsc::BadRequest),
        ("rcn=2", Rsc::BadRequest),
        ("rcn=3", Rsc::BadRequest),
        ("rcn=7", Rsc::BadRequest),
        ("rcn=9", Rsc::BadRequest),
        ("rcn=11", Rsc::BadRequest),
        ("atrl=mni", Rsc::BadRequest),
        ("atrl=rn&rcn=5", Rsc::BadRequest),
    ];
    for (query, rsc) in rows {
        assert_eq!(rig.query("Cone", "ics/Cone", query).await.0, rsc, "{query}");
    }
    assert_eq!(rig.query("Cone", "ics/none", "fu=1").await.0, Rsc::NotFound);
}

#[tokio::test]
async fn attributes_can_be_asked_for_alone() {
    let rig = rig().await;
    let (_, content) = rig.query("Cone", "ics/Cone", "atrl=rn+ty").await;
    assert_eq!(content, json!({ "m2m:ae": { "rn": "Cone", "ty": 2 } }));
    let (_, content) = rig.query("Cone", "ics/Cone/c1", "atrl=cni").await;
    assert_eq!(content, json!({ "m2m:cnt": { "cni": 2 } }));
    let (_, content) = rig.query("Cone", "ics/Cone/c1", "atrl=mbs").await;
    assert_eq!(content, json!({ "m2m:cnt": {} }));
    let (rsc, content) = rig.query("CAdmin", "ics", "atrl=ctm").await;
    assert_eq!(
        (rsc, content["m2m:cb"].as_object().unwrap().len()),
        (Rsc::Ok, 1)
    );
}

#[tokio::test]
async fn each_result_content_has_its_form() {
    let rig = rig().await;
    let query = async |query: &str| {
        let (rsc, content) = rig.query("Cone", "ics/Cone", query).await;
        assert_eq!(rsc, Rsc::Ok, "{query}");
        content
    };
    let alone = query("rcn=1&ty=4").await;
    assert_eq!(alone["m2m:ae"]["rn"], "Cone");
    assert_eq!(alone["m2m:ae"].get("m2m:cnt"), None);

    let nested = query("rcn=4").await;
    assert_eq!(nested["m2m:ae"]["rn"], "Cone");
    assert_eq!(nested["m2m:ae"]["m2m:cnt"].as_array().unwrap().len(), 3);
    assert_eq!(
        nested["m2m:ae"]["m2m:cnt"][0]["m2m:cin"][1]["con"],
        "abcdef"
    );
    assert_eq!(nested["m2m:ae"]["m2m:cnt"][1]["m2m:cnt"][0]["rn"], "arp");

    let references = query("rcn=5&lvl=1").await;
    let expected = json!([
        { "nm": "c1", "typ": 3, "val": "ics/Cone/c1" },
        { "nm": "c2", "typ": 3, "val": "ics/Cone/c2" },
        { "nm": "c3", "typ": 3, "val": "ics/Cone/c3" },
    ]);
    assert_eq!(references["m2m:ae"]["ch"], expected);
    assert_eq!(references["m2m:ae"]["rn"], "Cone");
    assert_eq!(
        query("rcn=6&lvl=1").await,
        json!({ "m2m:rrl": { "rrf": expected } })
    );
    assert_eq!(
        query("fu=1&rcn=6&lvl=1").await,
        json!({ "m2m:rrl": { "rrf": expected } })
    );

    let children = query("rcn=8").await;
    assert_eq!(children["m2m:ae"].as_object().unwrap().len(), 1);
    assert_eq!(children["m2m:ae"]["m2m:cnt"].as_array().unwrap().len(), 3);
    let skipping = query("rcn=8&ty=4").await;
    assert_eq!(skipping["m2m:ae"]["m2m:cin"].as_array().unwrap().len(), 2);
    assert_eq!(skipping["m2m:ae"].as_object().unwrap().len(), 1);
    let (_, empty) = rig.query("Cone", "ics/Cone/c3", "rcn=8").await;
    assert_eq!(empty, json!({ "m2m:cnt": {} }));
    let (_, empty) = rig.query("Cone", "ics/Cone/c3", "rcn=6").await;
    assert_eq!(empty, json!({ "m2m:rrl": { "rrf": [] } }));
}

#[tokio::test]
async fn addresses_are_structured_or_not_and_whole_for_who_is_elsewhere() {
    let rig = rig().await;
    let shown = rig.shown("Cone", "ics/Cone/c3").await;
    let (_, content) = rig.query("Cone", "ics/Cone", "fu=1&rn=c3&drt=2").await;
    assert_eq!(content["m2m:uril"], json!([shown["ri"]]));
    let (_, content) = rig.query("Cone", "ics/Cone", "fu=1&rn=c3&drt=1").await;
    assert_eq!(content["m2m:uril"], json!(["ics/Cone/c3"]));
    let update = json!({ "m2m:acp": { "rn": "p", "pv": { "acr": [{ "acor": ["all"], "acop": 34 }] },
        "pvs": { "acr": [{ "acor": ["Cone"], "acop": 63 }] } } });
    rig.made("Cone", (1, "ics/Cone"), update).await;
    let acpi = json!({ "m2m:cnt": { "acpi": ["ics/Cone/p"] } });
    assert_eq!(rig.put("Cone", "ics/Cone/c3", acpi).await.0, Rsc::Updated);
    let remote = Originator {
        id: "/id-in/Cfar".into(),
        standing: Standing::BehindHop,
    };
    let discovery = with_query(request(Operation::Retrieve, "ics"), "fu=1").unwrap();
    let answer = rig.send(&remote, discovery).await.unwrap();
    assert_eq!(
        answer.content,
        Some(json!({ "m2m:uril": ["/id-ics/ics/Cone/c3"] }))
    );
}

#[tokio::test]
async fn nobody_finds_what_he_may_not() {
    let rig = rig().await;
    rig.ae("Ctwo").await;
    let (rsc, content) = rig.query("Ctwo", "ics", "fu=1").await;
    assert_eq!(
        (rsc, content),
        (Rsc::Ok, json!({ "m2m:uril": ["ics/Ctwo"] }))
    );
    let (rsc, content) = rig.query("CAdmin", "ics", "fu=1&ty=2").await;
    assert_eq!(
        (rsc, inner(&content)),
        (Rsc::Ok, json!(["ics/Cone", "ics/Ctwo"]))
    );
    assert_eq!(
        rig.query("Cstranger", "ics", "fu=1").await.0,
        Rsc::OriginatorHasNoPrivilege
    );
    assert_eq!(
        rig.query("Ctwo", "ics/Cone", "fu=1").await.0,
        Rsc::OriginatorHasNoPrivilege
    );
    assert!(
        rig.send(&originator("Ctwo"), request(Operation::Retrieve, "ics"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let rig = Rig::new().await;
    rig.ae("Cone").await;
    rig.made("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": { "rn": "c" } }))
        .await;
    for _ in 0..1_002 {
        rig.made(
            "Cone",
            (4, "ics/Cone/c"),
            json!({ "m2m:cin": { "con": 1 } }),
        )
        .await;
    }
    let count = |content: &Value| content["m2m:uril"].as_array().unwrap().len();
    let (_, first) = rig.query("Cone", "ics/Cone/c", "fu=1").await;
    assert_eq!(count(&first), 1_000);
    let (_, rest) = rig.query("Cone", "ics/Cone/c", "fu=1&ofst=1001").await;
    assert_eq!(count(&rest), 2);
}
