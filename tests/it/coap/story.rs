//! The whole story of a hosted device over CoAP, the very one that is played over MQTT: figure 3
//! (steps 4 to 6), Appendix I.1, figure 5 case 1, figure 4, and the device's own way out.

use ics_tests::{CoapClient, CoapCredential, HostedDevice, Sandbox};
use serde_json::{Value, json};

use super::desk::{Desk, certificate, key};
use super::program::Program;
use crate::mqtt::story::{Device as _, World};

fn play(client: CoapClient, credential: impl Fn(&Sandbox, &HostedDevice) -> CoapCredential) {
    let sandbox = Sandbox::start();
    let thing = sandbox.lock();
    let mut desk = Desk::new(&sandbox, client, credential(&sandbox, &thing));
    World::of(sandbox, thing, true).play(&mut desk);
}

#[test]
fn libcoap_on_openssl_plays_it_with_a_key() {
    play(CoapClient::OpenSsl, |sandbox, _| key(sandbox));
}

#[test]
fn libcoap_on_gnutls_plays_it_with_a_key() {
    play(CoapClient::GnuTls, |sandbox, _| key(sandbox));
}

#[test]
fn libcoap_on_openssl_plays_it_with_a_certificate() {
    play(CoapClient::OpenSsl, |_, thing| certificate(thing));
}

#[test]
fn libcoap_on_gnutls_plays_it_with_a_certificate() {
    play(CoapClient::GnuTls, |_, thing| certificate(thing));
}

#[test]
fn aiocoap_plays_it_with_a_key_and_hears_of_each_document_by_itself() {
    let sandbox = Sandbox::start();
    let thing = sandbox.lock();
    let mut device = Program::start(&sandbox);
    World::of(sandbox, thing, true).play(&mut device);
}

#[test]
fn what_has_not_changed_is_not_sent_again_and_cbor_says_the_same() {
    let sandbox = Sandbox::start();
    let desk = Desk::new(&sandbox, CoapClient::OpenSsl, key(&sandbox));
    let document = desk.document();
    assert_eq!(document.option("Content-Format"), Some("application/json"));
    let tag = document.option_bytes("ETag");
    let again = desk
        .0
        .get("/ics/v1/doc")
        .accept(50)
        .etag(&tag)
        .expect("2.03");
    assert_eq!(again.payload, b"");
    assert_eq!(again.option_bytes("ETag"), tag);

    let cbor = desk.0.get("/ics/v1/doc").accept(60).expect("2.05");
    assert_eq!(cbor.option("Content-Format"), Some("application/cbor"));
    let parts = desk
        .0
        .get("/ics/v1/doc")
        .accept(50)
        .block(16)
        .expect("2.05");
    assert_eq!(parts.payload, document.payload);
}

#[test]
fn who_observes_gets_the_new_document_on_both_libraries() {
    for client in [CoapClient::OpenSsl, CoapClient::GnuTls] {
        let sandbox = Sandbox::start();
        let thing = sandbox.lock();
        let mut desk = Desk::new(&sandbox, client, key(&sandbox));
        let observed = desk.0.get("/ics/v1/doc").accept(50).observe();
        let first = observed
            .wait("the first", |reply| reply.code == "2.05")
            .json();
        let (shop, acme) = (sandbox.shop(), sandbox.acme());
        let service = shop.service("doors");
        shop.ask_for(&acme, &service, &ics_tests::fresh_uuid(), &thing.serial);
        let version = |document: &Value| document["v"].as_u64().expect("a version");
        let news = observed.wait("the new document", |reply| {
            reply.code == "2.05" && version(&reply.json()) > version(&first)
        });
        assert_eq!(news.json()["m"][0]["svc"], service);
        assert!(news.option("Observe").is_some());
        desk.publish(
            "doc/ack",
            json!({ "v": version(&news.json()) }).to_string().as_bytes(),
        );
    }
}
