//! haproxy beside the platform: mutual TLS where the platform has none of its own.

use std::path::Path;

use ics_tests::openssl::{TestAuthority, TestCertificate, server_extensions, sp_extensions};
use ics_tests::{Acme, Haproxy, OneM2mAnswer, OneM2mClient, Receiver, Reply, answer_primitive};
use serde_json::json;
use tempfile::TempDir;

use super::world::{Ae, remote_cse};

/// Two authorities that know nothing of each other, and what they issued.
struct Certificates {
    dir: TempDir,
    ours: TestAuthority,
    theirs: TestAuthority,
}

impl Certificates {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let authority = |name: &str| {
            // One name for both: it is the key that counts.
            TestAuthority::create(dir.path(), name, "/CN=platform authority")
        };
        let (ours, theirs) = (authority("ours"), authority("theirs"));
        Self { dir, ours, theirs }
    }

    fn client(&self, authority: &TestAuthority, name: &str) -> TestCertificate {
        authority.issue(
            self.dir.path(),
            name,
            &sp_extensions("ics"),
            &["-days", "2"],
        )
    }

    fn server(&self, authority: &TestAuthority, name: &str, host: &str) -> TestCertificate {
        let names = server_extensions(&format!("DNS:{host},IP:127.0.0.1"));
        authority.issue(self.dir.path(), name, &names, &["-days", "2"])
    }
}

#[test]
fn the_front_lets_in_who_shows_a_certificate_of_its_authority_and_nobody_else() {
    let of = Certificates::new();
    let acme = Acme::options().start();
    let shown = of.server(&of.ours, "platform", "localhost");
    let front = Haproxy::front(acme.address(), &shown, &of.ours.certificate);
    let ask = |own: Option<&TestCertificate>, root: &Path| -> OneM2mAnswer {
        let mut client = OneM2mClient::new(&front.url(), Acme::ADMIN).root(root);
        if let Some(own) = own {
            client = client.certificate(&own.certificate, &own.key);
        }
        client.retrieve("cse-in")
    };
    let right = of.client(&of.ours, "right");
    let wrong = of.client(&of.theirs, "wrong");
    let root = &of.ours.certificate;
    let base = ask(Some(&right), root).expect(2000);
    assert_eq!(base.member("m2m:cb")["csi"], Acme::CSE_ID);
    for refused in [None, Some(&wrong)] {
        let answer = ask(refused, root).expect(0);
        assert_eq!(answer.http.status, 0, "{answer:?}");
        assert_ne!(answer.http.exit, 0, "{answer:?}");
    }
    // Nor is it believed by who knows another authority.
    let answer = ask(Some(&right), &of.theirs.certificate).expect(0);
    assert_eq!(answer.http.exit, 60, "{answer:?}");
    // Without TLS nothing is to be had there.
    let plain = front.url().replace("https", "http");
    let plain = OneM2mClient::new(&plain, Acme::ADMIN);
    plain.retrieve("cse-in").expect(0);
}

#[test]
fn the_egress_shows_its_certificate_and_believes_its_authority_alone() {
    let of = Certificates::new();
    let shown = of.server(&of.ours, "gateway", "localhost");
    let gateway = Receiver::open(&of.ours.certificate, &shown.certificate, &shown.key);
    gateway.answer(|request| answer_primitive(request, 2000, None));
    let right = of.client(&of.ours, "right");
    let wrong = of.client(&of.theirs, "wrong");
    let ours = of.ours.certificate.as_path();
    let ask = |egress: &Haproxy| {
        let client = OneM2mClient::new(&egress.url(), Acme::CSE_ID);
        client.retrieve("/id-ics/ics")
    };
    let place = gateway.address();
    ask(&Haproxy::egress(place, &right, (ours, "localhost"))).expect(2000);
    assert_eq!(gateway.count(), 1);

    let refused = [
        (
            "no certificate",
            Haproxy::bare_egress(place, (ours, "localhost")),
        ),
        (
            "certificate of others",
            Haproxy::egress(place, &wrong, (ours, "localhost")),
        ),
        (
            "server of others",
            Haproxy::egress(place, &right, (&of.theirs.certificate, "localhost")),
        ),
        (
            "server of another name",
            Haproxy::egress(place, &right, (ours, "ics.example")),
        ),
    ];
    for (what, egress) in refused {
        let answer = ask(&egress).expect(0);
        assert!(
            [502, 503].contains(&answer.http.status),
            "{what}: {answer:?}"
        );
    }
    assert_eq!(gateway.count(), 1);
}

#[test]
fn the_platform_reaches_a_foreign_cse_by_the_egress() {
    let of = Certificates::new();
    let shown = of.server(&of.ours, "gateway", "localhost");
    let gateway = Receiver::open(&of.ours.certificate, &shown.certificate, &shown.key);
    gateway.answer(|request| -> Reply {
        let content = json!({"ics:idmap": {"rn": "x"}});
        answer_primitive(request, 2001, Some(&content))
    });
    let own = of.client(&of.ours, "platform");
    let root = of.ours.certificate.as_path();
    let egress = Haproxy::egress(gateway.address(), &own, (root, "localhost"));
    let acme = Acme::options().admitting("/id-ics").start();
    let ics = acme.client("/id-ics");
    ics.create("cse-in", 16, &remote_cse(&egress.url()))
        .expect(2001);
    let shop = Ae::register(&acme, "shop", None);
    let content = json!({"ics:idmap": {"svu": "https://shop.example"}});
    let made = shop
        .client
        .create("/id-ics/ics/map", 28, &content)
        .expect(2001);
    assert_eq!(made.member("ics:idmap")["rn"], "x");
    let passed = gateway.wait("the request", |request| request.method == "POST");
    assert_eq!(passed.path, "/~/id-ics/ics/map");
    assert_eq!(passed.header("x-m2m-origin"), Some("/id-in/Cshop"));
    assert_eq!(
        passed.header("content-type"),
        Some("application/json;ty=28")
    );

    // The egress gone and back: as if the gateway had been.
    egress.kill();
    shop.client
        .create("/id-ics/ics/map", 28, &content)
        .expect(5103);
    egress.resume();
    shop.client
        .create("/id-ics/ics/map", 28, &content)
        .expect(2001);
}
