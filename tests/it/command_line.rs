//! The command line as an operator types it, against the real gateway.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use ics_tests::openssl::openssl;
use ics_tests::{Domain, Gateway, Sandbox, fresh_device};
use serde_json::Value;

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn ends_with(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

/// A verb of the operator, towards this sandbox.
fn operator(sandbox: &Sandbox, verb: &[&str]) -> Output {
    let mut words = verb.to_vec();
    words.extend(["--config", sandbox.env("ICS_CONFIG")]);
    Gateway::run(&words)
}

/// Its answer as JSON.
#[track_caller]
fn answer(sandbox: &Sandbox, verb: &[&str]) -> Value {
    let output = operator(sandbox, &[verb, &["--json"]].concat());
    ends_with(&output, 0);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[test]
fn every_verb_explains_itself_with_an_example() {
    let verbs = [
        "",
        "init",
        "serve",
        "sandbox",
        "demo",
        "bench inquiry",
        "sp",
        "sp cert issue",
        "sp cert revoke",
        "agreement",
        "device",
        "device import",
        "mqtt recipe",
        "mapping",
        "outbox",
        "status",
    ];
    for verb in verbs {
        let mut words: Vec<_> = verb.split_whitespace().collect();
        words.push("--help");
        let help = Gateway::run(&words);
        ends_with(&help, 0);
        let help = out(&help);
        assert!(help.contains("Example"), "{verb}: {help}");
        assert!(
            help.contains(&format!("ics-gateway {verb}")),
            "{verb}: {help}"
        );
    }
    let nothing = Gateway::run(&[]);
    ends_with(&nothing, 2);
    assert!(err(&nothing).contains("Usage"), "{nothing:?}");
}

/// All files below a folder with their bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn init_keeps_secrets_to_their_owner_and_overwrites_nothing() {
    let own = tempfile::tempdir().expect("a temporary directory");
    let dir = own.path().join("domain");
    ends_with(&Gateway::run(&["init", "--dir", path(&dir)]), 0);
    let before = contents(&dir);
    assert!(
        before
            .iter()
            .any(|(file, _)| file.ends_with("gateway.toml")),
        "{dir:?}"
    );
    for (file, bytes) in &before {
        let secret = bytes.windows(11).any(|window| window == b"PRIVATE KEY");
        let mode = std::fs::metadata(file)
            .expect("a file")
            .permissions()
            .mode();
        assert!(!secret || mode & 0o077 == 0, "{file:?} {mode:o}");
    }
    let again = Gateway::run(&["init", "--dir", path(&dir)]);
    ends_with(&again, 1);
    assert!(err(&again).contains(path(&dir)), "{again:?}");
    assert_eq!(contents(&dir), before);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let domain = Domain::create(|text| format!("{text}\n[log]\nlevle = \"info\"\n"));
    let configuration = domain.configuration();
    let file = std::fs::read_to_string(&configuration).expect("a file");
    let file = file.replacen("\n[log]\n#", "\n#", 1);
    std::fs::write(&configuration, &file).expect("a writable file");
    let refused = Gateway::run(&["serve", "--config", path(&configuration)]);
    ends_with(&refused, 1);
    let said = err(&refused);
    assert!(said.contains("levle") && said.contains("`level`"), "{said}");
    let line = 1 + file
        .lines()
        .position(|line| line.starts_with("levle"))
        .expect("the line");
    assert!(said.contains(&format!("line {line}")), "{said}");

    let missing = Gateway::run(&["serve", "--config", "/nowhere/gateway.toml"]);
    ends_with(&missing, 1);
    assert!(
        err(&missing).contains("/nowhere/gateway.toml"),
        "{missing:?}"
    );
}

#[test]
fn a_store_that_another_process_uses_is_refused() {
    let domain = Domain::start(|text| text);
    // A second gateway on other ports, over the same directory.
    let other = Domain::create(|text| text);
    let ports = std::fs::read_to_string(domain.configuration())
        .expect("a file")
        .replace(&domain.t8_address(), &other.t8_address())
        .replace(&domain.operator_address(), &other.operator_address());
    let second = domain.file("second.toml");
    std::fs::write(&second, ports).expect("a writable directory");
    let refused = Gateway::run(&["serve", "--config", path(&second)]);
    ends_with(&refused, 1);
    assert!(err(&refused).contains("in use"), "{refused:?}");
    domain
        .operator("GET", "/operator/v1/status", None)
        .expect(200);
}

#[test]
fn service_providers_are_onboarded_listed_frozen_and_removed() {
    let sandbox = Sandbox::start();
    let ids = || -> Vec<String> {
        let all = answer(&sandbox, &["sp", "list"]);
        all.as_array()
            .expect("a list")
            .iter()
            .map(|sp| text(&sp["id"]))
            .collect()
    };
    assert_eq!(ids(), ["acme-iot", "bolt-iot", "books", "music", "shop"]);
    let table = out(&operator(&sandbox, &["sp", "list"]));
    assert!(
        table.contains("acme-iot") && table.contains("IOT_SP"),
        "{table}"
    );
    let add = [
        "sp",
        "add",
        "cinema",
        "--role",
        "third-party-sp",
        "--service",
        "https://cinema.example/films",
        "--callback-origin",
        "https://cinema.example",
        "--requests-per-second",
        "7",
    ];
    let added = answer(&sandbox, &add);
    assert_eq!(added["limits"]["requestsPerSecond"], 7);
    assert!(ids().contains(&"cinema".to_owned()));
    let again = operator(&sandbox, &add);
    ends_with(&again, 1);
    assert!(
        err(&again).contains("SP_EXISTS") || err(&again).contains("given out"),
        "{again:?}"
    );
    let squatter = [
        "sp",
        "add",
        "pirate",
        "--role",
        "third-party-sp",
        "--service",
        "https://shop.example/services/eggs",
    ];
    ends_with(&operator(&sandbox, &squatter), 1);
    assert_eq!(
        answer(&sandbox, &["sp", "suspend", "cinema"])["status"],
        "SUSPENDED"
    );
    assert_eq!(
        answer(&sandbox, &["sp", "resume", "cinema"])["status"],
        "ACTIVE"
    );
    let unconfirmed = operator(&sandbox, &["sp", "remove", "cinema"]);
    ends_with(&unconfirmed, 1);
    assert!(err(&unconfirmed).contains("--yes"), "{unconfirmed:?}");
    assert_eq!(
        answer(&sandbox, &["sp", "remove", "cinema", "--yes"])["sp"]["status"],
        "REMOVED"
    );
    ends_with(&operator(&sandbox, &["sp", "resume", "cinema"]), 1);
}

#[test]
fn a_certificate_ordered_with_openssl_opens_the_gateway_until_it_is_revoked() {
    let sandbox = Sandbox::start();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (key, request) = (folder.path().join("new.key"), folder.path().join("new.csr"));
    openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        path(&key),
        "-subj",
        "/CN=whoever",
        "-out",
        path(&request),
    ]);
    let issued = operator(
        &sandbox,
        &["sp", "cert", "issue", "shop", "--csr", path(&request)],
    );
    ends_with(&issued, 0);
    let certificate = folder.path().join("new.pem");
    std::fs::write(&certificate, out(&issued)).expect("a writable directory");
    let known = answer(&sandbox, &["sp", "cert", "list", "shop"]);
    assert!(
        known
            .as_array()
            .is_some_and(|all| all.iter().any(|c| c["status"] == "VALID")),
        "{known}"
    );

    let mut renewed = sandbox.shop();
    (renewed.certificate, renewed.key) = (certificate.clone(), key);
    let token = renewed.ask_token("").expect(200);
    renewed
        .get(&renewed.path("ics-mapping", "mappings"))
        .expect(200);
    let revoked = answer(
        &sandbox,
        &["sp", "cert", "revoke", "--file", path(&certificate)],
    );
    assert_eq!(
        (&revoked["status"], &revoked["spId"]),
        (&Value::from("REVOKED"), &Value::from("shop"))
    );
    let refused = renewed.ask_token("");
    assert!(refused.status == 401 || refused.status == 0, "{refused:?}");
    let refused = renewed.call("GET", &renewed.path("ics-mapping", "mappings"), None);
    assert!(refused.status == 401 || refused.status == 0, "{refused:?}");
    assert!(
        !sandbox
            .log()
            .contains(token.json()["access_token"].as_str().expect("a token"))
    );
    // The other certificate of the same party is none the worse.
    sandbox.shop().ask_token("").expect(200);
    // A key made here lies in a file of its owner's alone, and is never overwritten.
    let made = folder.path().join("made");
    ends_with(
        &operator(
            &sandbox,
            &["sp", "cert", "issue", "shop", "--out", path(&made)],
        ),
        0,
    );
    let mode = std::fs::metadata(made.join("shop.key"))
        .expect("a key")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = operator(
        &sandbox,
        &["sp", "cert", "issue", "shop", "--out", path(&made)],
    );
    ends_with(&again, 2);
}

