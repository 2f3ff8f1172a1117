//! Who must not get in: certificates that are not good enough, at handshake, at the next request,
//! and at the wrong listener (issue "end to end", strangers; spec/security.md 1).

use std::path::Path;
use std::time::{Duration, Instant};

use ics_tests::domain::issue;
use ics_tests::openssl::{TestAuthority, TestCertificate, openssl, sp_extensions};
use ics_tests::{Answer, Curl, Dialer, Party, Sandbox, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What everybody may read who has a good certificate.
const PUBLIC: &str = "/.well-known/ics";

/// The sandbox's own authority, as a test may use it.
fn sandbox_authority(sandbox: &Sandbox) -> TestAuthority {
    TestAuthority {
        certificate: sandbox.file("ICS_CA"),
        key: sandbox.file("ICS_CA_KEY"),
    }
}

fn call_with(sandbox: &Sandbox, certificate: &Path, key: &Path, path: &str) -> Answer {
    let url = format!("{}{path}", sandbox.env("ICS_T8_URL"));
    Curl::new("GET", &url)
        .root(&sandbox.file("ICS_CA"))
        .certificate(certificate, key)
        .send()
}

fn call_as(sandbox: &Sandbox, certificate: &TestCertificate) -> Answer {
    call_with(sandbox, &certificate.certificate, &certificate.key, PUBLIC)
}

/// Refused in the handshake: no answer at all, and the reason is an alert of TLS.
#[track_caller]
fn assert_refused_in_handshake(answer: &Answer, alert: &str) {
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(matches!(answer.exit, 35 | 55 | 56), "{answer:?}");
    assert!(
        answer.error.contains(alert),
        "expected {alert:?} in {answer:?}"
    );
}

#[test]
fn caller_without_certificate_is_refused_in_the_handshake() {
    let sandbox = Sandbox::start();
    for path in [PUBLIC, "/openapi.json", "/oauth2/token", "/nothing"] {
        let url = format!("{}{path}", sandbox.env("ICS_T8_URL"));
        let answer = Curl::new("GET", &url).root(&sandbox.file("ICS_CA")).send();
        assert_refused_in_handshake(&answer, "certificate required");
    }
    let url = format!("{}/operator/v1/status", sandbox.env("ICS_OPERATOR_URL"));
    let answer = Curl::new("GET", &url)
        .root(&sandbox.file("ICS_OPERATOR_CA"))
        .send();
    assert_refused_in_handshake(&answer, "certificate required");
}

#[test]
fn certificates_of_other_authorities_are_refused_even_under_the_same_name() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let own = sandbox.file("ICS_CA");
    let subject = openssl(&[
        "x509",
        "-in",
        own.to_str().unwrap(),
        "-noout",
        "-subject",
        "-nameopt",
        "compat",
    ]);
    let subject = String::from_utf8(subject.stdout).unwrap();
    let subject = subject
        .trim()
        .strip_prefix("subject=")
        .unwrap()
        .trim()
        .to_owned();
    assert!(
        subject.contains("/CN=") || subject.contains("CN = "),
        "{subject}"
    );
    let subject = subject.replace("CN = ", "/CN=");
    let days = ["-days", "2"];
    for (name, subject) in [("other", "/CN=Other CA"), ("twin", &*subject)] {
        let authority = TestAuthority::create(dir.path(), name, subject);
        let leaf = format!("{name}-leaf");
        let issued = authority.issue(dir.path(), &leaf, &sp_extensions("shop"), &days);
        let answer = call_as(&sandbox, &issued);
        assert_eq!(
            (answer.status, answer.exit != 0),
            (0, true),
            "{name}: {answer:?}"
        );
        assert!(answer.error.contains("alert"), "{name}: {answer:?}");
    }
    // The same under the authority that counts is let in: it is not the leaf that is wrong.
    let authority = sandbox_authority(&sandbox);
    let issued = authority.issue(dir.path(), "good", &sp_extensions("shop"), &days);
    call_as(&sandbox, &issued).expect(200);
}

