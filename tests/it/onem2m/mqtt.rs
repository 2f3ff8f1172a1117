//! The platform over MQTT (TS-0010), by mosquitto.

use ics_tests::{Acme, OneM2mMqtt, OpenBroker};
use serde_json::{Value, json};

use super::world::{instance, subscription};

/// A request primitive; `ty` 0 for none.
fn request(id: &str, op: u8, to: &str, ty: u8, content: Value) -> Value {
    let mut request = json!({"op": op, "to": to, "rqi": id, "rvi": "4"});
    if ty != 0 {
        request["ty"] = json!(ty);
    }
    if !content.is_null() {
        request["pc"] = content;
    }
    request
}

#[test]
fn an_ae_lives_on_the_platform_by_mqtt_alone() {
    let broker = OpenBroker::start();
    let acme = Acme::options().mqtt(&broker).start();
    let shop = OneM2mMqtt::new(broker.port(), "Cshop", Acme::CSE_ID);
    let ae = json!({"m2m:ae": {"rn": "shop", "api": "N.org.example.test", "rr": true,
        "srv": ["4"], "poa": [format!("mqtt://127.0.0.1:{}", broker.port())]}});
    let answer = shop.registration(request("r1", 1, "cse-in", 2, ae));
    assert_eq!(answer["rsc"], 2001, "{answer}");
    assert_eq!(answer["pc"]["m2m:ae"]["aei"], "Cshop");

    let goods = json!({"m2m:cnt": {"rn": "goods"}});
    let answer = shop.request(request("r2", 1, "cse-in/shop", 3, goods));
    assert_eq!(answer["rsc"], 2001, "{answer}");
    let listening = shop.listen();
    let news = subscription("news", "Cshop");
    let answer = shop.request(request("r3", 1, "cse-in/shop/goods", 23, news));
    assert_eq!(answer["rsc"], 2001, "{answer}");
    let bread = instance("bread");
    let answer = shop.request(request("r4", 1, "cse-in/shop/goods", 4, bread));
    assert_eq!(answer["rsc"], 2001, "{answer}");
    let told = listening.take("the news", |told| told["pc"].get("m2m:sgn").is_some());
    assert_eq!(told["op"], 5);
    let there = &told["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"];
    assert_eq!(there["con"], "bread", "{told}");

    // The same resources as over HTTP.
    let latest = acme
        .client("Cshop")
        .retrieve("cse-in/shop/goods/la")
        .expect(2000);
    assert_eq!(&latest.member("m2m:cin"), there);
    let answer = shop.request(request("r5", 2, "cse-in/none", 0, Value::Null));
    assert_eq!(answer["rsc"], 4004, "{answer}");
    let answer = shop.request(request("r6", 4, "cse-in/shop", 0, Value::Null));
    assert_eq!(answer["rsc"], 2002, "{answer}");
}
