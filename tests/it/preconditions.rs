//! Y.4462 7.4: without agreement, consent and a service of one's own nothing is stored and nothing
//! is pushed.

use ics_tests::{Answer, Domain, Mapping, Party, Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

/// What the four parties have and have received.
fn picture(sandbox: &Sandbox) -> (Vec<Value>, Vec<Value>, Vec<usize>) {
    sandbox.settle();
    let (shop, music) = (sandbox.shop(), sandbox.music());
    let parties = [&shop, &music, &sandbox.acme(), &sandbox.bolt()].map(|p| p.inbox.all().len());
    (shop.list(), music.list(), parties.to_vec())
}

/// Asks, and sees that the refusal left no trace.
#[track_caller]
fn refused(sandbox: &Sandbox, caller: &Party, request: &Value, status: u16) -> Answer {
    let before = picture(sandbox);
    let answer = caller.post_mapping(request).expect(status);
    assert_eq!(picture(sandbox), before, "a refused request left something");
    let uti = request["uti"].as_str().expect("a UTI");
    let service = request["serviceUri"].as_str().expect("a service URI");
    let found = caller.inquire(service, uti);
    assert!(matches!(found.status, 400 | 404), "{found:?}");
    answer
}

fn agreement_of(sandbox: &Sandbox, iot_sp: &Party, third_party_sp: &Party) -> String {
    let all = sandbox
        .operator("GET", "/operator/v1/agreements", None)
        .expect(200)
        .json();
    let found = all["items"]
        .as_array()
        .expect("a page")
        .iter()
        .find(|agreement| {
            agreement["iotSpId"] == iot_sp.id && agreement["thirdPartySpId"] == third_party_sp.id
        });
    found.expect("an agreement")["agreementId"]
        .as_str()
        .expect("an id")
        .to_owned()
}

#[test]
fn without_an_agreement_there_is_no_mapping() {
    let sandbox = Sandbox::start();
    let (music, bolt) = (sandbox.music(), sandbox.bolt());
    let service = music.service("polka");
    let mut request = music.request(&service, &fresh_uuid(), &bolt.fresh_serial());
    request["iotSpId"] = bolt.id.clone().into();
    assert_eq!(
        refused(&sandbox, &music, &request, 403).cause(),
        "NO_AGREEMENT"
    );
}

#[test]
fn without_consent_there_is_no_mapping() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let good = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    let mut without = good.clone();
    without
        .as_object_mut()
        .expect("an object")
        .remove("userConsent");
    assert_eq!(
        refused(&sandbox, &shop, &without, 403).cause(),
        "CONSENT_REQUIRED"
    );
    for (member, time) in [
        ("expires", "2026-01-02T00:00:00Z"),
        ("grantedAt", "2999-01-01T00:00:00Z"),
    ] {
        let mut request = good.clone();
        request["userConsent"][member] = time.into();
        assert_eq!(
            refused(&sandbox, &shop, &request, 403).cause(),
            "CONSENT_REQUIRED",
            "{member}"
        );
    }
}

#[test]
fn a_service_of_another_is_not_mapped() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let foreign = [
        sandbox.music().service("polka"),
        format!("{}-evil/eggs", shop.grant),
        "https://shop.example.evil.example/services/eggs".to_owned(),
        "http://shop.example/services/eggs".to_owned(),
    ];
    for service in foreign {
        let request = shop.request(&service, &fresh_uuid(), &acme.fresh_serial());
        assert_eq!(
            refused(&sandbox, &shop, &request, 403).cause(),
            "SERVICE_NOT_OWNED",
            "{service}"
        );
    }
    let climbing = shop.request(
        &format!("{}/../admin", shop.grant),
        &fresh_uuid(),
        &acme.fresh_serial(),
    );
    refused(&sandbox, &shop, &climbing, 400);
}

#[test]
fn a_third_party_does_not_say_which_device_it_is() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for (member, value) in [
        ("deviceId", json!(fresh_device())),
        ("mappingStatus", json!("ESTABLISHED")),
    ] {
        let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
        request[member] = value;
        refused(&sandbox, &shop, &request, 400);
    }
}

