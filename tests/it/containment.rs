//! What looks like an IMSI, an IMEI, a telephone number or a mail address goes nowhere; a serial
//! number, whatever it looks like, goes to the chosen IoT SP and nowhere else.

use std::path::{Path, PathBuf};

use ics_tests::{Answer, Domain, Mapping, Reply, Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

/// Shapes of permanent identifiers, with what must not be seen of each anywhere.
const SHAPES: [(&str, &str); 16] = [
    ("262011234567890", "262011234567890"),
    ("imsi-262011234567890", "262011234567890"),
    ("IMSI-262011234567890", "262011234567890"),
    ("%32%36%32011234567890", "011234567890"),
    ("nai-1user.name.of.somebody", "user.name.of.somebody"),
    ("suci-0-262-01-0-0-0-1234567890", "1234567890"),
    ("490154203237518", "490154203237518"),
    ("imei-490154203237518", "490154203237518"),
    ("imeisv-4901542032375186", "4901542032375186"),
    ("+4917112345678901", "17112345678901"),
    ("msisdn-4917112345678", "4917112345678"),
    ("id-4917112345678901-x", "4917112345678901"),
    ("tel:+49-171-1234567", "171-1234567"),
    ("gertrud.mustermann@example.org", "gertrud.mustermann"),
    ("gertrud.mustermann%40example.org", "gertrud.mustermann"),
    ("gertrud.mustermann%2540example.org", "gertrud.mustermann"),
];

/// All header fields and the body, as one text.
fn whole(answer: &Answer) -> String {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"));
    headers.chain([answer.body.clone()]).collect()
}

#[track_caller]
fn is_contained(answer: &Answer, secret: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(
        answer.cause(),
        "PERMANENT_ID_NOT_ALLOWED",
        "{secret}: {answer:?}"
    );
    assert!(!whole(answer).contains(secret), "{answer:?}");
}

#[test]
fn a_uti_that_looks_like_a_permanent_identifier_is_refused_unseen() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for (shape, secret) in SHAPES {
        let service = shop.service("eggs");
        let request = shop.request(&service, shape, &acme.fresh_serial());
        is_contained(&shop.post_mapping(&request), secret);
        is_contained(&shop.inquire(&service, shape), secret);
        is_contained(&shop.demap("UTI_INVALID", &json!({ "uti": shape })), secret);
    }
    assert_eq!(shop.list(), Vec::<Value>::new());
    nothing_is_kept(&sandbox);
}

#[test]
fn a_device_id_that_looks_like_a_permanent_identifier_is_refused_unseen() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.ask(&acme, "eggs");
    for (shape, secret) in SHAPES {
        is_contained(&acme.accept(&mapping, shape), secret);
        is_contained(&acme.inquire_device(shape), secret);
        is_contained(
            &acme.demap("DEVICE_UNREGISTERED", &json!({ "deviceId": shape })),
            secret,
        );
    }
    assert_eq!(shop.status(&mapping), "PENDING");
    nothing_is_kept(&sandbox);
}

#[test]
fn a_service_uri_that_holds_a_permanent_identifier_is_refused_unseen() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.ask(&acme, "eggs");
    for (shape, secret) in SHAPES {
        for service in [
            shop.service(shape),
            format!("{}?of={shape}", shop.service("eggs")),
        ] {
            let request = shop.request(&service, &fresh_uuid(), &acme.fresh_serial());
            is_contained(&shop.post_mapping(&request), secret);
            is_contained(&shop.inquire(&service, &mapping.uti), secret);
            is_contained(
                &shop.demap("SERVICE_INVALID", &json!({ "serviceUri": service })),
                secret,
            );
        }
    }
    nothing_is_kept(&sandbox);
}

#[test]
fn other_texts_of_a_request_hold_no_permanent_identifier_either() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let imsi = "262011234567890";
    let set = |pointer: &str, value: &str| {
        let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
        request["userConsent"]["subject"] = "pseudonym".into();
        request["deviceVendor"] = "acme".into();
        request["deviceModel"] = "Fridge".into();
        *request.pointer_mut(pointer).expect("a member") = value.into();
        request
    };
    shop.post_mapping(&set("/deviceModel", "Fridge"))
        .expect(201);
    let members = [
        "/deviceVendor",
        "/deviceModel",
        "/userConsent/consentId",
        "/userConsent/subject",
        "/userConsent/purpose",
    ];
    for member in members {
        is_contained(&shop.post_mapping(&set(member, imsi)), imsi);
    }
    let destination = format!("{}/{imsi}", shop.callback);
    is_contained(
        &shop.post_mapping(&set("/notificationDestination", &destination)),
        imsi,
    );
    let mapping = shop.ask(&acme, "eggs");
    is_contained(&acme.reject(&mapping, &format!("IMSI_{imsi}")), imsi);
    nothing_is_kept(&sandbox);
}

