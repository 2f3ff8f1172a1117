//! Mailbox mode: a platform that admits no foreign CSE, and AEs that write and read contentInstances.

use std::cell::Cell;

use ics_tests::{
    Acme, Gateway, OneM2mAnswer, OneM2mClient, PointOfAccess, Sandbox, TokenClaims, TokenKey,
    eventually, fresh_uuid, wait_for,
};
use serde_json::{Value, json};

use super::registration::onem2m;
use super::world::{Ae, instance, subscription};

const DEFINITION: &str = "org.example.ics.identityMapping";

/// A service provider on the platform.
struct Party {
    ae: Ae,
    id: &'static str,
    key: Option<TokenKey>,
    asked: Cell<u32>,
}

impl Party {
    fn join(acme: &Acme, id: &'static str) -> Self {
        Self {
            ae: Ae::register(acme, id, None),
            id,
            key: None,
            asked: Cell::new(0),
        }
    }

    /// Its key is taken from it: the container alone says who it is.
    fn without_key(self, sandbox: &Sandbox) -> Self {
        let (ae, config) = (format!("/id-in/C{}", self.id), sandbox.env("ICS_CONFIG"));
        let args = [
            "sp",
            "onem2m",
            self.id,
            "--onem2m-ae",
            &ae,
            "--config",
            config,
        ];
        let output = Gateway::run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        self
    }

    fn with_key(mut self, sandbox: &Sandbox, prefix: &str) -> Self {
        self.key = Some(sandbox.token_key(prefix));
        self
    }

    fn client(&self) -> &OneM2mClient {
        &self.ae.client
    }

    fn requests(&self) -> String {
        format!("cse-in/ics/{}/req", self.id)
    }

    fn answers(&self) -> String {
        format!("cse-in/ics/{}/rsp", self.id)
    }

    fn fresh_rid(&self) -> String {
        self.asked.set(self.asked.get() + 1);
        format!("{}-{}", self.id, self.asked.get())
    }

    /// Writes a request as text; what the platform says.
    fn write(&self, letter: &Value) -> OneM2mAnswer {
        let instance = instance(&letter.to_string());
        self.client().create(&self.requests(), 4, &instance)
    }

    /// Everything that was written for it.
    fn read(&self) -> Vec<Value> {
        // ACME stumbles over an instance that comes while it looks.
        let nested = wait_for("what was written", || {
            let nested = self.client().retrieve(&format!("{}?rcn=4", self.answers()));
            (nested.rsc != 5000).then_some(nested)
        });
        let nested = nested.expect(2000).member("m2m:cnt");
        let instances = nested["m2m:cin"].as_array().cloned().unwrap_or_default();
        let contents = instances.iter().map(|written| {
            let text = written["con"].as_str().expect("text");
            serde_json::from_str(text).expect("JSON")
        });
        contents.collect()
    }

    fn wait(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.read().into_iter().find(|told| fits(told)))
    }

    fn answer(&self, rid: &str) -> Value {
        self.wait(&format!("the answer to {rid}"), |told| told["rid"] == rid)
    }

    /// What is asked, signed where there is a key.
    fn letter(&self, op: &str, rid: &str, members: &Value) -> Value {
        let Some(key) = &self.key else {
            return addressed(op, rid, members);
        };
        let claims = TokenClaims::new(key, operation(op), &target(op, members), rid);
        signed((op, rid), members, (key, &claims))
    }

    /// Asks, and waits for the answer.
    #[track_caller]
    fn ask(&self, op: &str, members: &Value, rsc: u16) -> Value {
        let rid = self.fresh_rid();
        self.write(&self.letter(op, &rid, members)).expect(2001);
        let answer = self.answer(&rid);
        assert_eq!(answer["rsc"], rsc, "{answer}");
        answer
    }

    /// A row it is told of.
    fn row(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let row = |told: &Value| told["m2m:sgn"]["nev"]["rep"]["ics:idmap"].clone();
        row(&self.wait(what, |told| fits(&row(told))))
    }
}

/// TS-0004: CREATE, but for what is completed.
fn operation(op: &str) -> u8 {
    if op == "complete" { 3 } else { 1 }
}

fn target(op: &str, members: &Value) -> String {
    match op {
        "demap" => "/id-ics/ics/dmp".into(),
        "complete" => format!("/id-ics/ics/pnd/{}", members["id"].as_str().expect("an id")),
        op => format!("/id-ics/ics/{op}"),
    }
}

