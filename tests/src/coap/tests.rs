use tempfile::TempDir;

use super::*;
use crate::coap_server::CoapServer;
use crate::openssl::{TestAuthority, server_extensions, sp_extensions};
use crate::udp_proxy::{UdpProxy, UdpWeather};

const KEY: &[u8] = b"0123456789ab\x01\xff \n";
const CLIENTS: [CoapClient; 2] = [CoapClient::OpenSsl, CoapClient::GnuTls];

fn key(key: &[u8]) -> CoapCredential {
    CoapCredential::Key {
        identity: "d-abc.1".to_owned(),
        key: key.to_vec(),
    }
}

/// A server that holds a key that is text; one that is not goes through a client's command line alone.
fn server() -> CoapServer {
    CoapServer::start(&["-h", "hint", "-k", "0123456789abcdef"])
}

fn device(client: CoapClient, address: &str) -> Coap {
    Coap::new(client, address, key(b"0123456789abcdef"))
}

#[test]
fn what_is_put_is_got_byte_by_byte_over_a_pre_shared_key() {
    let server = server();
    for client in CLIENTS {
        let coap = device(client, &server.secure());
        let text = "{\"d\": \"it's \u{e9}\\n\"}\n";
        for (format, payload) in [(50, text.as_bytes()), (60, b"\xa1avv\x00\xff")] {
            let path = format!("/{format}");
            let put = coap.request("put", &path).payload(format, payload).send();
            let code = put.reply.expect("an answer").code;
            assert!(code == "2.01" || code == "2.04", "{code}");
            let got = coap.get(&path).expect("2.05");
            assert_eq!(got.payload, payload);
            let name = ["application/json", "application/cbor"][usize::from(format == 60)];
            assert_eq!(got.option("Content-Format"), Some(name));
        }
    }
}

#[test]
fn a_refusal_is_told_though_the_client_ends_well() {
    let server = server();
    for client in CLIENTS {
        let coap = device(client, &server.secure());
        let refused = coap.get("/nothing").expect("4.04");
        assert_eq!(refused.text(), "Not Found");
        assert_eq!(refused.options, []);
        coap.fetch("/", "{}").expect("4.05");
        let post = coap.post("/", "{}").send();
        assert_eq!(post.reply.expect("an answer").code, "4.05");
    }
}

#[test]
fn a_long_answer_is_put_together_of_its_parts() {
    let server = server();
    let coap = device(CoapClient::OpenSsl, &server.secure());
    let long: Vec<u8> = (0..3000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let put = coap.request("put", "/long").payload(0, &long).block(256);
    assert_eq!(put.send().reply.expect("an answer").code, "2.01");
    let got = coap.get("/long").block(128).expect("2.05");
    assert_eq!(got.payload, long);
    assert_eq!(got.option("Block2"), Some("23/_/128"));
    assert!(!got.option_bytes("ETag").is_empty());
}

#[test]
fn who_observes_is_told_of_what_changes() {
    let server = server();
    for client in CLIENTS {
        let coap = device(client, &server.secure());
        coap.request("put", "/seen").payload(50, b"1").send();
        let mut observed = coap.get("/seen").observe();
        observed.wait("the first", |reply| reply.payload == b"1");
        coap.request("put", "/seen")
            .payload(60, b"\xff\x00")
            .expect("2.04");
        let next = observed.wait("the change", |reply| reply.payload == b"\xff\x00");
        assert!(next.option("Observe").is_some());
        assert!(!observed.is_over());
    }
}

#[test]
fn a_wrong_key_is_not_let_in() {
    let server = server();
    for client in CLIENTS {
        let coap = Coap::new(client, &server.secure(), key(KEY));
        let outcome = coap.get("/").patience(2).send();
        assert_eq!(outcome.reply, None);
        assert!(!outcome.is_met());
        assert!(device(client, &server.secure()).get("/").send().is_met());
    }
}

#[test]
fn a_certificate_is_shown_and_one_of_another_authority_is_not_let_in() {
    let own = TempDir::new().unwrap();
    let authority = TestAuthority::create(own.path(), "ca", "/CN=one");
    let other = TestAuthority::create(own.path(), "other", "/CN=other");
    let valid = ["-days", "2"];
    let names = server_extensions("IP:127.0.0.1,DNS:localhost");
    let shown = authority.issue(own.path(), "server", &names, &valid);
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = (text(&shown.certificate), text(&shown.key));
    let root = text(&authority.certificate);
    let server = CoapServer::start(&["-c", &certificate, "-j", &key, "-R", &root]);
    let good = authority.issue(own.path(), "device", &sp_extensions("x"), &valid);
    let bad = other.issue(own.path(), "stranger", &sp_extensions("x"), &valid);
    for client in CLIENTS {
        let with = |shown: &crate::openssl::TestCertificate| {
            let credential = CoapCredential::Certificate {
                certificate: shown.certificate.clone(),
                key: shown.key.clone(),
                authority: authority.certificate.clone(),
            };
            Coap::new(client, &server.secure(), credential)
        };
        with(&good).get("/").expect("2.05");
        assert_eq!(with(&bad).get("/").patience(2).send().reply, None);
    }
}

#[test]
fn a_bad_line_is_lived_through_and_a_cut_one_is_not() {
    let server = server();
    let upstream = server.secure().parse().unwrap();
    let proxy = UdpProxy::open(upstream, UdpWeather::FAIR, 7);
    let coap = device(CoapClient::OpenSsl, &proxy.address().to_string());
    coap.get("/").expect("2.05");
    let bad = UdpWeather {
        loss: 20,
        duplication: 20,
        reordering: 20,
    };
    proxy.change(bad);
    // A handshake and four messages at least: of ten of them, some suffered. OpenSSL gives up a
    // handshake now and then when its last flight is lost; a device begins another one.
    for _ in 0..3 {
        let mut asked = (0..10).map(|_| coap.get("/").patience(20).send());
        let is_answered = asked.any(|outcome| outcome.reply.is_some_and(|r| r.code == "2.05"));
        assert!(is_answered, "{:?}", proxy.tally());
    }
    let tally = proxy.tally();
    assert!(tally.lost > 0 && tally.doubled > 0, "{tally:?}");
    proxy.cut(true);
    assert_eq!(coap.get("/").patience(2).send().reply, None);
}

#[test]
fn options_that_libcoap_has_no_name_for_have_their_number() {
    let said = "v:1 t:CON c:GET i:1 {01} [ Uri-Path:x ]\n\
        v:1 t:ACK c:2.05 i:1 {01} [ ETag:0x0a0b, Content-Format:application/cbor, 65020:\\x01 ] :: binary data length 2\n\
        <<ff00>>\n<<. .>>\n\
        v:1 t:ACK c:0.00 i:1 {} [ ]\n\
        v:1 t:NON c:4.04 i:2 {} [ ] :: '{\"a\": \"\\xC3\\xA9\"}'\n";
    let replies = message::read_replies(said);
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0].payload, [0xff, 0]);
    assert_eq!(replies[0].option_bytes("ETag"), [10, 11]);
    assert_eq!(replies[0].option("65020"), Some("\\x01"));
    assert_eq!(replies[1].code, "4.04");
    assert_eq!(replies[1].text(), "{\"a\": \"\u{e9}\"}");
}
