//! `ics-device`: what an IoT SP does with the devices it has hosted.

use ics_core::device::CredentialId;
use ics_core::id::{DeviceId, PskIdentity};

use super::*;

const DEVICES: &str = "/ics-device/v1/acme/devices";

fn registration(serial: &str) -> Value {
    json!({
        "deviceSerialNumber": serial,
        "deviceVendor": "acme",
        "deviceModel": "Fridge9",
        "ownerSubject": "user-7",
        "channels": ["mqtt", "coap"],
        "credentials": [
            { "certificate": { "request": "PKCS#10" } },
            { "password": { "validity": 3600 } },
        ],
    })
}

fn credential(device: &Value, n: usize) -> Value {
    device["credentials"][n].clone()
}

#[actix_web::test]
async fn a_device_lives_from_registration_to_its_end() {
    let (api, _) = api();
    let acme = Face::of(&api, Some("acme"));
    let made = acme.call("POST", DEVICES, &registration("acme-1")).await;
    assert_eq!(made.status, 201, "{:?}", String::from_utf8(made.body));
    let path = path_of(&made);
    let location = format!("{ROOT}{path}");
    assert_eq!(made.header("location"), Some(location.as_str()));
    let body = made.json();
    let id = body["deviceId"].as_str().unwrap();
    assert_eq!(path, format!("{DEVICES}/{id}"));
    assert_eq!(body["channels"], json!(["mqtt", "coap"]));
    assert_eq!(body["status"], "ACTIVE");
    let begun = body["document"]["version"].as_u64().unwrap();
    assert!(begun > 1 << 40, "the clock's: {begun}");
    assert_eq!(
        body["document"],
        json!({"version": begun, "acknowledged": begun, "mappings": []})
    );
    assert!(body.get("deviceSerialNumber").is_none());
    let (certificate, password) = (credential(&body, 0), credential(&body, 1));
    assert_eq!(
        certificate["certificate"],
        format!("acme {id} PKCS#10"),
        "as the authority issued it"
    );
    assert_eq!(certificate["notAfter"], "2027-11-21T12:00:00.000Z");
    assert_eq!(password["password"].as_str().map(str::len), Some(32));
    assert_eq!(password["notBefore"], "2026-11-21T12:00:00.000Z");
    assert_eq!(password["notAfter"], "2026-11-21T13:00:00.000Z");
    assert_eq!(
        password["self"],
        format!("{ROOT}{path}/credentials/2").as_str()
    );

    let shown = acme.get(&path).await.json();
    assert_eq!(shown["deviceSerialNumber"], "acme-1");
    assert_eq!(shown["ownerSubject"], "user-7");
    for n in 0..2 {
        let credential = credential(&shown, n);
        assert!(credential.get("certificate").is_none());
        assert!(credential.get("password").is_none());
        assert_eq!(credential["credentialId"], (n + 1).to_string());
    }

    assert_eq!(acme.call("DELETE", &path, &Value::Null).await.status, 204);
    let shown = acme.get(&path).await.json();
    assert_eq!(shown["status"], "UNREGISTERING");
    assert!(shown["expiry"].is_string());
    assert_eq!(acme.call("DELETE", &path, &Value::Null).await.status, 204);
    let order = json!({"password": {}});
    let late = acme
        .call("POST", &format!("{path}/credentials"), &order)
        .await;
    assert_eq!(
        (late.status, late.cause().as_str()),
        (409, "DEVICE_REVOKED")
    );
}

#[actix_web::test]
async fn a_pre_shared_key_is_told_once_with_its_identity() {
    let (api, _) = api();
    let acme = Face::of(&api, Some("acme"));
    let mut body = registration("acme-1");
    body["credentials"] = json!([{ "psk": { "validity": 3600 } }]);
    let made = acme.call("POST", DEVICES, &body).await;
    assert_eq!(made.status, 201);
    let path = path_of(&made);
    let body = made.json();
    let id = body["deviceId"].as_str().unwrap();
    let order = json!({"psk": {}});
    let added = acme
        .call("POST", &format!("{path}/credentials"), &order)
        .await;
    assert_eq!(added.status, 201);
    let (first, second) = (credential(&body, 0), added.json());
    for (n, credential) in [(1, &first), (2, &second)] {
        assert_eq!(credential["kind"], "psk");
        let identity = PskIdentity {
            device_id: DeviceId::parse(id).unwrap(),
            credential: CredentialId(n),
        };
        assert_eq!(credential["pskIdentity"], identity.to_shown());
        let key = credential["psk"].as_str().unwrap();
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        assert!(key.len() == 32 && key.bytes().all(is_hex), "{n}");
        assert!(credential.get("password").is_none());
        assert!(credential.get("certificate").is_none());
    }
    assert_ne!(first["psk"], second["psk"]);
    assert_eq!(first["notAfter"], "2026-11-21T13:00:00.000Z");
    assert_eq!(second["notAfter"], "2027-11-21T12:00:00.000Z");

    let shown = acme.get(&path).await.json();
    for n in 0..2 {
        let credential = credential(&shown, n);
        assert_eq!(credential["kind"], "psk");
        assert!(credential.get("psk").is_none());
        assert!(credential.get("pskIdentity").is_none());
    }
}

