//! The served OpenAPI document holds against a client nobody here wrote: schemathesis (issue "end
//! to end"): no 5xx, nothing answered that the document does not say.

use std::path::Path;
use std::process::Command;

use ics_tests::domain::issue;
use ics_tests::{Party, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A party with both roles: its one token opens everything.
fn both(sandbox: &Sandbox, dir: &Path) -> Party {
    let new = json!({
        "id": "both", "roles": ["THIRD_PARTY_SP", "IOT_SP"],
        "services": ["https://both.example/services"],
        "serialNamespaces": [{ "prefix": "BOTH-" }],
        "callbackOrigins": [sandbox.env("ICS_CALLBACK_URL")],
        "limits": { "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000_000 },
    });
    sandbox
        .operator("POST", "/operator/v1/sps", Some(&new))
        .expect(201);
    for (iot_sp, third_party_sp) in [("acme-iot", "both"), ("both", "shop")] {
        let terms = json!({ "iotSpId": iot_sp, "thirdPartySpId": third_party_sp });
        sandbox
            .operator("POST", "/operator/v1/agreements", Some(&terms))
            .expect(201);
    }
    let (certificate, key) = issue(dir, "both", |csr| {
        let path = "/operator/v1/sps/both/certificates";
        sandbox
            .operator("POST", path, Some(&json!({ "csr": csr })))
            .expect(201)
            .json()
    });
    let mut both = sandbox.shop();
    (both.id, both.certificate, both.key) = ("both".into(), certificate, key);
    both
}

fn document(party: &Party) -> Value {
    let served = party.curl("GET", "/openapi.json").send().expect(200);
    assert_eq!(served.header("content-type"), Some("application/json"));
    served.json()
}

#[test]
fn document_is_openapi_3_1_and_names_every_operation() {
    let sandbox = Sandbox::start();
    let document = document(&sandbox.shop());
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    assert_eq!(document["servers"][0]["url"], sandbox.env("ICS_T8_URL"));
    let operations: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|item| {
            let methods = ["get", "post", "put", "patch", "delete"];
            methods
                .iter()
                .filter(|method| item.get(**method).is_some())
                .count()
        })
        .sum();
    // Thirty-three of T8 and four of OAuth.
    assert_eq!(operations, 40, "{document}");
}

#[test]
fn schemathesis_finds_no_5xx_and_no_violation_of_the_document() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let both = both(&sandbox, dir.path());
    let mut document = document(&both);
    fill_in(&mut document, &prepare(&sandbox, &both));
    std::fs::write(dir.path().join("openapi.json"), document.to_string()).unwrap();
    std::fs::write(dir.path().join("schemathesis.toml"), SETTINGS).unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/schemathesis");
    assert!(
        tool.exists(),
        "tests/run installs schemathesis: {} is missing",
        tool.display()
    );
    let output = Command::new(tool)
        .current_dir(dir.path())
        .args([
            "--config-file",
            "schemathesis.toml",
            "run",
            "openapi.json",
            "--url",
            &both.root,
        ])
        .arg("--tls-verify")
        .arg(&both.authority)
        .arg("--request-cert")
        .arg(&both.certificate)
        .arg("--request-cert-key")
        .arg(&both.key)
        .args([
            "--header",
            &format!("Authorization: Bearer {}", both.token()),
        ])
        .args(["-n", "30", "--seed", "1", "--no-color"])
        .args(["--checks", "all", "--exclude-checks", &LEFT_OUT.join(",")])
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let log = sandbox.log();
    assert!(!log.contains(" status=5"), "{log}");
}

/// Checks that do not hold here, each for its reason.
const LEFT_OUT: [&str; 2] = [
    // What the schema allows, agreements, ownership and consent still refuse (403, 404, 409).
    "positive_data_acceptance",
    // The certificate alone opens discovery, document and OAuth; the tool cannot take it away.
    "ignored_auth",
];

