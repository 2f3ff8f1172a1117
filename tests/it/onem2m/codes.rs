//! The response status codes of the service (onem2m.md A.5), each brought about at a gateway.

use ics_tests::{Curl, OneM2mAnswer, OneM2mClient, PointOfAccess, Sandbox, fresh_uuid};
use serde_json::{Value, json};

use super::stage::{DMP, INQ, MAP};

const DEFINITION: &str = "org.example.ics.identityMapping";

struct Desk {
    sandbox: Sandbox,
    shop: OneM2mClient,
    bolt: OneM2mClient,
}

impl Desk {
    fn open() -> Self {
        let sandbox = Sandbox::start();
        let at = |originator: &str| sandbox.cse().originator(originator);
        Self {
            shop: at("/id-in/Cshop"),
            bolt: at("/id-in/Cbolt-iot"),
            sandbox,
        }
    }

    fn request(&self, serial: &str) -> Value {
        let service = format!("{}/eggs", self.sandbox.env("ICS_3P_SERVICE"));
        json!({"ics:idmap": {
            "cnd": DEFINITION, "svu": service, "uti": fresh_uuid(), "dsn": serial,
            "ucid": "c-81", "ucgt": "20260101T000000", "ucpu": "dpv:RequestedServiceProvision",
        }})
    }

    /// The request with another value of one attribute.
    fn with(&self, serial: &str, name: &str, value: Value) -> Value {
        let mut request = self.request(serial);
        request["ics:idmap"][name] = value;
        request
    }

    /// A row that waits: its address for either side.
    fn pending(&self, serial: &str) -> (String, String) {
        let made = self
            .shop
            .create(MAP, 28, &self.request(serial))
            .expect(2001);
        let name = made.member("ics:idmap")["rn"].clone();
        let name = name.as_str().expect("rn");
        let pending = name.replace("map-", "pnd-");
        (
            format!("{MAP}/{name}"),
            format!("/id-ics/ics/pnd/{pending}"),
        )
    }
}

fn said(answer: &OneM2mAnswer) -> String {
    answer.content()["m2m:dbg"].to_string()
}

#[test]
fn each_code_of_success_is_answered() {
    let desk = Desk::open();
    let (row, pending) = desk.pending("BOLT-31");
    assert_eq!(desk.shop.retrieve(&row).expect(2000).http.status, 200);
    let did = json!({"ics:idmap": {"did": fresh_uuid()}});
    assert_eq!(
        desk.bolt.update(&pending, &did).expect(2004).http.status,
        200
    );
    assert_eq!(desk.shop.delete(&row).expect(2002).http.status, 200);

    let inquiry = json!({"ics:inq": {"svu": "https://shop.example/x", "uti": fresh_uuid()}});
    let later = desk.shop.request("POST", &format!("{INQ}?rt=1"));
    let taken = later.typed(28, &inquiry).send().expect(1001);
    assert_eq!(taken.http.status, 202);
    let point = PointOfAccess::open();
    let later = desk.shop.request("POST", &format!("{INQ}?rt=2"));
    let later = later.header("X-M2M-RTU", &point.url());
    later.typed(28, &inquiry).send().expect(1002);
    let told = point.wait("the answer", |_| true).body();
    assert_eq!(told["m2m:rsp"]["rsc"], 4004, "{told}");
}

