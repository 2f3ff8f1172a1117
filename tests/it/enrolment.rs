//! Enrolment (EST, RFC 7030): with openssl and curl, and with a client nobody here wrote.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ics_tests::curl::{Answer, Curl};
use ics_tests::openssl::{openssl, try_openssl};
use ics_tests::{Dialer, Domain, Gateway, Party, eventually};
use serde_json::{Value, json};

/// A gateway where `shop` may enrol, and where.
struct World {
    domain: Domain,
    url: String,
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

impl World {
    fn start() -> Self {
        let [port] = ics_tests::domain::free_ports();
        let listen = format!("[enrolment]\nlisten = \"127.0.0.1:{port}\"\n");
        let domain = Domain::start(|text| text.replace("[enrolment]\n", &listen));
        let shop = json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/"],
        });
        domain
            .operator("POST", "/operator/v1/sps", Some(&shop))
            .expect(201);
        Self {
            domain,
            url: format!("https://127.0.0.1:{port}/.well-known/est"),
        }
    }

    /// What `sp invite` tells.
    fn invite(&self, id: &str) -> Value {
        let config = self.domain.configuration();
        let args = ["sp", "invite", id, "--json", "--config", text(&config)];
        let output = Gateway::run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn code(&self) -> String {
        self.invite("shop")["code"]
            .as_str()
            .expect("a code")
            .to_owned()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.domain.scratch().join(name)
    }

    /// A key, and a request for it as `openssl req` makes it, DER.
    fn request(&self, name: &str, more: &[&str]) -> Vec<u8> {
        let (key, request) = (self.file(&format!("{name}.key")), self.file("request.der"));
        let made = [
            "req",
            "-new",
            "-nodes",
            "-subj",
            "/CN=anybody",
            "-outform",
            "DER",
        ];
        let files = ["-keyout", text(&key), "-out", text(&request)];
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let newkey = if more.contains(&"-newkey") {
            &[][..]
        } else {
            &curve
        };
        openssl(&[&made[..], newkey, more, &files].concat());
        std::fs::read(request).expect("a request")
    }

    fn ask(&self, operation: &str, body: &[u8]) -> Curl {
        Curl::new("POST", &format!("{}/{operation}", self.url))
            .root(&self.domain.file("authority/sp-ca.pem"))
            .header("Content-Type", "application/pkcs10")
            .bytes(STANDARD.encode(body).as_bytes())
    }

    fn enrol(&self, (id, code): (&str, &str), body: &[u8]) -> Answer {
        let pair = STANDARD.encode(format!("{id}:{code}"));
        let asked = self.ask("simpleenroll", body);
        asked
            .header("Authorization", &format!("Basic {pair}"))
            .send()
    }

    fn renew(&self, with: &str, body: &[u8]) -> Answer {
        let shown = (
            self.file(&format!("{with}.pem")),
            self.file(&format!("{with}.key")),
        );
        self.ask("simplereenroll", body)
            .certificate(&shown.0, &shown.1)
            .send()
    }

    /// The certificate in an answer, in a file of that name.
    fn keep(&self, answer: &Answer, name: &str) -> PathBuf {
        let (bundle, out) = (self.file("bundle.p7"), self.file(&format!("{name}.pem")));
        let packed: String = answer.body.split_whitespace().collect();
        std::fs::write(&bundle, STANDARD.decode(packed).expect("base64")).expect("written");
        let inform = ["pkcs7", "-inform", "DER", "-print_certs"];
        openssl(&[&inform[..], &["-in", text(&bundle), "-out", text(&out)]].concat());
        out
    }

    /// Whether a token is given for the certificate of that name.
    fn token(&self, name: &str) -> Answer {
        let url = format!("https://{}/oauth2/token", self.domain.t8_address());
        Curl::new("POST", &url)
            .root(&self.domain.file("authority/sp-ca.pem"))
            .certificate(
                &self.file(&format!("{name}.pem")),
                &self.file(&format!("{name}.key")),
            )
            .form("grant_type=client_credentials&client_id=shop")
            .send()
    }
}

fn shown(certificate: &Path) -> String {
    let args = ["x509", "-noout", "-text", "-in", text(certificate)];
    String::from_utf8(openssl(&args).stdout).expect("UTF-8")
}

