//! The CSE's own listener: who a certificate is, and as whom it may speak.

use std::path::{Path, PathBuf};

use ics_tests::openssl::{
    TestAuthority, TestCertificate, openssl, server_extensions, sp_extensions,
};
use ics_tests::{
    Acme, Domain, Gateway, Haproxy, OneM2mAnswer, OneM2mClient, Party, TokenKey, fresh_uuid,
    wait_for,
};
use serde_json::{Value, json};

use super::world::{Ae, instance};

const INQ: &str = "/id-ics/ics/inq";

/// A domain whose CSE listens; `more` is added to its section.
pub(super) fn domain(more: impl FnOnce(&str) -> String) -> (Domain, String) {
    let [port] = ics_tests::domain::free_ports();
    let address = format!("127.0.0.1:{port}");
    let section = format!("[onem2m]\nlisten = \"{address}\"\n");
    let more = more(&address);
    let domain = Domain::create(|text| {
        text.replace("[onem2m]\n", &section).replace(
            "[onem2m.connections]",
            &format!("{more}\n[onem2m.connections]"),
        )
    });
    (domain, format!("https://{address}"))
}

pub(super) fn shop(domain: &Domain) -> Party {
    domain.onboard(&json!({
        "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/"],
        "onem2m": {"ae": "/id-in/Cshop"},
    }))
}

pub(super) fn inquiry() -> Value {
    json!({"ics:inq": {"svu": "https://shop.example/eggs", "uti": fresh_uuid()}})
}

#[track_caller]
fn inquire(client: &OneM2mClient, rsc: u16) -> OneM2mAnswer {
    client.create(INQ, 28, &inquiry()).expect(rsc)
}

fn ae(name: &str) -> Value {
    json!({"m2m:ae": {"rn": name, "api": "N.org.example.test", "rr": false, "srv": ["4"]}})
}

#[test]
fn a_certificate_speaks_as_its_own_ae_and_as_no_other() {
    let (domain, url) = domain(|_| String::new());
    domain.serve();
    let shop = shop(&domain);
    let acme = domain.onboard(&json!({
        "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{"prefix": "ACME-"}],
    }));
    let root = domain.file("authority/sp-ca.pem");
    let as_shop = OneM2mClient::new(&url, "/id-in/Cshop").root(&root);
    let own = as_shop.certificate(&shop.certificate, &shop.key);
    // There is no such row: it was asked for, and may be.
    inquire(&own, 4004);
    for other in ["/id-in/Cmusic", "/id-in", "Cshop", "CAdmin"] {
        inquire(&own.originator(other), 4106);
    }
    // A party without an AE speaks as none.
    inquire(&as_shop.certificate(&acme.certificate, &acme.key), 4106);
    // Nobody at all, and somebody of an authority of his own.
    let bare = as_shop.create(INQ, 28, &inquiry()).expect(0);
    assert_ne!(bare.http.exit, 0, "{bare:?}");
    let theirs = TestAuthority::create(domain.scratch(), "theirs", "/CN=another");
    let forged = theirs.issue(
        domain.scratch(),
        "forged",
        &sp_extensions("shop"),
        &["-days", "2"],
    );
    let refused = as_shop.certificate(&forged.certificate, &forged.key);
    assert_ne!(inquire(&refused, 0).http.exit, 0);

    // Devices: each its own AE.
    let lock = domain.host_over(&["onem2m"], &acme, "ACME-LOCK");
    let light = domain.host_over(&["onem2m"], &acme, "ACME-LIGHT");
    let elsewhere = domain.host_over(&["mqtt"], &acme, "ACME-ELSEWHERE");
    let device = |device: &ics_tests::HostedDevice| {
        let client = OneM2mClient::new(&url, "Clock").root(&root);
        client.certificate(&device.certificate, &device.key)
    };
    device(&lock).create("ics", 2, &ae("lock")).expect(2001);
    device(&lock).retrieve("ics/lock").expect(2000);
    device(&light).retrieve("ics/lock").expect(4106);
    device(&elsewhere).create("ics", 2, &ae("x")).expect(4106);
    domain
        .operator("POST", "/operator/v1/sps/acme/suspend", Some(&json!({})))
        .expect(200);
    device(&lock).retrieve("ics/lock").expect(4106);
}

