//! Policies of the operator (Y.4462 7.4, TS 33.187 4.7): in force, changed under way, explained, tried out.

use std::path::Path;
use std::process::Output;

use ics_tests::curl::Answer;
use ics_tests::{Domain, Gateway, Party, eventually, fresh_uuid};
use serde_json::{Value, json};

const A: &str = "https://shop.example/services/a";
const B: &str = "https://shop.example/services/b";

/// A shop and a vendor under an agreement, and a directory of policies.
struct World {
    domain: Domain,
    shop: Party,
    acme: Party,
}

impl World {
    /// With these files in the directory.
    fn start(files: &[(&str, &str)], section: &str) -> Self {
        let domain = Domain::create(|text| {
            let text = text.replace("failure_floor = \"60s\"", "failure_floor = \"0s\"");
            text.replace("[policy]\n", &format!("[policy]\n{section}\n"))
        });
        std::fs::create_dir_all(domain.file("policies")).expect("a directory");
        std::fs::create_dir_all(domain.file("next")).expect("a directory");
        for (name, text) in files {
            std::fs::write(domain.file(name), text).expect("written");
        }
        domain.serve();
        let shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": ["https://shop.example"],
        }));
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "FR-" }],
            "callbackOrigins": ["https://acme.example"],
        }));
        domain.agree(&acme, &shop);
        Self { domain, shop, acme }
    }

    fn ask(&self, service: &str, serial: &str) -> Answer {
        let request = json!({
            "serviceUri": service, "uti": fresh_uuid(), "deviceSerialNumber": serial,
            "notificationDestination": "https://shop.example/ics",
            "userConsent": {
                "consentId": "c-81", "grantedAt": "2026-01-01T00:00:00Z",
                "purpose": "dpv:RequestedServiceProvision",
            },
        });
        self.shop.post_mapping(&request)
    }

    /// Asks, and waits for the row to fail.
    fn fails(&self, service: &str, serial: &str) -> Value {
        let row = self.ask(service, serial).expect(201).json();
        let link = row["self"].as_str().expect("a link").to_owned();
        let mut seen = Value::Null;
        eventually("the row fails", || {
            seen = self.shop.get(&link).expect(200).json();
            seen["mappingStatus"] == "FAILED"
        });
        seen
    }

    /// What the vendor is asked now.
    fn assignments(&self) -> Vec<Value> {
        let list = self.acme.path("ics-device-mapping", "assignments");
        let list = self.acme.get(&list).expect(200).json();
        list.as_array().cloned().expect("an array")
    }

    fn policy(&self, args: &[&str]) -> Output {
        let config = self.domain.configuration();
        let config = config.to_str().expect("UTF-8");
        Gateway::run(&[&["policy"], args, &["--config", config]].concat())
    }

    fn told(&self, args: &[&str]) -> String {
        let output = self.policy(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {out}{err}");
        out
    }

    /// The newest line of the decision log that has this cause.
    fn logged(&self, cause: &str) -> Value {
        let file = self.domain.file("decisions/decisions.jsonl");
        let mut found = None;
        eventually("the line is written", || {
            let lines = std::fs::read_to_string(&file).unwrap_or_default();
            let lines = lines.lines().rev();
            let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            found = lines.find(|line| line["cause"] == cause);
            found.is_some()
        });
        found.expect("a line")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn write(domain: &Domain, name: &str, text: &str) {
    std::fs::write(domain.file(name), text).expect("written");
}

const DEVICES: &str = r#"
[[group]]
name = "ue1"
serial-prefixes = ["FR-1"]
restricted = true

[[grant]]
group = "ue1"
third-party-sp = "shop"
services = ["https://shop.example/services/a"]

[[group]]
name = "ue2"
serial-prefixes = ["FR-2"]
restricted = true

[[group]]
name = "stolen"
device-ids = ["d-stolen"]
restricted = true
"#;

/// ue1 and service A yes, ue1 and service B no, ue2 no: nothing is pushed, and the answer is the one
/// of a device that is not there.
#[test]
fn authorization_is_per_service_per_ue_and_a_refusal_looks_like_no_device() {
    let world = World::start(&[("policies/devices.toml", DEVICES)], "");
    world.ask(A, "FR-1001").expect(201);
    assert_eq!(world.assignments().len(), 1);
    for (service, serial) in [(B, "FR-1001"), (A, "FR-2001"), (B, "FR-2001")] {
        let row = world.fails(service, serial);
        assert_eq!(row["mappingCause"], "DEVICE_NOT_AVAILABLE", "{row}");
    }
    let asked = world.assignments();
    assert_eq!(asked.len(), 1, "{asked:?}");
    // As if the vendor had not known the serial number.
    world.ask(A, "FR-3001").expect(201);
    let unknown = world
        .assignments()
        .into_iter()
        .find(|open| open["deviceSerialNumber"] == "FR-3001")
        .expect("an assignment");
    let link = unknown["self"].as_str().expect("a link");
    let reject = json!({ "result": "REJECTED", "cause": "SERIAL_NUMBER_UNKNOWN" });
    world.acme.put(link, &reject).expect(200);
    let refused = world.fails(B, "FR-2002");
    let rows = world
        .shop
        .path("ics-mapping", "mappings?mapping-status=FAILED");
    let rows = world.shop.get(&rows).expect(200).json();
    let members = |row: &Value| {
        let members = row.as_object().expect("an object").clone();
        members
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    for row in rows.as_array().expect("an array") {
        assert_eq!(members(row), members(&refused));
        assert_eq!(row["mappingCause"], "DEVICE_NOT_AVAILABLE");
    }
}

/// At step 7 the device has an ID: it is decided again, before anything is established.
#[test]
fn a_device_that_is_not_allowed_is_not_established() {
    let world = World::start(&[("policies/devices.toml", DEVICES)], "");
    let row = world.ask(A, "FR-3001").expect(201).json();
    let [open] = world.assignments().try_into().expect("one");
    let link = open["self"].as_str().expect("a link");
    let accept = json!({ "result": "ACCEPTED", "deviceId": "d-stolen" });
    let refused = world.acme.put(link, &accept).expect(409);
    assert_eq!(refused.cause(), "NOT_ALLOWED");
    let link = row["self"].as_str().expect("a link");
    let mut seen = Value::Null;
    eventually("the third party is told of it", || {
        seen = world.shop.get(link).expect(200).json();
        seen["mappingStatus"] == "FAILED"
    });
    assert_eq!(seen["mappingCause"], "DEVICE_NOT_AVAILABLE");
    world.acme.inquire_device("d-stolen").expect(404);
}

#[test]
fn policies_change_under_way_and_wrong_ones_do_not() {
    let world = World::start(&[], "");
    world.ask(B, "FR-1").expect(201);
    let forbid = |service: &str| {
        format!(
            r#"@id("closed") forbid (principal == ServiceProvider::"shop", action == Action::"requestMapping", resource == Service::"{service}");"#
        )
    };
    write(&world.domain, "policies/closed.cedar", &forbid(B));
    world.ask(B, "FR-2").expect(201);
    world.domain.signal("HUP");
    eventually("the policy is in force", || {
        world.ask(B, "FR-3").status == 403
    });
    assert_eq!(world.ask(B, "FR-4").expect(403).cause(), "NOT_ALLOWED");
    world.ask(A, "FR-5").expect(201);

    // A mistake is told, and what is in force stays.
    write(
        &world.domain,
        "policies/closed.cedar",
        r#"@id("closed") forbid (principal, action, resource) when { context.caller.imsi == "1" };"#,
    );
    let checked = world.policy(&[
        "check",
        world.domain.file("policies").to_str().expect("UTF-8"),
    ]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        text(&checked.stderr).contains("imsi"),
        "{}",
        text(&checked.stderr)
    );
    world.domain.signal("HUP");
    eventually("the mistake is told", || {
        world.domain.log().contains("imsi")
    });
    world.ask(B, "FR-6").expect(403);
    world.ask(A, "FR-7").expect(201);
    // Nor does a gateway start on it.
    let config = world.domain.configuration();
    let config = config.to_str().expect("UTF-8");
    let examined = Gateway::run(&["config", "check", "--config", config]);
    assert_eq!(examined.status.code(), Some(1));
    assert!(
        text(&examined.stdout).contains("imsi"),
        "{}",
        text(&examined.stdout)
    );

    write(&world.domain, "policies/closed.cedar", &forbid(A));
    world.domain.signal("HUP");
    eventually("the other policy is in force", || {
        world.ask(B, "FR-8").status == 201
    });
    world.ask(A, "FR-9").expect(403);
}

#[test]
fn a_decision_is_explained_by_the_policies_and_facts_that_made_it() {
    let world = World::start(
        &[(
            "policies/night.cedar",
            r#"@id("no-b")
forbid (principal, action == Action::"requestMapping", resource)
when { context.service.uri like "*/services/b" };"#,
        )],
        "",
    );
    world.ask(B, "FR-1").expect(403);
    let line = world.logged("NOT_ALLOWED");
    assert_eq!(line["reference_point"], "ICS-1");
    let verdict = line["verdict"].as_str().expect("a verdict").to_owned();
    let told = world.told(&["explain", &verdict]);
    for part in [
        "denied: refused by a policy of the operator, by no-b (once)",
        r#"when { context.service.uri like "*/services/b" };"#,
        "caller.sp                 shop",
        B,
        "agreement.consentMode     ASSERTED",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Neither the serial number nor the UTI is a fact.
    assert!(!told.contains("FR-1"), "{told}");

    // The same facts, saved, asked of other policies without a gateway.
    let saved = world.domain.scratch().join("verdict.json");
    std::fs::write(&saved, world.told(&["explain", &verdict, "--json"])).expect("written");
    let saved = saved.to_str().expect("UTF-8");
    let shipped = world.told(&["explain", "--facts", saved]);
    assert!(
        shipped.starts_with("permitted, by shipped.default"),
        "{shipped}"
    );
    let own = world.domain.file("policies");
    let own = world.told(&[
        "explain",
        "--facts",
        saved,
        "--policies",
        own.to_str().expect("UTF-8"),
    ]);
    assert!(
        own.starts_with("denied: refused by a policy of the operator, by no-b"),
        "{own}"
    );

    let unknown = world.policy(&["explain", "0000000000000000"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text(&unknown.stderr).contains("No such verdict"),
        "{}",
        text(&unknown.stderr)
    );
    let odd = world.policy(&["explain", "../status"]);
    assert_eq!(odd.status.code(), Some(2));
}

#[test]
fn other_policies_are_tried_out_on_what_was_asked_and_on_what_is_asked() {
    let next = r#"@id("next") forbid (principal, action == Action::"requestMapping", resource == Service::"https://shop.example/services/b");"#;
    let world = World::start(&[("next/next.cedar", next)], "trial = \"next\"");
    for _ in 0..3 {
        world.ask(A, "FR-1").expect(201);
        world.ask(B, "FR-2").expect(201);
    }
    let status: Value = serde_json::from_str(&world.told(&["status", "--json"])).expect("JSON");
    assert_eq!(status["trial"]["differing"], 3, "{status}");
    let shown = world.told(&["status"]);
    assert!(
        shown.contains("on trial  denied: refused by a policy of the operator, by next"),
        "{shown}"
    );
    assert!(
        shown.contains("in force  permitted, by shipped.default"),
        "{shown}"
    );

    let directory = world.domain.file("next");
    let what_if = world.told(&["what-if", directory.to_str().expect("UTF-8")]);
    assert!(what_if.contains("asked lately"), "{what_if}");
    // Without what is in force looking at the service, one question stands for both: the first was A.
    assert!(
        what_if.contains(": 0 would be answered differently"),
        "{what_if}"
    );
    write(
        &world.domain,
        "next/next.cedar",
        &next.replace("services/b", "services/a"),
    );
    let what_if = world.told(&["what-if", directory.to_str().expect("UTF-8")]);
    assert!(
        what_if.contains(": 1 would be answered differently"),
        "{what_if}"
    );
    assert!(
        what_if.contains("what if   denied: refused by a policy of the operator, by next"),
        "{what_if}"
    );
}

#[test]
fn cases_beside_the_policies_say_what_shall_be_answered() {
    let own = tempfile::tempdir().expect("a directory");
    let policies = r#"@id("no-eggs") forbid (principal, action == Action::"requestMapping", resource == Service::"https://shop.example/services/eggs");"#;
    let cases = |expect: &str| {
        format!("[[case]]\nname = \"eggs\"\naction = \"requestMapping\"\nexpect = \"{expect}\"\n")
    };
    let put =
        |name: &str, text: &str| std::fs::write(own.path().join(name), text).expect("written");
    let run = |verb: &str| Gateway::run(&["policy", verb, text_of(own.path())]);
    put("own.cedar", policies);
    let none = run("test");
    assert_eq!(none.status.code(), Some(1), "{}", text(&none.stderr));
    put("own_cases.toml", &cases("deny"));
    let passed = run("test");
    assert!(passed.status.success(), "{}", text(&passed.stderr));
    assert_eq!(text(&passed.stdout), "1 case: all as expected\n");
    put("own_cases.toml", &cases("permit"));
    let failed = run("test");
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(
        text(&failed.stdout),
        "own_cases.toml: `eggs`: expected permit; answered deny, by no-eggs\n"
    );
    // What is shipped is shown, and holds for itself.
    let shown = Gateway::run(&["policy", "show", "cases"]);
    put("own.cedar", "");
    put("own_cases.toml", &text(&shown.stdout));
    let shipped = run("test");
    assert!(shipped.status.success(), "{}", text(&shipped.stdout));
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
