//! Broker mode: the same story through a real mosquitto, made by the gateway's own recipe; and what
//! a broker, or a device behind one, must not be able to do.
//!
//! Several gateways share one subscription (`$share`). The embedded stores have one owner, so one
//! gateway is tried here, as the only member of its share.

mod world;

use ics_tests::{DeviceMessage, Library, Version, eventually, fresh_uuid};
use serde_json::json;

use super::story::Device as _;
use super::story::program::Program;
use world::{Brokered, Sleeper};

#[test]
fn paho_plays_the_whole_story_through_a_broker_over_mqtt_5() {
    play(Library::Paho, Version::V5);
}

#[test]
fn paho_plays_the_whole_story_through_a_broker_over_mqtt_3() {
    play(Library::Paho, Version::V3);
}

#[test]
fn mqtt_js_plays_the_whole_story_through_a_broker_over_mqtt_5() {
    play(Library::MqttJs, Version::V5);
}

fn play(library: Library, version: Version) {
    let mut brokered = Brokered::start();
    let mut device = Program::connect(&brokered.world.thing, library, version);
    brokered.world.play(&mut device);
    brokered.leaves_no_identifier_in_the_log();
}

#[test]
fn mosquitto_s_clients_play_the_whole_story_through_a_broker_over_mqtt_5() {
    let mut brokered = Brokered::start();
    let mut device = Sleeper::new(&brokered.world.thing, Version::V5);
    brokered.world.play(&mut device);
}

#[test]
fn mosquitto_s_clients_play_the_whole_story_through_a_broker_over_mqtt_3() {
    let mut brokered = Brokered::start();
    let mut device = Sleeper::new(&brokered.world.thing, Version::V3);
    brokered.world.play(&mut device);
}

#[test]
fn a_response_topic_of_another_device_is_not_written() {
    let mut brokered = Brokered::start();
    let victim = brokered.broker.bring(brokered.world.sandbox.light());
    let mut heard = victim.connect(Library::Paho, Version::V5);
    heard.subscribe(&victim.topic("#"));
    let mut device = Program::connect(&brokered.world.thing, Library::Paho, Version::V5);
    brokered.world.map(&mut device);
    let thing = brokered.world.thing.clone();
    let prefix_trick = format!("ics/v1/d/{}x/inq/a", thing.id);
    for response in [
        victim.topic("doc"),
        victim.topic("inq/answers"),
        prefix_trick,
        format!("ics/v1/d/{}/../{}/doc", thing.id, victim.id),
        "elsewhere".to_owned(),
    ] {
        let way = (response.as_str(), b"deputy".as_slice());
        let taken = device.client.try_request(&thing.topic("inq"), b"", way);
        assert_eq!(taken, Some(0), "the broker passes it on");
    }
    // A device's messages are attended to in their order: behind these, a good one is answered.
    let answer = device.ask("inq", b"", true);
    assert_eq!(answer["did"], thing.id.as_str());
    // And what the gateway says to the victim comes behind whatever it said to it before.
    heard.publish(&victim.topic("inq/mine"), b"");
    let own = victim.topic("inq/mine/rejected");
    heard.wait_message("the victim's own answer", |message| message.topic == own);
    let said = heard.messages();
    let deputy = |correlation: &Option<Vec<u8>>| correlation.as_deref() == Some(b"deputy");
    assert!(said.iter().all(|m| !deputy(&m.correlation)), "{said:?}");
    let came = device.client.messages();
    // It hears its own questions, where it listens for answers.
    let asked = thing.topic("inq");
    let mut others = came.iter().filter(|m| m.topic != asked);
    assert!(others.all(|m| !deputy(&m.correlation)), "{came:?}");
}

