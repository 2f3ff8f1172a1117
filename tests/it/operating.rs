//! What an operator's engineer relies on: the decision log, metrics, checks, reload, drain, the
//! service unit.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ics_tests::openssl::try_openssl;
use ics_tests::{Dialer, Domain, Gateway, Party, Sandbox, eventually, fresh_device, wait_for};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines of a decision log, each read as JSON.
fn decisions(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("a decision log");
    let read = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(read).collect()
}

fn wait_for_decision(file: &Path, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || decisions(file).into_iter().find(&fits))
}

/// The file in a sandbox, wherever its domain lies.
fn log_of(sandbox: &Sandbox) -> PathBuf {
    let places = ["decisions", "domain/decisions"];
    let files = places.map(|place| sandbox.dir().join(place).join("decisions.jsonl"));
    files.into_iter().find(|file| file.exists()).expect("a log")
}

/// The closing lines of bulk inquiries, in their order.
fn bulk_ends(sandbox: &Sandbox) -> Vec<Value> {
    let mut lines = decisions(&log_of(sandbox));
    lines.retain(|line| line["event"] == "BULK_ENDED");
    lines
}

fn metrics(sandbox: &Sandbox) -> String {
    let answer = sandbox.operator("GET", "/operator/v1/metrics", None);
    answer.expect(200).body
}

#[test]
fn every_access_and_attempt_leaves_a_line_and_no_identifier_in_it_or_in_metrics() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let mapping = shop.establish(&acme, "eggs", &device);
    let uti = mapping.key()["uti"].as_str().expect("a UTI").to_owned();
    let service = shop.service("eggs");
    shop.inquire(&service, &uti).expect(200);
    shop.inquire(&service, &ics_tests::fresh_uuid()).expect(404);
    // A token of nobody's.
    let stolen = shop.curl("GET", &shop.path("ics-mapping", "mappings"));
    stolen.bearer("no-token-at-all").send().expect(401);
    // No certificate at all.
    let url = format!("{}/openapi.json", shop.root);
    let stranger = ics_tests::Curl::new("GET", &url)
        .root(&shop.authority)
        .send();
    assert_eq!(stranger.status, 0, "{stranger:?}");

    let file = log_of(&sandbox);
    let who = |line: &Value| line["who"] == *shop.id;
    wait_for_decision(&file, "the inquiry that was allowed", |line| {
        line["reference_point"] == "ICS-7" && line["decision"] == "allowed" && who(line)
    });
    wait_for_decision(&file, "the inquiry that was denied", |line| {
        line["cause"] == "MAPPING_NOT_FOUND" && line["decision"] == "denied" && who(line)
    });
    wait_for_decision(&file, "the token that was refused", |line| {
        line["cause"] == "INVALID_TOKEN" && line["status"] == 401 && who(line)
    });
    wait_for_decision(&file, "the handshake that was refused", |line| {
        line["cause"] == "CERTIFICATE_MISSING" && line["operation"] == "connect"
    });
    wait_for_decision(&file, "the mapping that was made", |line| {
        line["mapping"] == *mapping.id() && line["reference_point"] == "ICS-1"
    });
    let served = metrics(&sandbox);
    let log = std::fs::read_to_string(&file).expect("a log");
    let token = shop.token();
    for secret in [
        &device,
        &uti,
        &service,
        &token,
        &mapping.serial,
        &"no-token-at-all".to_owned(),
    ] {
        assert!(!log.contains(secret), "{secret} in the decision log");
        assert!(!served.contains(secret), "{secret} in the metrics");
    }
    assert!(!served.contains(&shop.id) && !served.contains(&acme.id));
    for series in [
        r#"ics_requests_total{listener="t8",reference_point="ICS-7",outcome="allowed"} 1"#,
        r#"ics_requests_total{listener="t8",reference_point="ICS-7",outcome="denied"} 1"#,
        r#"ics_mappings{state="established"} 1"#,
    ] {
        assert!(
            served.lines().any(|line| line == series),
            "{series} in\n{served}"
        );
    }
    let handshakes =
        r#"ics_connections_refused_total{listener="t8",cause="CERTIFICATE_MISSING"} 1"#;
    assert!(served.contains(handshakes), "{served}");
    let changes = served
        .lines()
        .find_map(|l| l.strip_prefix("ics_store_changes_total "));
    assert!(changes.is_some_and(|n| n != "0"), "{served}");
}

