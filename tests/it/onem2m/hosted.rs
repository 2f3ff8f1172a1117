//! Devices whose IoT SP is hosted, at the CSE itself: over HTTPS with their certificates, with curl.

use std::path::Path;

use ics_tests::{
    Domain, HostedDevice, OneM2mClient, Party, Received, Receiver, answer_primitive, eventually,
    fresh_uuid, wait_for,
};
use serde_json::{Value, json};

use super::listener::domain;

pub(super) const DOC: &str = "ics/lock/doc";
pub(super) const ACK: &str = "ics/lock/ack";
const INQ: &str = "/id-ics/ics/inq";
const DMP: &str = "/id-ics/ics/dmp";

/// A gateway, both SPs, and what they and the AEs of devices are told.
pub(super) struct World {
    pub(super) domain: Domain,
    url: String,
    pub(super) acme: Party,
    pub(super) shop: Party,
    /// What shop is told.
    results: Receiver,
    /// What the lock's AE is told.
    told: Receiver,
}

impl World {
    pub(super) fn start() -> Self {
        let (domain, url) = domain(|_| String::new());
        let (results, told) = (domain.receiver(), domain.receiver());
        told.answer(|received| answer_primitive(received, 2000, None));
        let file = domain.configuration();
        let text = std::fs::read_to_string(&file).expect("a configuration");
        let origins = format!("[onem2m]\nnotify_origins = [\"{}\"]\n", told.origin());
        let text = text
            .replace("[onem2m]\n", &origins)
            .replace(
                "allowed_networks = []",
                "allowed_networks = [\"127.0.0.0/8\"]",
            )
            .replace("failure_floor = \"60s\"", "failure_floor = \"0s\"")
            .replace("failure_jitter = \"30s\"", "failure_jitter = \"0s\"");
        std::fs::write(&file, text).expect("written");
        domain.serve();
        let mut acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
        }));
        acme.grant = "ACME-".to_owned();
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": [results.origin()],
        }));
        shop.grant = "https://shop.example/services".to_owned();
        shop.callback = format!("{}/results", results.origin());
        domain.agree(&acme, &shop);
        Self {
            domain,
            url,
            acme,
            shop,
            results,
            told,
        }
    }

    fn client(&self, device: &HostedDevice, originator: &str) -> OneM2mClient {
        let root = self.domain.file("authority/sp-ca.pem");
        let client = OneM2mClient::new(&self.url, originator).root(&root);
        client.certificate(&device.certificate, &device.key)
    }

    /// A lock with an AE.
    fn lock(&self, more: &Value) -> (HostedDevice, OneM2mClient) {
        let lock = self.domain.host_over(&["onem2m"], &self.acme, "ACME-LOCK");
        let client = self.client(&lock, "Clock");
        client.create("ics", 2, &ae("lock", more)).expect(2001);
        (lock, client)
    }

    fn reachable(&self) -> Value {
        json!({ "rr": true, "poa": [self.told.origin()] })
    }

    /// The document that the AE, or whoever watches for it, is told of.
    fn told(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || documents(&self.told).into_iter().find(&fits))
    }

    fn result(&self, uti: &str, status: &str) {
        self.results.wait(status, |received| {
            let body = received.body();
            body["uti"] == uti && body["mappingStatus"] == status
        });
    }

    fn restart(&self) {
        self.domain.stop();
        self.serve();
    }

    fn serve(&self) {
        self.domain.serve();
        for party in [&self.acme, &self.shop] {
            party.forget_token();
        }
    }
}

pub(super) fn ae(name: &str, more: &Value) -> Value {
    let mut ae = json!({ "rn": name, "api": "N.org.example.lock", "rr": false, "srv": ["4"] });
    for (name, value) in more.as_object().expect("attributes") {
        ae[name] = value.clone();
    }
    json!({ "m2m:ae": ae })
}

/// `con` of what was told, or is there.
fn document_in(instance: &Value) -> Option<Value> {
    serde_json::from_str(instance["con"].as_str()?).ok()
}