#[test]
fn an_answer_on_a_topic_that_devices_publish_on_is_no_question() {
    let mut brokered = Brokered::start();
    let mut device = Program::connect(&brokered.world.thing, Library::Paho, Version::V5);
    brokered.world.map(&mut device);
    let thing = brokered.world.thing.clone();
    for own in ["inq/here", "inq", "rev/here", "doc/ack", "st"] {
        let response = thing.topic(own);
        let way = (response.as_str(), own.as_bytes());
        let taken = device.client.try_request(&thing.topic("inq"), b"", way);
        assert_eq!(taken, Some(0));
    }
    // Each would have been answered before this one.
    device.ask("inq", b"", true);
    device.ask("inq", b"", true);
    let came = device.client.messages();
    let is_refusal = |topic: &str| topic.ends_with("/rejected");
    assert!(came.iter().all(|m| !is_refusal(&m.topic)), "{came:?}");
    let answered = |m: &&DeviceMessage| m.correlation.as_deref() == Some(b"inq/here");
    let answered = came
        .iter()
        .filter(answered)
        .filter(|m| m.topic.ends_with("/inq/here"));
    assert_eq!(answered.count(), 1, "{came:?}");
}

#[test]
fn the_broker_tells_a_device_0x87_that_publishes_to_another_s_topic() {
    let brokered = Brokered::start();
    let victim = brokered.broker.bring(brokered.world.sandbox.light());
    let mut device = brokered.world.thing.connect(Library::Paho, Version::V5);
    let foreign = device.try_publish(&victim.topic("evt"), b"{}");
    assert_eq!(foreign, Some(0x87), "{:?}", device.said());
}

#[test]
fn messages_of_a_device_whose_certificate_was_revoked_are_ignored() {
    let mut brokered = Brokered::start();
    let mut device = Program::connect(&brokered.world.thing, Library::Paho, Version::V5);
    let (service, uti, id) = brokered.world.map(&mut device);
    let (acme, thing) = (&brokered.world.acme, &brokered.world.thing);
    let path = acme.path("ics-device", "devices");
    let credentials = format!("{path}/{}/credentials", thing.id);
    let shown = acme.get(&format!("{path}/{}", thing.id)).expect(200).json();
    for credential in shown["credentials"].as_array().expect("credentials") {
        let name = credential["credentialId"].as_str().expect("a name");
        acme.delete(&format!("{credentials}/{name}")).expect(204);
    }
    is_ignored(&brokered, &mut device, (&service, &uti, &id));
}

#[test]
fn messages_of_a_device_of_a_suspended_provider_are_ignored_until_it_resumes() {
    let mut brokered = Brokered::start();
    let mut device = Program::connect(&brokered.world.thing, Library::Paho, Version::V5);
    let (service, uti, id) = brokered.world.map(&mut device);
    brokered.set("suspend");
    is_ignored(&brokered, &mut device, (&service, &uti, &id));
    brokered.set("resume");
    assert_eq!(
        device.ask("inq", b"", true)["did"],
        brokered.world.thing.id.as_str()
    );
}

