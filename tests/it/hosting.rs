//! Hosted devices beyond their registration: identifier schemes, pairing codes, amendments, many
//! registrations in one body, and what the decision log tells of a device.

use ics_tests::{Domain, Gateway, Library, Party, Version, eventually, fresh_uuid, wait_for};
use serde_json::{Value, json};

struct World {
    domain: Domain,
    acme: Party,
    shop: Party,
}

impl World {
    fn start(edit: impl FnOnce(String) -> String, terms: &Value) -> Self {
        let domain = Domain::start(edit);
        let mut acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": ["https://acme.example"],
        }));
        acme.grant = "ACME-".to_owned();
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": ["https://shop.example"],
        }));
        shop.grant = "https://shop.example/services".to_owned();
        shop.callback = "https://shop.example/callback".to_owned();
        let mut agreement = json!({ "iotSpId": "acme", "thirdPartySpId": "shop" });
        for (name, value) in terms.as_object().expect("terms") {
            agreement[name] = value.clone();
        }
        domain
            .operator("POST", "/operator/v1/agreements", Some(&agreement))
            .expect(201);
        Self { domain, acme, shop }
    }
}

fn at_once(text: String) -> String {
    text.replace("failure_floor = \"60s\"", "failure_floor = \"0s\"")
        .replace("failure_jitter = \"30s\"", "failure_jitter = \"0s\"")
}

#[test]
fn a_device_id_of_a_scheme_added_by_configuration_is_accepted_where_its_shape_is_refused() {
    let device = "unit/0042/1234567890K";
    let world = World::start(|text| text, &json!({}));
    let mapping = world.shop.ask(&world.acme, "doors");
    let refused = world.acme.accept(&mapping, device).expect(400);
    assert_eq!(refused.json()["cause"], "PERMANENT_ID_NOT_ALLOWED");
    assert!(!refused.body.contains("1234567890"), "{}", refused.body);

    // The operator adds the scheme, and nothing else.
    world.domain.stop();
    let file = world.domain.configuration();
    let text = std::fs::read_to_string(&file).expect("gateway.toml");
    let scheme = "[[identifier_scheme]]\nname = \"acme-unit\"\n\
                  pattern = 'unit/[0-9]{4}/[0-9]{10}[A-Z]'\n";
    std::fs::write(&file, format!("{text}\n{scheme}")).expect("written");
    world.domain.serve();
    for party in [&world.acme, &world.shop] {
        party.forget_token();
    }
    world.acme.accept(&mapping, device).expect(200);
    let found = world
        .shop
        .inquire(&mapping.service, &mapping.uti)
        .expect(200);
    assert_eq!(found.json()["deviceId"], device);
    let rows = world.acme.inquire_device(device).expect(200).json();
    assert_eq!(rows["mappings"][0]["uti"], mapping.uti.as_str());
    // What is exactly the number of a subscription no scheme lets through.
    let other = world.shop.ask(&world.acme, "doors");
    for exact in ["262011234567890", "unit/0042/262011234567890"] {
        let refused = world.acme.accept(&other, exact).expect(400);
        assert_eq!(
            refused.json()["cause"],
            "PERMANENT_ID_NOT_ALLOWED",
            "{exact}"
        );
    }
    let selector = json!({ "deviceId": device });
    world
        .acme
        .demap("DEVICE_UNREGISTERED", &selector)
        .expect(200);
}

#[test]
fn a_scheme_that_would_let_everything_through_is_no_configuration() {
    let domain = Domain::create(|text| {
        format!("{text}\n[[identifier_scheme]]\nname = \"all\"\npattern = \".*\"\n")
    });
    let file = domain.configuration();
    let file = file.to_str().expect("UTF-8");
    let checked = Gateway::run(&["config", "check", "--config", file]);
    assert!(!checked.status.success());
    let said = [checked.stdout, checked.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("identifier_scheme[0].pattern"), "{said}");
    assert!(said.contains("telephone number"), "{said}");
}