#[test]
fn a_service_provider_enrols_once_with_its_code_and_renews_with_its_certificate() {
    let world = World::start();
    let invited = world.invite("shop");
    assert_eq!(invited["spId"], "shop");
    assert_eq!(invited["url"], world.url.as_str());
    let first_code = invited["code"].as_str().expect("a code").to_owned();
    let code = world.code();
    let request = world.request("first", &[]);
    // Of two invitations the later one stands.
    world.enrol(("shop", &first_code), &request).expect(401);
    let answer = world.enrol(("shop", &code), &request).expect(200);
    let kind = answer.header("content-type").expect("a type");
    assert!(kind.starts_with("application/pkcs7-mime"), "{kind}");
    let certificate = world.keep(&answer, "first");
    let said = shown(&certificate);
    for wanted in [
        "URI:urn:ics:sp:shop",
        "CA:FALSE",
        "TLS Web Client Authentication",
        "Digital Signature",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    world.token("first").expect(200);
    // A code is good once.
    world.enrol(("shop", &code), &request).expect(401);

    let next = world.request("next", &[]);
    let renewed = world.renew("first", &next).expect(200);
    world.keep(&renewed, "next");
    world.token("next").expect(200);
    let list = || {
        let url = world.url.replace("/.well-known/est", "/revoked.crl");
        let root = world.domain.file("authority/sp-ca.pem");
        let file = world.file("revoked.crl");
        let fetched = Command::new("curl")
            .args([
                "--silent",
                "--fail",
                "--cacert",
                text(&root),
                "--output",
                text(&file),
                &url,
            ])
            .status();
        assert!(fetched.expect("curl").success());
        let args = [
            "crl",
            "-inform",
            "DER",
            "-noout",
            "-text",
            "-in",
            text(&file),
            "-CAfile",
            text(&root),
        ];
        let output = openssl(&args);
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("verify OK"),
            "{output:?}"
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(list().contains("No Revoked Certificates"));
    // One that is revoked renews nothing, and is in the list.
    let file = world.file("first.pem");
    let config = world.domain.configuration();
    let revoke = [
        "sp",
        "cert",
        "revoke",
        "--file",
        text(&file),
        "--config",
        text(&config),
    ];
    assert!(Gateway::run(&revoke).status.success());
    let serial = openssl(&["x509", "-noout", "-serial", "-in", text(&file)]).stdout;
    let serial = String::from_utf8(serial).expect("UTF-8");
    let serial = serial.trim().trim_start_matches("serial=");
    let listed = list();
    assert!(
        listed.contains(serial) && listed.matches("Serial Number").count() == 1,
        "{listed}"
    );
    let refused = world.renew("first", &next);
    assert_ne!(refused.exit, 0, "{refused:?}");
    world.token("next").expect(200);
    let log = || std::fs::read_to_string(world.domain.file("decisions/decisions.jsonl"));
    eventually("who came with what", || {
        let log = log().unwrap_or_default();
        let line = |proof: &str| {
            log.lines().any(|line| {
                line.contains("\"listener\":\"enrolment\"")
                    && line.contains("\"who\":\"shop\"")
                    && line.contains(&format!("\"proof\":\"{proof}\""))
            })
        };
        line("invitation") && line("certificate") && log.contains("CODE_WRONG")
    });
}

#[test]
fn a_code_outlives_the_gateway_and_its_suspended_service_provider_gets_nothing_by_it() {
    let world = World::start();
    let code = world.code();
    world.domain.kill();
    world.domain.serve();
    let request = world.request("first", &[]);
    world.enrol(("shop", &code), &request).expect(200);
    let answer = world.enrol(("shop", &code), &request).expect(401);
    assert_eq!(answer.cause(), "CODE_WRONG");
    world.keep(
        &world.enrol(("shop", &world.code()), &request).expect(200),
        "first",
    );
    let code = world.code();
    let suspend = "/operator/v1/sps/shop/suspend";
    world
        .domain
        .operator("POST", suspend, Some(&json!({})))
        .expect(200);
    let refused = world.renew("first", &request).expect(403);
    assert_eq!(refused.cause(), "CERTIFICATE_NOT_ADMITTED");
    // Its code is good again once it is served again.
    let refused = world.enrol(("shop", &code), &request).expect(403);
    assert_eq!(refused.cause(), "SERVICE_PROVIDER_NOT_SERVED");
    let resume = "/operator/v1/sps/shop/resume";
    world
        .domain
        .operator("POST", resume, Some(&json!({})))
        .expect(200);
    world.enrol(("shop", &code), &request).expect(200);
    let code = world.code();
    let removed = json!({ "confirm": true });
    let remove = "/operator/v1/sps/shop/remove";
    world
        .domain
        .operator("POST", remove, Some(&removed))
        .expect(200);
    world.enrol(("shop", &code), &request).expect(403);
    let invite = "/operator/v1/sps/shop/invitation";
    world
        .domain
        .operator("POST", invite, Some(&json!({})))
        .expect(409);
}

#[test]
fn what_is_asked_beside_the_key_is_not_given_and_a_bad_request_costs_no_code() {
    let world = World::start();
    let code = world.code();
    let shop = ("shop", code.as_str());
    // What is no request, or one for a key that is too weak, says why; the code is still good.
    let weak = world.request("weak", &["-newkey", "rsa:1024"]);
    assert_eq!(
        world.enrol(shop, &weak).expect(400).cause(),
        "KEY_NOT_ALLOWED"
    );
    let mut broken = world.request("broken", &[]);
    *broken.last_mut().expect("a signature") ^= 1;
    assert_eq!(
        world.enrol(shop, &broken).expect(400).cause(),
        "REQUEST_UNSIGNED"
    );
    assert_eq!(
        world.enrol(shop, b"").expect(400).cause(),
        "REQUEST_UNREADABLE"
    );
    let pair = STANDARD.encode(format!("shop:{code}"));
    let asked = |kind: &str, body: &[u8]| {
        Curl::new("POST", &format!("{}/simpleenroll", world.url))
            .root(&world.domain.file("authority/sp-ca.pem"))
            .header("Content-Type", kind)
            .header("Authorization", &format!("Basic {pair}"))
            .bytes(body)
            .send()
    };
    asked("application/pkcs10", b"not base64!").expect(400);
    asked("text/plain", b"MAA=").expect(415);
    asked("application/pkcs10", &[b'A'; 20_000]).expect(413);
    // CA:TRUE and another's name are passed over: the certificate is of our profile.
    let greedy = world.request(
        "greedy",
        &[
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "subjectAltName=URI:urn:ics:sp:music",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ],
    );
    let said = shown(&world.keep(&world.enrol(shop, &greedy).expect(200), "greedy"));
    assert!(
        said.contains("URI:urn:ics:sp:shop") && said.contains("CA:FALSE"),
        "{said}"
    );
    assert!(
        !said.contains("music") && !said.contains("Certificate Sign"),
        "{said}"
    );
}

#[test]
fn nobody_enrols_without_a_code_or_as_another_and_guessing_is_slow() {
    let world = World::start();
    let code = world.code();
    let request = world.request("first", &[]);
    let bare = world.ask("simpleenroll", &request).send().expect(401);
    assert_eq!(bare.cause(), "CODE_MISSING");
    assert!(
        bare.header("www-authenticate")
            .is_some_and(|said| said.starts_with("Basic"))
    );
    world.ask("simplereenroll", &request).send().expect(403);
    // Whether there is such a service provider, or an invitation, is not to be seen.
    let answers: Vec<_> = ["shop", "music", "nobody", "../shop", ""]
        .map(|id| {
            world
                .enrol((id, "wrong"), &request)
                .expect(401)
                .comparable()
        })
        .into();
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    world.enrol(("music", &code), &request).expect(401);
    let get = Curl::new("GET", &format!("{}/simpleenroll", world.url));
    let get = get
        .root(&world.domain.file("authority/sp-ca.pem"))
        .send()
        .expect(405);
    assert_eq!(get.header("allow"), Some("POST"));
    let guesses = (0..40).map(|n| world.enrol(("shop", &n.to_string()), &request).status);
    assert!(guesses.into_iter().any(|status| status == 429));
    eventually("the right one to be taken again", || {
        world.enrol(("shop", &code), &request).status == 200
    });
}

#[test]
fn strongswan_enrols_and_renews() {
    let world = World::start();
    // It reads the first certificate of a file: the root, for the listener sends who issued its own.
    let root = world.domain.file("authority/sp-root.pem");
    let url = world.url.trim_end_matches("/.well-known/est").to_owned();
    // Its default is TLS 1.2 at most.
    let settings = world.file("strongswan.conf");
    std::fs::write(&settings, "libtls {\n  version_max = 1.3\n}\n").expect("written");
    let pki = |args: &[&str]| {
        let output = Command::new("pki")
            .args(args)
            .env("STRONGSWAN_CONF", &settings)
            .output()
            .expect("strongswan-pki");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        output.stdout
    };
    let write = |name: &str, bytes: &[u8]| {
        let file = world.file(name);
        std::fs::write(&file, bytes).expect("written");
        file
    };
    let order = |name: &str| {
        let key = write(
            &format!("{name}.der"),
            &pki(&["--gen", "--type", "ecdsa", "--size", "256"]),
        );
        let request = [
            "--req",
            "--type",
            "ecdsa",
            "--in",
            text(&key),
            "--dn",
            "CN=shop",
        ];
        (key.clone(), write(&format!("{name}.p10"), &pki(&request)))
    };
    let userpass = format!("shop:{}", world.code());
    let (key, request) = order("swan");
    let enrolled = pki(&[
        "--est",
        "--url",
        &url,
        "--cacert",
        text(&root),
        "--userpass",
        &userpass,
        "--in",
        text(&request),
        "--outform",
        "pem",
    ]);
    let certificate = write("swan.pem", &enrolled);
    assert!(shown(&certificate).contains("URI:urn:ics:sp:shop"));
    let (_, request) = order("swan-next");
    let renewed = pki(&[
        "--est",
        "--url",
        &url,
        "--cacert",
        text(&root),
        "--in",
        text(&request),
        "--cert",
        text(&certificate),
        "--key",
        text(&key),
        "--outform",
        "pem",
    ]);
    let next = write("swan-next.pem", &renewed);
    assert!(shown(&next).contains("URI:urn:ics:sp:shop"));
    let serial = |file: &Path| {
        let args = ["x509", "-noout", "-serial", "-in", text(file)];
        openssl(&args).stdout
    };
    assert_ne!(serial(&certificate), serial(&next));
    // Whom to believe, as curl gets it.
    let told = Curl::new("GET", &format!("{}/cacerts", world.url))
        .root(&root)
        .send();
    let anchors = world.keep(&told.expect(200), "anchors");
    let verify = ["verify", "-CAfile", text(&anchors), text(&next)];
    assert!(try_openssl(&verify).status.success());
}

/// What openssl hears on T8 with a session it was given before, or is given now.
fn with_session(party: &Party, version: &str, session: &[&str]) -> String {
    let address = party.root.trim_start_matches("https://");
    let mut child = Command::new("openssl")
        .args(["s_client", "-ign_eof", version, "-connect", address])
        .args(["-CAfile", text(&party.authority)])
        .args(["-cert", text(&party.certificate), "-key", text(&party.key)])
        .args(session)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let request = "GET /.well-known/ics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut input = child.stdin.take().expect("piped");
    // It may have ended already.
    let _ = std::io::Write::write_all(&mut input, request.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("openssl ends");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn what_sp_revoke_takes_back_is_refused_on_open_new_and_resumed_connections_and_listed() {
    let [port] = ics_tests::domain::free_ports();
    let listen = format!("[enrolment]\nlisten = \"127.0.0.1:{port}\"\n");
    let domain = Domain::start(|text| {
        text.replace("[enrolment]\n", &listen)
            .replace("#tls12 = false", "tls12 = true")
    });
    let new = |id: &str| json!({ "id": id, "roles": ["THIRD_PARTY_SP"], "services": [format!("https://{id}.example/")] });
    let shop = domain.onboard(&new("shop"));
    let music = domain.onboard(&new("music"));
    let first = domain.file("first.pem");
    std::fs::copy(&shop.certificate, &first).expect("a copy");
    let (mut open, mut other) = (
        Dialer::of(&shop).dial().expect("a connection"),
        Dialer::of(&music).dial().expect("a connection"),
    );
    // The second one of shop, in the place of the first; and where it would renew it.
    let shop = domain.party("shop");
    let mut at_enrolment = domain.party("shop");
    at_enrolment.root = format!("https://127.0.0.1:{port}");
    let mut renewing = Dialer::of(&at_enrolment).dial().expect("a connection");
    let cacerts = ("GET", "/.well-known/est/cacerts");
    let told = renewing.call(cacerts, "none", None).expect("an answer");
    assert_eq!(told.status, 200);
    let public = ("GET", "/.well-known/ics");
    for connection in [&mut open, &mut other] {
        let answer = connection.call(public, "none", None).expect("an answer");
        assert_eq!(answer.status, 200);
    }
    let session = |version: &str| domain.file(&format!("session{version}"));
    for version in ["-tls1_2", "-tls1_3"] {
        let kept = session(version);
        let said = with_session(&shop, version, &["-sess_out", text(&kept)]);
        assert!(said.contains("HTTP/1.1 200"), "{said}");
        // Nothing came that could be resumed.
        assert!(!kept.exists(), "{version}");
        let said = with_session(&shop, version, &["-reconnect"]);
        assert!(said.contains("HTTP/1.1 200"), "{said}");
        assert!(!said.contains("Reused"), "{said}");
    }
    let config = domain.configuration();
    let revoke = |more: &[&str]| {
        let args = ["sp", "revoke", "shop", "--json", "--config", text(&config)];
        Gateway::run(&[&args[..], more].concat())
    };
    let listed = domain.operator("GET", "/operator/v1/sps/music/certificates", None);
    let of_music = listed.json()["items"][0]["serial"]
        .as_str()
        .map(ToOwned::to_owned);
    let of_music = of_music.unwrap_or_else(|| panic!("{listed:?}"));
    let refused = revoke(&["--serial", &of_music]);
    assert_eq!(refused.status.code(), Some(1), "of somebody else");
    let output = revoke(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let revoked: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(revoked.len(), 3, "{revoked:?}");
    // None is left to be revoked.
    assert_eq!(revoke(&[]).stdout.trim_ascii(), b"[]");

    let answer = open.call(public, "none", None).expect("an answer");
    assert_eq!(answer.status, 401);
    renewing
        .write(
            "POST /.well-known/est/simplereenroll HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/pkcs10\r\nContent-Length: 4\r\n\r\nMAA=",
        )
        .expect("an open connection");
    let answer = renewing.receive().expect("an answer");
    assert_eq!(
        (answer.status, answer.cause()),
        (403, "CERTIFICATE_NOT_ADMITTED".to_owned())
    );
    let answer = shop.curl(public.0, public.1).send();
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.error.contains("certificate revoked"), "{answer:?}");
    for version in ["-tls1_2", "-tls1_3"] {
        let said = with_session(&shop, version, &["-reconnect"]);
        assert!(!said.contains("HTTP/1.1"), "{said}");
        assert!(said.contains("certificate revoked"), "{said}");
    }
    let answer = other.call(public, "none", None).expect("an answer");
    assert_eq!(answer.status, 200);

    // Whoever checks elsewhere finds it too.
    let root = domain.file("authority/sp-ca.pem");
    let (der, list) = (domain.file("list.der"), domain.file("list.pem"));
    let fetched = Command::new("curl")
        .args([
            "--silent",
            "--fail",
            "--cacert",
            text(&root),
            "--output",
            text(&der),
        ])
        .arg(format!("https://127.0.0.1:{port}/revoked.crl"))
        .status();
    assert!(fetched.expect("curl").success());
    openssl(&[
        "crl",
        "-inform",
        "DER",
        "-in",
        text(&der),
        "-out",
        text(&list),
    ]);
    let verdict = |certificate: &Path| {
        let by = [
            "-crl_check",
            "-CAfile",
            text(&root),
            "-CRLfile",
            text(&list),
        ];
        let verified = try_openssl(&[&["verify"][..], &by, &[text(certificate)]].concat());
        String::from_utf8_lossy(&[verified.stdout, verified.stderr].concat()).into_owned()
    };
    for certificate in [&first, &shop.certificate] {
        let said = verdict(certificate);
        assert!(said.contains("certificate revoked"), "{said}");
    }
    assert!(
        verdict(&music.certificate).contains(": OK"),
        "{}",
        verdict(&music.certificate)
    );
}

#[test]
fn an_invitation_does_not_come_alive_again_by_a_backup_that_is_put_back() {
    let world = World::start();
    let code = world.code();
    let backup = world.file("ics.backup");
    let config = world.domain.configuration();
    let run = |args: &[&str]| {
        let output = Gateway::run(&[args, &["--config", text(&config)]].concat());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        said
    };
    run(&["backup", "--to", text(&backup)]);
    let request = world.request("first", &[]);
    world.enrol(("shop", &code), &request).expect(200);
    assert!(world.domain.stop().success());
    let said = run(&["restore", "--from", text(&backup), "--replace"]);
    assert!(
        said.contains("invitations      1, good for nothing any more"),
        "{said}"
    );
    world.domain.serve();
    let refused = world.enrol(("shop", &code), &request).expect(401);
    assert_eq!(refused.cause(), "CODE_WRONG");
    world.enrol(("shop", &world.code()), &request).expect(200);
}