/// What the device says from now on has no effect and no answer: the gateway settles it, and that is
/// all.
fn is_ignored(brokered: &Brokered, device: &mut Program, (service, uti, id): (&str, &str, &str)) {
    let thing = &brokered.world.thing;
    let (before, settled) = (device.client.messages().len(), brokered.wait_settled(1));
    let event = format!(r#"{{"id":"{id}","data":"after the end"}}"#);
    device.publish("evt", event.as_bytes());
    device.publish("rev", json!({ "id": id }).to_string().as_bytes());
    let late = thing.topic("inq/late");
    device.client.publish(&late, b"");
    brokered.wait_settled(settled + 3);
    let came = device.client.messages();
    // The device hears its own question, and nothing else.
    let is_own = |message: &DeviceMessage| message.topic == late;
    assert!(came.iter().skip(before).all(is_own), "{came:?}");
    // All that was to be told has been.
    eventually("an empty outbox", || {
        let outbox = brokered
            .world
            .sandbox
            .operator("GET", "/operator/v1/outbox", None);
        let outbox = outbox.expect(200).json();
        outbox["items"].as_array().is_some_and(Vec::is_empty)
    });
    let shop = &brokered.world.shop;
    let told = shop.inbox.about(uti);
    assert!(
        told.iter().all(|body| !body["data"].is_string()),
        "{told:?}"
    );
    // Nothing was given up.
    shop.inquire(service, uti).expect(200);
}

#[test]
fn a_broker_that_goes_away_and_comes_back_loses_nothing() {
    let mut brokered = Brokered::start();
    let mut device = Program::connect(&brokered.world.thing, Library::Paho, Version::V5);
    let (service, uti, id) = brokered.world.map(&mut device);
    brokered.broker.kill();
    device.client.wait_closed();
    // While nobody can be told, the row ends and another is offered.
    let (shop, thing) = (brokered.world.sandbox.shop(), brokered.world.thing.clone());
    let selector = json!({ "serviceUri": service, "uti": uti });
    shop.demap("USER_AUTHORIZATION_WITHDRAWN", &selector)
        .expect(200);
    let request = shop.request(&service, &fresh_uuid(), &thing.serial);
    let next = shop.post_mapping(&request).expect(201);
    brokered.broker.start();
    let mut device = Program::connect(&thing, Library::Paho, Version::V5);
    let there = thing.topic("st");
    // Until the gateway is back, the broker says that nobody listens.
    eventually("the gateway to be back", || {
        device.client.try_publish(&there, b"{}") == Some(0)
    });
    let document = brokered.world.next_document(&mut device);
    let rows = document["m"].as_array().expect("rows");
    assert!(
        rows.iter().all(|row| row["id"] != id.as_str()),
        "{document}"
    );
    let next = shop.follow(&brokered.world.acme, &request, &next);
    assert!(rows.iter().any(|row| row["id"] == next.id()), "{document}");
    brokered.world.acknowledge(&mut device);
    assert_eq!(shop.status(&next), "ESTABLISHED");
}

#[test]
fn what_devices_say_while_the_gateway_is_away_waits_at_the_broker() {
    let mut brokered = Brokered::start();
    let mut device = Program::connect(&brokered.world.thing, Library::Paho, Version::V5);
    let (_, uti, id) = brokered.world.map(&mut device);
    brokered.world.sandbox.kill();
    for n in 0..20 {
        let event = format!(r#"{{"id":"{id}","data":{n}}}"#);
        device.publish("evt", event.as_bytes());
    }
    brokered.world.sandbox.spawn();
    let shop = &brokered.world.shop;
    let came = || -> Vec<u64> {
        let told = shop.inbox.about(&uti);
        let data = told.iter().filter_map(|body| body["data"].as_str());
        let numbers = data.filter_map(world::read_number);
        numbers.collect()
    };
    eventually("all events", || {
        let came = came();
        (0..20).all(|n| came.contains(&n))
    });
}

#[test]
fn a_broker_whose_list_goes_by_client_id_is_not_served_and_doctor_is_red() {
    let brokered = Brokered::start_with(|broker| {
        broker.edit("acl", |acl| {
            acl.replace(
                "pattern readwrite ics/v1/d/%u/#",
                "pattern readwrite ics/v1/d/%c/#\npattern readwrite ics/v1/d/%u/#",
            )
        });
    });
    brokered.is_refused("%c");
}

#[test]
fn a_broker_that_lets_everybody_do_everything_is_not_served_and_doctor_is_red() {
    let brokered = Brokered::start_with(|broker| {
        broker.edit("acl", |acl| {
            format!("topic readwrite #\npattern readwrite #\n{acl}")
        });
    });
    brokered.is_refused("every device");
}

#[test]
fn a_broker_that_is_mended_is_served_without_a_restart_of_the_gateway() {
    let brokered = Brokered::start_with(|broker| {
        broker.edit("acl", |acl| format!("pattern readwrite #\n{acl}"));
    });
    brokered.wait_refused();
    brokered.broker.kill();
    brokered
        .broker
        .edit("acl", |acl| acl.replace("pattern readwrite #\n", ""));
    brokered.broker.start();
    brokered.wait_served();
    assert_eq!(brokered.doctor_lights(), ["green"; 3]);
}

#[test]
fn an_authority_of_somebody_else_beside_the_device_authority_is_red() {
    let brokered = Brokered::start();
    assert_eq!(brokered.doctor_lights(), ["green"; 3]);
    let other = std::fs::read_to_string(brokered.world.sandbox.file("ICS_CA"));
    let other = other.expect("an authority");
    brokered.broker.edit("device-ca.pem", |own| own + &other);
    let doctor = brokered.doctor();
    let red: Vec<_> = doctor.iter().filter(|f| f["light"] == "red").collect();
    assert!(
        red.len() == 1 && red[0]["text"].as_str().unwrap().contains("common name"),
        "{red:?}"
    );
}
