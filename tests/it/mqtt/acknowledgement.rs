//! What an acknowledgement can say, and cannot.

use ics_tests::{Library, Version};
use serde_json::json;

use super::world::{World, acknowledge};

#[test]
fn an_acknowledgement_above_the_newest_version_changes_nothing() {
    let world = World::start();
    let lock = world.device("LOCK");
    let mapping = world.offer(&lock);
    let before = world.versions(&lock);
    let mut client = lock.connect(Library::Paho, Version::V5);
    let topic = lock.topic("doc/ack");
    for version in [before.0 + 1, before.0 + 1000, (1 << 53) - 1] {
        let reason = client.try_publish(&topic, &acknowledge(version));
        assert_eq!(reason, Some(0x83), "{version}");
    }
    // Nor one that no document can have, nor one that is none.
    for payload in [
        "{\"v\":9007199254740993}",
        "{\"v\":-1}",
        "{}",
        "v",
        "",
        "{\"v\":1,\"w\":1}",
    ] {
        let reason = client.try_publish(&topic, payload.as_bytes());
        assert_eq!(reason, Some(0x99), "{payload}");
    }
    assert_eq!(world.versions(&lock), before);
    assert_eq!(world.shop.status(&mapping), "PENDING");
    client.publish(&topic, &acknowledge(before.0));
    assert_eq!(world.shop.status(&mapping), "ESTABLISHED");
    // 3.1.1 has no reason in PUBACK: such a device is closed.
    let mut old = lock.connect(Library::MqttJs, Version::V3);
    assert_eq!(old.try_publish(&topic, &acknowledge(before.0 + 1)), None);
    assert_eq!(world.versions(&lock), (before.0, before.0));
}

#[test]
fn a_row_the_user_refuses_fails_and_the_others_hold() {
    let world = World::start();
    let lock = world.device("LOCK");
    let (wanted, refused) = (world.offer(&lock), world.offer(&lock));
    let mut client = lock.connect(Library::Paho, Version::V5);
    let (version, _) = world.versions(&lock);
    let payload = json!({ "v": version, "no": [refused.id()] }).to_string();
    client.publish(&lock.topic("doc/ack"), payload.as_bytes());
    assert_eq!(world.shop.status(&wanted), "ESTABLISHED");
    let assignment = world.acme.get(&refused.assignment).expect(200).json();
    assert_eq!(assignment["mappingStatus"], "FAILED", "{assignment}");
    // It is told at once to the IoT SP, and to the third party after the floor.
    let (newer, acknowledged) = world.versions(&lock);
    assert!(newer > version && acknowledged == version);
}