/// The documents told so far, in their order.
fn documents(told: &Receiver) -> Vec<Value> {
    let instance = |received: &Received| {
        let event = &received.body()["m2m:sgn"]["nev"];
        (event["net"] == 3).then(|| event["rep"]["m2m:cin"].clone())
    };
    let instances = told
        .received()
        .iter()
        .filter_map(instance)
        .collect::<Vec<_>>();
    instances.iter().filter_map(document_in).collect()
}

/// The document that lies there, once it fits.
fn lies(client: &OneM2mClient, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || {
        let latest = client.retrieve(&format!("{DOC}/la"));
        let instance = (latest.rsc == 2000).then(|| latest.member("m2m:cin"))?;
        document_in(&instance).filter(&fits)
    })
}

fn holds(document: &Value, uti: &str) -> bool {
    let rows = document["m"].as_array();
    rows.into_iter().flatten().any(|row| row["uti"] == uti)
}

fn version(document: &Value) -> u64 {
    document["v"].as_u64().expect("a version")
}

pub(super) fn acknowledgement(said: &Value) -> Value {
    json!({ "m2m:cin": { "con": said.to_string() } })
}

#[track_caller]
fn acknowledge(client: &OneM2mClient, version: u64) {
    let said = acknowledgement(&json!({ "v": version }));
    client.create(ACK, 4, &said).expect(2001);
}

fn registered(domain: &Domain, path: &Path) -> String {
    std::fs::read_to_string(domain.file(path.to_str().expect("UTF-8"))).unwrap_or_default()
}

#[test]
fn a_pair_reaches_the_device_over_its_ae_and_leaves_it_whatever_restarts() {
    let world = World::start();
    let (lock, client) = world.lock(&world.reachable());
    let empty = lies(&client, "an empty document", |document| {
        document["m"] == json!([])
    });
    let (service, uti) = (world.shop.service("doors"), fresh_uuid());
    let mapping = world
        .shop
        .ask_for(&world.acme, &service, &uti, &lock.serial);
    let told = world.told("the pair", |document| holds(document, &uti));
    assert!(version(&told) > version(&empty));
    assert_eq!(world.shop.status(&mapping), "PENDING");
    // Not acknowledged: the next process tells of it again.
    let before = documents(&world.told).len();
    world.restart();
    eventually("the pair once more", || {
        documents(&world.told).len() > before
    });
    assert_eq!(lies(&client, "the pair", |d| holds(d, &uti)), told);
    acknowledge(&client, version(&told));
    assert_eq!(world.shop.status(&mapping), "ESTABLISHED");
    world.result(&uti, "ESTABLISHED");
    assert_eq!(client.retrieve(&format!("{ACK}/la")).rsc, 4004);

    // Its own pairs, and of another device nothing, whether there is one or not.
    let light = world
        .domain
        .host_over(&["onem2m"], &world.acme, "ACME-LIGHT");
    let inquiry = |did: &str| json!({ "ics:inq": { "did": did } });
    let own = client.create(INQ, 28, &inquiry(&lock.id)).expect(2001);
    let row = json!({ "did": lock.id, "svu": service, "uti": uti });
    assert_eq!(own.member("ics:inq")["idmap"], json!([row]));
    let foreign = client.create(INQ, 28, &inquiry(&light.id)).expect(4004);
    let nobody = client.create(INQ, 28, &inquiry("d-nobody")).expect(4004);
    assert_eq!(foreign.http.body, nobody.http.body);

    // It is taken away while the gateway goes and comes.
    world
        .shop
        .demap("USER_AUTHORIZATION_WITHDRAWN", &mapping.key())
        .expect(200);
    world.domain.kill();
    world.serve();
    let gone = world.told("the empty document", |document| {
        version(document) > version(&told)
    });
    assert_eq!(gone["m"], json!([]));
    lies(&client, "the empty document", |document| *document == gone);
    acknowledge(&client, version(&gone));
    client.create(INQ, 28, &inquiry(&lock.id)).expect(4004);
    let log = || registered(&world.domain, Path::new("decisions/decisions.jsonl"));
    eventually("a line of each act", || {
        let log = log();
        let acts = |operation: &str| {
            let operation = format!("\"operation\":\"{operation}\"");
            let of_cse = |line: &&str| line.contains("\"listener\":\"onem2m\"");
            let lines = log.lines().filter(of_cse);
            lines.filter(|line| line.contains(&operation)).count()
        };
        acts("acknowledge") == 2 && acts("inquire") == 2 && acts("document") >= 3
    });
}