/// A platform, and the certificates between it and a gateway.
struct Meeting {
    directory: tempfile::TempDir,
    authority: TestAuthority,
    acme: Acme,
    front: Haproxy,
}

impl Meeting {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = TestAuthority::create(directory.path(), "platform", "/CN=platform");
        let acme = Acme::options().admitting("/id-ics").start();
        let names = server_extensions("DNS:localhost,IP:127.0.0.1");
        let shown = authority.issue(directory.path(), "front", &names, &["-days", "2"]);
        let front = Haproxy::front(acme.address(), &shown, &authority.certificate);
        Self {
            directory,
            authority,
            acme,
            front,
        }
    }

    /// A certificate of a CSE by its absolute CSE-ID.
    fn cse(&self, authority: &TestAuthority, name: &str, id: &str) -> TestCertificate {
        let extensions = sp_extensions("x").replace("urn:ics:sp:x", id);
        assert!(extensions.contains(id), "{extensions}");
        authority.issue(self.directory.path(), name, &extensions, &["-days", "2"])
    }

    /// The section of the registrar, and where the platform reaches the gateway.
    fn section(&self, reached: &str, (own, anchor): (&TestCertificate, &Path)) -> String {
        let line = |key: &str, path: &Path| format!("{key} = \"{}\"\n", path.display());
        [
            format!("public_url = \"{reached}\"\n[onem2m.registrar]\n"),
            format!("url = \"{}\"\n", self.front.url()),
            "cse_id = \"id-in\"\ncse_name = \"cse-in\"\nsp_domain = \"acme.example.com\"\n".into(),
            line("anchor", anchor),
            line("certificate", &own.certificate),
            line("key", &own.key),
        ]
        .concat()
    }
}

