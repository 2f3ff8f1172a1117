//! The operations of T8, each on every kind of object.

use ics_tests::fresh_uuid;
use serde_json::{Value, json};

use super::{Who, World};

/// One operation on one object: makes what it needs, and the request.
type Make = fn(&World, Who) -> (&'static str, String, Option<Value>);

/// (operation, object, state, request).
pub(super) const CELLS: [(&str, &str, &str, Make); 35] = [
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