#[test]
fn certificates_outside_the_profile_are_refused() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let authority = sandbox_authority(&sandbox);
    let good = sp_extensions("shop");
    let without = |member: &str| -> String {
        let kept = good.lines().filter(|line| !line.starts_with(member));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let san = |value: &str| format!("{}subjectAltName={value}\n", without("subjectAltName"));
    let cases = [
        ("server-only", good.replace("clientAuth", "serverAuth")),
        ("no-eku", without("extendedKeyUsage")),
        ("no-san", without("subjectAltName")),
        ("dns-only", san("DNS:shop")),
        ("two-sans", san("URI:urn:ics:sp:shop,URI:urn:ics:sp:music")),
        (
            "same-san-twice",
            san("URI:urn:ics:sp:shop,URI:urn:ics:sp:shop"),
        ),
        ("foreign-uri", san("URI:https://shop.example/")),
        ("operator-name", san("URI:urn:ics:operator:cli")),
        ("gateway-name", san("URI:urn:ics:gateway:ics-gateway")),
        ("wildcard-name", san("URI:urn:ics:sp:*")),
        ("authority", good.replace("CA:FALSE", "CA:TRUE")),
        (
            "no-signature-usage",
            good.replace("digitalSignature", "keyEncipherment"),
        ),
    ];
    for (name, extensions) in cases {
        let issued = authority.issue(dir.path(), name, &extensions, &["-days", "2"]);
        let answer = call_as(&sandbox, &issued);
        assert_eq!(answer.status, 0, "{name}: {answer:?}");
        assert!(answer.error.contains("alert"), "{name}: {answer:?}");
    }
    for (name, options) in [
        ("rsa-1024", &["-newkey", "rsa:1024"][..]),
        (
            "p-521",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
        ),
        ("ed25519", &["-newkey", "ed25519"]),
    ] {
        let issued = authority.issue_for(dir.path(), name, options, &good, &["-days", "2"]);
        let answer = call_as(&sandbox, &issued);
        // curl itself may refuse to use a key this weak (58): nothing gets in either way.
        assert_eq!(answer.status, 0, "{name}: {answer:?}");
        assert!(answer.exit != 0, "{name}: {answer:?}");
    }
}

#[test]
fn server_certificates_do_not_serve_as_client_certificates() {
    let sandbox = Sandbox::start();
    let certificate = sandbox.file("ICS_CA").with_file_name("../t8/server.pem");
    let key = certificate.with_extension("key");
    let answer = call_with(&sandbox, &certificate, &key, PUBLIC);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.error.contains("alert"), "{answer:?}");
    // The one the gateway itself shows to service providers names no service provider.
    let certificate = sandbox
        .file("ICS_CA")
        .with_file_name("../notify/client.pem");
    let answer = call_with(
        &sandbox,
        &certificate,
        &certificate.with_extension("key"),
        PUBLIC,
    );
    assert_eq!(answer.status, 0, "{answer:?}");
}

#[test]
fn expired_certificate_is_refused() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let expired = sandbox_authority(&sandbox).issue_between(
        dir.path(),
        "expired",
        &sp_extensions("shop"),
        ("20260101000000Z", "20260601000000Z"),
    );
    assert_refused_in_handshake(&call_as(&sandbox, &expired), "certificate expired");
    let early = sandbox_authority(&sandbox).issue_between(
        dir.path(),
        "early",
        &sp_extensions("shop"),
        ("20600101000000Z", "20610601000000Z"),
    );
    let answer = call_as(&sandbox, &early);
    assert_eq!(answer.status, 0, "{answer:?}");
}

#[test]
fn certificate_that_names_an_unknown_sp_gets_nothing() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let authority = sandbox_authority(&sandbox);
    let extensions = sp_extensions("nobody-we-know");
    let issued = authority.issue(dir.path(), "unknown", &extensions, &["-days", "2"]);
    let mut answers = Vec::new();
    for path in [
        PUBLIC,
        "/openapi.json",
        "/nothing",
        "/ics-access/v1/nobody-we-know/profile",
    ] {
        let answer = call_with(&sandbox, &issued.certificate, &issued.key, path).expect(401);
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        answers.push(answer.comparable());
    }
    answers.dedup();
    assert_eq!(
        answers.len(),
        1,
        "the same answer whatever is asked: {answers:?}"
    );
    let url = format!("{}/oauth2/token", sandbox.env("ICS_T8_URL"));
    let token = Curl::new("POST", &url)
        .root(&sandbox.file("ICS_CA"))
        .certificate(&issued.certificate, &issued.key)
        .form("grant_type=client_credentials")
        .send();
    assert_eq!(token.status, 401);
}

/// A second certificate of `sp`, from the operator.
fn second_certificate(sandbox: &Sandbox, dir: &Path, sp: &str) -> TestCertificate {
    let (certificate, key) = issue(dir, &format!("{sp}-second"), |csr| {
        let path = format!("/operator/v1/sps/{sp}/certificates");
        sandbox
            .operator("POST", &path, Some(&json!({ "csr": csr })))
            .expect(201)
            .json()
    });
    TestCertificate { certificate, key }
}