#[actix_web::test]
async fn a_mapping_of_a_hosted_device_is_in_its_document() {
    let (api, _) = api();
    let (shop, acme) = (Face::of(&api, Some("shop")), Face::of(&api, Some("acme")));
    let body = registration("acme-00031");
    let registered = acme.call("POST", DEVICES, &body).await;
    let begun = registered.json()["document"]["version"].as_u64().unwrap();
    let device = path_of(&registered);
    let asked = shop.call("POST", MAPPINGS, &request(UTI)).await;
    assert_eq!(asked.status, 201);
    let id = path_of(&asked).rsplit('/').next().unwrap().to_owned();
    let document = acme.get(&device).await.json()["document"].clone();
    let assignment = format!("{ROOT}/ics-device-mapping/v1/acme/assignments/{id}");
    assert_eq!(
        document,
        json!({"version": begun + 1, "acknowledged": begun, "mappings": [assignment]})
    );
    assert_eq!(acme.call("DELETE", &device, &Value::Null).await.status, 204);
    let document = acme.get(&device).await.json()["document"].clone();
    assert_eq!(document["mappings"], json!([]));
    assert!(
        document["version"].as_u64().unwrap() > begun + 1,
        "{document}"
    );
}

#[actix_web::test]
async fn credentials_come_and_go_one_by_one() {
    let (api, _) = api();
    let acme = Face::of(&api, Some("acme"));
    let device = path_of(&acme.call("POST", DEVICES, &registration("acme-1")).await);
    let credentials = format!("{device}/credentials");
    let order = json!({"password": {"validity": 60}});
    let made = acme.call("POST", &credentials, &order).await;
    assert_eq!(made.status, 201);
    let own = format!("{ROOT}{credentials}/3");
    assert_eq!(made.header("location"), Some(own.as_str()));
    let body = made.json();
    assert_eq!(body["self"], own.as_str());
    assert_eq!(body["kind"], "password");
    assert_eq!(body["password"].as_str().map(str::len), Some(32));
    assert_eq!(body["notAfter"], "2026-11-21T12:01:00.000Z");

    for _ in 0..2 {
        let revoked = acme
            .call("DELETE", &format!("{credentials}/1"), &Value::Null)
            .await;
        assert_eq!(revoked.status, 204);
    }
    let shown = acme.get(&device).await.json();
    assert_eq!(
        credential(&shown, 0)["revokeTime"],
        "2026-11-21T12:00:00.000Z"
    );
    assert!(credential(&shown, 2).get("revokeTime").is_none());
    for absent in ["4", "01", "+1", "x"] {
        let refused = acme
            .call("DELETE", &format!("{credentials}/{absent}"), &Value::Null)
            .await;
        assert_eq!(
            (refused.status, refused.cause().as_str()),
            (404, "CREDENTIAL_NOT_FOUND"),
            "{absent}"
        );
    }
    for n in 4..=8 {
        let made = acme.call("POST", &credentials, &order).await;
        assert_eq!(made.status, 201, "{n}");
    }
    let full = acme.call("POST", &credentials, &order).await;
    // The revoked one made room for one more; all the others hold.
    assert_eq!(full.status, 201);
    let full = acme.call("POST", &credentials, &order).await;
    assert_eq!(
        (full.status, full.cause().as_str()),
        (403, "QUOTA_EXCEEDED")
    );
}

