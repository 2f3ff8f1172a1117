//! The rows of MQTT: hosted devices by themselves, with paho over MQTT 5.

use ics_tests::{DeviceClient, HostedDevice, Library, Mapping, Version, fresh_uuid};
use serde_json::{Value, json};

use super::{World, fields};

/// Who connects.
struct Who<'w> {
    name: &'static str,
    device: &'w HostedDevice,
}

/// Objects are the lock's, a hosted device of acme's, and its rows with shop.
pub(super) fn fill(world: &mut World) {
    let lamp = world.domain.host(&world.acme, "ACME-LAMP");
    let foreign = world.domain.host(&world.bolt, "BOLT-1");
    let lock = world.lock.clone();
    let all = [
        Who {
            name: "mqtt: the device",
            device: &lock,
        },
        Who {
            name: "mqtt: another device of its IoT SP",
            device: &lamp,
        },
        Who {
            name: "mqtt: a device of another IoT SP",
            device: &foreign,
        },
    ];
    let held = establish(world);
    for who in &all {
        read(world, who);
        inquire(world, who);
        write(world, who, &held);
    }
    strangers(world);
}

/// A row of the lock that is established.
fn establish(world: &World) -> Mapping {
    let row = world.offer();
    let mut client = world.lock.connect(Library::Paho, Version::V5);
    let payload = json!({ "v": world.newest() }).to_string().into_bytes();
    client.publish(&world.lock.topic("doc/ack"), &payload);
    client.close();
    assert_eq!(world.shop.status(&row), "ESTABLISHED");
    row
}

fn told(reason: Option<u64>) -> String {
    reason.map_or_else(|| "closed".to_owned(), |reason| format!("0x{reason:02x}"))
}

fn read(world: &mut World, who: &Who<'_>) {
    let lock = &world.lock;
    let filters = [
        ("the lock's document", lock.topic("doc")),
        ("the lock's subtree", lock.topic("#")),
        ("everything", "#".to_owned()),
        ("all documents", "ics/v1/d/+/doc".to_owned()),
        ("shared", format!("$share/g/{}", lock.topic("doc"))),
        ("the broker's own", "$SYS/#".to_owned()),
    ];
    for (object, filter) in filters {
        let mut client = who.device.connect(Library::Paho, Version::V5);
        let reason = client.try_subscribe(&filter);
        let mut outcome = told(reason);
        if reason.is_some_and(|reason| reason < 3) {
            let message = client.wait_message("the document", |_| true);
            outcome = format!("{outcome} {}", fields(&message.json()));
        }
        client.close();
        world.note([who.name, "subscribe", object, "established"], outcome);
    }
}

fn inquire(world: &mut World, who: &Who<'_>) {
    for (object, subtree) in [("own", who.device), ("the lock's", &world.lock.clone())] {
        let mut client = who.device.connect(Library::Paho, Version::V5);
        client.subscribe(&who.device.topic("answers"));
        let place = who.device.topic("answers");
        let reason = client.try_request(&subtree.topic("inq"), b"", (&place, b"1"));
        let mut outcome = told(reason);
        if reason == Some(0) {
            let answer = client
                .wait_message("an answer", |m| m.topic == place)
                .json();
            let code = answer["code"].as_u64();
            let code = code.map_or_else(String::new, |code| format!("{code} "));
            outcome = format!("{outcome} {code}{}", fields(&answer));
        }
        client.close();
        world.note([who.name, "inquire", object, "established"], outcome);
    }
}

/// Publishes under the device's own subtree about rows of the lock, and under the lock's.
fn write(world: &mut World, who: &Who<'_>, held: &Mapping) {
    let publish = |world: &mut World,
                   [operation, object, state]: [&str; 3],
                   (topic, payload): (String, Value)| {
        let mut client = who.device.connect(Library::Paho, Version::V5);
        let reason = client.try_publish(&topic, payload.to_string().as_bytes());
        client.close();
        world.note([who.name, operation, object, state], told(reason));
    };
    let (own, lock) = (who.device, world.lock.clone());
    let newest = world.newest();
    let waiting = world.offer();
    let event = |id: &str| json!({ "id": id, "data": { "open": true } });
    let cells = [
        (
            ["report an event", "of the lock", "established"],
            own.topic("evt"),
            event(held.id()),
        ),
        (
            ["report an event", "of the lock", "pending"],
            own.topic("evt"),
            event(waiting.id()),
        ),
        (
            ["report an event", "none", ""],
            own.topic("evt"),
            event(&fresh_uuid()),
        ),
        (
            ["report an event", "in the lock's subtree", "established"],
            lock.topic("evt"),
            event(held.id()),
        ),
        (
            ["acknowledge", "in the lock's subtree", "newest"],
            lock.topic("doc/ack"),
            json!({ "v": newest }),
        ),
        (
            ["acknowledge", "own", "never offered"],
            own.topic("doc/ack"),
            json!({ "v": newest + (1 << 40) }),
        ),
        (
            ["give a mapping up", "none", ""],
            own.topic("rev"),
            json!({ "id": fresh_uuid() }),
        ),
        (
            ["give a mapping up", "in the lock's subtree", "pending"],
            lock.topic("rev"),
            json!({ "id": waiting.id() }),
        ),
        (
            ["give a mapping up", "of the lock", "pending"],
            own.topic("rev"),
            json!({ "id": waiting.id() }),
        ),
        (
            ["publish", "a topic that is none", ""],
            own.topic("doc"),
            json!({}),
        ),
    ];
    for (cell, topic, payload) in cells {
        publish(world, cell, (topic, payload));
    }
    let row = establish(world);
    let cell = ["give a mapping up", "of the lock", "established"];
    publish(world, cell, (own.topic("rev"), json!({ "id": row.id() })));
}

/// Those who are not let in.
fn strangers(world: &mut World) {
    let revoked = world.domain.host(&world.acme, "ACME-REVOKED");
    let path = format!("devices/{}/credentials/1", revoked.id);
    let path = world.acme.path("ics-device", &path);
    world.acme.delete(&path).expect(204);
    let mut bare = world.lock.settings(Version::V5);
    let members = bare.as_object_mut().expect("an object");
    members.remove("certificate");
    members.remove("key");
    let mut provider = world.lock.settings(Version::V5);
    provider["certificate"] = json!(world.acme.certificate);
    provider["key"] = json!(world.acme.key);
    for (name, settings) in [
        (
            "mqtt: a device whose credential was revoked",
            revoked.settings(Version::V5),
        ),
        ("mqtt: an IoT SP", provider),
        ("mqtt: stranger", bare),
    ] {
        let client = DeviceClient::start(Library::Paho, &settings);
        let reason = client.wait_refused();
        let outcome = reason.map_or_else(
            || "no handshake".to_owned(),
            |reason| format!("0x{reason:02x}"),
        );
        world.note([name, "connect", "", ""], outcome);
    }
}