fn addressed(op: &str, rid: &str, members: &Value) -> Value {
    let mut letter = members.clone();
    letter["op"] = json!(op);
    letter["rid"] = json!(rid);
    letter
}

fn signed((op, rid): (&str, &str), members: &Value, by: (&TokenKey, &TokenClaims)) -> Value {
    let mut content = members.clone();
    let id = content.as_object_mut().expect("an object").remove("id");
    let content = by.0.sign_into(&json!({ "x": content }), by.1);
    let mut letter = addressed(op, rid, &content["x"]);
    if let Some(id) = id {
        letter["id"] = id;
    }
    letter
}

struct Stage {
    acme: Acme,
    sandbox: Sandbox,
    shop: Party,
    bolt: Party,
}

impl Stage {
    /// The shop has a key, the other has none.
    fn set() -> Self {
        let acme = Acme::options().start();
        let sandbox = Sandbox::start_with_mailbox(&acme.url());
        let shop = Party::join(&acme, "shop").with_key(&sandbox, "ICS_3P");
        let bolt = Party::join(&acme, "bolt-iot").without_key(&sandbox);
        Self {
            acme,
            sandbox,
            shop,
            bolt,
        }
    }

    fn service(&self) -> String {
        format!("{}/eggs", self.sandbox.env("ICS_3P_SERVICE"))
    }

    fn mapping(&self, serial: &str, uti: &str) -> Value {
        json!({
            "cnd": DEFINITION, "svu": self.service(), "uti": uti, "dsn": serial,
            "ucid": "c-81", "ucgt": "20260101T000000", "ucpu": "dpv:RequestedServiceProvision",
        })
    }

    fn by_transaction(&self, uti: &str) -> Value {
        json!({ "svu": self.service(), "uti": uti })
    }

    fn is_empty(&self, container: &str) -> bool {
        let found = self.acme.admin().retrieve(container).expect(2000);
        found.member("m2m:cnt")["cni"] == 0
    }
}

#[test]
fn a_mapping_is_made_used_and_ended_by_content_instances_alone() {
    let stage = Stage::set();
    let Stage { shop, bolt, .. } = &stage;
    let (uti, device) = (fresh_uuid(), fresh_uuid());
    // Whoever reads there may be told of it.
    let told = PointOfAccess::open();
    let watch = subscription("news", &told.url());
    bolt.client()
        .create(&bolt.answers(), 23, &watch)
        .expect(2001);

    let made = shop.ask("map", &stage.mapping("BOLT-1", &uti), 2001);
    assert_eq!(made["pc"]["ics:idmap"]["msta"], 1, "{made}");
    let offer = bolt.row("the offer", |row| row["uti"] == uti.as_str());
    assert_eq!(offer["dsn"], "BOLT-1");
    told.notified("that something was written", |told| {
        let written = &told["nev"]["rep"]["m2m:cin"]["con"];
        written.as_str().is_some_and(|con| con.contains(&uti))
    });

    let complete = json!({"id": offer["rn"], "did": device});
    bolt.ask("complete", &complete, 2004);
    shop.row("the result", |row| {
        row["uti"] == uti.as_str() && row["msta"] == 2
    });

    let found = shop.ask("inq", &stage.by_transaction(&uti), 2001);
    assert_eq!(found["pc"]["ics:inq"]["did"], device.as_str(), "{found}");
    let found = bolt.ask("inq", &json!({"did": device}), 2001);
    assert!(found["pc"].to_string().contains(&uti), "{found}");

    let end = json!({
        "svu": stage.service(), "uti": uti, "mcau": "USER_AUTHORIZATION_WITHDRAWN",
    });
    shop.ask("demap", &end, 2001);
    bolt.row("the end", |row| {
        row["uti"] == uti.as_str() && row["msta"] == 3
    });
    shop.ask("inq", &stage.by_transaction(&uti), 4004);
    bolt.ask("inq", &json!({"did": device}), 4004);

    // What was asked does not rest there.
    for party in [shop, bolt] {
        eventually("the requests to be gone", || {
            stage.is_empty(&party.requests())
        });
    }
    // Each was told once.
    let ends = bolt.read().into_iter().filter(|told| {
        let row = &told["m2m:sgn"]["nev"]["rep"]["ics:idmap"];
        row["uti"] == uti.as_str() && row["msta"] == 3
    });
    assert_eq!(ends.count(), 1);
}