#[test]
fn a_pairing_code_is_shown_once_and_used_once() {
    let world = World::start(at_once, &json!({ "pairingRequired": true }));
    let lock = world.domain.host(&world.acme, "ACME-LOCK");
    let configuration = world.domain.configuration();
    let configuration = configuration.to_str().expect("UTF-8");
    let minted = Gateway::run(&[
        "device",
        "pairing-code",
        &lock.id,
        "--sp",
        "acme",
        "--json",
        "--config",
        configuration,
    ]);
    assert!(minted.status.success(), "{minted:?}");
    let minted: Value = serde_json::from_slice(&minted.stdout).expect("JSON");
    let code = minted["pairingCode"].as_str().expect("a code").to_owned();
    assert_eq!(code.len(), 23, "20 characters in four groups");
    // It is kept as a hash alone, and shown nowhere.
    let path = format!("devices/{}", lock.id);
    let shown = world
        .acme
        .get(&world.acme.path("ics-device", &path))
        .expect(200);
    assert!(!shown.body.contains(&code));

    let service = world.shop.service("doors");
    let with = |uti: &str, serial: &str, code: Option<&str>| {
        let mut body = world.shop.request(&service, uti, serial);
        if let Some(code) = code {
            body["pairingCode"] = code.into();
        }
        body
    };
    let uti = fresh_uuid();
    let missing = world.shop.post_mapping(&with(&uti, &lock.serial, None));
    assert_eq!(missing.expect(400).json()["cause"], "MANDATORY_IE_MISSING");
    let typed = code.to_lowercase().replace('-', " ");
    let request = with(&uti, &lock.serial, Some(&typed));
    let made = world.shop.post_mapping(&request).expect(201);
    assert!(!made.body.contains("pairing"), "{}", made.body);
    let again = world.shop.post_mapping(&request).expect(200);
    assert_eq!(again.json()["self"], made.json()["self"], "replayed");

    // Used up, guessed, of no hosted device: the same answer, and the same end.
    let failing = [
        with(&fresh_uuid(), &lock.serial, Some(&code)),
        with(&fresh_uuid(), &lock.serial, Some("00000-00000-00000-00000")),
        with(&fresh_uuid(), "ACME-NONE", Some(&code)),
    ];
    for request in &failing {
        let made = world.shop.post_mapping(request).expect(201).json();
        assert_eq!(made["mappingStatus"], "PENDING");
        let own = made["self"].as_str().expect("a link").to_owned();
        let row = wait_for("the end of the row", || {
            let row = world.shop.get(&own).expect(200).json();
            (row["mappingStatus"] == "FAILED").then_some(row)
        });
        assert_eq!(row["mappingCause"], "DEVICE_NOT_AVAILABLE");
    }
    let log = std::fs::read_to_string(world.domain.file("decisions/decisions.jsonl"));
    let told = world.domain.log() + &log.expect("a decision log");
    assert!(!told.contains(&code) && !told.contains(&code.replace('-', "")));
}

