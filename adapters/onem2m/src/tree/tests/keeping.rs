use std::time::Duration;

use ics_core::port::StoreError;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::rig::{Rig, request};
use crate::primitive::Operation;
use crate::rsc::Rsc;

async fn everything(rig: &Rig) -> Value {
    let (rsc, mut content) = rig.query("CAdmin", "ics", "rcn=4").await;
    assert_eq!(rsc, Rsc::Ok);
    // What is built in is made anew at each start.
    let base = content["m2m:cb"].as_object_mut().unwrap();
    base.retain(|name, _| !matches!(name.as_str(), "ct" | "lt" | "ctm"));
    for name in ["m2m:cnt", "m2m:acp"] {
        let list = base.get_mut(name).and_then(Value::as_array_mut).unwrap();
        list.retain(|one| one.get("et").is_some());
    }
    content
}

async fn populate(rig: &Rig) {
    rig.ae("Cone").await;
    rig.made(
        "Cone",
        (3, "ics/Cone"),
        json!({ "m2m:cnt": { "rn": "c", "mni": 2 } }),
    )
    .await;
    for content in ["1", "2", "3"] {
        rig.made(
            "Cone",
            (4, "ics/Cone/c"),
            json!({ "m2m:cin": { "con": content } }),
        )
        .await;
    }
    let policy = json!({ "m2m:acp": { "rn": "p", "pv": {},
        "pvs": { "acr": [{ "acor": ["Cone"], "acop": 63 }] } } });
    rig.made("Cone", (1, "ics/Cone"), policy).await;
    let subscription = json!({ "m2m:sub": { "rn": "s", "nu": ["http://t.example"], "exc": 5 } });
    rig.made("Cone", (23, "ics/Cone/c"), subscription).await;
    rig.put("Cone", "ics/Cone/c", json!({ "m2m:cnt": { "lbl": ["a"] } }))
        .await;
}

#[tokio::test]
async fn opened_again_it_is_the_same_tree() {
    let rig = Rig::new().await;
    populate(&rig).await;
    let before = everything(&rig).await;
    assert_eq!(
        before["m2m:cb"]["m2m:ae"][0]["m2m:cnt"][0]["m2m:sub"][0]["exc"],
        4
    );
    let again = rig.reopen().await.unwrap();
    assert_eq!(everything(&again).await, before);
    assert_eq!(again.shown("Cone", "ics/Cone/c/ol").await["con"], "2");
    again
        .made(
            "Cone",
            (4, "ics/Cone/c"),
            json!({ "m2m:cin": { "con": "4" } }),
        )
        .await;
    assert_eq!(again.shown("Cone", "ics/Cone/c/ol").await["con"], "3");
    assert_eq!(again.shown("Cone", "ics/Cone/c/la").await["con"], "4");
}

#[tokio::test]
async fn what_expired_meanwhile_is_not_there_again() {
    let rig = Rig::new().await;
    populate(&rig).await;
    let et = rig.in_seconds(5);
    rig.put("Cone", "ics/Cone", json!({ "m2m:ae": { "et": et } }))
        .await;
    rig.pass(Duration::from_secs(6));
    let again = rig.reopen().await.unwrap();
    assert_eq!(again.get("CAdmin", "ics/Cone").await.0, Rsc::NotFound);
    again.tree.sweep(again.now()).await.unwrap();
    assert!(again.shelf.records().is_empty());
}