#[test]
fn an_agreement_is_added_counted_and_ended() {
    let sandbox = Sandbox::start();
    let (music, bolt) = (sandbox.music(), sandbox.bolt());
    let added = answer(
        &sandbox,
        &[
            "agreement",
            "add",
            "--iot-sp",
            &bolt.id,
            "--third-party-sp",
            &music.id,
        ],
    );
    let id = text(&added["agreementId"]);
    let mapping = music.establish(&bolt, "polka", &fresh_device());
    let list = answer(&sandbox, &["agreement", "list"]);
    assert!(
        list.as_array()
            .is_some_and(|all| all.iter().any(|a| a["agreementId"] == id)),
        "{list}"
    );
    let unconfirmed = operator(&sandbox, &["agreement", "end", &id]);
    ends_with(&unconfirmed, 1);
    let said = err(&unconfirmed);
    assert!(said.contains("--yes") && said.contains('1'), "{said}");
    assert_eq!(music.status(&mapping), "ESTABLISHED");
    assert_eq!(
        answer(&sandbox, &["agreement", "end", &id, "--yes"])["demapped"],
        1
    );
    assert_eq!(music.status(&mapping), "DELETED");
}

#[test]
fn mappings_are_listed_and_shown_without_serial_numbers() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let (done, waiting) = (
        shop.establish(&acme, "eggs", &device),
        shop.ask(&acme, "milk"),
    );
    let list = answer(
        &sandbox,
        &["mapping", "list", "--sp", "shop", "--status", "pending"],
    );
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0]["mappingId"], waiting.id());
    let shown = answer(&sandbox, &["mapping", "show", done.id()]);
    assert_eq!(
        (&shown["uti"], &shown["deviceId"]),
        (&Value::from(done.uti.as_str()), &Value::from(device))
    );
    for verb in [
        &["mapping", "show", waiting.id()][..],
        &["mapping", "list"],
        &["outbox", "list"],
    ] {
        let said = out(&operator(&sandbox, verb)) + &answer(&sandbox, verb).to_string();
        assert!(
            !said.contains(&waiting.serial) && !said.contains(&done.serial),
            "{said}"
        );
    }
    let status = answer(&sandbox, &["status"]);
    assert_eq!(status["mappings"]["established"], 1);
    assert_eq!(status["mappings"]["pending"], 1);
    assert_eq!(status["serviceProviders"]["active"], 5);
}

