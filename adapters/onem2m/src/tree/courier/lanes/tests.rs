use std::time::Duration;

use serde_json::json;

use super::*;
use crate::outbound::Via;

fn item(owner: &str) -> Item {
    Item {
        owner: owner.to_owned(),
        targets: vec![Target {
            ways: vec![(Via::Registrar, "/id-in/Cone".into())],
            release: "4".into(),
        }],
        content: Content::new(),
        done: None,
    }
}

#[test]
fn a_lane_is_run_once_and_forgotten_when_it_is_empty() {
    let mut lanes = Lanes::default();
    let turns = lanes.push("s1", item("Cone"));
    assert!(turns.is_some());
    assert!(lanes.push("s1", item("Cone")).is_none());
    assert!(lanes.next("s1").is_some());
    assert!(lanes.next("s1").is_some());
    assert!(lanes.next("s1").is_none());
    assert!(lanes.lanes.is_empty() && lanes.owners.is_empty());
    assert_eq!(lanes.waiting, 0);
    assert!(lanes.push("s1", item("Cone")).is_some());
}

#[test]
fn turns_are_shared_by_the_lanes_of_an_originator() {
    let mut lanes = Lanes::default();
    let first = lanes.push("s1", item("Cone")).unwrap();
    let second = lanes.push("s2", item("Cone")).unwrap();
    let other = lanes.push("s3", item("Ctwo")).unwrap();
    assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    while lanes.next("s1").is_some() {}
    assert_eq!(lanes.owners.len(), 2, "the other lane still runs");
    drop(first);
    while lanes.next("s2").is_some() {}
    assert_eq!(lanes.owners.len(), 1);
}

#[test]
fn what_is_too_much_is_dropped_for_one_and_not_for_others() {
    let mut lanes = Lanes::default();
    for lane in 0..20 {
        for _ in 0..MOST_OF_LANE + 10 {
            lanes.push(&format!("s{lane}"), item("Cone"));
        }
        let waiting = lanes
            .lanes
            .get(&format!("s{lane}"))
            .map_or(0, |lane| lane.waiting.len());
        assert!(waiting <= MOST_OF_LANE);
    }
    assert_eq!(lanes.waiting, MOST_OF_OWNER);
    assert!(lanes.push("other", item("Ctwo")).is_some());
}

#[test]
fn nothing_waits_for_no_target() {
    let mut lanes = Lanes::default();
    let nowhere = Item {
        targets: Vec::new(),
        ..item("Cone")
    };
    assert!(lanes.push("s1", nowhere).is_none());
    assert!(lanes.lanes.is_empty());
}

#[test]
fn a_batch_is_taken_by_its_own_number_alone() {
    let mut lanes = Lanes::default();
    let batch = Batch {
        number: Some(2),
        duration: Duration::from_secs(1),
        latest: false,
    };
    let Gathered::First(first) = lanes.gather("s1", json!(1), batch) else {
        panic!("the first of a batch");
    };
    assert_eq!(
        lanes.gather("s1", json!(2), batch),
        Gathered::Full(vec![json!(1), json!(2)])
    );
    let Gathered::First(second) = lanes.gather("s1", json!(3), batch) else {
        panic!("the first of the next");
    };
    assert_ne!(first, second);
    assert!(lanes.take_batch_numbered("s1", first).is_empty());
    assert_eq!(lanes.take_batch_numbered("s1", second), [json!(3)]);
    assert!(lanes.lanes.is_empty());
}