/// `shop`, with another certificate than the sandbox's own.
fn shop_with(sandbox: &Sandbox, certificate: TestCertificate) -> Party {
    let mut shop = sandbox.shop();
    shop.certificate = certificate.certificate;
    shop.key = certificate.key;
    shop.forget_token();
    shop
}

fn revoke(sandbox: &Sandbox, certificate: &Path) {
    let pem = std::fs::read_to_string(certificate).unwrap();
    let body: Value = json!({ "certificate": pem });
    sandbox
        .operator("POST", "/operator/v1/certificates/revoke", Some(&body))
        .expect(200);
}

#[test]
fn revoked_certificate_is_refused_within_5_s_on_new_and_open_connections() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let shop = shop_with(&sandbox, second_certificate(&sandbox, dir.path(), "shop"));
    let token = shop.token();
    let (list, dialer) = (shop.path("ics-mapping", "mappings"), Dialer::of(&shop));
    let mut busy = dialer.dial().unwrap();
    assert_eq!(busy.call(("GET", &list), &token, None).unwrap().status, 200);
    // Open before, used only after.
    let mut idle = dialer.dial().unwrap();
    assert_eq!(
        idle.call(("GET", PUBLIC), &token, None).unwrap().status,
        200
    );

    revoke(&sandbox, &shop.certificate);
    let revoked = Instant::now();

    for connection in [&mut busy, &mut idle] {
        let answer = connection.call(("GET", &list), &token, None).unwrap();
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
        assert!(connection.is_ended(), "the connection stays open");
    }
    let answer = shop.curl("GET", &list).bearer(&token).send();
    assert_refused_in_handshake(&answer, "certificate revoked");
    let answer = shop.ask_token("");
    assert_refused_in_handshake(&answer, "certificate revoked");
    assert!(
        revoked.elapsed() < Duration::from_secs(5),
        "{:?}",
        revoked.elapsed()
    );

    // Its first certificate was not meant.
    sandbox.shop().get(&list).expect(200);
}

#[test]
fn request_opened_before_a_revocation_is_refused_when_its_body_is_whole() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let shop = shop_with(&sandbox, second_certificate(&sandbox, dir.path(), "shop"));
    let token = shop.token();
    let mut connection = Dialer::of(&shop).dial().unwrap();
    let path = "/ics-inquiry/v1/retrieve-by-transaction";
    let inquiry = json!({ "serviceUri": shop.grant, "uti": ics_tests::mapping::fresh_uuid() });
    // The same request in one go is answered.
    let answer = connection
        .call(("POST", path), &token, Some(&inquiry))
        .unwrap();
    assert_eq!(answer.status, 404, "{answer:?}");

    let rest = connection.begin_post(path, &token, &inquiry).unwrap();
    revoke(&sandbox, &shop.certificate);
    // The sender is slow: that is what is tried.
    std::thread::sleep(Duration::from_millis(200));
    let answer = connection.finish(&rest).unwrap();
    assert_eq!(answer.status, 401, "{answer:?}");
}

#[test]
fn revoked_certificate_stays_refused_after_a_restart() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let shop = shop_with(&sandbox, second_certificate(&sandbox, dir.path(), "shop"));
    shop.curl("GET", PUBLIC).send().expect(200);
    revoke(&sandbox, &shop.certificate);
    sandbox.kill();
    sandbox.spawn();
    assert_refused_in_handshake(&shop.curl("GET", PUBLIC).send(), "certificate revoked");
    sandbox.shop().curl("GET", PUBLIC).send().expect(200);
}

#[test]
fn certificate_made_elsewhere_can_be_revoked_by_itself() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let authority = sandbox_authority(&sandbox);
    let issued = authority.issue(
        dir.path(),
        "elsewhere",
        &sp_extensions("shop"),
        &["-days", "2"],
    );
    call_as(&sandbox, &issued).expect(200);
    revoke(&sandbox, &issued.certificate);
    assert_refused_in_handshake(&call_as(&sandbox, &issued), "certificate revoked");
}

