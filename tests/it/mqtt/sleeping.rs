//! A device that sleeps: its document waits, and what it gets is the newest version alone.

use ics_tests::{Library, Version};
use serde_json::{Value, json};

use super::world::{World, acknowledge};

#[test]
fn the_newest_version_alone_waits_for_a_sleeping_device_and_comes_when_it_connects() {
    let world = World::start();
    let lock = world.device("LOCK");
    let (first, second, third) = (world.offer(&lock), world.offer(&lock), world.offer(&lock));
    let withdrawn = "USER_AUTHORIZATION_WITHDRAWN";
    world.shop.demap(withdrawn, &second.key()).expect(200);
    // Awaiting the device: offered, not acknowledged, and its IoT SP sees it.
    let (version, acknowledged) = world.versions(&lock);
    assert!(version > acknowledged + 3);
    let offered = world.seen(&lock)["document"]["mappings"].clone();
    assert_eq!(offered, json!([first.assignment, third.assignment]));
    for mapping in [&first, &third] {
        assert_eq!(world.shop.status(mapping), "PENDING");
        let assignment = world.acme.get(&mapping.assignment).expect(200).json();
        assert_eq!(assignment["mappingStatus"], "PENDING");
    }

    let mut client = lock.connect(Library::Paho, Version::V5);
    client.subscribe(&lock.topic("doc"));
    let message = client.wait_message("the document", |_| true);
    let document = message.json();
    assert_eq!(document["v"], version);
    let ids: Vec<&Value> = rows(&document).iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [first.id(), third.id()]);
    client.publish(&lock.topic("doc/ack"), &acknowledge(version));
    assert_eq!(world.shop.status(&first), "ESTABLISHED");
    assert_eq!(world.shop.status(&third), "ESTABLISHED");
    client.close();

    // Asleep again: a row goes, and is gone for everybody before the device knows.
    world.shop.demap(withdrawn, &first.key()).expect(200);
    assert_eq!(world.shop.inquire(&first.service, &first.uti).status, 404);
    let (newest, held) = world.versions(&lock);
    assert!(newest > held && held == version);
    let mut client = lock.connect(Library::MqttJs, Version::V3);
    client.subscribe(&lock.topic("#"));
    let document = client.wait_message("the document", |_| true).json();
    assert_eq!(document["v"], newest);
    assert_eq!(rows(&document).len(), 1);
    client.publish(&lock.topic("doc/ack"), &acknowledge(newest));
    // Whatever came between was never sent.
    assert_eq!(client.messages().len(), 1);
    assert_eq!(world.versions(&lock), (newest, newest));
}

#[test]
fn a_document_outlives_the_gateway() {
    let world = World::start();
    let lock = world.device("LOCK");
    let mapping = world.offer(&lock);
    let (version, _) = world.versions(&lock);
    world.domain.kill();
    world.domain.serve();
    let mut client = lock.connect(Library::Paho, Version::V3);
    client.subscribe(&lock.topic("doc"));
    let document = client.wait_message("the document", |_| true).json();
    assert_eq!(document["v"], version);
    client.publish(&lock.topic("doc/ack"), &acknowledge(version));
    // PUBACK followed the commit: killed at once, it still knows.
    world.domain.kill();
    world.domain.serve();
    world.shop.forget_token();
    world.acme.forget_token();
    assert_eq!(world.shop.status(&mapping), "ESTABLISHED");
    assert_eq!(world.versions(&lock), (version, version));
}

fn rows(document: &Value) -> &[Value] {
    document["m"].as_array().expect("rows")
}