#[test]
fn a_mailbox_is_open_to_its_own_service_provider_alone() {
    let stage = Stage::set();
    let Stage {
        acme,
        sandbox,
        shop,
        bolt,
    } = &stage;
    let asked = json!({"did": fresh_uuid()});
    bolt.ask("inq", &asked, 4004);
    // What is written now stays there.
    sandbox.stop();
    let resting = bolt
        .write(&bolt.letter("inq", "rests", &asked))
        .expect(2001);
    let resting = resting.member("m2m:cin")["rn"].clone();
    let resting = format!("{}/{}", bolt.requests(), resting.as_str().expect("a name"));
    let letter = instance(&json!({"op": "inq", "rid": "forged", "did": "x"}).to_string());
    let container = json!({"m2m:cnt": {"rn": "mine"}});
    let target = PointOfAccess::open();
    for other in [shop.client(), &acme.client("CNobody")] {
        for (what, refused) in [
            ("write", other.create(&bolt.requests(), 4, &letter)),
            ("read", other.retrieve(&bolt.answers())),
            ("read a request", other.retrieve(&resting)),
            ("oldest", other.retrieve(&format!("{}/ol", bolt.requests()))),
            ("latest", other.retrieve(&format!("{}/la", bolt.answers()))),
            (
                "watch",
                other.create(&bolt.answers(), 23, &subscription("spy", &target.url())),
            ),
            ("answer", other.create(&bolt.answers(), 4, &letter)),
            ("delete", other.delete(&bolt.requests())),
        ] {
            assert_eq!(refused.rsc, 4103, "{what}: {refused:?}");
        }
        let found = other.retrieve("cse-in?fu=1&drt=1");
        assert!(
            !found.content().to_string().contains("ics/bolt-iot/"),
            "{found:?}"
        );
    }
    // Nor may it do more than it needs.
    let own = bolt.client();
    for (what, refused) in [
        ("read requests", own.retrieve(&bolt.requests())),
        ("read its own", own.retrieve(&resting)),
        ("delete its own", own.delete(&resting)),
        ("oldest", own.retrieve(&format!("{}/ol", bolt.requests()))),
        ("container", own.create(&bolt.requests(), 3, &container)),
        (
            "watch requests",
            own.create(&bolt.requests(), 23, &subscription("spy", &target.url())),
        ),
        ("answer itself", own.create(&bolt.answers(), 4, &letter)),
        ("delete", own.delete(&bolt.answers())),
        (
            "open it to others",
            own.update(
                "cse-in/ics/ACP-bolt-iot-req",
                &json!({"m2m:acp": {"lbl": ["x"]}}),
            ),
        ),
    ] {
        assert_eq!(refused.rsc, 4103, "{what}: {refused:?}");
    }
}

#[test]
fn who_has_a_key_signs_what_it_writes_or_nothing_is_done() {
    let stage = Stage::set();
    let Stage {
        sandbox,
        shop,
        bolt,
        ..
    } = &stage;
    let uti = fresh_uuid();
    let mapping = stage.mapping("BOLT-2", &uti);
    let key = shop.key.as_ref().expect("a key");
    let refused = |letter: &Value| {
        shop.write(letter).expect(2001);
        let answer = shop.answer(letter["rid"].as_str().expect("text"));
        assert_eq!(answer["rsc"], 4106, "{answer}");
        assert!(
            answer["dbg"].as_str().expect("why").contains("`tok`"),
            "{answer}"
        );
    };
    refused(&addressed("map", &shop.fresh_rid(), &mapping));
    for (what, tampered) in [
        ("cth", json!("x")),
        ("to", json!("/id-ics/ics/dmp")),
        ("rqi", json!("another")),
        ("fr", json!("/id-in/Cbolt-iot")),
        ("aud", json!("/id-in")),
        ("exp", json!(1)),
    ] {
        let rid = shop.fresh_rid();
        let mut claims = TokenClaims::new(key, 1, "/id-ics/ics/map", &rid);
        claims.0[what] = tampered;
        refused(&signed(("map", &rid), &mapping, (key, &claims)));
    }
    let other = sandbox.token_key("ICS_IOT2");
    let rid = shop.fresh_rid();
    let mut claims = TokenClaims::new(&other, 1, "/id-ics/ics/map", &rid);
    claims.0["fr"] = json!("/id-in/Cshop");
    refused(&signed(("map", &rid), &mapping, (&other, &claims)));
    shop.ask("inq", &stage.by_transaction(&uti), 4004);
    assert_eq!(bolt.read(), Vec::<Value>::new());

    // The same letter again is the same answer; its token is good for no other.
    let rid = shop.fresh_rid();
    let letter = shop.letter("map", &rid, &mapping);
    shop.write(&letter).expect(2001);
    let made = shop.answer(&rid);
    assert_eq!(made["rsc"], 2001, "{made}");
    shop.write(&letter).expect(2001);
    let both = wait_for("the second answer", || {
        let all = shop.read().into_iter();
        let both: Vec<_> = all.filter(|told| told["rid"] == rid.as_str()).collect();
        (both.len() == 2).then_some(both)
    });
    assert_eq!(both, [made.clone(), made]);
    let mut replayed = letter;
    replayed["rid"] = json!(shop.fresh_rid());
    refused(&replayed);

    sandbox.stop();
    let log = std::fs::read_to_string(sandbox.dir().join("domain/decisions/decisions.jsonl"));
    let log = log.expect("the decision log");
    let lines = || log.lines().filter(|line| line.contains("POST mailbox"));
    let unproved = lines().filter(|line| line.contains("ORIGINATOR_NOT_AUTHENTICATED"));
    assert_eq!(unproved.count(), 9, "{log}");
    let proved = lines().filter(|line| {
        line.contains("\"proof\":\"signature\",\"via\":\"id-in\"") && line.contains("\"shop\"")
    });
    assert!(proved.count() >= 3, "{log}");
}