#[actix_web::test]
async fn a_list_goes_page_by_page_and_tells_no_serial_number() {
    let (api, _) = api();
    let (acme, both) = (Face::of(&api, Some("acme")), Face::of(&api, Some("both")));
    let mut made = Vec::new();
    for n in 0..5 {
        let body = registration(&format!("acme-{n}"));
        made.push(acme.call("POST", DEVICES, &body).await.json()["deviceId"].clone());
    }
    let foreign = both
        .call(
            "POST",
            "/ics-device/v1/both/devices",
            &registration("both-1"),
        )
        .await;
    assert_eq!(foreign.status, 201);
    let mut path = Some(format!("{DEVICES}?limit=2"));
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(next) = path {
        let page = acme.get(&next).await;
        assert_eq!(page.status, 200);
        for device in page.json().as_array().unwrap() {
            assert!(device.get("deviceSerialNumber").is_none());
            seen.push(device["deviceId"].clone());
        }
        let link = page.header("link").map(|link| {
            let uri = link.split_once('>').unwrap().0;
            let uri = uri.strip_prefix('<').unwrap();
            uri.strip_prefix(ROOT).unwrap().to_owned()
        });
        pages += 1;
        path = link;
    }
    assert_eq!((seen, pages), (made, 3));
    for query in ["status=ACTIVE", "page-token=AA", "limit=0"] {
        let refused = acme.get(&format!("{DEVICES}?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
    }
}

#[actix_web::test]
async fn a_device_of_another_looks_like_none() {
    let (api, _) = api();
    let (acme, acme2) = (Face::of(&api, Some("acme")), Face::of(&api, Some("acme2")));
    let device = path_of(&acme.call("POST", DEVICES, &registration("acme-1")).await);
    let foreign = device.replace("/acme/", "/acme2/");
    let absent = foreign.replace('b', "c");
    assert_ne!(absent, foreign);
    let garbage = "/ics-device/v1/acme2/devices/440000000000123".to_owned();
    for path in [foreign, absent, garbage] {
        for method in ["GET", "DELETE"] {
            let answer = acme2.call(method, &path, &Value::Null).await;
            assert_eq!(
                (answer.status, answer.cause().as_str()),
                (404, "DEVICE_NOT_FOUND")
            );
        }
        let (more, one) = (
            format!("{path}/credentials"),
            format!("{path}/credentials/1"),
        );
        let answer = acme2.call("POST", &more, &json!({"password": {}})).await;
        assert_eq!(answer.cause(), "DEVICE_NOT_FOUND");
        let answer = acme2.call("DELETE", &one, &Value::Null).await;
        assert_eq!(answer.cause(), "CREDENTIAL_NOT_FOUND");
    }
    assert_eq!(acme.get(&device).await.json()["status"], "ACTIVE");
    // A third party SP has no devices.
    let shop = Face::of(&api, Some("shop"));
    let refused = shop.get("/ics-device/v1/shop/devices").await;
    assert_eq!(
        (refused.status, refused.cause().as_str()),
        (403, "INSUFFICIENT_SCOPE")
    );
}

#[actix_web::test]
async fn what_cannot_be_registered_says_why_and_repeats_nothing() {
    let (api, store) = api();
    let acme = Face::of(&api, Some("acme"));
    let with = |member: &str, value: Value| {
        let mut body = registration("acme-1");
        body[member] = value;
        body
    };
    let order = |order: Value| with("credentials", json!([order]));
    let password = |validity: Value| order(json!({"password": {"validity": validity}}));
    for (body, status, cause, at) in [
        (
            with("deviceSerialNumber", json!("FR-1")),
            403,
            "SERIAL_NAMESPACE_NOT_GRANTED",
            "/deviceSerialNumber",
        ),
        (
            with("channels", json!([])),
            400,
            "MANDATORY_IE_INCORRECT",
            "/channels",
        ),
        (
            with("channels", json!(["mqtt", "mqtt"])),
            400,
            "MANDATORY_IE_INCORRECT",
            "/channels",
        ),
        (
            with("channels", json!(["carrier pigeon"])),
            400,
            "MANDATORY_IE_INCORRECT",
            "/channels",
        ),
        (
            with("credentials", json!([])),
            400,
            "MANDATORY_IE_INCORRECT",
            "/credentials",
        ),
        (
            order(json!({})),
            400,
            "MANDATORY_IE_INCORRECT",
            "/credentials/0",
        ),
        (
            order(json!({"password": {}, "certificate": {"request": "x"}})),
            400,
            "MANDATORY_IE_INCORRECT",
            "/credentials/0",
        ),
        (
            order(json!({"certificate": {"request": ""}})),
            400,
            "MANDATORY_IE_INCORRECT",
            "/credentials/0/certificate/request",
        ),
        (
            password(json!(0)),
            400,
            "OPTIONAL_IE_INCORRECT",
            "/credentials",
        ),
        (
            password(json!(316_224_001)),
            400,
            "OPTIONAL_IE_INCORRECT",
            "/credentials",
        ),
        (
            password(json!("1h")),
            400,
            "MANDATORY_IE_INCORRECT",
            "/credentials/0/password/validity",
        ),
        (
            order(json!({"oscore": {}})),
            400,
            "INVALID_MSG_FORMAT",
            "/credentials/0",
        ),
        (
            order(json!({"psk": {"value": "of my own"}})),
            400,
            "INVALID_MSG_FORMAT",
            "/credentials/0/psk",
        ),
        (
            order(json!({"psk": {}, "password": {}})),
            400,
            "MANDATORY_IE_INCORRECT",
            "/credentials/0",
        ),
        (
            order(json!({"psk": {"validity": "1h"}})),
            400,
            "MANDATORY_IE_INCORRECT",
            "/credentials/0/psk/validity",
        ),
        (
            with("ownerSubject", json!("+49 170 1234567")),
            400,
            "PERMANENT_ID_NOT_ALLOWED",
            "/ownerSubject",
        ),
    ] {
        let refused = acme.call("POST", DEVICES, &body).await;
        assert_eq!(
            (refused.status, refused.cause().as_str()),
            (status, cause),
            "{body}"
        );
        assert_eq!(refused.json()["invalidParams"][0]["param"], at, "{body}");
        let text = String::from_utf8(refused.body).unwrap();
        for told in ["FR-1", "pigeon", "1234567"] {
            assert!(!text.contains(told), "{text}");
        }
    }
    assert!(store.devices.lock().unwrap().is_empty());
    let body = registration("acme-1");
    assert_eq!(acme.call("POST", DEVICES, &body).await.status, 201);
    let twice = acme.call("POST", DEVICES, &body).await;
    assert_eq!(
        (twice.status, twice.cause().as_str()),
        (409, "DEVICE_ALREADY_REGISTERED")
    );
}
