//! What an engineer who knows the T8 APIs of TS 29.122 expects to find.

use ics_tests::{Party, Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

use super::is_result;

fn patch(party: &Party, link: &str, media: &str, body: &Value) -> ics_tests::Answer {
    let curl = party
        .curl("PATCH", link)
        .bearer(&party.token())
        .header("Content-Type", media);
    curl.bytes(body.to_string().as_bytes()).send()
}

const MERGE: &str = "application/merge-patch+json";

#[test]
fn a_pending_mapping_is_amended_by_merge_patch() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.ask(&acme, "eggs");
    let elsewhere = format!("{}/elsewhere", shop.callback);
    let body = json!({ "validityPeriod": 3600, "notificationDestination": elsewhere });
    let row = patch(&shop, &mapping.own, MERGE, &body).expect(200).json();
    assert_eq!(row["validityPeriod"], 3600);
    assert_eq!(row["notificationDestination"], elsewhere);
    assert_eq!(shop.get(&mapping.own).expect(200).json(), row);

    let fixed = json!({ "uti": fresh_uuid() });
    assert_eq!(
        patch(&shop, &mapping.own, MERGE, &fixed)
            .expect(403)
            .cause(),
        "MODIFICATION_NOT_ALLOWED"
    );
    let unknown = json!({ "colour": "red" });
    patch(&shop, &mapping.own, MERGE, &unknown).expect(400);
    let removed = json!({ "notificationDestination": null });
    patch(&shop, &mapping.own, MERGE, &removed).expect(400);
    patch(&shop, &mapping.own, MERGE, &json!({ "validityPeriod": 1 })).expect(400);
    let foreign = json!({ "notificationDestination": "https://127.0.0.1:1/elsewhere" });
    patch(&shop, &mapping.own, MERGE, &foreign).expect(400);
    patch(&shop, &mapping.own, "text/plain", &body).expect(415);

    acme.accept(&mapping, &fresh_device()).expect(200);
    shop.inbox
        .wait(&mapping.uti, "the result", is_result("ESTABLISHED"));
    let received = shop
        .inbox
        .all()
        .into_iter()
        .find(|n| n["body"]["uti"] == mapping.uti);
    assert_eq!(
        received.expect("the result")["path"],
        format!("/{}/elsewhere", shop.id)
    );
    let late = patch(&shop, &mapping.own, MERGE, &json!({ "validityPeriod": 60 })).expect(403);
    assert_eq!(late.cause(), "MODIFICATION_NOT_ALLOWED");
}

/// Follows the `next` links of a list from `first`; the pages.
fn pages(party: &Party, first: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut next) = (Vec::new(), Some(party.path("ics-mapping", first)));
    while let Some(path) = next {
        let answer = party.get(&path).expect(200);
        pages.push(answer.json().as_array().expect("a list").clone());
        let link = answer.header("link").map(|link| {
            let (uri, relation) = link.split_once('>').expect("a link");
            assert!(relation.contains("rel=\"next\""), "{link}");
            uri.trim_start_matches('<').to_owned()
        });
        assert!(pages.len() < 20, "pages without end");
        next = link;
    }
    pages
}

#[test]
fn lists_come_in_pages_that_lose_and_repeat_nothing() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let made: Vec<_> = (0..5).map(|_| shop.ask(&acme, "eggs").own).collect();
    let links = |pages: &[Vec<Value>]| -> Vec<String> {
        let rows = pages.iter().flatten();
        rows.map(|row| row["self"].as_str().expect("a link").to_owned())
            .collect()
    };
    let all = pages(&shop, "mappings?limit=2");
    assert!(all.iter().all(|page| page.len() <= 2));
    assert_eq!(links(&all), made, "oldest first");
    shop.delete(&made[1]).expect(204);
    let pending = pages(&shop, "mappings?limit=2&mapping-status=PENDING");
    assert_eq!(
        links(&pending),
        [&made[0], &made[2], &made[3], &made[4]].map(String::clone)
    );
    assert_eq!(
        links(&pages(&shop, "mappings?mapping-status=DELETED")),
        [made[1].clone()]
    );
    assert_eq!(sandbox.music().list(), Vec::<Value>::new());
    for bad in [
        "limit=0",
        "limit=x",
        "limit=1001",
        "mapping-status=LOST",
        "colour=red",
        "page-token=%21",
    ] {
        shop.get(&shop.path("ics-mapping", &format!("mappings?{bad}")))
            .expect(400);
    }
}

#[test]
fn supported_features_are_the_intersection() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for (offered, told) in [
        (Some("F"), "3"),
        (Some("1"), "1"),
        (Some("F0"), "0"),
        (None, "0"),
    ] {
        let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
        if let Some(offered) = offered {
            request["supportedFeatures"] = offered.into();
        }
        let answer = shop.post_mapping(&request).expect(201);
        assert_eq!(answer.json()["supportedFeatures"], told);
    }
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    request["supportedFeatures"] = "zz".into();
    assert_eq!(
        shop.post_mapping(&request).expect(400).cause(),
        "OPTIONAL_IE_INCORRECT"
    );
}

