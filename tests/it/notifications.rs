//! Notifications on their way: to whom they go and never go, in which order, signed, with a token
//! where one is wanted, given up and tried again (spec/t8.md A.6, A.8; issue "end to end", notify).

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ics_tests::openssl::{TestAuthority, openssl, server_extensions, sp_extensions};
use ics_tests::{Domain, Party, Received, Receiver, Reply, eventually, wait_for};
use serde_json::{Value, json};

/// Callbacks may go to loopback, and failures are tried again soon.
fn near(text: String) -> String {
    let text = text.replace(
        "allowed_networks = []",
        "allowed_networks = [\"127.0.0.0/8\"]",
    );
    far(text)
}

/// Callbacks may go to public addresses alone.
fn far(text: String) -> String {
    text.replace("#first_retry = \"1s\"", "first_retry = \"50ms\"")
        .replace("#longest_retry = \"60s\"", "longest_retry = \"200ms\"")
}

/// A third party SP and an IoT SP with an agreement; the IoT SP pulls its assignments.
struct Stage {
    domain: Domain,
    shop: Party,
    acme: Party,
}

fn stage_in(domain: Domain, origins: &[&str], token_endpoint: Option<&str>) -> Stage {
    let mut new = json!({
        "id": "shop", "roles": ["THIRD_PARTY_SP"],
        "services": ["https://shop.example/services"], "callbackOrigins": origins,
    });
    if let Some(endpoint) = token_endpoint {
        new["tokenEndpoint"] = endpoint.into();
    }
    let shop = domain.onboard(&new);
    let acme = domain.onboard(&json!({
        "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
        "callbackOrigins": origins,
    }));
    domain.agree(&acme, &shop);
    Stage { domain, shop, acme }
}

/// A UUID of version 4 that ends in `n`.
fn uti(n: u32) -> String {
    format!("0b7f3a52-7d0a-4b1e-9f35-6a3d{n:08x}")
}

fn mapping(n: u32, destination: &str) -> Value {
    json!({
        "serviceUri": format!("https://shop.example/services/{n}"),
        "uti": uti(n),
        "deviceSerialNumber": format!("ACME-{n}"),
        "notificationDestination": destination,
        "userConsent": { "consentId": "c-1", "grantedAt": "2026-11-01T00:00:00Z",
                         "purpose": "dpv:RequestedServiceProvision" },
    })
}

