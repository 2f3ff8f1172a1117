//! The authorization matrix: who may do what, to whose object, in which state of agreement and
//! consent, and which fields the answer has. One golden file for every interface; each line is a
//! request that was really made.
//!
//! `ICS_REWRITE_GOLDEN=1` writes the file anew; read the difference before it is committed.

mod coap;
mod mqtt;
mod onem2m;
mod t8;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use ics_tests::{Answer, Domain, HostedDevice, Mapping, Party, fresh_uuid};
use serde_json::{Value, json};

/// The parties and devices of the matrix. Objects are those of `shop` and `acme`; `mall` and `bolt`
/// are another third party SP and another IoT SP, who agreed with one another.
pub(super) struct World {
    domain: Domain,
    shop: Party,
    mall: Party,
    acme: Party,
    bolt: Party,
    /// IoT SPs whose agreement with `shop` is of another kind.
    ended: Party,
    pairing: Party,
    lock: HostedDevice,
    lines: Vec<[String; 5]>,
}

impl World {
    fn start(stage: &onem2m::Stage) -> Self {
        // One device asks everything, each time anew.
        let domain = Domain::start(|configuration| {
            stage
                .configure(&configuration)
                .replace("#connects_at_once = 10\n", "connects_at_once = 1000\n")
                .replace("#connects_per_second = 1\n", "connects_per_second = 100\n")
                .replace("#connects_at_once = 50\n", "connects_at_once = 1000\n")
                .replace("#connects_per_second = 5\n", "connects_per_second = 100\n")
        });
        let iot_sp = |id: &str| {
            let prefix = format!("{}-", id.to_uppercase());
            let mut party = domain.onboard(&json!({
                "id": id, "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": prefix }],
                "callbackOrigins": [format!("https://{id}.example")],
            }));
            party.grant = prefix;
            party
        };
        let third_party_sp = |id: &str| {
            let services = format!("https://{id}.example/services");
            let mut party = domain.onboard(&json!({
                "id": id, "roles": ["THIRD_PARTY_SP"], "services": [services],
                "callbackOrigins": [format!("https://{id}.example")],
            }));
            party.grant = services;
            party.callback = format!("https://{id}.example/callback");
            party
        };
        let [acme, bolt, ended, pairing, confirming] =
            ["acme", "bolt", "ended", "pairing", "confirming"].map(iot_sp);
        let [shop, mall] = ["shop", "mall"].map(third_party_sp);
        domain.agree(&acme, &shop);
        domain.agree(&bolt, &mall);
        let over = domain.agree(&ended, &shop);
        let end = format!("/operator/v1/agreements/{over}/end");
        domain
            .operator("POST", &end, Some(&json!({ "confirm": true })))
            .expect(200);
        for (iot_sp, terms) in [
            (&pairing, json!({ "pairingRequired": true })),
            (&confirming, json!({ "consentMode": "IOT_SP_CONFIRM" })),
        ] {
            let mut terms = terms;
            terms["iotSpId"] = iot_sp.id.clone().into();
            terms["thirdPartySpId"] = "shop".into();
            domain
                .operator("POST", "/operator/v1/agreements", Some(&terms))
                .expect(201);
        }
        let lock = domain.host(&acme, "ACME-LOCK");
        Self {
            domain,
            shop,
            mall,
            acme,
            bolt,
            ended,
            pairing,
            lock,
            lines: Vec::new(),
        }
    }

    /// A line of the table.
    fn note(&mut self, [who, operation, object, state]: [&str; 4], outcome: String) {
        let line = [who, operation, object, state].map(str::to_owned);
        let [who, operation, object, state] = line;
        self.lines.push([who, operation, object, state, outcome]);
    }

    /// A row of shop and acme that waits.
    fn pending(&self) -> Mapping {
        self.shop.ask(&self.acme, "a")
    }

    /// A row of shop and acme that is established, and its device.
    fn established(&self) -> (Mapping, String) {
        let device = format!("d-{}", fresh_uuid());
        (self.shop.establish(&self.acme, "a", &device), device)
    }

    /// A row of shop and the lock that waits.
    fn offer(&self) -> Mapping {
        let service = self.shop.service("doors");
        self.shop
            .ask_for(&self.acme, &service, &fresh_uuid(), &self.lock.serial)
    }

    /// The newest version of the lock's document.
    fn newest(&self) -> u64 {
        let path = format!("devices/{}", self.lock.id);
        let path = self.acme.path("ics-device", &path);
        let lock = self.acme.get(&path).expect(200).json();
        lock["document"]["version"].as_u64().expect("a version")
    }

    /// The table, columns aligned.
    fn render(&self) -> String {
        let head = ["who", "operation", "object", "state", "outcome"].map(str::to_owned);
        let all: Vec<_> = std::iter::once(&head).chain(&self.lines).collect();
        let width = |column: usize| all.iter().map(|line| line[column].len()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        let mut text = String::new();
        for line in all {
            for (cell, width) in line.iter().zip(widths) {
                write!(text, "{cell:width$} | ").unwrap();
            }
            text.push_str(line[4].trim_end());
            text.push('\n');
        }
        text
    }
}

/// What an answer says, without its values: status, cause, and which fields there are.
fn outcome(answer: &Answer) -> String {
    if answer.status == 0 {
        return "no handshake".to_owned();
    }
    let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    match body["cause"].as_str().filter(|_| answer.status >= 400) {
        Some(cause) => format!("{} {cause}", answer.status),
        None => format!("{} {}", answer.status, fields(&body)),
    }
}

/// The names of the fields of `body`, those within others behind them.
fn fields(body: &Value) -> String {
    let mut names = BTreeSet::new();
    collect(body, "", &mut names);
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn collect(value: &Value, place: &str, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let place = if place.is_empty() {
                    name.clone()
                } else {
                    format!("{place}.{name}")
                };
                collect(value, &place, names);
                if !value.is_object() {
                    names.insert(place);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, &format!("{place}[]"), names);
            }
        }
        _ => {}
    }
}

#[test]
fn who_may_do_what_is_as_the_golden_file_says() {
    let stage = onem2m::Stage::new();
    let mut world = World::start(&stage);
    t8::fill(&mut world);
    mqtt::fill(&mut world);
    coap::fill(&mut world);
    onem2m::fill(&mut world, &stage);
    let found = world.render();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/authorization-matrix.txt");
    if std::env::var_os("ICS_REWRITE_GOLDEN").is_some() {
        std::fs::write(&file, &found).expect("a writable file");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    let differing: Vec<_> = (found.lines().map(Some).chain(std::iter::repeat(None)))
        .zip(golden.lines().map(Some).chain(std::iter::repeat(None)))
        .take(found.lines().count().max(golden.lines().count()))
        .filter(|(found, golden)| found != golden)
        .take(20)
        .collect();
    assert!(differing.is_empty(), "found, and golden: {differing:#?}");
}
