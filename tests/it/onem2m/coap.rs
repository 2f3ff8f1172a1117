//! The CSE on a device's own session (TS-0008), with libcoap's client.

use ics_tests::coap::CoapRequest;
use ics_tests::{
    Coap, CoapClient, CoapCredential, CoapReply, Domain, HostedDevice, eventually, fresh_uuid,
    wait_for,
};
use serde_json::{Value, json};

use super::hosted::{ACK, DOC, World, acknowledgement};
use super::listener::domain;

const TY: u16 = 267;
const RVI: u16 = 271;
const FR: u16 = 279;
const RQI: u16 = 283;
const RSC: &str = "307";
const JSON: u16 = 50;

/// A device's session, and who it says it is.
struct Ae {
    desk: Coap,
    from: &'static str,
}

impl Ae {
    fn of(domain: &Domain, device: &HostedDevice, from: &'static str) -> Self {
        let credential = CoapCredential::Certificate {
            certificate: device.certificate.clone(),
            key: device.key.clone(),
            authority: device.place.authority.clone(),
        };
        let desk = Coap::new(CoapClient::OpenSsl, &domain.coap_address(), credential);
        Self { desk, from }
    }

    fn request(&self, method: &str, to: &str) -> CoapRequest {
        let request = self.desk.request(method, to);
        let request = request.option(RVI, b"4").option(RQI, b"r1");
        let request = request.option(FR, self.from.as_bytes()).accept(JSON);
        // libcoap's client shows an answer with options it does not know, but goes on waiting.
        request.patience(2)
    }

    fn create(&self, to: &str, ty: u8, content: &Value) -> CoapRequest {
        let payload = content.to_string();
        let request = self.request("post", to).option(TY, &[ty]);
        request.payload(JSON, payload.as_bytes())
    }
}

/// The response status code of an answer. libcoap shows what it does not know as `\x07\xD1`.
fn rsc(reply: &CoapReply) -> u16 {
    let shown = reply.option(RSC).unwrap_or_default();
    let digits = shown.split("\\x").filter(|digits| !digits.is_empty());
    digits.fold(0, |code, byte| {
        code << 8 | u16::from_str_radix(byte, 16).expect("hexadecimal")
    })
}

#[test]
fn a_device_keeps_its_things_at_the_cse_over_its_coap_session() {
    let (domain, _) = domain(|_| String::new());
    domain.serve();
    let acme = domain.onboard(&json!({
        "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{"prefix": "ACME-"}],
    }));
    let device = domain.host_over(&["coap", "onem2m"], &acme, "ACME-LOCK");
    let lock = Ae::of(&domain, &device, "Clock");
    let ae = json!({"m2m:ae": {"rn": "lock", "api": "N.org.example.x", "rr": false, "srv": ["4"]}});
    let made = lock.create("/~/id-ics/ics", 2, &ae).expect("2.01");
    assert_eq!(rsc(&made), 2001);
    assert_eq!(made.json()["m2m:ae"]["aei"], "Clock");
    let container = json!({"m2m:cnt": {"rn": "states"}});
    lock.create("/~/id-ics/ics/lock", 3, &container)
        .expect("2.01");
    let state = json!({"m2m:cin": {"con": "open"}});
    lock.create("/~/id-ics/ics/lock/states", 4, &state)
        .expect("2.01");
    let latest = lock
        .request("get", "/~/id-ics/ics/lock/states/la")
        .expect("2.05");
    assert_eq!(rsc(&latest), 2000);
    assert_eq!(latest.json()["m2m:cin"]["con"], "open");
    let nothing = lock.request("get", "/~/id-ics/ics/none").expect("4.04");
    assert_eq!(rsc(&nothing), 4004);
    // The channel's own paths are as they were.
    lock.desk.get("/ics/v1/doc").accept(JSON).expect("2.05");

    // As nobody else; and not where it is hosted over CoAP alone.
    let other = domain.host_over(&["coap", "onem2m"], &acme, "ACME-LIGHT");
    let thief = Ae::of(&domain, &other, "Clock");
    let refused = thief.request("get", "/~/id-ics/ics/lock").expect("4.03");
    assert_eq!(rsc(&refused), 4106);
    let plain = domain.host_over(&["coap"], &acme, "ACME-PLAIN");
    let plain = Ae::of(&domain, &plain, "Cplain");
    let refused = plain.create("/~/id-ics/ics", 2, &ae).expect("4.03");
    assert_eq!(rsc(&refused), 4106);
    lock.request("delete", "/~/id-ics/ics/lock").expect("2.02");
    let log = || std::fs::read_to_string(domain.file("decisions/decisions.jsonl"));
    eventually("a line for each", || {
        let log = log().unwrap_or_default();
        let of_cse = log
            .lines()
            .filter(|line| line.contains("\"listener\":\"onem2m\""));
        let of_cse = of_cse
            .filter(|line| line.contains(" coap\""))
            .collect::<Vec<_>>();
        let refused = |line: &&&str| line.contains("ORIGINATOR_NOT_AUTHENTICATED");
        of_cse.len() >= 8 && of_cse.iter().filter(refused).count() == 2
    });
}

#[test]
fn a_hosted_device_reads_and_acknowledges_its_document_over_its_coap_session() {
    let world = World::start();
    let channels = ["coap", "onem2m"];
    let device = world.domain.host_over(&channels, &world.acme, "ACME-LOCK");
    let lock = Ae::of(&world.domain, &device, "Clock");
    let ae = super::hosted::ae("lock", &json!({}));
    lock.create("/~/id-ics/ics", 2, &ae).expect("2.01");
    let (service, uti) = (world.shop.service("doors"), fresh_uuid());
    let mapping = world
        .shop
        .ask_for(&world.acme, &service, &uti, &device.serial);
    let latest = format!("/~/id-ics/{DOC}/la");
    let document = wait_for("the pair", || {
        let reply = lock.request("get", &latest).send().reply?;
        let instance = (rsc(&reply) == 2000).then(|| reply.json()["m2m:cin"].take())?;
        let con = instance["con"].as_str()?.to_owned();
        con.contains(&uti).then_some(con)
    });
    let document: Value = serde_json::from_str(&document).expect("a document");
    let ack = format!("/~/id-ics/{ACK}");
    let malformed = acknowledgement(&json!("v"));
    let refused = lock.create(&ack, 4, &malformed).expect("4.00");
    assert_eq!(rsc(&refused), 4000);
    let said = acknowledgement(&json!({ "v": document["v"] }));
    let taken = lock.create(&ack, 4, &said).expect("2.01");
    assert_eq!(rsc(&taken), 2001);
    assert_eq!(world.shop.status(&mapping), "ESTABLISHED");
    let inquiry = json!({ "ics:inq": { "did": device.id } });
    let own = lock
        .create("/~/id-ics/ics/inq", 28, &inquiry)
        .expect("2.01");
    assert_eq!(own.json()["ics:inq"]["idmap"][0]["uti"], uti.as_str());
}