#[test]
fn notifications_go_where_the_operator_pinned_them_alone() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let inbox = sandbox.env("ICS_INBOX_URL").to_owned();
    for elsewhere in [
        "https://127.0.0.1:1/cb",
        "https://evil.example/cb",
        inbox.as_str(),
        "https://u@127.0.0.1/",
    ] {
        let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
        request["notificationDestination"] = elsewhere.into();
        assert_eq!(
            refused(&sandbox, &shop, &request, 400).cause(),
            "MANDATORY_IE_INCORRECT"
        );
    }
}

#[test]
fn times_that_lie_in_the_past_or_outside_the_range_are_refused() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let wrong = [
        ("utiExpiry", json!("2026-01-01T00:00:00Z")),
        ("utiExpiry", json!("tomorrow")),
        ("validityPeriod", json!(59)),
        ("validityPeriod", json!(31 * 24 * 3600)),
        ("validityPeriod", json!(-1)),
    ];
    for (member, value) in wrong {
        let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
        request[member] = value;
        assert_eq!(
            refused(&sandbox, &shop, &request, 400).cause(),
            "OPTIONAL_IE_INCORRECT",
            "{member}"
        );
    }
}

#[test]
fn an_agreement_that_ends_takes_its_rows_and_lets_nothing_new_in() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let established = shop.establish(&acme, "eggs", &device);
    let pending = shop.ask(&acme, "milk");
    let of_another = shop.establish(&sandbox.bolt(), "eggs", &fresh_device());
    let id = agreement_of(&sandbox, &acme, &shop);
    let end = format!("/operator/v1/agreements/{id}/end");

    let asked = sandbox
        .operator("POST", &end, Some(&json!({})))
        .expect(409)
        .json();
    assert_eq!(
        (&asked["cause"], &asked["affectedMappings"]),
        (&json!("CONFIRMATION_REQUIRED"), &json!(2))
    );
    assert_eq!(shop.status(&established), "ESTABLISHED");
    let ended = sandbox
        .operator("POST", &end, Some(&json!({ "confirm": true })))
        .expect(200)
        .json();
    assert_eq!(
        (&ended["agreement"]["status"], &ended["demapped"]),
        (&json!("ENDED"), &json!(2))
    );

    told_by_the_service(&shop, &established);
    told_by_the_service(&acme, &established);
    let undo = acme
        .inbox
        .wait(&pending.uti, "the undo", |body| body["undo"] == true);
    assert_eq!(undo["mappingStatus"], "DELETED");
    shop.inbox.wait(&pending.uti, "the end", |body| {
        body["mappingStatus"] == "DELETED"
    });
    for mapping in [&established, &pending] {
        assert_eq!(shop.status(mapping), "DELETED");
        shop.inquire(&mapping.service, &mapping.uti).expect(404);
    }
    acme.inquire_device(&device).expect(404);
    acme.accept(&pending, &device).expect(409);

    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    assert_eq!(
        refused(&sandbox, &shop, &request, 404).cause(),
        "IOT_SP_NOT_FOUND"
    );
    request["iotSpId"] = acme.id.clone().into();
    assert_eq!(
        refused(&sandbox, &shop, &request, 403).cause(),
        "NO_AGREEMENT"
    );
    shop.inquire(&of_another.service, &of_another.uti)
        .expect(200);
}

fn told_by_the_service(party: &Party, mapping: &Mapping) {
    let told = party
        .inbox
        .wait(&mapping.uti, "the end", |body| body.get("cause").is_some());
    assert_eq!(told["cause"], "SERVICE_INVALID");
}