#[test]
fn each_code_of_refusal_is_answered() {
    let desk = Desk::open();
    let Desk { shop, bolt, .. } = &desk;
    let request = desk.request("BOLT-32");
    let cases: [(&str, u16, u16, Value); 6] = [
        (
            "an unknown attribute",
            4000,
            400,
            desk.with("BOLT-32", "xxx", json!(1)),
        ),
        (
            "no `svu`",
            4000,
            400,
            desk.with("BOLT-32", "svu", Value::Null),
        ),
        (
            "a name for `uti`",
            4102,
            400,
            desk.with("BOLT-32", "uti", json!("bob")),
        ),
        (
            "another definition",
            4102,
            400,
            desk.with("BOLT-32", "cnd", json!("org.other")),
        ),
        (
            "a service of another",
            4103,
            403,
            desk.with("BOLT-32", "svu", json!("https://music.example/x")),
        ),
        ("a serial of nobody", 4127, 403, desk.request("NOBODY-1")),
    ];
    for (what, rsc, status, content) in cases {
        let answer = shop.create(MAP, 28, &content);
        assert_eq!(
            (answer.rsc, answer.http.status),
            (rsc, status),
            "{what}: {answer:?}"
        );
    }
    // The same service and transaction with another device; then with the same: the same row.
    let first = shop.create(MAP, 28, &request).expect(2001);
    let mut other = request.clone();
    other["ics:idmap"]["dsn"] = json!("BOLT-33");
    assert_eq!(shop.create(MAP, 28, &other).expect(4105).http.status, 409);
    assert_eq!(
        shop.create(MAP, 28, &request)
            .expect(2001)
            .member("ics:idmap")["rn"],
        first.member("ics:idmap")["rn"]
    );
    // What is not offered, not there, not for this role.
    assert_eq!(shop.update(MAP, &request).expect(4005).http.status, 405);
    assert_eq!(
        shop.retrieve(&format!("{MAP}/map-0"))
            .expect(4004)
            .http
            .status,
        404
    );
    bolt.create(MAP, 28, &request).expect(4103);
    // Formats and releases.
    let release = shop.release("1").create(MAP, 28, &request).expect(4001);
    assert_eq!(release.http.status, 501);
    let xml = shop
        .request("POST", MAP)
        .header("Content-Type", "application/xml;ty=28");
    assert_eq!(xml.bytes(b"<a/>").send().expect(4015).http.status, 415);
    let wanted = Curl::new(
        "GET",
        &format!("{}/~{MAP}", desk.sandbox.env("ICS_MCC_URL")),
    )
    .header("X-M2M-Origin", "/id-in/Cshop")
    .header("X-M2M-RI", "xml")
    .header("X-M2M-RVI", "4")
    .header("Accept", "application/xml");
    let answer = wanted.send();
    assert_eq!(
        (answer.header("x-m2m-rsc"), answer.status),
        (Some("5207"), 406),
        "{answer:?}"
    );
}

#[test]
fn a_third_party_is_not_told_why_and_the_iot_sp_is() {
    let desk = Desk::open();
    let (row, pending) = desk.pending("BOLT-34");
    let unknown = json!({"ics:idmap": {"msta": 4, "mcau": "SERIAL_NUMBER_UNKNOWN"}});
    desk.bolt.update(&pending, &unknown).expect(2004);
    let late = json!({"ics:idmap": {"did": fresh_uuid()}});
    let answer = desk.bolt.update(&pending, &late).expect(6005);
    assert_eq!(answer.http.status, 404);
    // One who waits for the same is told the constant.
    let request = desk.request("BOLT-35");
    let shop = desk.shop.clone();
    let waiting = std::thread::spawn(move || {
        let asked = shop.request("POST", MAP).header("X-M2M-RET", "8000");
        asked.typed(28, &request).send()
    });
    let offered = ics_tests::wait_for("the offer", || {
        let found = desk.bolt.retrieve("/id-ics/ics/pnd?rcn=4").expect(2000);
        let rows = found.content().to_string();
        rows.contains("BOLT-35").then_some(found.content())
    });
    let place = find_pending(&offered, "BOLT-35");
    desk.bolt.update(&place, &unknown).expect(2004);
    let answer = waiting.join().expect("an answer").expect(4127);
    assert!(!said(&answer).contains("SERIAL"), "{answer:?}");
    let shown = desk.shop.retrieve(&row).expect(2000).content().to_string();
    assert!(!shown.contains("SERIAL_NUMBER_UNKNOWN"), "{shown}");
}

fn find_pending(found: &Value, serial: &str) -> String {
    fn rows<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
        match value {
            Value::Object(members) => {
                if members.contains_key("dsn") {
                    into.push(value);
                }
                members.values().for_each(|member| rows(member, into));
            }
            Value::Array(items) => items.iter().for_each(|item| rows(item, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    rows(found, &mut all);
    let row = all.into_iter().find(|row| row["dsn"] == serial);
    let row = row.unwrap_or_else(|| panic!("no {serial} in {found}"));
    format!("/id-ics/ics/pnd/{}", row["rn"].as_str().expect("rn"))
}

#[test]
fn an_identifier_in_a_query_is_refused_and_not_repeated() {
    let desk = Desk::open();
    let secret = fresh_uuid();
    for name in ["uti", "did", "dsn", "svu", "mei", "tok"] {
        let answer = desk.shop.retrieve(&format!("{MAP}?fu=1&{name}={secret}"));
        assert_eq!(answer.rsc, 4000, "{name}: {answer:?}");
        assert!(!answer.http.body.contains(&secret), "{name}: {answer:?}");
    }
    let answer = desk
        .shop
        .create(DMP, 28, &json!({"ics:dmp": {"uti": secret}}));
    assert_eq!(answer.rsc, 4000, "{answer:?}");
    assert!(!desk.sandbox.log().contains(&secret));
}