impl Stage {
    /// Asks for a mapping whose result goes to `destination`; its id.
    fn request(&self, n: u32, destination: &str) -> String {
        let path = self.shop.path("ics-mapping", "mappings");
        let answer = self.shop.post(&path, &mapping(n, destination)).expect(201);
        answer.json()["self"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    }

    /// The IoT SP accepts.
    fn accept(&self, n: u32, id: &str) {
        let body = json!({ "result": "ACCEPTED", "deviceId": format!("dev-number-{n}") });
        self.acme
            .put(
                &self
                    .acme
                    .path("ics-device-mapping", &format!("assignments/{id}")),
                &body,
            )
            .expect(200);
    }

    /// A mapping established at once; its id. The third party is to be told.
    fn establish(&self, n: u32, destination: &str) -> String {
        let id = self.request(n, destination);
        self.accept(n, &id);
        id
    }

    /// The IoT SP de-maps.
    fn demap(&self, n: u32) {
        let body = json!({ "cause": "DEVICE_UNREGISTERED", "deviceId": format!("dev-number-{n}") });
        self.acme
            .post(&self.acme.path("ics-demapping", "demap"), &body)
            .expect(200);
    }

    /// The outbox, as the operator sees it; those given up or those that wait.
    fn outbox(&self, dead: bool) -> Vec<Value> {
        let path = format!("/operator/v1/outbox?dead={dead}");
        let answer = self.domain.operator("GET", &path, None).expect(200);
        answer.json()["items"].as_array().unwrap().clone()
    }

    /// Waits until something in the outbox was tried `times` times.
    fn wait_for_attempts(&self, times: u64) {
        eventually("attempts", || {
            let waiting = self.outbox(false);
            waiting
                .iter()
                .any(|entry| entry["attempts"].as_u64() >= Some(times))
        });
    }

    fn wait_for_empty_outbox(&self) {
        eventually("the outbox to be empty", || {
            self.outbox(false).is_empty() && self.outbox(true).is_empty()
        });
    }
}

fn is_established(received: &Received, n: u32) -> bool {
    let body = received.body();
    body["uti"] == uti(n).as_str() && body["mappingStatus"] == "ESTABLISHED"
}

#[test]
fn notification_waits_for_a_server_certificate_that_is_right() {
    let domain = Domain::start(near);
    let dir = domain.scratch().to_owned();
    let root = domain.file("authority/sp-ca.pem");
    let own = TestAuthority {
        certificate: root.clone(),
        key: domain.file("authority/sp-ca.key"),
    };
    let foreign = TestAuthority::create(&dir, "foreign", "/CN=ICS service provider CA");
    let right = server_extensions("IP:127.0.0.1");
    let days = ["-days", "2"];
    let wrong = [
        foreign.issue(&dir, "of-another-authority", &right, &days),
        own.issue(
            &dir,
            "of-another-name",
            &server_extensions("DNS:shop.example"),
            &days,
        ),
        own.issue(&dir, "of-a-client", &sp_extensions("shop"), &days),
        own.issue_between(&dir, "over", &right, ("20260101000000Z", "20260601000000Z")),
    ];
    let first = &wrong[0];
    let receiver = Receiver::open(&root, &first.certificate, &first.key);
    let origin = receiver.origin();
    let stage = stage_in(domain, &[&origin], None);
    stage.establish(1, &format!("{origin}/results"));
    for certificate in &wrong {
        receiver.show(&root, &certificate.certificate, &certificate.key);
        let before = receiver.connections();
        eventually("attempts at the wrong server", || {
            receiver.connections() > before + 1
        });
        assert!(
            receiver.received().is_empty(),
            "delivered to {:?}",
            certificate.certificate
        );
    }
    let waiting = stage.outbox(false);
    assert!(
        waiting.iter().any(|entry| entry["spId"] == "shop"),
        "{waiting:?}"
    );
    let mended = own.issue(&dir, "mended", &right, &days);
    receiver.show(&root, &mended.certificate, &mended.key);
    receiver.wait("the result", |received| is_established(received, 1));
}

#[test]
fn redirect_is_not_followed() {
    let domain = Domain::start(near);
    let (receiver, other) = (domain.receiver(), domain.receiver());
    let (origin, elsewhere) = (receiver.origin(), other.origin());
    let stage = stage_in(domain, &[&origin, &elsewhere], None);
    receiver.answer(|_| Reply::status(503));
    stage.establish(1, &format!("{origin}/results"));
    for status in [301_u16, 302, 303, 307, 308] {
        for target in [format!("{elsewhere}/elsewhere"), "/elsewhere".to_owned()] {
            receiver.answer(move |_| Reply {
                headers: vec![("Location".into(), target.clone())],
                ..Reply::status(status)
            });
            let of_status = |received: &Received| received.answered == status;
            let before = receiver.received().into_iter().filter(of_status).count();
            eventually("two attempts", || {
                receiver.received().into_iter().filter(of_status).count() >= before + 2
            });
        }
    }
    assert!(
        receiver
            .received()
            .iter()
            .all(|received| received.path == "/results")
    );
    assert_eq!((other.connections(), other.received().len()), (0, 0));
    receiver.answer(|_| Reply::status(204));
    stage.wait_for_empty_outbox();
    assert!(
        receiver
            .received()
            .iter()
            .any(|received| received.answered == 204)
    );
}

#[test]
fn loopback_is_refused_unless_the_operator_allows_it() {
    let domain = Domain::start(far);
    let receiver = domain.receiver();
    let by_name = receiver.origin().replace("127.0.0.1", "localhost");
    let origins = [receiver.origin(), by_name];
    let stage = stage_in(domain, &[&origins[0], &origins[1]], None);
    for (n, origin) in origins.iter().enumerate() {
        let n = u32::try_from(n).unwrap();
        stage.establish(n, &format!("{origin}/results"));
        stage.wait_for_attempts(1);
    }
    stage.wait_for_attempts(3);
    assert_eq!(receiver.connections(), 0, "not even a TCP connection");
    let log = stage.domain.log();
    assert!(log.contains("address-refused"), "{log}");
    // A mapping does not depend on its notification.
    let list = stage
        .shop
        .get(&stage.shop.path("ics-mapping", "mappings"))
        .expect(200)
        .json();
    let established = list
        .as_array()
        .unwrap()
        .iter()
        .all(|row| row["mappingStatus"] == "ESTABLISHED");
    assert!(established, "{list}");
}

#[test]
fn gateway_does_not_call_its_own_listeners() {
    let domain = Domain::start(near);
    let origins = [domain.operator_address(), domain.t8_address()].map(|a| format!("https://{a}"));
    let localhost = origins[0].replace("127.0.0.1", "localhost");
    let stage = stage_in(domain, &[&origins[0], &origins[1], &localhost], None);
    for (n, origin) in [&origins[0], &origins[1], &localhost]
        .into_iter()
        .enumerate()
    {
        let target = format!("{origin}/operator/v1/sps");
        stage.establish(u32::try_from(n).unwrap(), &target);
    }
    stage.wait_for_attempts(3);
    let log = stage.domain.log();
    let deliveries = log
        .lines()
        .filter(|line| line.contains("delivery") && line.contains("/shop"));
    let outcomes: Vec<_> = deliveries.collect();
    assert!(!outcomes.is_empty(), "{log}");
    assert!(
        outcomes.iter().all(|line| line.contains("address-refused")),
        "{outcomes:?}"
    );
    // The request log of either listener has nothing of it.
    assert!(!log.contains("peer not admitted"), "{log}");
}

#[test]
fn destination_outside_the_registered_origins_is_refused_when_it_is_named() {
    let domain = Domain::start(near);
    let receiver = domain.receiver();
    let origin = receiver.origin();
    let port = origin.rsplit(':').next().unwrap().to_owned();
    let stage = stage_in(domain, &[&origin], None);
    let pending = stage.request(1, &format!("{origin}/results"));
    let mappings = stage.shop.path("ics-mapping", "mappings");
    for destination in [
        "https://127.0.0.1:1/results".to_owned(),
        "https://127.0.0.1/results".to_owned(),
        format!("http://127.0.0.1:{port}/results"),
        format!("https://localhost:{port}/results"),
        format!("https://127.0.0.2:{port}/results"),
        format!("https://[::1]:{port}/results"),
        format!("https://127.1:{port}/results"),
        format!("https://2130706433:{port}/results"),
        format!("https://0x7f000001:{port}/results"),
        format!("https://127.0.0.1.:{port}/results"),
        format!("https://127.0.0.1:{port}@evil.example/results"),
        format!("https://user@127.0.0.1:{port}/results"),
        format!("https://evil.example\\@127.0.0.1:{port}/results"),
        format!("https://127.0.0.1:{port}0/results"),
        format!("https://127.0.0.1:{port}/results#fragment"),
        "https://evil.example/results".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        let answer = stage
            .shop
            .post(&mappings, &mapping(2, &destination))
            .expect(400);
        // A host of digits looks like a subscriber's number, and is refused as one.
        let causes = ["MANDATORY_IE_INCORRECT", "PERMANENT_ID_NOT_ALLOWED"];
        assert!(
            causes.contains(&&*answer.cause()),
            "{destination}: {answer:?}"
        );
        let patch = json!({ "notificationDestination": destination });
        let path = stage
            .shop
            .path("ics-mapping", &format!("mappings/{pending}"));
        stage.shop.call("PATCH", &path, Some(&patch)).expect(400);
        let subscriptions = stage.acme.path("ics-device-mapping", "subscriptions");
        stage.acme.post(&subscriptions, &patch).expect(400);
    }
    // Nothing was stored, and nothing pushed anywhere.
    let listed = stage.shop.get(&mappings).expect(200).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn notifications_of_a_mapping_come_in_order_whatever_fails() {
    let domain = Domain::start(near);
    let receiver = domain.receiver();
    let origin = receiver.origin();
    let stage = stage_in(domain, &[&origin], None);
    // The first six attempts of each notification fail, in three ways.
    let tries = std::sync::Mutex::new(std::collections::HashMap::<String, u32>::new());
    receiver.answer(move |received| {
        let id = received.body()["notificationId"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut tries = tries.lock().unwrap();
        let count = tries.entry(id).or_default();
        *count += 1;
        Reply::status(match *count {
            1 | 4 => 503,
            2 | 5 => 500,
            3 | 6 => 404,
            _ => 204,
        })
    });
    for n in 1..=4 {
        stage.establish(n, &format!("{origin}/results"));
    }
    for n in 1..=4 {
        stage.demap(n);
    }
    stage.wait_for_empty_outbox();
    for n in 1..=4 {
        let of_row = |received: &&Received| received.body()["uti"] == uti(n).as_str();
        let received = receiver.received();
        let sequences: Vec<(u64, u16)> = received
            .iter()
            .filter(of_row)
            .map(|r| (r.body()["sequence"].as_u64().unwrap(), r.answered))
            .collect();
        // Not even an attempt at the later one before the earlier one was taken.
        assert!(
            sequences.is_sorted_by_key(|(sequence, _)| *sequence),
            "{sequences:?}"
        );
        let taken: Vec<_> = sequences
            .iter()
            .filter(|(_, status)| *status == 204)
            .collect();
        assert_eq!(taken.len(), 2, "{sequences:?}");
        assert_eq!(sequences.len(), 14, "{sequences:?}");
        let ids: Vec<_> = received
            .iter()
            .filter(of_row)
            .map(|r| r.body()["notificationId"].as_str().unwrap().to_owned())
            .collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(
            distinct.len(),
            2,
            "one id for all attempts at one notification: {ids:?}"
        );
    }
}

#[test]
fn dead_letter_is_kept_and_tried_again_when_the_operator_says_so() {
    let domain = Domain::start(|text| {
        let key = "#notification_deadline = \"24h\"";
        assert!(text.contains(key));
        near(text).replace(key, "notification_deadline = \"60s\"")
    });
    let receiver = domain.receiver();
    let origin = receiver.origin();
    let stage = stage_in(domain, &[&origin], None);
    receiver.answer(|_| Reply::status(503));
    let id = stage.establish(1, &format!("{origin}/results"));
    // It takes a minute; a condition is waited for no longer than that, so in two parts.
    stage.wait_for_attempts(100);
    let dead = wait_for("the dead letter", || stage.outbox(true).pop());
    assert_eq!(dead["deadReason"], "DEADLINE_PASSED", "{dead}");
    assert_eq!(
        (&dead["spId"], &dead["kind"]),
        (&json!("shop"), &json!("RESULT"))
    );
    assert_eq!(dead["mappingId"], id.as_str());
    assert!(dead.get("nextAttempt").is_none(), "{dead}");
    assert!(stage.outbox(false).is_empty());
    // The row stands, and can be read.
    let path = stage.shop.path("ics-mapping", &format!("mappings/{id}"));
    assert_eq!(
        stage.shop.get(&path).expect(200).json()["mappingStatus"],
        "ESTABLISHED"
    );

    receiver.answer(|_| Reply::status(204));
    let before = receiver.received().len();
    let notification = dead["notificationId"].as_str().unwrap();
    let retry = format!("/operator/v1/outbox/{notification}/retry");
    let retried = stage
        .domain
        .operator("POST", &retry, None)
        .expect(200)
        .json();
    assert_eq!(retried["retried"], 1, "{retried}");
    eventually("the delivery", || receiver.received().len() > before);
    let last = receiver.received().pop().unwrap();
    assert!(is_established(&last, 1), "{last:?}");
    assert_eq!(last.body()["notificationId"], notification);
    stage.wait_for_empty_outbox();
    stage.domain.operator("POST", &retry, None).expect(404);
}

/// Puts `parts` of a signed request together as a verifier does (RFC 9421 2.5), for the one
/// signature `ics`.
fn signature_base(received: &Received, target: &str) -> (String, Vec<u8>) {
    let input = received.header("signature-input").expect("Signature-Input");
    let parameters = input.strip_prefix("ics=").expect("the label `ics`");
    let covered = parameters
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .unwrap()
        .0;
    let mut base = String::new();
    for component in covered.split(' ') {
        let name = component.trim_matches('"');
        let value = match name {
            "@method" => received.method.clone(),
            "@target-uri" => target.to_owned(),
            field => received.header(field).expect("a covered field").to_owned(),
        };
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {parameters}"));
    let signature = received.header("signature").expect("Signature");
    let signature = signature
        .strip_prefix("ics=:")
        .and_then(|s| s.strip_suffix(':'))
        .unwrap();
    (base, STANDARD.decode(signature).expect("base64"))
}

/// Whether openssl takes `signature` for one of `message` under the Ed25519 key `key` (DER).
fn verifies(dir: &Path, key: &Path, message: &str, signature: &[u8]) -> bool {
    let (text, bytes) = (dir.join("base"), dir.join("signature"));
    std::fs::write(&text, message).unwrap();
    std::fs::write(&bytes, signature).unwrap();
    let mut command = Command::new("openssl");
    command.args([
        "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey",
    ]);
    command
        .arg(key)
        .arg("-in")
        .arg(&text)
        .arg("-sigfile")
        .arg(&bytes);
    command.output().unwrap().status.success()
}

#[test]
fn notification_is_signed_and_openssl_verifies_it() {
    let domain = Domain::start(near);
    let receiver = domain.receiver();
    let origin = receiver.origin();
    let stage = stage_in(domain, &[&origin], None);
    let target = format!("{origin}/results?for=shop");
    stage.establish(1, &target);
    let received = receiver.wait("the result", |received| is_established(received, 1));

    let discovery = stage
        .shop
        .curl("GET", "/.well-known/ics")
        .send()
        .expect(200)
        .json();
    let jwk = &discovery["callbackSignature"]["jwk"];
    assert_eq!(
        (&jwk["kty"], &jwk["crv"]),
        (&json!("OKP"), &json!("Ed25519")),
        "{discovery}"
    );
    // RFC 8410: the key with its algorithm before it.
    let mut der = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    der.extend(URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap());
    let dir = stage.domain.scratch();
    let key = dir.join("callback-key.der");
    std::fs::write(&key, der).unwrap();

    let (base, signature) = signature_base(&received, &target);
    for covered in [
        "\"@method\": POST",
        "\"@target-uri\": ",
        "\"content-digest\": sha-256=:",
    ] {
        assert!(base.contains(covered), "{base}");
    }
    for parameter in [
        ";created=",
        ";expires=",
        ";nonce=\"",
        ";alg=\"ed25519\"",
        ";tag=\"ics-callback\"",
    ] {
        assert!(base.contains(parameter), "{parameter} in {base}");
    }
    let key_id = jwk["kid"].as_str().unwrap();
    assert!(base.contains(&format!(";keyid=\"{key_id}\"")), "{base}");
    assert!(verifies(dir, &key, &base, &signature), "{base}");
    // The digest is that of the body.
    let body = dir.join("body");
    std::fs::write(&body, &received.bytes).unwrap();
    let digest = openssl(&["dgst", "-sha256", "-binary", body.to_str().unwrap()]).stdout;
    let expected = format!("sha-256=:{}:", STANDARD.encode(digest));
    assert_eq!(received.header("content-digest"), Some(&*expected));
    // Altered, it is nobody's.
    for altered in [
        base.replace("POST", "PUT"),
        base.replace("/results", "/other"),
        base.replace("sha-256=:", "sha-256=:A"),
        base.replace("created=", "created=1"),
    ] {
        assert_ne!(altered, base);
        assert!(!verifies(dir, &key, &altered, &signature), "{altered}");
    }
}

#[test]
fn two_attempts_at_one_notification_are_told_apart_by_their_nonces() {
    let domain = Domain::start(near);
    let receiver = domain.receiver();
    let origin = receiver.origin();
    let stage = stage_in(domain, &[&origin], None);
    receiver.answer(|_| Reply::status(503));
    stage.establish(1, &format!("{origin}/results"));
    eventually("three attempts", || receiver.received().len() >= 3);
    let inputs: Vec<_> = receiver
        .received()
        .iter()
        .map(|received| received.header("signature-input").unwrap().to_owned())
        .collect();
    let nonce = |input: &String| {
        input
            .split("nonce=")
            .nth(1)
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    };
    let nonces: std::collections::BTreeSet<_> = inputs.iter().map(nonce).collect();
    assert_eq!(nonces.len(), inputs.len());
}

#[test]
fn sp_with_a_token_endpoint_gets_a_token_of_its_own() {
    let domain = Domain::start(near);
    let receiver = domain.receiver();
    let origin = receiver.origin();
    let issued = std::sync::atomic::AtomicU32::new(0);
    receiver.answer(move |received| {
        if received.path != "/token" {
            // The first token is not good any more.
            let good = received.header("authorization") == Some("Bearer token-2");
            return Reply::status(if good { 204 } else { 401 });
        }
        let n = issued.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Reply {
            status: 200,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: json!({ "access_token": format!("token-{n}"), "token_type": "Bearer",
                          "expires_in": 600 })
            .to_string(),
        }
    });
    let endpoint = format!("{origin}/token");
    let stage = stage_in(domain, &[&origin], Some(&endpoint));
    for n in 1..=3 {
        stage.establish(n, &format!("{origin}/results"));
    }
    stage.wait_for_empty_outbox();
    let received = receiver.received();
    let asked: Vec<_> = received
        .iter()
        .filter(|received| received.path == "/token")
        .collect();
    assert_eq!(
        asked.len(),
        2,
        "one token for many notifications, one more after a 401"
    );
    for request in asked {
        let form = String::from_utf8(request.bytes.clone()).unwrap();
        assert!(form.contains("grant_type=client_credentials"), "{form}");
        assert!(form.contains("client_id=ics-gateway"), "{form}");
        assert!(!form.contains("client_secret"), "{form}");
        assert_eq!(request.header("authorization"), None);
    }
    for n in 1..=3 {
        let taken = received
            .iter()
            .filter(|r| r.answered == 204 && is_established(r, n));
        assert_eq!(taken.count(), 1, "result {n}");
    }
    assert!(!stage.domain.log().contains("token-2"));
}

#[test]
fn no_token_is_no_delivery() {
    let domain = Domain::start(near);
    let receiver = domain.receiver();
    let origin = receiver.origin();
    receiver.answer(|received| Reply::status(if received.path == "/token" { 503 } else { 204 }));
    let endpoint = format!("{origin}/token");
    let stage = stage_in(domain, &[&origin], Some(&endpoint));
    stage.establish(1, &format!("{origin}/results"));
    stage.wait_for_attempts(2);
    assert!(
        receiver
            .received()
            .iter()
            .all(|received| received.path == "/token")
    );
}

#[test]
fn suspended_sp_is_told_nothing_until_it_is_resumed_and_then_everything() {
    let domain = Domain::start(near);
    let receiver = domain.receiver();
    let origin = receiver.origin();
    let stage = stage_in(domain, &[&origin], None);
    let id = stage.request(1, &format!("{origin}/results"));
    stage
        .domain
        .operator("POST", "/operator/v1/sps/shop/suspend", None)
        .expect(200);
    stage.accept(1, &id);
    eventually("the result to wait", || {
        stage.outbox(false).iter().any(|e| e["spId"] == "shop")
    });
    assert_eq!(receiver.connections(), 0);
    stage
        .domain
        .operator("POST", "/operator/v1/sps/shop/resume", None)
        .expect(200);
    receiver.wait("the result", |received| is_established(received, 1));
}