#[test]
fn a_registration_is_amended_and_many_come_in_one_body() {
    let world = World::start(|text| text, &json!({}));
    let acme = &world.acme;
    let line = |serial: &str| {
        let body = json!({ "deviceSerialNumber": serial, "deviceVendor": "acme",
                           "channels": ["mqtt"], "credentials": [{ "password": {} }] });
        body.to_string()
    };
    let body = [
        &line("ACME-1"),
        "{}",
        &line("ACME-1"),
        &line("OTHER-1"),
        &line("ACME-2"),
    ];
    let answer = acme
        .curl("POST", &acme.path("ics-device", "register-bulk"))
        .bearer(&acme.token())
        .header("content-type", "application/x-ndjson")
        .bytes(body.join("\n").as_bytes())
        .send();
    let answers: Vec<Value> = answer
        .expect(200)
        .body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(answers.len(), 5);
    for registered in [&answers[0], &answers[4]] {
        assert_eq!(
            registered["credentials"][0]["password"]
                .as_str()
                .map(str::len),
            Some(32)
        );
    }
    let causes = [1, 2, 3].map(|n| answers[n]["cause"].clone());
    assert_eq!(
        causes,
        [
            "MANDATORY_IE_MISSING",
            "DEVICE_ALREADY_REGISTERED",
            "SERIAL_NAMESPACE_NOT_GRANTED"
        ]
    );
    let devices = acme
        .get(&acme.path("ics-device", "devices"))
        .expect(200)
        .json();
    assert_eq!(devices.as_array().map(Vec::len), Some(2));

    let own = answers[0]["self"].as_str().expect("a link");
    let patch = json!({ "deviceVendor": null, "deviceModel": "Lock 9", "ownerSubject": "user-7" });
    let amended = acme.call("PATCH", own, Some(&patch)).expect(200).json();
    assert!(amended.get("deviceVendor").is_none());
    assert_eq!(amended["deviceModel"], "Lock 9");
    assert_eq!(acme.get(own).expect(200).json(), amended);
    let fixed = acme.call(
        "PATCH",
        own,
        Some(&json!({ "deviceSerialNumber": "ACME-3" })),
    );
    assert_eq!(
        fixed.expect(403).json()["cause"],
        "MODIFICATION_NOT_ALLOWED"
    );
    let none = acme.call("PATCH", own, Some(&json!({ "channels": [] })));
    assert_eq!(none.expect(400).json()["cause"], "MANDATORY_IE_INCORRECT");
}

#[test]
fn what_a_device_does_stands_in_the_decision_log_without_its_identifiers() {
    let world = World::start(|text| text, &json!({}));
    let lock = world.domain.host(&world.acme, "ACME-LOCK");
    let service = world.shop.service("doors");
    let uti = fresh_uuid();
    let mapping = world
        .shop
        .ask_for(&world.acme, &service, &uti, &lock.serial);
    let mut client = lock.connect(Library::Paho, Version::V5);
    client.subscribe(&lock.topic("doc"));
    let document = client.wait_message("the document", |_| true).json();
    let payload = json!({ "v": document["v"] }).to_string();
    client.publish(&lock.topic("doc/ack"), payload.as_bytes());
    assert_eq!(world.shop.status(&mapping), "ESTABLISHED");
    client.try_publish(&lock.topic("rev"), br#"{"id":"none"}"#);
    client.try_publish(
        &lock.topic("evt"),
        json!({ "id": fresh_uuid(), "data": 1 })
            .to_string()
            .as_bytes(),
    );
    client.close();
    let file = world.domain.file("decisions/decisions.jsonl");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["listener"] == "mqtt")
            .collect()
    };
    let did = |operation: &str, decision: &str| {
        lines()
            .into_iter()
            .find(|line| line["operation"] == operation && line["decision"] == decision)
    };
    let connected = wait_for("a line", || did("connect", "allowed"));
    assert_eq!(connected["who"], "acme");
    assert_eq!(connected["device"].as_str().map(str::len), Some(16));
    for (operation, decision) in [
        ("document", "allowed"),
        ("acknowledge", "allowed"),
        ("event", "denied"),
    ] {
        let line = wait_for("a line", || did(operation, decision));
        assert_eq!(line["device"], connected["device"], "{operation}");
    }
    let text = std::fs::read_to_string(&file).expect("the decision log");
    for identifier in [&lock.id, &lock.serial, &uti, &service] {
        assert!(!text.contains(identifier.as_str()), "{identifier}");
    }
    // Who awaits a device sees it, and so does the operator.
    let second = world
        .shop
        .ask_for(&world.acme, &service, &fresh_uuid(), &lock.serial);
    assert_eq!(world.shop.status(&second), "PENDING");
    let metrics = || {
        world
            .domain
            .operator("GET", "/operator/v1/metrics", None)
            .expect(200)
            .body
    };
    eventually("the number of devices that are awaited", || {
        let metrics = metrics();
        metrics.contains("ics_hosted_devices 1") && metrics.contains("ics_hosted_devices_awaited 1")
    });
    let status = world
        .domain
        .operator("GET", "/operator/v1/status", None)
        .expect(200)
        .json();
    assert_eq!(status["hostedDevices"], 1);
}