fn attach(domain: &Domain) -> Result<(), String> {
    let config = domain.configuration();
    let config = config.to_str().expect("UTF-8");
    let output = Gateway::run(&["onem2m", "attach", "--config", config]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

/// The key that shop signs with, made by openssl and registered on the command line.
pub(super) fn register_key(domain: &Domain) -> TokenKey {
    let at = |name: &str| -> PathBuf { domain.scratch().join(name) };
    let (key, public) = (at("shop.onem2m.key"), at("shop.onem2m.pub"));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    openssl(&["genpkey", "-algorithm", "ED25519", "-out", &text(&key)]);
    openssl(&[
        "pkey",
        "-in",
        &text(&key),
        "-pubout",
        "-out",
        &text(&public),
    ]);
    let config = text(&domain.configuration());
    let output = Gateway::run(&[
        "sp",
        "onem2m",
        "shop",
        "--config",
        &config,
        "--onem2m-ae",
        "/id-in/Cshop",
        "--onem2m-key",
        &text(&public),
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    TokenKey::new("/id-in/Cshop", &key)
}

/// A gateway that a platform's CSE and it reach by mutual TLS.
struct Joined {
    domain: Domain,
    /// Where its CSE listens.
    address: String,
    /// Whom its certificate is of.
    served: TestAuthority,
    /// The platform's way to it.
    way: Haproxy,
    _own: tempfile::TempDir,
}

impl Joined {
    /// `mode` is more of the registrar's section.
    fn serve(meeting: &Meeting, mode: &str) -> Self {
        let ours = meeting.cse(&meeting.authority, "ours", "//ics.example/id-ics");
        let platform = "//acme.example.com/id-in";
        let platform = meeting.cse(&meeting.authority, "platform-cse", platform);
        let anchor = meeting.authority.certificate.clone();
        let own = tempfile::tempdir().expect("a directory");
        let served = TestAuthority::create(own.path(), "served", "/CN=gateway");
        let names = server_extensions("DNS:localhost,IP:127.0.0.1");
        let shown = served.issue(own.path(), "shown", &names, &["-days", "2"]);
        let mut reached = None;
        let (domain, _) = domain(|address| {
            let way = egress(address, &served, &platform);
            let section = meeting.section(&way.url(), (&ours, &anchor));
            reached = Some((address.to_owned(), way));
            section + mode
        });
        let (address, way) = reached.expect("a way");
        let config = domain.configuration();
        let text = std::fs::read_to_string(&config).expect("a configuration");
        let line = |key: &str, path: &Path| format!("{key} = \"{}\"", path.display());
        let text = text
            .replace(
                "certificate = \"onem2m/server.pem\"",
                &line("certificate", &shown.certificate),
            )
            .replace("key = \"onem2m/server.key\"", &line("key", &shown.key));
        std::fs::write(&config, text).expect("written");
        domain.serve();
        Self {
            domain,
            address,
            served,
            way,
            _own: own,
        }
    }
}

/// A way to the gateway that shows that certificate.
fn egress(address: &str, served: &TestAuthority, shown: &TestCertificate) -> Haproxy {
    let address = address.parse().expect("an address");
    Haproxy::egress(address, shown, (&served.certificate, "localhost"))
}

#[test]
fn platform_and_gateway_prove_themselves_to_each_other() {
    let meeting = Meeting::new();
    let joined = Joined::serve(&meeting, "");
    let domain = &joined.domain;
    shop(domain);
    let key = register_key(domain);
    attach(domain).expect("attached");

    // Through the platform, there and back.
    let shop = Ae::register(&meeting.acme, "shop", None);
    let answer = shop
        .client
        .signed(&key, ("POST", INQ), Some(28), &inquiry());
    answer.expect(4004);

    // The right way, by hand: the platform itself, and somebody who is not under it.
    let way = OneM2mClient::new(&joined.way.url(), "/id-in");
    way.retrieve("/id-ics/ics").expect(2000);
    inquire(&way.originator("/id-other/Cshop"), 4106);
    // Another CSE of the domain is not the registrar; one that another authority certified, or none
    // did, gets no answer of ours.
    let other = "//acme.example.com/id-other";
    let other = meeting.cse(&meeting.authority, "other-cse", other);
    let strangers = TestAuthority::create(meeting.directory.path(), "strangers", "/CN=platform");
    let strange = meeting.cse(&strangers, "strange", "//acme.example.com/id-in");
    let open = |shown| egress(&joined.address, &joined.served, shown);
    let at = |way: &Haproxy| OneM2mClient::new(&way.url(), "/id-in").retrieve("/id-ics/ics");
    // To who says that it comes from the platform all that is not proved is 4103.
    at(&open(&other)).expect(4103);
    let address = joined.address.parse().expect("an address");
    let bare = Haproxy::bare_egress(address, (&joined.served.certificate, "localhost"));
    for way in [open(&strange), bare] {
        let answer = at(&way);
        assert_eq!(answer.rsc, 0, "{answer:?}");
    }
}

#[test]
fn a_mailbox_is_served_by_mutual_tls() {
    let meeting = Meeting::new();
    let joined = Joined::serve(&meeting, "mode = \"mailbox\"\n");
    shop(&joined.domain);
    attach(&joined.domain).expect("attached");
    let shop = Ae::register(&meeting.acme, "shop", None).client;
    let mut asked = inquiry()["ics:inq"].clone();
    (asked["op"], asked["rid"]) = (json!("inq"), json!("r-1"));
    // No renewal comes as soon: the platform has told that something lies there.
    let letter = instance(&asked.to_string());
    shop.create("cse-in/ics/shop/req", 4, &letter).expect(2001);
    let answer = wait_for("the answer", || {
        let latest = shop.retrieve("cse-in/ics/shop/rsp/la");
        let found = (latest.rsc == 2000).then(|| latest.member("m2m:cin"));
        found.and_then(|found| serde_json::from_str::<Value>(found["con"].as_str()?).ok())
    });
    assert_eq!(
        (&answer["rid"], &answer["rsc"]),
        (&json!("r-1"), &json!(4004))
    );
}

#[test]
fn a_platform_that_is_not_the_one_is_not_registered_with() {
    let meeting = Meeting::new();
    let ours = meeting.cse(&meeting.authority, "ours", "//ics.example/id-ics");
    let strangers = TestAuthority::create(meeting.directory.path(), "strangers", "/CN=platform");
    let strange = meeting.cse(&strangers, "strange", "//ics.example/id-ics");
    let before = meeting.acme.tree();
    // It is not believed, or does not believe us.
    for (own, anchor) in [
        (&ours, &strangers.certificate),
        (&strange, &meeting.authority.certificate),
    ] {
        let (domain, _) =
            domain(|address| meeting.section(&format!("https://{address}"), (own, anchor)));
        domain.serve();
        let said = attach(&domain).expect_err("refused");
        assert!(
            said.contains("the platform's CSE does not answer"),
            "{said}"
        );
        assert_eq!(meeting.acme.tree().to_json(), before.to_json());
    }
}
