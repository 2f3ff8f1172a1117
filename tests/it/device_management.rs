//! Devices hosted for an IoT SP, managed by the SP itself over T8 and by the operator on its behalf:
//! one table of devices behind both.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use ics_tests::openssl::{openssl, try_openssl};
use ics_tests::{Domain, Gateway, Party};
use serde_json::{Value, json};

/// A gateway of its own with one IoT SP.
struct World {
    domain: Domain,
    acme: Party,
}

impl World {
    fn start() -> Self {
        Self::start_with(|configuration| configuration)
    }

    fn start_with(edit: impl FnOnce(String) -> String) -> Self {
        let domain = Domain::start(edit);
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "FR-" }],
            "callbackOrigins": ["https://acme.example"],
        }));
        Self { domain, acme }
    }

    fn at(&self, name: &str) -> String {
        let file = self.domain.scratch().join(name);
        file.to_str().expect("UTF-8").to_owned()
    }

    /// `ics-gateway device ..` for acme.
    fn device(&self, words: &[&str]) -> Output {
        let configuration = self.domain.configuration();
        let configuration = configuration.to_str().expect("UTF-8");
        let towards = ["--sp", "acme", "--json", "--config", configuration];
        Gateway::run(&[&["device"], words, &towards].concat())
    }

    /// Its answer as JSON.
    #[track_caller]
    fn answer(&self, words: &[&str]) -> Value {
        let output = self.device(words);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn import(&self, table: &str, answers: &str, more: &[&str]) -> Output {
        let (table, answers) = (self.at(table), self.at(answers));
        self.device(&[&["import", &table, "--answers", &answers], more].concat())
    }

    fn answers(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.at(name)).expect("answers");
        let read = |line| serde_json::from_str(line).expect("JSON");
        text.lines().map(read).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_iot_sp_has_devices_hosted_and_the_operator_sees_the_same() {
    let world = World::start();
    let acme = &world.acme;
    let (csr, key) = (world.at("fridge.csr"), world.at("fridge.key"));
    openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=what it says is not taken",
        "-keyout",
        &key,
        "-out",
        &csr,
    ]);
    let request = std::fs::read_to_string(&csr).expect("a request");
    let registration = json!({
        "deviceSerialNumber": "FR-440000000000123", "channels": ["mqtt"],
        "credentials": [{ "certificate": { "request": request, "validity": 86_400 } },
                        { "password": {} }],
    });
    let devices = "/ics-device/v1/acme/devices";
    let made = acme.call("POST", devices, Some(&registration)).expect(201);
    let location = made.header("location").expect("a location").to_owned();
    let made = made.json();
    let id = text(&made["deviceId"]).to_owned();
    assert_eq!(made["self"], location.as_str());

    // The certificate names the device, is believed under the device authority and no other.
    let certificate = world.at("fridge.pem");
    let pem = text(&made["credentials"][0]["certificate"]);
    std::fs::write(&certificate, pem).expect("written");
    let shown = openssl(&["x509", "-in", &certificate, "-noout", "-text"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains(&format!("URI:urn:ics:dev:acme:{id}")),
        "{shown}"
    );
    assert!(shown.contains(&format!("CN = {id}")) || shown.contains(&format!("CN={id}")));
    assert!(!shown.contains("is not taken"), "{shown}");
    let verify = |root: &str| {
        let root = world.domain.file(root);
        let root = root.to_str().expect("UTF-8");
        try_openssl(&["verify", "-CAfile", root, &certificate])
            .status
            .success()
    };
    assert!(verify("authority/device-ca.pem"));
    assert!(!verify("authority/sp-ca.pem"));
    assert!(!verify("authority/operator-ca.pem"));

    let told = world.answer(&["show", &id]);
    assert_eq!(told["status"], "ACTIVE");
    assert_eq!(told["credentials"].as_array().map(Vec::len), Some(2));
    let added = world.answer(&["credential", "add", &id, "--password", "--days", "1"]);
    assert_eq!(added["credentialId"], "3");
    let revoked = world.answer(&["credential", "revoke", &id, "2"]);
    assert!(revoked["credentials"][1]["revokeTime"].is_string());
    let own = acme.call("GET", &location, None).expect(200).json();
    assert_eq!(own["deviceSerialNumber"], "FR-440000000000123");
    assert!(own["credentials"][1]["revokeTime"].is_string());
    assert_eq!(own["credentials"][2]["credentialId"], "3");

    let unsure = world.device(&["unregister", &id]);
    assert_eq!(unsure.status.code(), Some(1));
    assert!(err(&unsure).contains("--yes"), "{unsure:?}");
    let gone = world.answer(&["unregister", &id, "--yes"]);
    assert_eq!(gone["status"], "UNREGISTERING");
    let own = acme.call("GET", &location, None).expect(200).json();
    assert_eq!(own["status"], "UNREGISTERING");

    let log = world.domain.log();
    assert!(log.contains("device.credential.add"), "{log}");
    let minted = text(&made["credentials"][1]["password"]);
    for secret in [&id, "440000000000123", minted, text(&added["password"])] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn a_pre_shared_key_is_told_by_the_verb_that_had_it_made_and_by_no_other() {
    let world = World::start();
    let over_coap = ["register", "FR-1", "--channel", "coap", "--psk"];
    let made = world.answer(&over_coap);
    let id = text(&made["deviceId"]).to_owned();
    let added = world.answer(&["credential", "add", &id, "--psk", "--days", "1"]);
    let table = "deviceSerialNumber,channels,credentials\nFR-2,coap,psk\n";
    std::fs::write(world.at("devices.csv"), table).expect("written");
    let imported = world.import("devices.csv", "answers.ndjson", &[]);
    assert_eq!(imported.status.code(), Some(0), "{imported:?}");
    let answer = &world.answers("answers.ndjson")[0];
    let other = text(&answer["deviceId"]);
    let told = [
        (&made["credentials"][0], psk_identity(&id, 1)),
        (&added, psk_identity(&id, 2)),
        (answer, psk_identity(other, 1)),
    ];
    let shown = world.answer(&["show", &id]);
    let log = world.domain.log();
    for (credential, identity) in &told {
        assert_eq!(text(&credential["pskIdentity"]), identity);
        let key = text(&credential["psk"]);
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        assert!(key.len() == 32 && key.bytes().all(is_hex), "{credential}");
        assert!(!shown.to_string().contains(key), "{shown}");
        assert!(!log.contains(key) && !log.contains(&id), "{log}");
    }
    assert_eq!(made["channels"], json!(["coap"]));
    assert_eq!(shown["credentials"][1]["kind"], "psk");

    // As a human reads it.
    let configuration = world.domain.configuration();
    let words = ["device", "register", "FR-3", "--channel", "coap", "--psk"];
    let towards = ["--sp", "acme", "--config"];
    let file = [configuration.to_str().expect("UTF-8")];
    let output = Gateway::run(&[&words[..], &towards, &file].concat());
    let facts = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["psk identity", "psk "] {
        assert!(facts.lines().any(|line| line.starts_with(name)), "{facts}");
    }
    let of_no_use = ["device", "register", "FR-4", "--psk"];
    let refused = Gateway::run(&[&of_no_use[..], &towards, &file].concat());
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && why.contains("--channel coap"),
        "{why}"
    );
}