#[tokio::test]
async fn what_is_made_anew_under_an_id_that_expired_stays() {
    let rig = Rig::new().await;
    populate(&rig).await;
    let et = rig.in_seconds(5);
    rig.put("Cone", "ics/Cone", json!({ "m2m:ae": { "et": et } }))
        .await;
    rig.pass(Duration::from_secs(6));
    rig.ae("Cone").await;
    let again = rig.reopen().await.unwrap();
    assert_eq!(again.get("Cone", "ics/Cone").await.0, Rsc::Ok);
    assert_eq!(rig.shelf.records().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_done() {
    let rig = Rig::new().await;
    populate(&rig).await;
    let before = everything(&rig).await;
    let kept = rig.shelf.records();
    let _ = rig.targets.next().await;
    let _ = rig.targets.next().await;
    rig.shelf.fail(true);
    let failed = Rsc::InternalServerError;
    let instance = json!({ "m2m:cin": { "con": "4" } });
    assert_eq!(
        rig.create("Cone", (4, "ics/Cone/c"), instance).await.0,
        failed
    );
    let update = json!({ "m2m:cnt": { "mni": 1 } });
    assert_eq!(rig.put("Cone", "ics/Cone/c", update).await.0, failed);
    assert_eq!(rig.delete("Cone", "ics/Cone").await, failed);
    assert_eq!(everything(&rig).await, before);
    assert_eq!(rig.shelf.records(), kept);
    assert!(rig.targets.all().is_empty(), "nobody was told");
    rig.shelf.fail(false);
    assert_eq!(rig.delete("Cone", "ics/Cone").await, Rsc::Deleted);
}

#[tokio::test]
async fn what_expires_while_the_shelf_fails_is_gone_and_taken_off_later() {
    let rig = Rig::new().await;
    populate(&rig).await;
    let et = rig.in_seconds(5);
    rig.put("Cone", "ics/Cone", json!({ "m2m:ae": { "et": et } }))
        .await;
    rig.pass(Duration::from_secs(6));
    rig.shelf.fail(true);
    assert_eq!(rig.get("CAdmin", "ics/Cone").await.0, Rsc::NotFound);
    assert_eq!(
        rig.tree.sweep(rig.now()).await,
        Err(StoreError::Unavailable)
    );
    rig.shelf.fail(false);
    rig.tree.sweep(rig.now()).await.unwrap();
    assert!(rig.shelf.records().is_empty());
}

#[tokio::test]
async fn a_shelf_that_cannot_be_read_is_not_opened() {
    let rig = Rig::new().await;
    populate(&rig).await;
    let kept = rig.shelf.records();
    let (key, record) = kept.iter().next().unwrap();
    let rows: [(&[u8], Vec<u8>); 3] = [
        (key.as_slice(), b"no record".to_vec()),
        (
            key.as_slice(),
            String::from_utf8(record.clone())
                .unwrap()
                .replace("\"v\":1", "\"v\":9")
                .into_bytes(),
        ),
        (
            b"r/orphan",
            String::from_utf8(record.clone())
                .unwrap()
                .replace("\"pi\":\"", "\"pi\":\"gone")
                .into_bytes(),
        ),
    ];
    for (key, value) in rows {
        rig.shelf.put(key, &value);
        assert_eq!(rig.reopen().await.err(), Some(StoreError::Inconsistent));
        for (key, value) in &kept {
            rig.shelf.put(key, value);
        }
    }
}

/// What may be done to one container.
#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    DeleteLatest,
    DeleteOldest,
    Limit(Option<u8>, Option<u8>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..12).prop_map(Step::Add),
        1 => Just(Step::DeleteLatest),
        1 => Just(Step::DeleteOldest),
        1 => (prop::option::of(0_u8..5), prop::option::of(0_u8..30))
            .prop_map(|(number, bytes)| Step::Limit(number, bytes)),
        1 => Just(Step::Reopen),
    ]
}

/// The same in a list of content sizes, oldest first.
#[derive(Default)]
struct Model {
    sizes: Vec<usize>,
    number: Option<u8>,
    bytes: Option<u8>,
}

impl Model {
    fn trim(&mut self) {
        let over = |model: &Self| {
            model
                .number
                .is_some_and(|most| model.sizes.len() > usize::from(most))
                || model
                    .bytes
                    .is_some_and(|most| model.sizes.iter().sum::<usize>() > usize::from(most))
        };
        while over(self) {
            self.sizes.remove(0);
        }
    }
}

