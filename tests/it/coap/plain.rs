//! The listener without DTLS: what there is to ask for, and nothing else, to whom nobody can forge.

use std::path::Path;
use std::process::{Command, Stdio};

use ics_tests::domain::free_ports;
use ics_tests::{Coap, CoapClient, CoapCredential};

use super::world::World;

/// A world with that listener, and where it is.
fn world() -> (World, String) {
    let [port] = free_ports();
    let place = format!("127.0.0.1:{port}");
    let world = World::start_with(|text| {
        let commented = "#   plain_listen = \"127.0.0.1:5683\"";
        assert!(text.contains(commented));
        text.replace(commented, &format!("plain_listen = \"{place}\""))
    });
    (world, place)
}

/// coap-cli (node-coap), with these words before the URL: the code it was answered with, and what.
fn coap_cli(words: &[&str], url: &str) -> (String, String) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(tests.join("node_modules/coap-cli/index.js"))
        .args(words)
        .arg(url)
        .stdin(Stdio::null())
        .output()
        .expect("tests/run installs it");
    let code = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = code.split(['(', ')']).nth(1).unwrap_or_default().to_owned();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (code, said)
}

#[test]
fn libcoap_brings_back_what_it_is_given_and_learns_what_there_is() {
    let (_world, place) = world();
    for client in [CoapClient::OpenSsl, CoapClient::GnuTls] {
        let plain = Coap::new(client, &place, CoapCredential::Plain);
        let outcome = plain.get("/.well-known/core").patience(10).send();
        let links = outcome.reply.expect("an answer");
        assert_eq!(links.code, "2.05", "{}", outcome.said);
        // It was asked twice: first its address was not proven.
        assert!(outcome.said.contains("c:4.01"), "{}", outcome.said);
        assert_eq!(
            links.option("Content-Format"),
            Some("application/link-format")
        );
        assert!(links.text().contains("</ics/v1/doc>"), "{links:?}");
    }
}

#[test]
fn libcoap_gets_nothing_else_without_dtls() {
    let (world, place) = world();
    let thing = world.host("LOCK");
    let plain = Coap::new(CoapClient::OpenSsl, &place, CoapCredential::Plain);
    for path in [
        "/ics/v1/doc",
        "/ics/v1/inq",
        "/",
        "/.well-known",
        "/.well-known/core/x",
        &format!("/ics/v1/d/{}/doc", thing.hosted.id),
    ] {
        let refused = plain.get(path).patience(5).send().reply;
        assert_eq!(refused.expect("an answer").code, "4.01", "{path}");
    }
    for own in ["doc/ack", "evt", "rev"] {
        let path = format!("/ics/v1/{own}");
        let refused = plain.post(&path, r#"{"v":1}"#).patience(5).send().reply;
        assert_eq!(refused.expect("an answer").code, "4.01", "{path}");
    }
    assert_eq!(world.sessions(), 0);
    // It takes no handshake, either.
    let shown = Coap::new(CoapClient::OpenSsl, &place, thing.shown());
    assert!(!shown.get("/ics/v1/doc").patience(2).send().is_met());
    let desk = world.desk(CoapClient::OpenSsl, thing.shown());
    desk.get("/ics/v1/doc").accept(50).expect("2.05");
}

#[test]
fn coap_cli_learns_what_there_is_once_it_asks_with_enough() {
    let (_world, place) = world();
    let url = |path: &str| format!("coap://{place}{path}");
    // It does not know RFC 9175: an address it cannot prove gets no more than three times its bytes.
    let (code, said) = coap_cli(&["get"], &url("/.well-known/core"));
    assert_eq!((&*code, said.trim()), ("4.01", ""));
    // An elective option that says nothing makes the request long enough (RFC 7252 5.4.1).
    let padding = format!("2048,{}", "x".repeat(120));
    let (code, said) = coap_cli(&["get", "-O", &padding], &url("/.well-known/core"));
    assert_eq!(code, "2.05", "{said}");
    assert!(said.contains("</ics/v1/doc>"), "{said}");
    let (code, _) = coap_cli(&["get", "-O", &padding], &url("/ics/v1/doc"));
    assert_eq!(code, "4.01");
    let (code, _) = coap_cli(&["post", "-p", r#"{"v":1}"#], &url("/ics/v1/doc/ack"));
    assert_eq!(code, "4.01");
    let (code, _) = coap_cli(
        &["put", "-p", "x", "-O", &padding],
        &url("/.well-known/core"),
    );
    assert_eq!(code, "4.05");
}