#[test]
fn what_is_no_request_is_answered_with_what_is_wrong() {
    let stage = Stage::set();
    let bolt = &stage.bolt;
    for (con, rid) in [
        (json!("no JSON"), None),
        (json!("[]"), None),
        (json!("{\"op\":\"inq\"}"), None),
        (json!("{\"op\":\"retrieve\",\"rid\":\"a\"}"), Some("a")),
        (
            json!("{\"op\":\"complete\",\"rid\":\"b\",\"id\":\"../map\",\"did\":\"x\"}"),
            Some("b"),
        ),
        (
            json!("{\"op\":\"inq\",\"rid\":\"c\",\"imsi\":\"x\"}"),
            Some("c"),
        ),
        (json!("{\"op\":\"map\",\"rid\":\"d\"}"), Some("d")),
    ] {
        let known = bolt.read().len();
        let written = json!({"m2m:cin": {"con": con}});
        bolt.client()
            .create(&bolt.requests(), 4, &written)
            .expect(2001);
        let all = wait_for("an answer", || {
            Some(bolt.read()).filter(|all| all.len() > known)
        });
        let answer = all.last().expect("one").clone();
        assert_eq!(answer["rsc"], 4000, "{con}: {answer}");
        assert_eq!(answer["rid"].as_str(), rid, "{con}: {answer}");
        assert!(answer["dbg"].is_string(), "{con}: {answer}");
    }
    // What no answer can be named after is taken away, and holds up nobody.
    let mut unnamed = instance("{}");
    unnamed["m2m:cin"]["rn"] = json!("x".repeat(200));
    let made = bolt.client().create(&bolt.requests(), 4, &unnamed);
    made.expect(2001);
    bolt.ask("inq", &json!({"did": fresh_uuid()}), 4004);
}

#[test]
fn what_is_written_while_the_gateway_is_down_is_answered_afterwards() {
    let stage = Stage::set();
    let Stage {
        acme,
        sandbox,
        shop,
        bolt,
    } = &stage;
    let (uti, device) = (fresh_uuid(), fresh_uuid());
    shop.ask("map", &stage.mapping("BOLT-3", &uti), 2001);
    let offer = bolt.row("the offer", |row| row["uti"] == uti.as_str());
    sandbox.kill();
    let complete = json!({"id": offer["rn"], "did": device});
    bolt.write(&bolt.letter("complete", "while-down", &complete))
        .expect(2001);
    // What was signed before the start may have been used before it.
    let key = shop.key.as_ref().expect("a key");
    let mut claims = TokenClaims::new(key, 1, "/id-ics/ics/inq", "stale");
    claims.0["iat"] = json!(claims.0["iat"].as_u64().expect("seconds") - 2);
    let by_transaction = stage.by_transaction(&uti);
    let stale = signed(("inq", "stale"), &by_transaction, (key, &claims));
    shop.write(&stale).expect(2001);
    sandbox.spawn();
    assert_eq!(bolt.answer("while-down")["rsc"], 2004);
    assert_eq!(shop.answer("stale")["rsc"], 4106);
    shop.row("the result", |row| {
        row["uti"] == uti.as_str() && row["msta"] == 2
    });
    let found = shop.ask("inq", &stage.by_transaction(&uti), 2001);
    assert_eq!(found["pc"]["ics:inq"]["did"], device.as_str(), "{found}");

    // A platform in memory forgets everybody: AE, policies, containers and subscriptions come back.
    acme.kill();
    acme.resume();
    for party in [shop, bolt] {
        let own = json!({"m2m:ae": {"rn": party.id, "api": "Ntest", "rr": false, "srv": ["4"]}});
        party.client().create("cse-in", 2, &own).expect(2001);
        eventually("the mailbox to be made again", || {
            let subscription = format!("{}/knock", party.requests());
            acme.admin().retrieve(&subscription).rsc == 2000
                && party.client().retrieve(&party.answers()).rsc == 2000
        });
    }
    shop.ask("inq", &stage.by_transaction(&uti), 2001);
}