#[test]
fn what_a_refused_body_or_path_held_is_neither_echoed_nor_logged() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let imsi = "262011234567890";
    let path = shop.path("ics-mapping", "mappings");
    let send = |body: &str| {
        let curl = shop.curl("POST", &path).bearer(&shop.token());
        curl.header("Content-Type", "application/json")
            .bytes(body.as_bytes())
            .send()
    };
    let bodies = [
        format!("{{\"{imsi}\": 1}}"),
        format!("{{\"uti\": {imsi}}}"),
        format!("{{\"uti\": \"{imsi}"),
        format!("\"{imsi}\""),
        imsi.to_owned(),
    ];
    for body in bodies {
        let answer = send(&body).expect(400);
        assert!(!whole(&answer).contains(imsi), "{answer:?}");
    }
    for target in [
        format!("{path}/{imsi}"),
        format!("/{imsi}"),
        format!("{path}?{imsi}={imsi}"),
        format!("/ics-mapping/v1/{imsi}/mappings"),
    ] {
        let answer = shop.get(&target);
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(!whole(&answer).contains(imsi), "{answer:?}");
    }
    let odd = shop.call(&format!("M{imsi}"), &path, None);
    assert!(odd.status >= 400 && !whole(&odd).contains(imsi), "{odd:?}");
    nothing_is_kept(&sandbox);
}

/// None of the digits and names of [`SHAPES`] is in the log or in any file.
fn nothing_is_kept(sandbox: &Sandbox) {
    let secrets: Vec<&str> = SHAPES.iter().map(|(_, secret)| *secret).collect();
    assert!(sandbox.log().contains("POST"), "the log has lines");
    for secret in secrets {
        assert_eq!(
            files_with(sandbox, secret),
            Vec::<PathBuf>::new(),
            "{secret}"
        );
    }
}

/// The files of a sandbox that hold `text`: store, log, configuration, everything.
fn files_with(sandbox: &Sandbox, text: &str) -> Vec<PathBuf> {
    files_below(sandbox.dir(), text)
}

fn files_below(folder: &Path, text: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found)
            } else {
                found.push(path)
            }
        }
    }
    let mut files = Vec::new();
    walk(folder, &mut files);
    assert!(files.len() > 10, "{files:?}");
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    files.retain(holds);
    files
}

#[test]
fn an_all_digit_serial_number_is_seen_in_the_push_to_the_chosen_iot_sp_alone() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for serial in ["490154203237518", "262017000000042", "4917100000042"] {
        let mut seen = String::new();
        let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), serial);
        request["iotSpId"] = acme.id.clone().into();
        let answer = shop.post_mapping(&request).expect(201);
        seen += &whole(&answer);
        seen += &whole(&shop.post_mapping(&request).expect(200));
        let mapping = shop.follow(&acme, &request, &answer);
        let push = acme
            .inbox
            .wait(&mapping.uti, "the push", |b| b.get("assignment").is_some());
        assert_eq!(push["deviceSerialNumber"], serial);
        seen += &look_around(&sandbox, &mapping);
        seen += &whole(&acme.accept(&mapping, &fresh_device()).expect(200));
        seen += &whole(&acme.get(&mapping.assignment).expect(200));
        seen += &look_around(&sandbox, &mapping);
        sandbox.settle();
        let others = [
            shop.inbox.all(),
            sandbox.music().inbox.all(),
            sandbox.bolt().inbox.all(),
        ];
        seen += &format!("{others:?}");
        let pushes = acme
            .inbox
            .all()
            .into_iter()
            .filter(|n| n.to_string().contains(serial));
        assert_eq!(pushes.count(), 1, "in one message, once");
        assert!(!seen.contains(serial), "{seen}");
        assert_eq!(files_with(&sandbox, serial), Vec::<PathBuf>::new());
    }
}

