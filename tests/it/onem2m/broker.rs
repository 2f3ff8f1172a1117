//! The CSE on the broker of a platform, by mutual TLS: whom the topics prove, and whom they do not.

use ics_tests::{ClosedBroker, Domain, OneM2mMqtt, TokenClaims, TokenKey, eventually, fresh_uuid};
use serde_json::{Value, json};

use super::listener::{domain, inquiry, register_key, shop};
use super::stage::INQ;

/// The platform publishes for itself and for who is behind it; another CSE for itself.
const ACL: &str = "\
user id-ics
topic read /oneM2M/req/+/id-ics/#
topic read /oneM2M/reg_req/+/id-ics/#
topic read /oneM2M/resp/id-ics/#
topic write /oneM2M/req/id-ics/#
topic write /oneM2M/resp/+/id-ics/#
user id-in
topic write /oneM2M/req/id-in/#
topic read /oneM2M/resp/id-in/#
user id-other
topic write /oneM2M/req/id-other/#
topic read /oneM2M/resp/#
";

/// A gateway whose platform is on that broker, believing `anchor` there.
fn joined(broker: &ClosedBroker, anchor: &std::path::Path) -> Domain {
    let own = broker.client("id-ics");
    let section = format!(
        "[onem2m.registrar]\ncse_id = \"id-in\"\ncse_name = \"cse-in\"\n[onem2m.mqtt]\n\
         address = \"127.0.0.1:{}\"\nserver_anchors = [\"{}\"]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        broker.broker.port(),
        anchor.display(),
        own.certificate.display(),
        own.key.display(),
    );
    let (domain, _) = domain(|_| section);
    domain.serve();
    domain
}

fn client(broker: &ClosedBroker, name: &str, topic: &str) -> OneM2mMqtt {
    let own = broker.client(name);
    let client = OneM2mMqtt::new(broker.broker.port(), topic, "/id-ics");
    client.shown(&broker.authority.certificate, own)
}

fn primitive(from: &str, content: &Value) -> Value {
    json!({"op": 1, "to": INQ, "fr": from, "rqi": fresh_uuid(), "rvi": "4", "ty": 28, "pc": content})
}

fn signed(key: &TokenKey) -> Value {
    key.sign_into(&inquiry(), &TokenClaims::of_any_request(key, 1, INQ))
}

#[test]
fn the_platform_is_known_by_its_topic_and_nobody_else_has_that() {
    let broker = ClosedBroker::start(ACL);
    let domain = joined(&broker, &broker.authority.certificate);
    let _shop = shop(&domain);
    let key = register_key(&domain);
    eventually("a line to the broker", || {
        domain.log().contains("the line to the broker stands")
    });
    let platform = client(&broker, "id-in", "/id-in");
    let answer = platform.request(primitive("/id-in/Cshop", &signed(&key)));
    assert_eq!(answer["rsc"], 4004, "{answer}");
    // A token is good for one request, whether or not it names that.
    let once = signed(&key);
    let answer = platform.request(primitive("/id-in/Cshop", &once));
    assert_eq!(answer["rsc"], 4004, "{answer}");
    let answer = platform.request(primitive("/id-in/Cshop", &once));
    assert_eq!(answer["rsc"], 4103, "{answer}");
    // Behind it everybody proves himself; and it speaks for nobody who is not under it.
    let answer = platform.request(primitive("/id-in/Cshop", &inquiry()));
    assert_eq!(answer["rsc"], 4103, "{answer}");
    let answer = platform.request(primitive("/id-other/Cshop", &signed(&key)));
    assert_eq!(answer["rsc"], 4106, "{answer}");

    // Another CSE of the broker, under its own name; under the platform's it is not heard.
    let other = client(&broker, "id-other", "/id-other");
    let answer = other.request(primitive("/id-other/Cshop", &signed(&key)));
    assert_eq!(answer["rsc"], 4106, "{answer}");
    let as_platform = client(&broker, "id-other", "/id-in");
    as_platform.ask_in_vain(&primitive("/id-in/Cshop", &signed(&key)));
    assert!(broker.broker.log().contains("Denied PUBLISH from"));

    // What is no primitive is answered where that can be, and nothing falls.
    let answer = platform.request(json!({"op": 9, "to": INQ, "fr": "/id-in/Cshop", "rqi": "r"}));
    assert_eq!(answer["rsc"], 4000, "{answer}");

    let log = || std::fs::read_to_string(domain.file("decisions/decisions.jsonl"));
    eventually("a line for each", || {
        let log = log().unwrap_or_default();
        let of_broker = log.lines().filter(|line| line.contains(" mqtt\""));
        let (signed, refused): (Vec<_>, Vec<_>) =
            of_broker.partition(|line| line.contains("\"proof\":\"signature\""));
        let via = signed
            .iter()
            .filter(|line| line.contains("\"via\":\"id-in\""));
        let unproved = |line: &&&str| line.contains("ORIGINATOR_NOT_AUTHENTICATED");
        via.count() >= 2 && refused.iter().filter(unproved).count() >= 3
    });

    broker.broker.kill();
    broker.broker.resume();
    eventually("a new line to the broker", || {
        domain
            .log()
            .matches("the line to the broker stands")
            .count()
            == 2
    });
    let answer = platform.request(primitive("/id-in/Cshop", &signed(&key)));
    assert_eq!(answer["rsc"], 4004, "{answer}");
}

#[test]
fn a_broker_of_another_authority_is_not_believed() {
    let broker = ClosedBroker::start(ACL);
    let strangers = ClosedBroker::start(ACL);
    let domain = joined(&broker, &strangers.authority.certificate);
    eventually("a refused broker", || {
        domain.log().contains("no line to the broker")
    });
    assert!(!domain.log().contains("the line to the broker stands"));
}