#[test]
fn what_waits_in_the_outbox_is_listed_and_tried_again() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.establish(&acme, "eggs", &fresh_device());
    sandbox.settle();
    answer(&sandbox, &["sp", "suspend", "shop"]);
    let link = serde_json::json!({ "mapping": mapping.assignment });
    acme.demap("SERVICE_INVALID", &link).expect(200);
    let list = answer(&sandbox, &["outbox", "list", "--sp", "shop"]);
    assert_eq!(
        (&list[0]["kind"], &list[0]["mappingId"]),
        (&Value::from("DEMAPPED"), &Value::from(mapping.id()))
    );
    assert_eq!(
        answer(&sandbox, &["outbox", "list", "--dead"]),
        serde_json::json!([])
    );
    let id = text(&list[0]["notificationId"]);
    answer(&sandbox, &["outbox", "retry", &id]);
    assert_eq!(
        answer(&sandbox, &["outbox", "retry", "--sp", "shop"])["retried"],
        0
    );
    assert_eq!(
        answer(&sandbox, &["outbox", "list", "--sp", "shop"])[0]["notificationId"],
        id
    );
    answer(&sandbox, &["sp", "resume", "shop"]);
    shop.inbox.wait(&mapping.uti, "the held notice", |body| {
        body.get("cause").is_some()
    });
    sandbox.settle();
    ends_with(&operator(&sandbox, &["outbox", "retry", &id]), 1);
}

#[test]
fn exit_codes_tell_refused_misused_and_unreachable_apart() {
    let sandbox = Sandbox::start();
    ends_with(&operator(&sandbox, &["status"]), 0);
    ends_with(&operator(&sandbox, &["sp", "show", "nobody"]), 1);
    ends_with(&operator(&sandbox, &["sp", "show", "NOT AN ID"]), 2);
    ends_with(&operator(&sandbox, &["outbox", "retry"]), 2);
    ends_with(&Gateway::run(&["status"]), 2);
    ends_with(&Gateway::run(&["statsu"]), 2);
    // A service provider's certificate opens nothing here.
    let shop = sandbox.shop();
    let as_shop = [
        "status",
        "--operator-url",
        sandbox.env("ICS_OPERATOR_URL"),
        "--ca",
        sandbox.env("ICS_OPERATOR_CA"),
        "--cert",
        path(&shop.certificate),
        "--key",
        path(&shop.key),
    ];
    let refused = Gateway::run(&as_shop);
    assert!(matches!(refused.status.code(), Some(1 | 3)), "{refused:?}");
    assert!(sandbox.stop().success());
    ends_with(&operator(&sandbox, &["status"]), 3);
}