#[test]
fn a_party_that_is_removed_takes_its_rows_with_it() {
    let sandbox = Sandbox::start();
    let (shop, music, acme) = (sandbox.shop(), sandbox.music(), sandbox.acme());
    let egg = shop.establish(&acme, "eggs", &fresh_device());
    let song = music.establish(&acme, "polka", &fresh_device());
    let path = format!("/operator/v1/sps/{}/remove", music.id);
    sandbox
        .operator("POST", &path, Some(&json!({})))
        .expect(409);
    let removed = sandbox
        .operator("POST", &path, Some(&json!({ "confirm": true })))
        .expect(200)
        .json();
    assert_eq!(
        (&removed["demapped"], &removed["sp"]["status"]),
        (&json!(1), &json!("REMOVED"))
    );
    told_by_the_service(&acme, &song);
    music.get(&song.own).expect(401);
    music.ask_token("").expect(401);
    let back = format!("/operator/v1/sps/{}/resume", music.id);
    sandbox.operator("POST", &back, None).expect(409);
    shop.inquire(&egg.service, &egg.uti).expect(200);
}

/// A shop, an IoT SP, and an agreement of the two with that mode of consent.
fn agreed(domain: &Domain, mode: &str) -> (Party, Party) {
    let mut acme = domain.onboard(&json!({ "id": "acme", "roles": ["IOT_SP"],
        "serialNamespaces": [{ "prefix": "ACME-" }], "callbackOrigins": ["https://acme.example"] }));
    acme.grant = "ACME-".into();
    let mut shop = domain.onboard(&json!({ "id": "shop", "roles": ["THIRD_PARTY_SP"],
        "services": ["https://shop.example/services"],
        "callbackOrigins": ["https://shop.example"] }));
    shop.grant = "https://shop.example/services".into();
    shop.callback = "https://shop.example/callback".into();
    let terms = json!({ "iotSpId": "acme", "thirdPartySpId": "shop", "consentMode": mode });
    let agreements = "/operator/v1/agreements";
    domain
        .operator("POST", agreements, Some(&terms))
        .expect(201);
    (acme, shop)
}

#[test]
fn an_iot_sp_that_confirms_is_told_what_it_owes_and_its_acceptance_brings_it() {
    let domain = Domain::start(|text| text);
    let (acme, shop) = agreed(&domain, "IOT_SP_CONFIRM");
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    request
        .as_object_mut()
        .expect("an object")
        .remove("userConsent");
    shop.post_mapping(&request).expect(201);
    let list = acme.path("ics-device-mapping", "assignments");
    let waiting = acme.get(&list).expect(200).json();
    assert_eq!(waiting[0]["consentOwed"], true, "{waiting}");
    assert!(waiting[0].get("ownerOwed").is_none(), "{waiting}");
    let link = waiting[0]["self"].as_str().expect("a link");
    let (_, id) = link.rsplit_once('/').expect("an id");
    let own = format!("{list}/{id}");
    let rejected = json!({ "result": "REJECTED", "cause": "USER_REFUSED",
        "userConsent": request["userConsent"] });
    acme.put(&own, &rejected).expect(400);
    let accepted = json!({ "result": "ACCEPTED", "deviceId": fresh_device(),
        "ownerSubject": "ada", "userConsent": { "consentId": "acme-77",
        "grantedAt": "2026-01-01T00:00:00Z", "purpose": "dpv:RequestedServiceProvision" } });
    let answered = acme.put(&own, &accepted).expect(200).json();
    assert_eq!(answered["mappingStatus"], "ESTABLISHED");
    let kept = acme.get(&own).expect(200).json();
    assert_eq!(kept["consent"]["id"], "acme-77", "{kept}");
    assert!(kept.get("consentOwed").is_none(), "{kept}");
}

#[test]
fn where_the_gateway_is_to_ask_users_nobody_can_be_asked_yet() {
    let domain = Domain::start(|text| text);
    let (acme, shop) = agreed(&domain, "AUTH_CODE");
    let request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    let refused = shop.post_mapping(&request).expect(403);
    assert_eq!(refused.cause(), "CONSENT_REQUIRED");
    let pushed = shop
        .curl("POST", "/oauth2/par")
        .form("response_type=code")
        .send()
        .expect(400);
    assert_eq!(pushed.json()["error"], "unsupported_response_type");
    let metadata = "/.well-known/oauth-authorization-server";
    let told = shop.curl("GET", metadata).send().expect(200).json();
    assert!(told.get("authorization_endpoint").is_none(), "{told}");
    assert_eq!(told["grant_types_supported"], json!(["client_credentials"]));
}