#[test]
fn a_device_watches_refuses_and_gives_up() {
    let world = World::start();
    let (lock, client) = world.lock(&json!({}));
    let watch = json!({ "m2m:sub": {
        "rn": "news", "nu": [world.told.origin()], "enc": { "net": [3] },
    } });
    client.create(DOC, 23, &watch).expect(2001);
    let (service, refused, kept) = (world.shop.service("doors"), fresh_uuid(), fresh_uuid());
    let ask = |uti: &str| world.shop.ask_for(&world.acme, &service, uti, &lock.serial);
    ask(&refused);
    let first = world.told("the first pair", |document| holds(document, &refused));
    let id = &first["m"][0]["id"];
    // Nothing of this is an acknowledgement, or of a version there was.
    let v = version(&first);
    for (said, rsc) in [
        (json!("v"), 4000),
        (json!({ "v": "7" }), 4000),
        (json!({ "v": v, "no": [1] }), 4000),
        (json!({ "v": v, "more": 1 }), 4000),
        (json!({ "v": v + 1 }), 4105),
    ] {
        let answer = client.create(ACK, 4, &acknowledgement(&said));
        assert_eq!(answer.rsc, rsc, "{said}: {answer:?}");
    }
    let bare = json!({ "m2m:cin": { "con": { "v": v } } });
    client.create(ACK, 4, &bare).expect(4000);
    let said = acknowledgement(&json!({ "v": v, "no": [id] }));
    client.create(ACK, 4, &said).expect(2001);
    world.result(&refused, "FAILED");

    let mapping = ask(&kept);
    let second = world.told("the second pair", |document| holds(document, &kept));
    assert!(!holds(&second, &refused));
    acknowledge(&client, version(&second));
    world.result(&kept, "ESTABLISHED");
    let given = json!({ "ics:dmp": { "svu": service, "uti": kept } });
    let done = client.create(DMP, 28, &given).expect(2001);
    assert_eq!(done.member("ics:dmp")["rmvd"], 1);
    client.create(DMP, 28, &given).expect(4004);
    let third = world.told("the pair gone", |document| {
        version(document) > version(&second)
    });
    assert_eq!(third["m"], json!([]));
    acknowledge(&client, version(&third));
    eventually("the pair gone at the third party", || {
        world.shop.inquire(&service, &kept).status == 404
    });
    drop(mapping);
}

