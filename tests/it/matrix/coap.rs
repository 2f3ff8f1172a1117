//! The rows of CoAP: hosted devices by themselves, with libcoap's client, a session for each cell.

use ics_tests::coap::CoapRequest;
use ics_tests::{Coap, CoapClient, CoapCredential, CoapReply, HostedDevice, Mapping, fresh_uuid};
use serde_json::{Value, json};

use super::{World, fields};

/// Who connects.
struct Who {
    name: &'static str,
    desk: Coap,
}

/// Objects are the lock's, a hosted device of acme's, and its rows with shop.
pub(super) fn fill(world: &mut World) {
    let bulb = world.domain.host(&world.acme, "ACME-BULB");
    let foreign = world.domain.host(&world.bolt, "BOLT-2");
    let all = [
        ("coap: the device", &world.lock),
        ("coap: another device of its IoT SP", &bulb),
        ("coap: a device of another IoT SP", &foreign),
    ];
    let all = all.map(|(name, device)| Who {
        name,
        desk: desk(world, certificate(device)),
    });
    let held = establish(world);
    for who in &all {
        read(world, who);
        inquire(world, who);
        write(world, who, &held);
    }
    strangers(world);
}

fn certificate(device: &HostedDevice) -> CoapCredential {
    CoapCredential::Certificate {
        certificate: device.certificate.clone(),
        key: device.key.clone(),
        authority: device.place.authority.clone(),
    }
}

fn desk(world: &World, credential: CoapCredential) -> Coap {
    let address = world.domain.coap_address();
    Coap::new(CoapClient::OpenSsl, &address, credential)
}

/// A row of the lock that is established, its device having acknowledged over CoAP.
fn establish(world: &World) -> Mapping {
    let row = world.offer();
    let newest = json!({ "v": world.newest() }).to_string();
    let lock = desk(world, certificate(&world.lock));
    lock.post("/ics/v1/doc/ack", &newest).expect("2.04");
    assert_eq!(world.shop.status(&row), "ESTABLISHED");
    row
}

/// What an answer says, without its values: code, and the word or which fields there are.
fn told(reply: &CoapReply) -> String {
    let said = if reply.code.starts_with("2.") {
        let body: Value = serde_json::from_slice(&reply.payload).unwrap_or_default();
        fields(&body)
    } else {
        reply.text().to_owned()
    };
    format!("{} {said}", reply.code).trim_end().to_owned()
}

/// What became of a request.
fn outcome(request: CoapRequest) -> String {
    let outcome = request.send();
    match &outcome.reply {
        Some(reply) => told(reply),
        None if outcome.is_met() => "closed".to_owned(),
        None => "no handshake".to_owned(),
    }
}

impl World {
    /// A path in the lock's own subtree.
    fn lock_path(&self, own: &str) -> String {
        format!("/ics/v1/d/{}/{own}", self.lock.id)
    }
}

fn read(world: &mut World, who: &Who) {
    let cells = [
        ("own document", "/ics/v1/doc".to_owned()),
        ("the lock's document", world.lock_path("doc")),
        ("nobody's document", "/ics/v1/d/d-nobody/doc".to_owned()),
    ];
    for (object, path) in cells {
        let found = outcome(who.desk.get(&path).accept(50));
        world.note([who.name, "read", object, "established"], found);
        let observed = who.desk.get(&path).accept(50).observe();
        let first = observed.wait("an answer", |_| true);
        let how = first.option("Observe").map_or("", |_| "observed ");
        let found = format!("{how}{}", told(&first));
        world.note([who.name, "observe", object, "established"], found);
    }
    let cells = [
        ("the lock's subtree", world.lock_path("")),
        ("discovery", "/.well-known/core".to_owned()),
    ];
    for (object, path) in cells {
        let found = outcome(who.desk.get(&path));
        world.note([who.name, "read", object, "established"], found);
    }
}

