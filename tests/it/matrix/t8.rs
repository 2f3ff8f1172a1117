//! The rows of T8.

mod cells;

use ics_tests::{Answer, Party, fresh_uuid};
use serde_json::{Value, json};

use self::cells::CELLS;
use super::{World, outcome};

/// Who calls, and how.
#[derive(Clone, Copy)]
enum Who {
    Shop,
    Mall,
    Acme,
    Bolt,
    /// With acme's certificate, without a token.
    NoToken,
    /// With the certificate of a device of acme's.
    Device,
    /// Without a certificate.
    Stranger,
}

const ALL: [(Who, &str); 7] = [
    (Who::Shop, "t8: its third party SP"),
    (Who::Mall, "t8: another third party SP"),
    (Who::Acme, "t8: its IoT SP"),
    (Who::Bolt, "t8: another IoT SP"),
    (Who::NoToken, "t8: IoT SP without token"),
    (Who::Device, "t8: hosted device"),
    (Who::Stranger, "t8: stranger"),
];

impl World {
    fn party(&self, who: Who) -> &Party {
        match who {
            Who::Shop => &self.shop,
            Who::Mall => &self.mall,
            Who::Bolt => &self.bolt,
            Who::Acme | Who::NoToken | Who::Device | Who::Stranger => &self.acme,
        }
    }

    fn call(&self, who: Who, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let party = self.party(who);
        let url = format!("{}{path}", party.root);
        let bare = || ics_tests::Curl::new(method, &url).root(&party.authority);
        let curl = match who {
            Who::Stranger => bare(),
            Who::Device => bare().certificate(&self.lock.certificate, &self.lock.key),
            Who::NoToken => party.curl(method, path),
            _ => party.curl(method, path).bearer(&party.token()),
        };
        match body {
            Some(body) => curl.json(body).send(),
            None => curl.send(),
        }
    }

    /// The path of the caller's own view of something.
    fn path(&self, who: Who, api: &str, rest: &str) -> String {
        self.party(who).path(api, rest)
    }
}

/// Who, by what, to what; then the states of agreement and consent.
pub(super) fn fill(world: &mut World) {
    for (operation, object, state, make) in CELLS {
        for (who, name) in ALL {
            let (method, path, body) = make(world, who);
            let answer = world.call(who, method, &path, body.as_ref());
            world.note([name, operation, object, state], outcome(&answer));
        }
    }
    request_states(world);
    row_states(world);
}

/// What a mapping request needs of agreement, consent and pairing.
fn request_states(world: &mut World) {
    let who = "t8: its third party SP";
    let operation = "request a mapping";
    let answers = [
        (
            "no consent",
            request(world, "acme", |body| {
                drop(body.as_object_mut().unwrap().remove("userConsent"))
            }),
        ),
        (
            "service of another",
            request(world, "acme", |body| {
                body["serviceUri"] = "https://mall.example/services/a".into()
            }),
        ),
        ("no agreement", request(world, "bolt", |_| ())),
        ("agreement ended", request(world, "ended", |_| ())),
        ("IoT SP confirms", request(world, "confirming", |_| ())),
        (
            "pairing code demanded, none",
            request(world, "pairing", |_| ()),
        ),
        (
            "pairing code demanded, wrong",
            request(world, "pairing", |body| {
                body["pairingCode"] = "00000-00000-00000-00000".into()
            }),
        ),
        ("no such IoT SP", request(world, "nobody", |_| ())),
    ];
    for (state, answer) in answers {
        world.note([who, operation, "service of shop", state], answer);
    }
    let device = world.domain.host(&world.pairing, "PAIRING-1");
    let path = world.pairing.path(
        "ics-device",
        &format!("devices/{}/pairing-codes", device.id),
    );
    let minted = world.pairing.post(&path, &json!({})).expect(201).json();
    let code = minted["pairingCode"].clone();
    let serial = device.serial;
    let with_code = |body: &mut Value| {
        body["pairingCode"] = code.clone();
        body["deviceSerialNumber"] = serial.clone().into();
    };
    let answer = request(world, "pairing", with_code);
    let state = "pairing code demanded, right";
    world.note([who, operation, "service of shop", state], answer);
    let answer = request(world, "pairing", with_code);
    let state = "pairing code demanded, used up";
    world.note([who, operation, "service of shop", state], answer);
}

fn request(world: &World, iot_sp: &str, change: impl Fn(&mut Value)) -> String {
    let serial = format!("{}-{}", iot_sp.to_uppercase(), fresh_uuid());
    let shop = &world.shop;
    let mut body = shop.request(&shop.service("a"), &fresh_uuid(), &serial);
    body["iotSpId"] = iot_sp.into();
    change(&mut body);
    outcome(&shop.post_mapping(&body))
}

/// What becomes of rows when an agreement ends, or a side is suspended.
fn row_states(world: &mut World) {
    let agreement = world.domain.agree(&world.ended, &world.shop);
    let (shop, ended) = (&world.shop, &world.ended);
    let device = format!("d-{}", fresh_uuid());
    let held = shop.establish(ended, "b", &device);
    let waiting = shop.ask(ended, "b");
    let end = format!("/operator/v1/agreements/{agreement}/end");
    let end = world
        .domain
        .operator("POST", &end, Some(&json!({ "confirm": true })));
    end.expect(200);
    let mut seen = vec![
        (
            "t8: its third party SP",
            "inquire by transaction",
            "agreement ended",
            outcome(&shop.inquire(&held.service, &held.uti)),
        ),
        (
            "t8: its IoT SP",
            "inquire by device",
            "agreement ended",
            outcome(&ended.inquire_device(&device)),
        ),
        (
            "t8: its IoT SP",
            "accept an assignment",
            "agreement ended",
            outcome(&ended.accept(&waiting, &device)),
        ),
        (
            "t8: its third party SP",
            "read a mapping",
            "agreement ended",
            outcome(&shop.get(&held.own)),
        ),
    ];
    let (row, device) = world.established();
    let pending = world.pending();
    let stand = |sp: &str, verb: &str| {
        let path = format!("/operator/v1/sps/{sp}/{verb}");
        world
            .domain
            .operator("POST", &path, Some(&json!({ "confirm": true })))
            .expect(200);
    };
    let acme = &world.acme;
    stand("acme", "suspend");
    seen.extend([
        (
            "t8: its third party SP",
            "inquire by transaction",
            "IoT SP suspended",
            outcome(&shop.inquire(&row.service, &row.uti)),
        ),
        (
            "t8: its IoT SP",
            "inquire by device",
            "IoT SP suspended",
            outcome(&acme.inquire_device(&device)),
        ),
        (
            "t8: its IoT SP",
            "accept an assignment",
            "IoT SP suspended",
            outcome(&acme.accept(&pending, &device)),
        ),
    ]);
    stand("acme", "resume");
    stand("shop", "suspend");
    seen.extend([
        (
            "t8: its third party SP",
            "inquire by transaction",
            "third party SP suspended",
            outcome(&shop.inquire(&row.service, &row.uti)),
        ),
        (
            "t8: its IoT SP",
            "inquire by device",
            "third party SP suspended",
            outcome(&acme.inquire_device(&device)),
        ),
    ]);
    stand("shop", "resume");
    seen.push((
        "t8: its IoT SP",
        "inquire by device",
        "both resumed",
        outcome(&acme.inquire_device(&device)),
    ));
    for (who, operation, state, answer) in seen {
        world.note([who, operation, "of both", state], answer);
    }
}