/// What the third party and the operator see of a row.
fn look_around(sandbox: &Sandbox, mapping: &Mapping) -> String {
    let shop = sandbox.shop();
    let mut seen = whole(&shop.get(&mapping.own).expect(200));
    seen += &format!("{:?}", shop.list());
    seen += &whole(&shop.inquire(&mapping.service, &mapping.uti));
    for path in [
        "mappings".to_owned(),
        format!("mappings/{}", mapping.id()),
        "outbox".to_owned(),
        "status".to_owned(),
    ] {
        let answer = sandbox
            .operator("GET", &format!("/operator/v1/{path}"), None)
            .expect(200);
        seen += &whole(&answer);
    }
    seen
}

#[test]
fn a_serial_number_that_waits_to_be_pulled_is_readable_by_its_iot_sp_alone() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let serial = "490154203237518";
    let path = acme.path("ics-device-mapping", "subscriptions");
    let own = acme.get(&path).expect(200).json()[0]["self"].clone();
    acme.delete(own.as_str().expect("a link")).expect(204);
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), serial);
    request["iotSpId"] = acme.id.clone().into();
    let answer = shop.post_mapping(&request).expect(201);
    let mapping = shop.follow(&acme, &request, &answer);
    assert!(!look_around(&sandbox, &mapping).contains(serial));
    assert_eq!(files_with(&sandbox, serial), Vec::<PathBuf>::new());
    let open = acme.get(&mapping.assignment).expect(200).json();
    assert_eq!(open["deviceSerialNumber"], serial);
    assert!(sandbox.stop().success());
    assert_eq!(files_with(&sandbox, serial), Vec::<PathBuf>::new());
}

#[test]
fn a_serial_number_that_waits_to_be_pushed_is_readable_by_its_iot_sp_alone() {
    let domain = Domain::start(|text| {
        text.replace(
            "allowed_networks = []",
            "allowed_networks = [\"127.0.0.0/8\"]",
        )
    });
    let receiver = domain.receiver();
    receiver.answer(|_| Reply::status(503));
    let party = |id: &str, role: &str, grant: &str, what: Value| {
        domain.onboard(&json!({
            "id": id, "roles": [role], grant: [what], "callbackOrigins": [receiver.origin()],
        }))
    };
    let shop = party(
        "shop",
        "THIRD_PARTY_SP",
        "services",
        json!("https://shop.example"),
    );
    let acme = party(
        "acme",
        "IOT_SP",
        "serialNamespaces",
        json!({ "prefix": "4901" }),
    );
    domain.agree(&acme, &shop);
    let destination = json!({ "notificationDestination": format!("{}/in", receiver.origin()) });
    acme.post(
        &acme.path("ics-device-mapping", "subscriptions"),
        &destination,
    )
    .expect(201);
    let serial = "490154203237518";
    let mut request = shop.request("https://shop.example/eggs", &fresh_uuid(), serial);
    request["notificationDestination"] = destination["notificationDestination"].clone();
    shop.post_mapping(&request).expect(201);
    let push = receiver.wait("the push", |push| {
        push.body()["deviceSerialNumber"] == serial
    });
    assert_eq!(push.answered, 503);
    let waiting = domain
        .operator("GET", "/operator/v1/outbox", None)
        .expect(200);
    assert_eq!(waiting.json()["items"][0]["kind"], "ASSIGNMENT");
    assert!(!whole(&waiting).contains(serial));
    assert!(!domain.log().contains(serial));
    assert_eq!(files_below(&domain.dir(), serial), Vec::<PathBuf>::new());
}

#[test]
fn a_serial_number_is_not_in_the_log_whatever_becomes_of_its_request() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let serial = "490154203237518";
    for iot_sp in ["nobody", &shop.id, &acme.id] {
        let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), serial);
        request["iotSpId"] = iot_sp.into();
        request["colour"] = "red".into();
        assert!(!whole(&shop.post_mapping(&request).expect(400)).contains(serial));
        request.as_object_mut().expect("an object").remove("colour");
        let answer = shop.post_mapping(&request);
        assert!(!whole(&answer).contains(serial), "{answer:?}");
        if answer.status == 201 {
            let mapping = shop.follow(&acme, &request, &answer);
            acme.reject(&mapping, "SERIAL_NUMBER_UNKNOWN").expect(200);
            shop.inbox.wait(&mapping.uti, "the failure", |b| {
                b["mappingStatus"] == "FAILED"
            });
        }
    }
    assert_eq!(files_with(&sandbox, serial), Vec::<PathBuf>::new());
}