#[test]
fn a_sandbox_ends_in_order_and_comes_back_with_its_ports_and_rows() {
    let own = tempfile::tempdir().expect("a temporary directory");
    let sandbox = Sandbox::start_in(&own.path().join("kept"));
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let (done, waiting) = (
        shop.establish(&acme, "eggs", &device),
        shop.ask(&acme, "milk"),
    );
    sandbox.settle();
    let rows = shop.list();
    // Each start invites the newcomer anew.
    let known = || {
        let said = std::fs::read_to_string(sandbox.dir().join("sandbox.env")).expect("a file");
        let lines = said
            .lines()
            .filter(|line| !line.starts_with("ICS_NEW_CODE="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let said = known();
    let ended = sandbox.stop();
    assert_eq!(ended.code(), Some(0));
    sandbox.spawn();
    assert_eq!(known(), said);
    for party in [&shop, &acme] {
        party.forget_token();
    }
    assert_eq!(shop.list(), rows);
    assert_eq!(
        shop.inquire(&done.service, &done.uti).expect(200).json()["deviceId"],
        device
    );
    acme.accept(&waiting, &fresh_device()).expect(200);
    shop.inbox.wait(&waiting.uti, "the result", |body| {
        body["mappingStatus"] == "ESTABLISHED"
    });
}

#[test]
fn a_second_sandbox_in_the_same_directory_is_refused() {
    let sandbox = Sandbox::start();
    let second = Gateway::run(&["sandbox", "--dir", path(sandbox.dir())]);
    ends_with(&second, 1);
    sandbox.shop().ask_token("").expect(200);
}

#[test]
fn the_demo_plays_every_figure_and_ends_well() {
    let demo = Gateway::run(&["demo"]);
    ends_with(&demo, 0);
    let said = out(&demo);
    for part in [
        "Figure 3",
        "Figure 4",
        "Figures 5 and 6",
        "Appendix I.1",
        "Figure 3 over MQTT",
        "Appendix I.2: the door opens",
        "Figure 3 over CoAP",
        "handshake with the watch's pre-shared key",
        "watch observes its document",
        "watch acknowledges",
        "Appendix I.4: a family's data package",
        "the watch's: free",
        "watch revokes the pair",
        "nobody's: charged",
        "as Y.4462 says",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("NOT as Y.4462"), "{said}");
    for point in (1..=8).map(|point| format!("ICS-{point} ")) {
        assert!(said.contains(&point), "{point} in {said}");
    }
}

#[test]
fn the_bench_tells_its_figures_as_json_lines() {
    let bench = Gateway::run(&["bench", "inquiry", "--quick", "--json"]);
    ends_with(&bench, 0);
    let said = out(&bench);
    let figures: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert!(figures.len() >= 4, "{said}");
    for figure in &figures {
        for member in ["value", "yardstick", "ratio"] {
            assert!(
                figure[member].as_f64().is_some_and(|value| value > 0.0),
                "{member} in {figure}"
            );
        }
        assert!(
            figure["name"].is_string() && figure["unit"].is_string(),
            "{figure}"
        );
        assert_eq!(figure["rows"], 50_000, "{figure}");
    }
}

#[test]
fn a_store_is_not_copied_into_itself_however_it_is_called() {
    let domain = Domain::start(|text| text);
    assert!(domain.stop().success());
    let (store, link) = (domain.file("store"), domain.scratch().join("link"));
    std::os::unix::fs::symlink(&store, &link).expect("a writable directory");
    let around = store.join("../../domain/store");
    for directory in [&store, &link, &link.join("within"), &around] {
        let (config, before) = (domain.configuration(), contents(&store));
        let migrate = [
            "store",
            "migrate",
            "--to",
            "sled",
            "--directory",
            path(directory),
        ];
        let refused = Gateway::run(&[&migrate[..], &["--config", path(&config)]].concat());
        ends_with(&refused, 1);
        let why = err(&refused);
        assert!(why.contains("the store that is to be copied"), "{why}");
        assert!(why.contains(path(directory)), "{why}");
        assert_eq!(contents(&store), before);
    }
}

#[test]
fn a_backup_is_not_written_into_a_stream() {
    let domain = Domain::start(|text| text);
    let file = domain.configuration();
    let refused = Gateway::run(&["backup", "--to", "-", "--config", path(&file)]);
    ends_with(&refused, 2);
    assert!(err(&refused).contains("no standard stream"), "{refused:?}");
    assert!(!Path::new("-").exists(), "nor into a file of that name");
}