#[test]
fn every_query_of_the_dashboard_names_a_metric_that_is_served() {
    let sandbox = Sandbox::start();
    let served = metrics(&sandbox);
    let names: BTreeSet<&str> = served
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let file = root().join("examples/grafana/ics-gateway.json");
    let text = std::fs::read_to_string(file).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|p| p["targets"].as_array().expect("targets"));
    let mut asked = 0;
    for target in targets {
        let query = target["expr"].as_str().expect("a query");
        let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let mut named = words.filter(|word| word.starts_with("ics_")).peekable();
        assert!(named.peek().is_some(), "{query} names no metric");
        for name in named {
            // A counter of causes has no series before its first; all of ours start at 0.
            assert!(names.contains(name), "{name} of `{query}` is not served");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
}

fn shop_of(domain: &Domain) -> Party {
    domain.onboard(&json!({
        "id": "shop", "roles": ["THIRD_PARTY_SP"],
        "services": ["https://shop.example/services"],
        "callbackOrigins": ["https://shop.example"],
    }))
}

fn limit_file_size(domain: &Domain, bytes: &str) {
    let status = Command::new("prlimit")
        .args([
            "--pid",
            &domain.pid().to_string(),
            &format!("--fsize={bytes}:"),
        ])
        .status();
    assert!(status.expect("prlimit").success());
}

#[test]
fn a_full_log_disk_refuses_changes_serves_reads_and_is_told_until_there_is_room() {
    let domain = Domain::create(|text| text);
    // The log is larger than any other file of the gateway gets, and stands just below the limit.
    const FULL: u64 = 256 << 20;
    let file = domain.file("decisions/decisions.jsonl");
    File::create(&file)
        .expect("a file")
        .set_len(FULL)
        .expect("a sparse file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    domain.serve();
    let shop = shop_of(&domain);
    let list = shop.path("ics-mapping", "mappings");
    shop.get(&list).expect(200);
    limit_file_size(&domain, &FULL.to_string());
    let health = || {
        let answer = domain.operator("GET", "/operator/v1/health/ready", None);
        answer.expect(200).json()
    };
    eventually("the failing log to be told", || {
        shop.get(&list).expect(200);
        health()["decisionLog"]["state"] == "FAILING_REFUSED"
    });
    assert_eq!(health()["status"], "degraded");
    let served = domain
        .operator("GET", "/operator/v1/metrics", None)
        .expect(200);
    assert!(served.body.contains("ics_decision_log_failing 1"));
    let request = json!({});
    let refused = shop.post(&list, &request);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    shop.get(&list).expect(200);

    limit_file_size(&domain, "unlimited");
    eventually("the log to be written again", || {
        health()["status"] == "ready"
    });
    shop.post(&list, &request).expect(400);
    assert_eq!(health()["decisionLog"]["lostLines"], 0);
    assert!(domain.stop().success());
}

#[test]
fn a_decision_log_that_is_deleted_is_made_anew_and_it_is_told() {
    let domain = Domain::start(|text| text);
    let file = domain.file("decisions/decisions.jsonl");
    let log = || {
        let status = domain.operator("GET", "/operator/v1/status", None);
        status.expect(200).json()["decisionLog"].clone()
    };
    assert_eq!(log()["takenAway"], 0);
    std::fs::remove_file(&file).expect("a decision log");
    // The next line finds it out, without SIGHUP.
    eventually("it to be noticed", || log()["takenAway"] == 1);
    assert_eq!(log()["state"], "WRITING");
    wait_for_decision(&file, "what the log says of itself", |line| {
        line["event"] == "LINES_TAKEN_AWAY"
    });
    wait_for_decision(&file, "requests after it", |line| {
        line["listener"] == "operator"
    });
    let metrics = domain.operator("GET", "/operator/v1/metrics", None);
    let metrics = metrics.expect(200).body;
    assert!(metrics.contains("ics_decision_log_taken_away 1"));
    let told = Gateway::run(&[
        "doctor",
        "--config",
        domain.configuration().to_str().unwrap(),
    ]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("deleted or shortened"), "{told}");
}

#[test]
fn a_stop_lets_a_request_under_way_finish_and_takes_no_new_connection() {
    let domain = Domain::start(|text| text);
    let shop = shop_of(&domain);
    let token = shop.token();
    let dialer = Dialer::of(&shop);
    let mut under_way = dialer.dial().expect("a connection");
    let path = shop.path("ics-mapping", "mappings");
    let rest = under_way
        .begin_post(&path, &token, &json!({ "supportedFeatures": "0" }))
        .expect("the first half");
    // Its line has room reserved; so has the one that asks.
    eventually("the request to be under way", || {
        let served = domain.operator("GET", "/operator/v1/metrics", None);
        let waiting = "ics_decision_log_waiting_bytes ";
        let bytes = served.expect(200).body;
        let bytes = bytes.lines().find_map(|line| line.strip_prefix(waiting));
        bytes.is_some_and(|n| n.parse::<u64>().is_ok_and(|n| n >= 1024))
    });
    domain.signal("TERM");
    eventually("new connections to be refused", || dialer.dial().is_err());
    let answer = under_way.finish(&rest).expect("an answer");
    assert_eq!(answer.status, 400, "judged, not cut off: {answer:?}");
    assert!(domain.wait().success());
}

#[test]
fn a_reload_keeps_open_connections_reopens_the_log_and_names_what_waits() {
    let domain = Domain::start(|text| text);
    let shop = shop_of(&domain);
    let token = shop.token();
    let mut open = Dialer::of(&shop).dial().expect("a connection");
    let path = shop.path("ics-mapping", "mappings");
    let mut ask = || open.call(("GET", &path), &token, None).expect("an answer");
    assert_eq!(ask().status, 200);
    let log = domain.file("decisions/decisions.jsonl");
    let moved = domain.file("decisions/yesterday.jsonl");
    eventually("the first lines", || !decisions(&log).is_empty());
    std::fs::rename(&log, &moved).expect("a rename");
    let file = domain.configuration();
    let text = std::fs::read_to_string(&file).expect("a configuration");
    let changed = text.replace("#pending = \"24h\"", "pending = \"12h\"");
    std::fs::write(&file, changed).expect("a writable file");
    domain.signal("HUP");
    eventually("the log to be opened anew", || log.exists());
    assert_eq!(ask().status, 200, "on the same connection");
    wait_for_decision(&log, "a line in the new file", |line| line["who"] == "shop");
    eventually("what waits to be named", || {
        domain.log().contains("mapping.pending")
    });
    assert!(domain.stop().success());
}

/// The certificate that the T8 listener shows whoever comes, in PEM.
fn shown_by_t8(domain: &Domain) -> String {
    let address = domain.t8_address();
    let said = try_openssl(&["s_client", "-connect", &address]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let begin = said.find("-----BEGIN CERTIFICATE-----");
    let end = said
        .find("-----END CERTIFICATE-----")
        .expect("a certificate");
    said[begin.expect("a certificate")..end].to_owned()
}

#[test]
fn a_reload_of_a_bad_configuration_reopens_the_log_and_keeps_what_is_in_use() {
    let domain = Domain::start(|text| text);
    let shop = shop_of(&domain);
    let list = shop.path("ics-mapping", "mappings");
    shop.get(&list).expect(200);
    let log = domain.file("decisions/decisions.jsonl");
    eventually("the first lines", || !decisions(&log).is_empty());
    let end_of = |what: &str| {
        let served = domain.operator("GET", "/operator/v1/metrics", None);
        let name = format!("ics_certificate_expiry_timestamp_seconds{{certificate=\"{what}\"}} ");
        let text = served.expect(200).body;
        let line = text.lines().find_map(|line| line.strip_prefix(&*name));
        line.and_then(|end| end.parse::<i64>().ok())
            .expect("a time")
    };
    let client = end_of("notify-client");
    std::fs::rename(&log, domain.file("decisions/yesterday.jsonl")).expect("a rename");
    let file = domain.configuration();
    let good = std::fs::read_to_string(&file).expect("a configuration");
    std::fs::write(&file, "nothing = \"of ours\"\n").expect("a writable file");
    domain.signal("HUP");
    eventually("the log to be opened anew", || log.exists());
    eventually("the refusal to be told", || {
        domain.log().contains("reload refused")
    });
    shop.get(&list).expect(200);
    wait_for_decision(&log, "a line in the new file", |line| line["who"] == "shop");

    // A new certificate of the notifier waits for the next start, and metrics say so.
    std::fs::write(&file, good).expect("a writable file");
    let (certificate, key) = domain.server_certificate("renewed", "DNS:notifier");
    for (from, to) in [
        (certificate, "notify/client.pem"),
        (key, "notify/client.key"),
    ] {
        std::fs::write(domain.file(to), std::fs::read(from).expect("a file")).expect("a copy");
    }
    domain.signal("HUP");
    eventually("the reload", || {
        domain.log().contains("anchors of the listeners reloaded")
    });
    assert_eq!(end_of("notify-client"), client, "that in use");

    // A file that does not fit holds back the others, whichever listener it is of.
    let (certificate, key) = domain.server_certificate("next", "IP:127.0.0.1");
    let shown = |what: &str| std::fs::read(domain.file(what)).expect("a file");
    let kept = ["t8/server.pem", "t8/server.key"].map(|file| (file, shown(file)));
    let (t8, mqtt) = (shown_by_t8(&domain), shown("mqtt/server.pem"));
    for (from, to) in [(certificate, kept[0].0), (key, kept[1].0)] {
        std::fs::write(domain.file(to), std::fs::read(from).expect("a file")).expect("a copy");
    }
    std::fs::write(domain.file("mqtt/server.pem"), "no certificate\n").expect("a writable file");
    let refused = || domain.log().matches("reload refused").count();
    let before = refused();
    domain.signal("HUP");
    eventually("the refusal to be told", || refused() > before);
    assert_eq!(shown_by_t8(&domain), t8, "that of before");
    std::fs::write(domain.file("mqtt/server.pem"), mqtt).expect("a writable file");
    for (file, bytes) in kept {
        std::fs::write(domain.file(file), bytes).expect("a writable file");
    }
    assert!(domain.stop().success());
    domain.serve();
    assert_ne!(end_of("notify-client"), client, "the new one");
}

#[test]
fn changes_whose_callers_hang_up_are_logged_with_what_came_of_them() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (token, path) = (shop.token(), shop.path("ics-mapping", "mappings"));
    let log = log_of(&sandbox);
    let is_made = |line: &&Value| line["reference_point"] == "ICS-1" && line["status"] == 201;
    // What is in the socket when it is closed may be lost, so many are sent.
    wait_for("some to be taken", || {
        for _ in 0..20 {
            let uti = ics_tests::fresh_uuid();
            let request = shop.request(&shop.service("eggs"), &uti, &acme.fresh_serial());
            let mut connection = Dialer::of(&shop).dial().expect("a connection");
            let sent = connection.send(("POST", &path), &token, Some(&request));
            sent.expect("the request");
        }
        decisions(&log)
            .iter()
            .any(|line| is_made(&line))
            .then_some(())
    });
    eventually("a line for each row", || {
        shop.list().len() == decisions(&log).iter().filter(is_made).count()
    });
    let unknown = |line: &&Value| line["decision"] == "unknown" && line["operation"] == "POST";
    assert_eq!(decisions(&log).iter().find(unknown), None);
}

#[test]
fn a_bulk_inquiry_leaves_a_line_at_its_end_with_what_became_of_its_lines() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.establish(&acme, "eggs", &fresh_device());
    let unknown = json!({ "serviceUri": mapping.service, "uti": ics_tests::fresh_uuid() });
    let body = format!("{}\n{unknown}\nnothing\n", mapping.key());
    // A letter may be percent-encoded (RFC 3986 6.2.2.2): it is the same operation.
    for path in [
        "/ics-inquiry/v1/retrieve-bulk",
        "/ics-inquiry/v1/retrieve%2Dbulk",
    ] {
        let before = bulk_ends(&sandbox).len();
        let bulk = shop.curl("POST", path).bearer(&shop.token());
        let bulk = bulk.header("Content-Type", "application/x-ndjson");
        bulk.bytes(body.as_bytes()).send().expect(200);
        let end = wait_for("its end", || bulk_ends(&sandbox).get(before).cloned());
        let counts = ["asked", "allowed", "not_found", "denied", "failed"];
        assert_eq!(
            counts.map(|name| end[name].as_u64()),
            [3, 1, 1, 1, 0].map(Some),
            "{path}"
        );
        assert_eq!(
            (&end["who"], &end["whole"]),
            (&json!(shop.id), &json!(true))
        );
        let begin = wait_for_decision(&log_of(&sandbox), "its beginning", |line| {
            line["status"] == 200 && line["request_id"] == end["request_id"]
        });
        let operation = begin["operation"].as_str().expect("an operation");
        assert!(operation.ends_with("/retrieve-bulk"), "{begin}");
    }
}

#[test]
fn config_check_says_all_that_is_wrong_at_once_and_how_to_mend_it() {
    let domain = Domain::create(|text| {
        text.replace("public_url", "pubic_url")
            .replace("#lifetime = \"600s\"", "lifetime = \"1s\"")
            .replace("#queue = \"16MiB\"", "queue = \"a lot\"")
    });
    let key = domain.file("keys/keyring");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let file = domain.configuration();
    let check = || {
        let file = file.to_str().expect("UTF-8");
        let output = Gateway::run(&["config", "check", "--config", file]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = check();
    assert_eq!(code, Some(1));
    for part in [
        "did you mean `public_url`?",
        "`tokens.lifetime`: `1s` is out of range; choose from",
        "`decisions.queue`",
        &format!("chmod 600 {}", key.display()),
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    let mended = text
        .replace("pubic_url", "public_url")
        .replace("lifetime = \"1s\"", "lifetime = \"60s\"")
        .replace("queue = \"a lot\"", "queue = \"8MiB\"");
    std::fs::write(&file, mended).expect("a writable file");
    assert_eq!(check().0, Some(0), "{}", check().1);
    // A key of somebody else: both files are named.
    std::fs::copy(
        domain.file("operator/server.key"),
        domain.file("t8/server.key"),
    )
    .expect("a copy");
    let (code, said) = check();
    assert_eq!(code, Some(1));
    assert!(
        said.contains("t8/server.pem") && said.contains("t8/server.key"),
        "{said}"
    );
}

#[test]
fn doctor_is_amber_without_its_gateway_green_with_it_and_red_for_an_open_key() {
    let domain = Domain::create(|text| text);
    let file = domain.configuration();
    let doctor = || {
        let file = file.to_str().expect("UTF-8");
        let output = Gateway::run(&["doctor", "--json", "--config", file]);
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("findings");
        // The room on this machine's disk is not the subject.
        let lights = findings
            .iter()
            .filter(|f| !f["text"].as_str().unwrap_or("").contains("MiB"));
        let worst = ["red", "amber"]
            .into_iter()
            .find(|light| lights.clone().any(|finding| finding["light"] == **light));
        for finding in findings.iter().filter(|f| f["light"] != "green") {
            assert!(finding["fix"].is_string(), "{finding} names a command");
        }
        let is_low = findings
            .iter()
            .any(|f| f["light"] != "green" && f["text"].as_str().unwrap_or("").contains("MiB"));
        // What it was asked for is no error of its own.
        let all = findings.len();
        let worst_of_all = ["red", "amber"].into_iter().find_map(|light| {
            let alike = findings.iter().filter(|f| f["light"] == light).count();
            (alike > 0)
                .then(|| format!("{light}: {alike} of {all} findings; the fix is named with each"))
        });
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.trim_end(), worst_of_all.unwrap_or_default());
        (worst.unwrap_or("green"), output.status.code(), is_low)
    };
    let (light, code, _) = doctor();
    assert_eq!((light, code), ("amber", Some(1)));
    domain.serve();
    // The root's key is still there.
    let (light, code, _) = doctor();
    assert_eq!((light, code), ("amber", Some(1)));
    std::fs::remove_dir_all(domain.file("offline")).expect("carried away");
    let (light, code, is_low) = doctor();
    assert!(light == "green" && (is_low || code == Some(0)), "{code:?}");
    let key = domain.file("notify/client.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let (light, code, _) = doctor();
    assert_eq!((light, code), ("red", Some(2)));
    assert!(domain.stop().success());
}

#[test]
fn a_configuration_with_more_connections_than_descriptors_is_refused_by_name() {
    let domain = Domain::create(|text| {
        text.replace("#max_connections = 8000", "max_connections = 2000000")
            .replace("#queue = \"16MiB\"", "queue = \"1GiB\"")
    });
    let file = domain.configuration();
    let file = file.to_str().expect("UTF-8");
    let output = Gateway::run(&["serve", "--config", file]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("LimitNOFILE=") && said.contains("max_connections"),
        "{said}"
    );
}

#[test]
fn service_manager_is_told_when_the_gateway_is_ready_and_when_it_stops() {
    let domain = Domain::create(|text| text);
    let socket = domain.scratch().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    let mut gateway = Command::new(Gateway::binary())
        .args([
            "serve".as_ref(),
            "--config".as_ref(),
            domain.configuration().as_os_str(),
        ])
        .env("NOTIFY_SOCKET", &socket)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let minute = std::time::Duration::from_secs(60);
    manager.set_read_timeout(Some(minute)).expect("a timeout");
    let told = || {
        let mut bytes = [0; 256];
        let n = manager.recv(&mut bytes).expect("a state");
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    };
    assert_eq!(told(), "READY=1");
    let pid = gateway.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.expect("kill").success());
    assert!(told().starts_with("STOPPING=1"));
    assert!(gateway.wait().expect("it ends").success());
}

#[test]
fn the_service_unit_is_well_formed_and_hardened() {
    let unit = std::fs::read_to_string(root().join("examples/systemd/ics-gateway.service"));
    let unit = unit.expect("the unit");
    assert!(unit.contains("Type=notify") && unit.contains("LimitNOFILE="));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("ics-gateway.service");
    // `verify` wants the program to be there.
    let binary = Gateway::binary();
    let here = unit.replace(
        "/usr/local/bin/ics-gateway",
        binary.to_str().expect("UTF-8"),
    );
    std::fs::write(&file, here).expect("a writable directory");
    let analyze = |args: &[&str]| {
        let output = Command::new("systemd-analyze")
            .args(args)
            .arg(&file)
            .output();
        let output = output.expect("systemd-analyze");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (well, said) = analyze(&["verify"]);
    assert!(well, "{said}");
    // Exposure of at most 2.0 of 10.
    let (hardened, said) = analyze(&["security", "--offline=true", "--threshold=20"]);
    assert!(hardened, "{said}");
}