#[test]
fn a_forged_notification_makes_it_look_and_no_more() {
    let stage = Stage::set();
    let Stage { sandbox, bolt, .. } = &stage;
    let listener = sandbox.env("ICS_MCC_URL");
    let letter = json!({
        "op": "complete", "rid": "forged", "id": "pnd-00000000000000000000000000000000", "did": "x",
    });
    let forged = json!({"m2m:sgn": {
        "nev": {"net": 3, "rep": instance(&letter.to_string())},
        "sur": "/id-in/cse-in/ics/bolt-iot/req/knock",
    }});
    let verification = json!({"m2m:sgn": {"vrq": true, "sur": "/id-in/sub", "cr": "Cics"}});
    let platform = OneM2mClient::new(listener, "/id-in");
    for told in [&forged, &verification, &json!({"m2m:sgn": {}})] {
        platform.notify("Cics", told).expect(2000);
    }
    for (from, to) in [
        ("/id-other", "Cics"),
        ("CNobody", "Cics"),
        ("/id-in", "Cother"),
    ] {
        let answer = platform.originator(from).notify(to, &forged);
        assert!(
            (4000..5000).contains(&answer.rsc),
            "{from} {to}: {answer:?}"
        );
    }
    bolt.ask("inq", &json!({"did": fresh_uuid()}), 4004);
    let answers = bolt.read();
    assert!(
        answers.iter().all(|told| told["rid"] != "forged"),
        "{answers:?}"
    );
}

#[test]
fn detached_it_leaves_nothing_of_a_mailbox_at_the_platform() {
    let acme = Acme::options().start();
    let before = acme.tree();
    let sandbox = Sandbox::start_with_mailbox(&acme.url());
    let ours = || {
        let tree = acme.tree();
        let all = tree.addresses().into_iter().map(str::to_owned);
        all.filter(|at| at.starts_with("cse-in/ics"))
            .collect::<Vec<_>>()
    };
    let status = onem2m(&sandbox, "status").expect("told");
    assert_eq!(status["registered"], true);
    assert_eq!(status["cseId"], "/id-in/Cics");
    let made = ours();
    assert!(
        made.contains(&"cse-in/ics/shop/req/knock".to_owned()),
        "{made:?}"
    );
    // Again, and it is the same.
    onem2m(&sandbox, "attach").expect("attached");
    assert_eq!(ours(), made);
    // What somebody takes away there comes back.
    for lost in [
        "cse-in/ics/shop/rsp",
        "cse-in/ics/ACP-shop-req",
        "cse-in/ics/shop",
        "cse-in/ics",
    ] {
        acme.admin().delete(lost).expect(2002);
        eventually("it to be made again", || ours() == made);
    }
    for _ in 0..2 {
        let told = onem2m(&sandbox, "detach").expect("detached");
        assert_eq!(told["wanted"], false);
        assert_eq!(acme.tree().to_json(), before.to_json());
    }
    // Whoever asks then finds no mailbox, and nobody makes one.
    let shop = Party::join(&acme, "shop");
    shop.write(&json!({"op": "inq", "rid": "late"}))
        .expect(4004);
    onem2m(&sandbox, "attach").expect("attached");
    assert_eq!(ours(), made);
}

#[test]
fn a_mailbox_on_a_broker_is_refused() {
    let own = tempfile::tempdir().expect("a directory");
    let dir = own.path().to_str().expect("UTF-8");
    let broker = ["--onem2m", "mqtt://127.0.0.1:1883", "--onem2m-mailbox"];
    let output = Gateway::run(&[&["sandbox", "--dir", dir][..], &broker].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("a mailbox is reached over HTTP"), "{said}");
}