fn inquire(world: &mut World, who: &Who) {
    let of_shop = json!({ "svc": world.shop.service("doors") }).to_string();
    let of_mall = json!({ "svc": world.mall.service("doors") }).to_string();
    let of_lock = world.lock_path("inq");
    let cells = [
        ("own", who.desk.get("/ics/v1/inq")),
        ("own, of a service", who.desk.fetch("/ics/v1/inq", &of_shop)),
        ("own, of another", who.desk.fetch("/ics/v1/inq", &of_mall)),
        ("the lock's", who.desk.get(&of_lock)),
        (
            "the lock's, of a service",
            who.desk.fetch(&of_lock, &of_shop),
        ),
    ];
    for (object, request) in cells {
        let found = outcome(request.accept(50));
        world.note([who.name, "inquire", object, "established"], found);
    }
}

/// Posts as the device itself about rows of the lock, and to the lock's resources.
fn write(world: &mut World, who: &Who, held: &Mapping) {
    let newest = world.newest();
    let waiting = world.offer();
    let own = |own: &str| format!("/ics/v1/{own}");
    let event = |id: &str| json!({ "id": id, "data": { "open": true } });
    let cells = [
        (
            ["report an event", "of the lock", "established"],
            own("evt"),
            event(held.id()),
        ),
        (
            ["report an event", "of the lock", "pending"],
            own("evt"),
            event(waiting.id()),
        ),
        (
            ["report an event", "none", ""],
            own("evt"),
            event(&fresh_uuid()),
        ),
        (
            ["report an event", "in the lock's subtree", "established"],
            world.lock_path("evt"),
            event(held.id()),
        ),
        (
            ["acknowledge", "in the lock's subtree", "newest"],
            world.lock_path("doc/ack"),
            json!({ "v": newest }),
        ),
        (
            ["acknowledge", "own", "never offered"],
            own("doc/ack"),
            json!({ "v": newest + (1 << 40) }),
        ),
        (
            ["give a mapping up", "none", ""],
            own("rev"),
            json!({ "id": fresh_uuid() }),
        ),
        (
            ["give a mapping up", "in the lock's subtree", "pending"],
            world.lock_path("rev"),
            json!({ "id": waiting.id() }),
        ),
        (
            ["give a mapping up", "of the lock", "pending"],
            own("rev"),
            json!({ "id": waiting.id() }),
        ),
        (["post", "what is only read", ""], own("doc"), json!({})),
        (["post", "a path that is none", ""], own("st"), json!({})),
    ];
    for (cell, path, payload) in cells {
        post(world, who, cell, (&path, &payload));
    }
    let row = establish(world);
    let cell = ["give a mapping up", "of the lock", "established"];
    post(world, who, cell, (&own("rev"), &json!({ "id": row.id() })));
}

fn post(
    world: &mut World,
    who: &Who,
    [operation, object, state]: [&str; 3],
    (path, payload): (&str, &Value),
) {
    let found = outcome(who.desk.post(path, &payload.to_string()));
    world.note([who.name, operation, object, state], found);
}

/// Those who are not let in.
fn strangers(world: &mut World) {
    let revoked = world.domain.host(&world.acme, "ACME-REVOKED-2");
    let path = format!("devices/{}/credentials/1", revoked.id);
    let path = world.acme.path("ics-device", &path);
    world.acme.delete(&path).expect(204);
    let elsewhere = world
        .domain
        .host_over(&["mqtt"], &world.acme, "ACME-ELSEWHERE");
    let iot_sp = CoapCredential::Certificate {
        certificate: world.acme.certificate.clone(),
        key: world.acme.key.clone(),
        authority: world.lock.place.authority.clone(),
    };
    let nobody = CoapCredential::Key {
        identity: "AAAAAAAAAAAAAAAAAAAAAA.1".to_owned(),
        key: vec![7; 16],
    };
    for (name, credential) in [
        (
            "coap: a device whose credential was revoked",
            certificate(&revoked),
        ),
        (
            "coap: a device that is hosted over MQTT alone",
            certificate(&elsewhere),
        ),
        ("coap: an IoT SP", iot_sp),
        ("coap: stranger", nobody),
    ] {
        let desk = desk(world, credential);
        let found = outcome(desk.get("/ics/v1/doc").accept(50).patience(5));
        world.note([name, "connect", "", ""], found);
    }
}
