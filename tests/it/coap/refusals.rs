//! What a device is refused, and what it may find out without being let in.

use ics_tests::{CoapClient, CoapCredential, Sandbox};

use super::desk::{Desk, certificate, key};

#[test]
fn discovery_tells_the_resources_and_nothing_of_anybody() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox, CoapClient::OpenSsl, key(&sandbox));
    let links = desk.0.get("/.well-known/core").expect("2.05");
    assert_eq!(
        links.option("Content-Format"),
        Some("application/link-format")
    );
    for own in ["doc", "doc/ack", "inq", "rev", "evt"] {
        assert!(links.text().contains(&format!("</ics/v1/{own}>")), "{own}");
    }
    assert!(links.payload.len() < 256);
}

#[test]
fn there_is_no_mapping_is_always_said_in_the_same_way() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox, CoapClient::GnuTls, key(&sandbox));
    let none = desk.0.get("/ics/v1/inq").accept(50).expect("4.04");
    for body in [r#"{"svc":"https://shop.example/services/x"}"#, "{}"] {
        let other = desk.0.fetch("/ics/v1/inq", body).accept(50).expect("4.04");
        assert_eq!(
            (&other.payload, &other.options),
            (&none.payload, &none.options)
        );
    }
    assert_eq!(none.text(), "no_mapping");
}

#[test]
fn another_device_s_resources_are_refused_whether_it_exists_or_not() {
    let sandbox = Sandbox::start();
    let (lock, light) = (sandbox.lock(), sandbox.light());
    let desk = Desk::new(&sandbox, CoapClient::OpenSsl, certificate(&lock));
    let path = |id: &str| format!("/ics/v1/d/{id}/doc");
    let refused = desk.0.get(&path(&light.id)).expect("4.03");
    let unknown = desk.0.get(&path("d-nobody")).expect("4.03");
    assert_eq!(refused.payload, unknown.payload);
    assert_eq!(refused.options, unknown.options);
}

#[test]
fn a_wrong_key_and_an_identity_nobody_has_look_the_same() {
    let sandbox = Sandbox::start();
    let CoapCredential::Key {
        identity,
        key: right,
    } = key(&sandbox)
    else {
        unreachable!("it is a key");
    };
    for client in [CoapClient::OpenSsl, CoapClient::GnuTls] {
        let met = |identity: &str, key: &[u8]| {
            let credential = CoapCredential::Key {
                identity: identity.to_owned(),
                key: key.to_vec(),
            };
            let desk = Desk::new(&sandbox, client, credential);
            desk.0.get("/.well-known/core").patience(5).send()
        };
        assert!(met(&identity, &right).is_met());
        let nobody = "AAAAAAAAAAAAAAAAAAAAAA.1";
        for outcome in [met(&identity, &[7; 16]), met(nobody, &right)] {
            assert!(!outcome.is_met());
            assert_eq!(outcome.reply, None);
        }
    }
}