/// Refusals that the tool does not know for refusals of malformed requests: too long ones.
const SETTINGS: &str = r#"
[checks]
negative_data_rejection.expected-statuses = [
    400, 401, 403, 404, 405, 406, 409, 411, 413, 414, 415, 429, 431
]
"#;

/// What the tool cannot guess.
struct Known {
    scs_as_id: String,
    mappings: Vec<String>,
    subscriptions: Vec<String>,
    destination: String,
}

/// Makes rows that `both` is a party to, on either side, and subscriptions.
fn prepare(sandbox: &Sandbox, both: &Party) -> Known {
    let (shop, destination) = (sandbox.shop(), both.callback.clone());
    let id_of = |answer: ics_tests::Answer| {
        let link = answer.expect(201).json()["self"]
            .as_str()
            .unwrap()
            .to_owned();
        link.rsplit('/').next().unwrap().to_owned()
    };
    let mut known = Known {
        scs_as_id: both.id.clone(),
        mappings: Vec::new(),
        subscriptions: Vec::new(),
        destination,
    };
    for n in 0..8 {
        let (owner, service, serial) = match n % 2 {
            0 => (
                both,
                "https://both.example/services/1".to_owned(),
                format!("ACME-X{n}"),
            ),
            _ => (&shop, shop.grant.clone(), format!("BOTH-X{n}")),
        };
        let body = json!({
            "serviceUri": service,
            "uti": format!("0b7f3a52-7d0a-4b1e-9f35-6a3d{n:08x}"),
            "deviceSerialNumber": serial,
            "notificationDestination": owner.callback,
            "userConsent": { "consentId": "c-1", "grantedAt": "2026-11-01T00:00:00Z",
                             "purpose": "dpv:RequestedServiceProvision" },
        });
        known.mappings.push(id_of(
            owner.post(&owner.path("ics-mapping", "mappings"), &body),
        ));
    }
    for _ in 0..3 {
        let body = json!({ "notificationDestination": known.destination });
        let path = both.path("ics-device-mapping", "subscriptions");
        known.subscriptions.push(id_of(both.post(&path, &body)));
    }
    known
}

/// Ids in paths become ones that exist, members of requests ones that are granted, consent a duty,
/// so that the tool looks behind the first refusal. What is answered is held against the document as served.
fn fill_in(document: &mut Value, known: &Known) {
    name_parameters(document, known);
    // The tool makes no NDJSON; `bulk.rs` and `hosting.rs` look at those answers.
    let paths = document["paths"].as_object_mut().expect("paths");
    for bulk in [
        "/ics-inquiry/v1/retrieve-bulk",
        "/ics-device/v1/{scsAsId}/register-bulk",
    ] {
        paths.remove(bulk).expect("it is there");
    }
    let schemas = &mut document["components"]["schemas"];
    let members = [
        (
            "serviceUri",
            json!([
                "https://both.example/services/1",
                "https://both.example/services/2"
            ]),
        ),
        ("notificationDestination", json!([known.destination])),
        ("iotSpId", json!(["acme-iot"])),
    ];
    for request in ["IdentityMappingRequest", "SubscriptionRequest"] {
        let properties = schemas[request]["properties"]
            .as_object_mut()
            .expect(request);
        for (name, values) in &members {
            if let Some(member) = properties.get_mut(*name) {
                *member = json!({ "enum": values });
            }
        }
    }
    let required = schemas["IdentityMappingRequest"]["required"].as_array_mut();
    required.expect("members").push("userConsent".into());
}

fn name_parameters(value: &mut Value, known: &Known) {
    match value {
        Value::Object(members) => {
            let values = match members.get("name").and_then(Value::as_str) {
                Some("scsAsId") => json!([known.scs_as_id]),
                Some("mappingId") => json!(known.mappings),
                Some("subscriptionId") => json!(known.subscriptions),
                _ => Value::Null,
            };
            if values.is_array() && members.contains_key("in") {
                members.insert("schema".into(), json!({ "type": "string", "enum": values }));
            }
            members
                .values_mut()
                .for_each(|member| name_parameters(member, known));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| name_parameters(item, known)),
        _ => {}
    }
}