#[test]
fn nobody_else_reads_a_document_and_none_outlives_its_device() {
    let world = World::start();
    let (lock, client) = world.lock(&json!({}));
    let uti = fresh_uuid();
    let service = world.shop.service("doors");
    world
        .shop
        .ask_for(&world.acme, &service, &uti, &lock.serial);
    let document = lies(&client, "the pair", |document| holds(document, &uti));
    let light = world
        .domain
        .host_over(&["onem2m"], &world.acme, "ACME-LIGHT");
    let other = world.client(&light, "Clight");
    other
        .create("ics", 2, &ae("light", &json!({})))
        .expect(2001);
    // It is let in at the lock's AE, and yet not there.
    let policy = json!({ "m2m:acp": {
        "pv": { "acr": [{ "acor": ["Clock", "Clight"], "acop": 63 }] },
        "pvs": { "acr": [{ "acor": ["Clock"], "acop": 63 }] },
    } });
    let policy = client.create("ics/lock", 1, &policy).expect(2001);
    let shared = json!({ "m2m:ae": { "acpi": [policy.member("m2m:acp")["ri"]] } });
    client.update("ics/lock", &shared).expect(2004);
    other.retrieve("ics/lock").expect(2000);
    let said = acknowledgement(&json!({ "v": version(&document) }));
    let watch = json!({ "m2m:sub": { "rn": "spy", "nu": ["Clight"], "enc": { "net": [3] } } });
    other.retrieve(&format!("{DOC}/la")).expect(4103);
    other.retrieve(DOC).expect(4103);
    other.create(DOC, 23, &watch).expect(4103);
    other.create(ACK, 4, &said).expect(4103);
    // As the lock it is nobody.
    let thief = world.client(&light, "Clock");
    thief.retrieve(&format!("{DOC}/la")).expect(4106);
    thief.create(ACK, 4, &said).expect(4106);
    // Nor does the lock write there, or ask for what is for service providers.
    client.create(DOC, 4, &said).expect(4103);
    client.delete(DOC).expect(4103);
    client.delete(&format!("{DOC}/la")).expect(4103);
    client
        .update(DOC, &json!({ "m2m:cnt": { "mni": 7 } }))
        .expect(4103);
    client.retrieve("/id-ics/ics/map?fu=1").expect(4103);
    client.retrieve("/id-ics/ics/pnd").expect(4103);
    let elsewhere = world
        .domain
        .host_over(&["mqtt"], &world.acme, "ACME-ELSEWHERE");
    let elsewhere = world.client(&elsewhere, "Celse");
    elsewhere
        .create("ics", 2, &ae("else", &json!({})))
        .expect(4106);

    let path = world
        .acme
        .path("ics-device", &format!("devices/{}", lock.id));
    let gone = world.acme.delete(&path);
    assert!(gone.status < 300, "{gone:?}");
    let empty = lies(&client, "the empty document", |document| {
        !holds(document, &uti)
    });
    client
        .create(INQ, 28, &json!({ "ics:inq": { "did": lock.id } }))
        .expect(4103);
    acknowledge(&client, version(&empty));
    client.retrieve(&format!("{DOC}/la")).expect(4106);
    eventually("the AE gone", || other.retrieve("ics/lock").rsc == 4004);
}

/// So many that a device is beyond its rate before it is through with them.
const MANY: usize = 1000;

#[test]
fn a_device_is_held_to_its_rate_and_others_are_not() {
    let world = World::start();
    let (lock, client) = world.lock(&json!({}));
    let root = world.domain.file("authority/sp-ca.pem");
    let shown = format!(
        "url = \"{}/ics/lock\"\noutput = \"/dev/null\"\nwrite-out = \"%header{{x-m2m-rsc}}\\n\"\n\
         cacert = {root:?}\ncert = {:?}\nkey = {:?}\n\
         header = \"X-M2M-Origin: Clock\"\nheader = \"X-M2M-RVI: 4\"\n",
        world.url, lock.certificate, lock.key,
    );
    let asked = (0..MANY).map(|n| format!("{shown}header = \"X-M2M-RI: many-{n}\"\n"));
    let file = world.domain.file("many.curl");
    std::fs::write(&file, asked.collect::<Vec<_>>().join("next\n")).expect("written");
    let output = std::process::Command::new("curl")
        .args(["--silent", "--show-error", "--config"])
        .arg(&file)
        .output()
        .expect("curl");
    let said = String::from_utf8_lossy(&output.stdout);
    let count = |rsc: &str| said.lines().filter(|line| *line == rsc).count();
    assert!(count("2000") >= 100 && count("5000") > 0, "{said}");
    assert_eq!(count("2000") + count("5000"), MANY, "{output:?}");
    let light = world
        .domain
        .host_over(&["onem2m"], &world.acme, "ACME-LIGHT");
    let other = world.client(&light, "Clight");
    other
        .create("ics", 2, &ae("light", &json!({})))
        .expect(2001);
    eventually("it to be served again", || {
        client.retrieve("ics/lock").rsc == 2000
    });
    eventually("a line of that", || {
        let log = registered(&world.domain, Path::new("decisions/decisions.jsonl"));
        log.contains("MESSAGES_TOO_FAST")
    });
}
