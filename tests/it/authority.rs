//! The authority of service providers: its root, which lies elsewhere, and the one that follows it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ics_tests::curl::Curl;
use ics_tests::openssl::{openssl, try_openssl};
use ics_tests::{Domain, Gateway};
use serde_json::{Value, json};

const PUBLIC: &str = "/.well-known/ics";

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn shop() -> Value {
    json!({ "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/"] })
}

/// A domain whose enrolment listener is known under a name.
fn domain() -> (Domain, String) {
    let [port] = ics_tests::domain::free_ports();
    let url = format!("https://127.0.0.1:{port}");
    let section = format!("[enrolment]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"{url}\"\n");
    let domain = Domain::start(|text| text.replace("[enrolment]\n", &section));
    (domain, url)
}

#[test]
fn who_has_the_root_alone_believes_every_listener() {
    let (domain, enrolment) = domain();
    let root = domain.file("authority/sp-root.pem");
    let party = domain.onboard(&shop());
    let ask = |url: &str| {
        let curl = Curl::new("GET", url).root(&root);
        curl.certificate(&party.certificate, &party.key).send()
    };
    ask(&format!("{}{PUBLIC}", party.root)).expect(200);
    let told = ask(&format!("{enrolment}/.well-known/est/cacerts")).expect(200);
    // Both are told, the one that issues and the root.
    let (bundle, pem) = (
        domain.scratch().join("p7"),
        domain.scratch().join("told.pem"),
    );
    let der = STANDARD.decode(told.body.trim()).expect("base64");
    std::fs::write(&bundle, der).expect("written");
    let print = ["pkcs7", "-inform", "DER", "-print_certs"];
    openssl(&[&print[..], &["-in", text(&bundle), "-out", text(&pem)]].concat());
    let told = std::fs::read_to_string(&pem).expect("certificates");
    let file = std::fs::read_to_string(domain.file("authority/sp-ca.pem")).expect("a file");
    let blocks = |text: &str| -> Vec<String> {
        let inner = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        inner
            .filter_map(|block| Some(block.split_once("-----END")?.0.trim().to_owned()))
            .collect()
    };
    assert_eq!(blocks(&told), blocks(&file));
    assert_eq!(blocks(&told).len(), 2);
    // What devices see of it, over TLS and over DTLS.
    let mqtt = format!("127.0.0.1:{}", domain.mqtt().port);
    let coap = domain.coap_address();
    for options in [vec!["-connect", &mqtt], vec!["-dtls1_2", "-connect", &coap]] {
        let believed = ["s_client", "-CAfile", text(&root), "-verify_return_error"];
        let said = try_openssl(&[&believed[..], &options].concat());
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(
            said.contains("depth=2") && said.contains("depth=0"),
            "{said}"
        );
        assert!(!said.contains("verify error"), "{said}");
    }
    // And what it signs says where to look whether it was revoked.
    let said = openssl(&["x509", "-noout", "-text", "-in", text(&party.certificate)]);
    let said = String::from_utf8(said.stdout).expect("UTF-8");
    assert!(
        said.contains(&format!("URI:{enrolment}/revoked.crl")),
        "{said}"
    );
}

#[test]
fn the_next_authority_is_made_under_the_root_and_the_one_before_stands_beside_it() {
    let (domain, _) = domain();
    let before = domain.onboard(&shop());
    let root = domain.file("offline/sp-root.pem");
    let authority = domain.file("authority");
    let renew = |certificate: &Path, key: &Path| {
        let made = Gateway::run(&[
            "ca",
            "renew",
            "--root-certificate",
            text(certificate),
            "--root-key",
            text(key),
            "--out",
            text(&authority),
        ]);
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        (made.status.code(), said)
    };
    let issuing = (
        domain.file("authority/sp-ca.pem"),
        domain.file("authority/sp-ca.key"),
    );
    let (code, said) = renew(&issuing.0, &issuing.1);
    assert!(
        code == Some(1) && said.contains("may sign no authorities"),
        "{said}"
    );
    let (code, said) = renew(&root, &issuing.1);
    assert!(
        code == Some(1) && said.contains("does not belong"),
        "{said}"
    );
    let key = domain.file("offline/sp-root.key");
    assert_eq!(renew(&root, &key).0, Some(0));
    let (code, said) = renew(&root, &key);
    assert!(
        code == Some(2) && said.contains("nothing is overwritten"),
        "{said}"
    );

    let next = domain.file("authority/sp-ca-next.pem");
    let verify = ["verify", "-CAfile", text(&root), text(&next)];
    assert!(try_openssl(&verify).status.success());
    let file = domain.configuration();
    let configured = std::fs::read_to_string(&file).expect("a configuration");
    let own = "certificate = \"authority/sp-ca.pem\"\nkey = \"authority/sp-ca.key\"";
    let anchor = "certificate = \"authority/sp-ca.pem\"\nnamespace = \"urn:ics:sp:*\"\n";
    assert!(configured.contains(own) && configured.contains(anchor));
    let both = format!(
        "{anchor}[[t8.anchor]]\n{}",
        anchor.replace("sp-ca", "sp-ca-next")
    );
    let configured = configured
        .replace(own, &own.replace("sp-ca", "sp-ca-next"))
        .replace(anchor, &both);
    std::fs::write(&file, configured).expect("written");
    assert!(domain.stop().success());
    domain.serve();
    let music = json!({
        "id": "music", "roles": ["THIRD_PARTY_SP"], "services": ["https://music.example/"],
    });
    let after = domain.onboard(&music);
    for (party, authority) in [(&before, &issuing.0), (&after, &next)] {
        party.curl("GET", PUBLIC).send().expect(200);
        let signed_by = ["-partial_chain", "-trusted", text(authority)];
        let verify = [&["verify"][..], &signed_by, &[text(&party.certificate)]].concat();
        assert!(try_openssl(&verify).status.success(), "{authority:?}");
    }
}