#[test]
fn methods_a_resource_does_not_have_are_405_with_those_it_has() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let mappings = shop.path("ics-mapping", "mappings");
    let mapping = format!("{mappings}/{}", fresh_uuid());
    let cases = [
        ("TRACE", mappings.clone(), "GET, POST"),
        ("PUT", mappings.clone(), "GET, POST"),
        ("DELETE", mappings, "GET, POST"),
        ("OPTIONS", mapping.clone(), "GET, PATCH, DELETE"),
        ("TRACE", mapping, "GET, PATCH, DELETE"),
        (
            "GET",
            "/ics-inquiry/v1/retrieve-by-device".to_owned(),
            "POST",
        ),
        (
            "BREW",
            "/ics-inquiry/v1/retrieve-by-transaction".to_owned(),
            "POST",
        ),
        ("TRACE", shop.path("ics-demapping", "demap"), "POST"),
        ("POST", "/.well-known/ics".to_owned(), "GET"),
        ("TRACE", "/oauth2/token".to_owned(), "POST"),
    ];
    for (method, path, allow) in cases {
        let answer = shop.call(method, &path, None).expect(405);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let nothing = shop.get("/ics-mapping/v2/nothing").expect(404);
    assert_eq!(
        nothing.header("content-type"),
        Some("application/problem+json")
    );
}

#[test]
fn bodies_are_read_strictly_and_what_is_wrong_is_pointed_at() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let good = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    for member in [
        "serviceUri",
        "uti",
        "deviceSerialNumber",
        "notificationDestination",
    ] {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(member);
        let answer = shop.post_mapping(&body).expect(400);
        assert_eq!(answer.cause(), "MANDATORY_IE_MISSING");
        assert_eq!(
            answer.json()["invalidParams"][0]["param"],
            format!("/{member}")
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    for (member, value) in [
        ("colour", json!("red")),
        ("validityPeriod", json!("long")),
        ("uti", json!(null)),
    ] {
        let mut body = good.clone();
        body[member] = value;
        shop.post_mapping(&body).expect(400);
    }
    let path = shop.path("ics-mapping", "mappings");
    let send = |media: &str, bytes: &[u8]| {
        let curl = shop.curl("POST", &path).bearer(&shop.token());
        curl.header("Content-Type", media).bytes(bytes).send()
    };
    let twice = format!("{good} {{}}");
    let none = [&b"[]"[..], b"", b"{", b"\"x\"", b"\xff\xfe"];
    for bytes in none.into_iter().chain([twice.as_bytes()]) {
        assert_eq!(
            send("application/json", bytes).expect(400).cause(),
            "INVALID_MSG_FORMAT"
        );
    }
    send("text/plain", b"{}").expect(415);
    send("application/json", &vec![b' '; 65 * 1024]).expect(413);
    let xml = shop
        .curl("GET", &path)
        .bearer(&shop.token())
        .header("Accept", "text/xml")
        .send();
    assert_eq!(xml.status, 406, "{xml:?}");
    assert_eq!(shop.list(), Vec::<Value>::new());
}

#[test]
fn a_party_sees_in_its_profile_what_it_was_granted() {
    let sandbox = Sandbox::start();
    let (shop, bolt) = (sandbox.shop(), sandbox.bolt());
    let profile = shop
        .get(&shop.path("ics-access", "profile"))
        .expect(200)
        .json();
    assert_eq!(profile["scsAsId"], shop.id);
    assert_eq!(profile["roles"], json!(["THIRD_PARTY_SP"]));
    assert_eq!(profile["services"], json!([shop.grant]));
    let agreements = profile["agreements"].as_array().expect("agreements");
    assert_eq!(agreements.len(), 2, "{profile}");
    assert!(
        agreements
            .iter()
            .all(|a| a["status"] == "ACTIVE" && a["consentMode"] == "ASSERTED")
    );
    let profile = bolt
        .get(&bolt.path("ics-access", "profile"))
        .expect(200)
        .json();
    assert_eq!(profile["roles"], json!(["IOT_SP"]));
    assert_eq!(
        profile["serialNamespaces"],
        json!([{ "prefix": bolt.grant }])
    );
    assert_eq!(profile["agreements"].as_array().map(Vec::len), Some(1));
}

#[test]
fn discovery_names_the_apis_the_document_and_the_key_of_callback_signatures() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let found = shop
        .curl("GET", "/.well-known/ics")
        .send()
        .expect(200)
        .json();
    let names: Vec<_> = found["apis"]
        .as_array()
        .expect("APIs")
        .iter()
        .map(|a| &a["name"])
        .collect();
    assert_eq!(
        names,
        [
            "ics-mapping",
            "ics-device-mapping",
            "ics-device",
            "ics-demapping",
            "ics-access",
            "ics-inquiry"
        ]
    );
    let jwk = &found["callbackSignature"]["jwk"];
    assert_eq!(
        (&jwk["kty"], &jwk["crv"]),
        (&json!("OKP"), &json!("Ed25519"))
    );
    assert!(jwk.get("d").is_none());
    let document = shop
        .curl("GET", found["openapi"].as_str().expect("a link"))
        .send()
        .expect(200)
        .json();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|v| v.starts_with("3.1")),
        "{}",
        document["openapi"]
    );
    for path in [
        "/ics-inquiry/v1/retrieve-by-device",
        "/ics-demapping/v1/{scsAsId}/demap",
        "/oauth2/token",
    ] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
    let metadata = found["authorizationServerMetadata"]
        .as_str()
        .expect("a link");
    let metadata = shop.curl("GET", metadata).send().expect(200).json();
    assert_eq!(metadata["issuer"], found["apiRoot"]);
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
}