/// What the device names with the key that is its credential of that number.
fn psk_identity(device: &str, number: u32) -> String {
    let identity = ics_core::id::PskIdentity {
        device_id: ics_core::id::DeviceId::parse(device).expect("a device ID"),
        credential: ics_core::device::CredentialId(number),
    };
    identity.to_shown()
}

#[test]
fn a_table_of_devices_is_imported_and_gone_on_with() {
    let world = World::start();
    let header = "deviceSerialNumber,deviceVendor,channels,credentials\n";
    let mut table = header.to_owned();
    for n in 0..60 {
        let credentials = ["password", "certificate", "password certificate"][n % 3];
        table.push_str(&format!("FR-{n},acme,mqtt coap,{credentials}\n"));
    }
    table.push_str("XX-1,acme,mqtt,password\nFR-x,acme,smoke,password\n");
    std::fs::write(world.at("devices.csv"), &table).expect("written");
    let first = world.import("devices.csv", "first.ndjson", &["--at-once", "8"]);
    assert_eq!(first.status.code(), Some(1), "{first:?}");
    let told: Value = serde_json::from_slice(&first.stdout).expect("JSON");
    let tally = json!({"lines": 62, "registered": 60, "alreadyRegistered": 0, "refused": 2});
    assert_eq!(told, tally);
    let words = err(&first);
    assert!(words.contains("line 62: ") && words.contains("SERIAL_NAMESPACE_NOT_GRANTED"));
    assert!(
        words.contains("line 63: channels are mqtt, coap, onem2m"),
        "{words}"
    );
    let mode = std::fs::metadata(world.at("first.ndjson")).expect("answers");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    let answers = world.answers("first.ndjson");
    assert_eq!(answers.len(), 62);
    for answer in answers.iter().filter(|a| a["result"] == "REGISTERED") {
        let serial = text(&answer["deviceSerialNumber"]).strip_prefix("FR-");
        let n: usize = serial.and_then(|n| n.parse().ok()).expect("a number");
        assert_eq!(answer["line"], n + 2);
        assert_eq!(answer["password"].is_string(), n % 3 != 1, "{n}");
        assert_eq!(
            answer["certificate"].is_string(),
            !n.is_multiple_of(3),
            "{n}"
        );
        assert_eq!(
            answer["privateKey"].is_string(),
            !n.is_multiple_of(3),
            "{n}"
        );
    }
    key_fits_its_certificate(&world, &answers);

    // Nothing is overwritten; what is hosted is hosted once.
    let again = world.import("devices.csv", "first.ndjson", &[]);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    table.truncate(table.find("XX-1").expect("there"));
    table.push_str("FR-60,acme,mqtt,\n");
    std::fs::write(world.at("devices.csv"), &table).expect("written");
    let strict = world.import("devices.csv", "strict.csv", &[]);
    assert_eq!(strict.status.code(), Some(1), "{strict:?}");
    let skipped = world.import("devices.csv", "skipped.ndjson", &["--skip-registered"]);
    assert_eq!(skipped.status.code(), Some(0), "{skipped:?}");
    let told: Value = serde_json::from_slice(&skipped.stdout).expect("JSON");
    assert_eq!(told["alreadyRegistered"], 61);
    let csv = std::fs::read_to_string(world.at("strict.csv")).expect("answers");
    assert_eq!(csv.matches(",REGISTERED,d-").count(), 1, "{csv}");
    assert_eq!(csv.matches(",ALREADY_REGISTERED,").count(), 60, "{csv}");

    let listed = world.answer(&["list", "--limit", "1000"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(61));
    let mut seen = 0;
    let mut next = Some("/ics-device/v1/acme/devices?limit=25".to_owned());
    while let Some(path) = next {
        let page = world.acme.call("GET", &path, None).expect(200);
        seen += page.json().as_array().map_or(0, Vec::len);
        let link = page.header("link");
        next = link.map(|link| {
            let uri = link.split_once('>').expect("a link").0;
            uri.strip_prefix('<').expect("a link").to_owned()
        });
    }
    assert_eq!(seen, 61);
}

/// The key that was made here is that of the certificate.
fn key_fits_its_certificate(world: &World, answers: &[Value]) {
    let found = answers.iter().find(|a| a["privateKey"].is_string());
    let answer = found.expect("one with a key");
    let public = |member: &str, command: &[&str]| {
        let file = world.at(member);
        std::fs::write(Path::new(&file), text(&answer[member])).expect("written");
        openssl(&[command, &["-in", &file]].concat()).stdout
    };
    let of_key = public("privateKey", &["pkey", "-pubout"]);
    assert_eq!(
        of_key,
        public("certificate", &["x509", "-noout", "-pubkey"])
    );
}

#[test]
fn what_a_cell_of_a_table_names_is_not_waited_for_and_not_read_without_end() {
    let world = World::start();
    let made = Command::new("mkfifo").arg(world.at("pipe")).status();
    assert!(made.expect("coreutils").success());
    let table = "deviceSerialNumber,certificateRequest\nFR-1,pipe\nFR-2,/dev/zero\n";
    std::fs::write(world.at("odd.csv"), table).expect("written");
    let told = world.import("odd.csv", "odd.ndjson", &[]);
    let words = err(&told);
    assert!(!told.status.success(), "{words}");
    assert!(words.contains("no regular file"), "{words}");
}

#[test]
fn an_import_that_meets_no_gateway_stops_and_says_so() {
    let world = World::start();
    let table = "deviceSerialNumber\nFR-1\nFR-2\nFR-3\n";
    std::fs::write(world.at("devices.csv"), table).expect("written");
    world.domain.stop();
    let silent = world.import("devices.csv", "answers.ndjson", &["--at-once", "1"]);
    assert_eq!(silent.status.code(), Some(3), "{silent:?}");
    // The first line met nobody; no other was sent.
    assert_eq!(world.answers("answers.ndjson").len(), 1);
    world.domain.serve();
    let more = world.import("devices.csv", "more.ndjson", &["--skip-registered"]);
    assert_eq!(more.status.code(), Some(0), "{more:?}");
}

#[test]
fn a_chosen_password_comes_from_a_file_and_is_refused_where_none_is_taken() {
    let file = |world: &World| {
        std::fs::write(world.at("password"), "korrekt Pferd Batterie 7\n").expect("written");
        world.at("password")
    };
    let world = World::start();
    let refused = world.device(&["register", "FR-1", "--password-file", &file(&world)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("chosen_passwords"), "{refused:?}");

    let world = World::start_with(|text| {
        text.replace("#chosen_passwords = false", "chosen_passwords = true")
    });
    let made = world.answer(&["register", "FR-1", "--password-file", &file(&world)]);
    let credential = &made["credentials"][0];
    assert_eq!(credential["kind"], "password");
    assert!(credential["password"].is_null(), "{made}");
    assert!(!world.domain.log().contains("korrekt"));
}
