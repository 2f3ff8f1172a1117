//! The rows of T8.

use ics_tests::{Answer, Party, fresh_uuid};
use serde_json::{Value, json};

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

/// One operation on one object: makes what it needs, and the request.
type Make = fn(&World, Who) -> (&'static str, String, Option<Value>);

/// (operation, object, state, request).
const CELLS: [(&str, &str, &str, Make); 35] = [
    (
        "request a mapping",
        "service of shop",
        "agreed",
        |world, who| {
            let serial = world.acme.fresh_serial();
            let body = world
                .shop
                .request(&world.shop.service("a"), &fresh_uuid(), &serial);
            (
                "POST",
                world.path(who, "ics-mapping", "mappings"),
                Some(body),
            )
        },
    ),
    (
        "request a mapping",
        "in the name of shop",
        "agreed",
        |world, _| {
            let serial = world.acme.fresh_serial();
            let body = world
                .shop
                .request(&world.shop.service("a"), &fresh_uuid(), &serial);
            (
                "POST",
                world.shop.path("ics-mapping", "mappings"),
                Some(body),
            )
        },
    ),
    ("list mappings", "own", "agreed", |world, who| {
        (
            "GET",
            world.path(who, "ics-mapping", "mappings?limit=1"),
            None,
        )
    }),
    (
        "read a mapping",
        "of shop and acme",
        "pending",
        |world, who| {
            let id = world.pending().id().to_owned();
            (
                "GET",
                world.path(who, "ics-mapping", &format!("mappings/{id}")),
                None,
            )
        },
    ),
    (
        "read a mapping",
        "of shop and acme",
        "established",
        |world, who| {
            let id = world.established().0.id().to_owned();
            (
                "GET",
                world.path(who, "ics-mapping", &format!("mappings/{id}")),
                None,
            )
        },
    ),
    ("read a mapping", "none", "", |world, who| {
        let id = fresh_uuid();
        (
            "GET",
            world.path(who, "ics-mapping", &format!("mappings/{id}")),
            None,
        )
    }),
    (
        "amend a mapping",
        "of shop and acme",
        "pending",
        |world, who| {
            let id = world.pending().id().to_owned();
            let patch = json!({ "validityPeriod": 600 });
            (
                "PATCH",
                world.path(who, "ics-mapping", &format!("mappings/{id}")),
                Some(patch),
            )
        },
    ),
    (
        "cancel a mapping",
        "of shop and acme",
        "pending",
        |world, who| {
            let id = world.pending().id().to_owned();
            (
                "DELETE",
                world.path(who, "ics-mapping", &format!("mappings/{id}")),
                None,
            )
        },
    ),
    (
        "cancel a mapping",
        "of shop and acme",
        "established",
        |world, who| {
            let id = world.established().0.id().to_owned();
            (
                "DELETE",
                world.path(who, "ics-mapping", &format!("mappings/{id}")),
                None,
            )
        },
    ),
    ("subscribe", "own namespace", "", |world, who| {
        let prefix = &world.party(who).grant;
        let body = json!({
            "serialNamespaces": [{ "prefix": prefix }],
            "notificationDestination": format!("https://{}.example/cb", world.party(who).id),
        });
        (
            "POST",
            world.path(who, "ics-device-mapping", "subscriptions"),
            Some(body),
        )
    }),
    ("subscribe", "namespace of others", "", |world, who| {
        let body = json!({
            "serialNamespaces": [{ "prefix": "ENDED-" }],
            "notificationDestination": format!("https://{}.example/cb", world.party(who).id),
        });
        (
            "POST",
            world.path(who, "ics-device-mapping", "subscriptions"),
            Some(body),
        )
    }),
    ("list assignments", "own", "", |world, who| {
        (
            "GET",
            world.path(
                who,
                "ics-device-mapping",
                "assignments?status=PENDING&limit=1",
            ),
            None,
        )
    }),
    (
        "read an assignment",
        "of shop and acme",
        "pending",
        |world, who| {
            let id = world.pending().id().to_owned();
            (
                "GET",
                world.path(who, "ics-device-mapping", &format!("assignments/{id}")),
                None,
            )
        },
    ),
    (
        "read an assignment",
        "of shop and acme",
        "established",
        |world, who| {
            let id = world.established().0.id().to_owned();
            (
                "GET",
                world.path(who, "ics-device-mapping", &format!("assignments/{id}")),
                None,
            )
        },
    ),
    ("read an assignment", "none", "", |world, who| {
        let id = fresh_uuid();
        (
            "GET",
            world.path(who, "ics-device-mapping", &format!("assignments/{id}")),
            None,
        )
    }),
    (
        "accept an assignment",
        "of shop and acme",
        "pending",
        |world, who| {
            let id = world.pending().id().to_owned();
            let body = json!({ "result": "ACCEPTED", "deviceId": format!("d-{}", fresh_uuid()) });
            (
                "PUT",
                world.path(who, "ics-device-mapping", &format!("assignments/{id}")),
                Some(body),
            )
        },
    ),
    (
        "reject an assignment",
        "of shop and acme",
        "pending",
        |world, who| {
            let id = world.pending().id().to_owned();
            let body = json!({ "result": "REJECTED", "cause": "UNKNOWN" });
            (
                "PUT",
                world.path(who, "ics-device-mapping", &format!("assignments/{id}")),
                Some(body),
            )
        },
    ),
    (
        "de-map by UTI",
        "of shop and acme",
        "established",
        |world, who| {
            let body = json!({ "cause": "UTI_INVALID", "uti": world.established().0.uti });
            (
                "POST",
                world.path(who, "ics-demapping", "demap"),
                Some(body),
            )
        },
    ),
    (
        "de-map by service and UTI",
        "of shop and acme",
        "established",
        |world, who| {
            let mut body = world.established().0.key();
            body["cause"] = "USER_AUTHORIZATION_WITHDRAWN".into();
            (
                "POST",
                world.path(who, "ics-demapping", "demap"),
                Some(body),
            )
        },
    ),
    (
        "de-map by device",
        "of shop and acme",
        "established",
        |world, who| {
            let body = json!({ "cause": "DEVICE_UNREGISTERED", "deviceId": world.established().1 });
            (
                "POST",
                world.path(who, "ics-demapping", "demap"),
                Some(body),
            )
        },
    ),
    ("de-map by device", "none", "", |world, who| {
        let device = format!("d-{}", fresh_uuid());
        let body = json!({ "cause": "USER_AUTHORIZATION_WITHDRAWN", "deviceId": device });
        (
            "POST",
            world.path(who, "ics-demapping", "demap"),
            Some(body),
        )
    }),
    (
        "inquire by transaction",
        "of shop and acme",
        "established",
        |world, _| {
            let body = world.established().0.key();
            (
                "POST",
                "/ics-inquiry/v1/retrieve-by-transaction".to_owned(),
                Some(body),
            )
        },
    ),
    (
        "inquire by transaction",
        "of shop and acme",
        "pending",
        |world, _| {
            let body = world.pending().key();
            (
                "POST",
                "/ics-inquiry/v1/retrieve-by-transaction".to_owned(),
                Some(body),
            )
        },
    ),
    ("inquire by transaction", "none", "", |world, _| {
        let body = json!({ "serviceUri": world.shop.service("a"), "uti": fresh_uuid() });
        (
            "POST",
            "/ics-inquiry/v1/retrieve-by-transaction".to_owned(),
            Some(body),
        )
    }),
    (
        "inquire by device",
        "of shop and acme",
        "established",
        |world, _| {
            let body = json!({ "deviceId": world.established().1 });
            (
                "POST",
                "/ics-inquiry/v1/retrieve-by-device".to_owned(),
                Some(body),
            )
        },
    ),
    ("inquire by device", "none", "", |_, _| {
        let body = json!({ "deviceId": format!("d-{}", fresh_uuid()) });
        (
            "POST",
            "/ics-inquiry/v1/retrieve-by-device".to_owned(),
            Some(body),
        )
    }),
    ("register a device", "serial of acme", "", |world, who| {
        let body = registration(&world.acme.fresh_serial());
        ("POST", world.path(who, "ics-device", "devices"), Some(body))
    }),
    ("list devices", "own", "", |world, who| {
        (
            "GET",
            world.path(who, "ics-device", "devices?limit=1"),
            None,
        )
    }),
    ("read a device", "of acme", "", |world, who| {
        let id = &world.lock.id;
        (
            "GET",
            world.path(who, "ics-device", &format!("devices/{id}")),
            None,
        )
    }),
    ("read a device", "none", "", |world, who| {
        let id = "d-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        (
            "GET",
            world.path(who, "ics-device", &format!("devices/{id}")),
            None,
        )
    }),
    ("amend a device", "of acme", "", |world, who| {
        let (id, patch) = (&world.lock.id, json!({ "deviceModel": "Lock 9" }));
        (
            "PATCH",
            world.path(who, "ics-device", &format!("devices/{id}")),
            Some(patch),
        )
    }),
    ("mint a pairing code", "of acme", "", |world, who| {
        let path = format!("devices/{}/pairing-codes", world.lock.id);
        (
            "POST",
            world.path(who, "ics-device", &path),
            Some(json!({})),
        )
    }),
    ("add a credential", "of acme", "", |world, who| {
        let made = world.acme.post(
            &world.acme.path("ics-device", "devices"),
            &registration(&world.acme.fresh_serial()),
        );
        let id = made.expect(201).json()["deviceId"]
            .as_str()
            .expect("an id")
            .to_owned();
        let path = format!("devices/{id}/credentials");
        (
            "POST",
            world.path(who, "ics-device", &path),
            Some(json!({ "password": {} })),
        )
    }),
    ("unregister a device", "of acme", "", |world, who| {
        let made = world.acme.post(
            &world.acme.path("ics-device", "devices"),
            &registration(&world.acme.fresh_serial()),
        );
        let id = made.expect(201).json()["deviceId"]
            .as_str()
            .expect("an id")
            .to_owned();
        (
            "DELETE",
            world.path(who, "ics-device", &format!("devices/{id}")),
            None,
        )
    }),
    ("read the profile", "own", "", |world, who| {
        ("GET", world.path(who, "ics-access", "profile"), None)
    }),
];

fn registration(serial: &str) -> Value {
    json!({ "deviceSerialNumber": serial, "channels": ["mqtt"], "credentials": [{ "password": {} }] })
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