async fn agree(steps: Vec<Step>) {
    let mut rig = Rig::new().await;
    let mut model = Model::default();
    rig.ae("Cone").await;
    rig.made("Cone", (3, "ics/Cone"), json!({ "m2m:cnt": { "rn": "c" } }))
        .await;
    for step in steps {
        match step {
            Step::Add(size) => {
                let content = json!({ "m2m:cin": { "con": "x".repeat(size) } });
                let (rsc, _) = rig.create("Cone", (4, "ics/Cone/c"), content).await;
                let fits = model.bytes.is_none_or(|most| size <= usize::from(most));
                if fits && model.number != Some(0) {
                    assert_eq!(rsc, Rsc::Created);
                    model.sizes.push(size);
                } else {
                    assert_eq!(rsc, Rsc::NotAcceptable);
                }
            }
            Step::DeleteLatest => {
                let gone = model.sizes.pop().map_or(Rsc::NotFound, |_| Rsc::Deleted);
                assert_eq!(rig.delete("Cone", "ics/Cone/c/la").await, gone);
            }
            Step::DeleteOldest => {
                let gone = if model.sizes.is_empty() {
                    Rsc::NotFound
                } else {
                    Rsc::Deleted
                };
                model.sizes.drain(..model.sizes.len().min(1));
                assert_eq!(rig.delete("Cone", "ics/Cone/c/ol").await, gone);
            }
            Step::Limit(number, bytes) => {
                let update = json!({ "m2m:cnt": { "mni": number, "mbs": bytes } });
                let (rsc, answer) = rig.put("Cone", "ics/Cone/c", update).await;
                assert_eq!(rsc, Rsc::Updated);
                (model.number, model.bytes) = (number, bytes);
                model.trim();
                assert_eq!(answer["m2m:cnt"]["cni"], json!(model.sizes.len()));
                assert_eq!(
                    answer["m2m:cnt"]["cbs"],
                    json!(model.sizes.iter().sum::<usize>())
                );
            }
            Step::Reopen => rig = rig.reopen().await.unwrap(),
        }
        model.trim();
        let shown = rig.shown("Cone", "ics/Cone/c").await;
        assert_eq!(shown["cni"], json!(model.sizes.len()));
        assert_eq!(shown["cbs"], json!(model.sizes.iter().sum::<usize>()));
        for (to, size) in [("la", model.sizes.last()), ("ol", model.sizes.first())] {
            let (rsc, content) = rig.get("Cone", &format!("ics/Cone/c/{to}")).await;
            match size {
                Some(size) => assert_eq!(content["m2m:cin"]["cs"], json!(size)),
                None => assert_eq!(rsc, Rsc::NotFound),
            }
        }
        // Container, AE, and what it holds: nothing else is kept.
        assert_eq!(rig.shelf.records().len(), 2 + model.sizes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_container_holds_what_a_list_would(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agree(steps));
    }

    #[test]
    fn no_content_makes_it_panic(
        ty in prop_oneof![Just(1_u16), Just(2), Just(3), Just(4), Just(16), Just(23)],
        name in "[a-z]{2,4}",
        value in prop_oneof![
            Just(json!(null)), Just(json!({})), Just(json!([])), Just(json!([{}])),
            Just(json!({"acr": [{"acor": ["*"], "acop": 1, "acod": [{}]}]})),
            Just(json!({"net": [3], "chty": [99999999]})), Just(json!(-1)), Just(json!(1e300)),
            ".*".prop_map(|text| json!(text)),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = Rig::new().await;
            let member = ["m2m:acp", "m2m:ae", "m2m:cnt", "m2m:cin", "m2m:csr", "m2m:sub"];
            for member in member {
                let mut content = serde_json::Map::new();
                content.insert(name.clone(), value.clone());
                let content = json!({ member: content });
                rig.create("CAdmin", (ty, "ics"), content.clone()).await;
                let mut update = request(Operation::Update, "ics/map");
                update.content = content.as_object().cloned();
                rig.ask("CAdmin", update).await;
            }
        });
    }
}