#[test]
fn revoked_certificate_does_not_come_back_by_session_resumption() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let shop = shop_with(&sandbox, second_certificate(&sandbox, dir.path(), "shop"));
    // The open connection of somebody else's TLS, with whatever it keeps of its session.
    let address = sandbox
        .env("ICS_T8_URL")
        .trim_start_matches("https://")
        .to_owned();
    let session = dir.path().join("session");
    let talk = |sess: &[&str]| {
        let (ca, certificate, key) = (&shop.authority, &shop.certificate, &shop.key);
        let mut command = std::process::Command::new("openssl");
        command
            .args(["s_client", "-connect", &address, "-CAfile"])
            .arg(ca);
        command
            .arg("-cert")
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .args(sess);
        command.args(["-tls1_3", "-ign_eof"]);
        say(
            command,
            &format!("GET {PUBLIC} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        )
    };
    let session = session.to_str().unwrap();
    let before = talk(&["-sess_out", session]);
    assert!(before.contains("HTTP/1.1 200"), "{before}");
    revoke(&sandbox, &shop.certificate);
    let kept = Path::new(session).exists();
    let after = if kept {
        talk(&["-sess_in", session])
    } else {
        talk(&[])
    };
    assert!(!after.contains("HTTP/1.1 200"), "{after}");
    assert!(!after.contains("Reused"), "{after}");
}

/// Runs a command, says `input` to it, and returns all it said on both outputs.
fn say(mut command: std::process::Command, input: &str) -> String {
    use std::io::Write as _;
    use std::process::Stdio;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (out, error) = (output.stdout, output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&error)
    )
}

#[test]
fn certificates_do_not_cross_over_to_the_other_listener() {
    let sandbox = Sandbox::start();
    let (certificate, key) = (
        sandbox.file("ICS_OPERATOR_CERT"),
        sandbox.file("ICS_OPERATOR_KEY"),
    );
    let answer = call_with(&sandbox, &certificate, &key, PUBLIC);
    assert_eq!(answer.status, 0, "operator certificate on T8: {answer:?}");
    assert!(answer.error.contains("alert"), "{answer:?}");

    let shop = sandbox.shop();
    let url = format!("{}/operator/v1/status", sandbox.env("ICS_OPERATOR_URL"));
    let answer = Curl::new("GET", &url)
        .root(&sandbox.file("ICS_OPERATOR_CA"))
        .certificate(&shop.certificate, &shop.key)
        .send();
    assert_eq!(
        answer.status, 0,
        "SP certificate on the operator listener: {answer:?}"
    );
    assert!(answer.error.contains("alert"), "{answer:?}");

    // A name of the operator's under the SP authority is worth nothing on either.
    let dir = TempDir::new().unwrap();
    let extensions = sp_extensions("shop").replace("urn:ics:sp:shop", "urn:ics:operator:cli");
    let forged =
        sandbox_authority(&sandbox).issue(dir.path(), "forged", &extensions, &["-days", "2"]);
    let answer = Curl::new("GET", &url)
        .root(&sandbox.file("ICS_OPERATOR_CA"))
        .certificate(&forged.certificate, &forged.key)
        .send();
    assert_eq!(answer.status, 0, "{answer:?}");
    sandbox
        .operator("GET", "/operator/v1/status", None)
        .expect(200);
}

#[test]
fn operator_api_is_not_on_the_t8_listener() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let nowhere = shop.get("/no/such/path").expect(404).comparable();
    for path in [
        "/operator/v1/status",
        "/operator/v1/sps",
        "/operator/v1/mappings",
        "/operator/v1/health/live",
        "/operator/v1/openapi.json",
        "/operator",
    ] {
        assert_eq!(shop.get(path).expect(404).comparable(), nowhere, "{path}");
    }
    shop.post("/operator/v1/sps", &json!({})).expect(404);
}

#[test]
fn suspended_sp_is_refused_on_its_open_connection_and_served_again_after_resume() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let (token, list) = (shop.token(), shop.path("ics-mapping", "mappings"));
    let mut open = Dialer::of(&shop).dial().unwrap();
    assert_eq!(open.call(("GET", &list), &token, None).unwrap().status, 200);
    sandbox
        .operator("POST", "/operator/v1/sps/shop/suspend", None)
        .expect(200);
    assert_eq!(open.call(("GET", &list), &token, None).unwrap().status, 401);
    assert!(open.is_ended());
    shop.curl("GET", PUBLIC).send().expect(401);
    sandbox
        .operator("POST", "/operator/v1/sps/shop/resume", None)
        .expect(200);
    shop.forget_token();
    wait_for("shop to be served again", || {
        (shop.get(&list).status == 200).then_some(())
    });
}
