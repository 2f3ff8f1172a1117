//! A suspended service provider is frozen: nothing answered, nothing deleted, nothing lost.

use ics_tests::{Dialer, Party, Sandbox, eventually, fresh_device, fresh_uuid};
use serde_json::{Value, json};

fn set(sandbox: &Sandbox, party: &Party, verb: &str) {
    let path = format!("/operator/v1/sps/{}/{verb}", party.id);
    sandbox.operator("POST", &path, None).expect(200);
}

/// How many notifications wait for `party`.
fn waiting(sandbox: &Sandbox, party: &Party) -> usize {
    let path = format!("/operator/v1/outbox?sp={}", party.id);
    let page = sandbox.operator("GET", &path, None).expect(200).json();
    page["items"].as_array().expect("a page").len()
}

#[test]
fn an_open_connection_of_a_suspended_party_is_refused_at_its_next_request_and_served_after_resuming()
 {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let token = shop.token();
    let list = shop.path("ics-mapping", "mappings");
    let mut open = Dialer::of(&shop).dial().expect("a connection");
    let mut ask = || open.call(("GET", &list), &token, None).expect("an answer");
    assert_eq!(ask().status, 200);
    set(&sandbox, &shop, "suspend");
    let refused = ask();
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.header("www-authenticate").is_some());
    shop.ask_token("").expect(401);
    shop.call("GET", &list, None).expect(401);
    set(&sandbox, &shop, "resume");
    // A connection may have been ended meanwhile; a new one is served.
    shop.forget_token();
    shop.call("GET", &list, None).expect(200);
}

#[test]
fn what_is_to_tell_a_suspended_iot_sp_waits_until_it_is_resumed() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (device, other) = (fresh_device(), fresh_device());
    let kept = shop.establish(&acme, "eggs", &device);
    let ended = shop.establish(&acme, "eggs", &other);
    let pending = shop.ask(&acme, "milk");
    sandbox.settle();
    let rows = shop.list();
    let received = acme.inbox.all().len();

    set(&sandbox, &acme, "suspend");
    acme.accept(&pending, &fresh_device()).expect(401);
    acme.inquire_device(&device).expect(401);
    assert_eq!(shop.list(), rows, "suspending changes no row");
    // Nothing new is asked of it; whoever asks learns nothing of the suspension.
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    assert_eq!(
        shop.post_mapping(&request).expect(404).cause(),
        "IOT_SP_NOT_FOUND"
    );
    request["iotSpId"] = acme.id.clone().into();
    assert_eq!(
        shop.post_mapping(&request).expect(403).cause(),
        "NO_AGREEMENT"
    );
    // The other side goes on with what is its own.
    shop.demap("SERVICE_INVALID", &ended.key()).expect(200);
    assert_eq!(waiting(&sandbox, &acme), 1);
    // A later message to somebody else arrives; nothing did here.
    let other = shop.establish(&sandbox.bolt(), "eggs", &fresh_device());
    sandbox
        .bolt()
        .inbox
        .wait(&other.uti, "a later message", |b| {
            b["mappingStatus"] == "ESTABLISHED"
        });
    assert_eq!(acme.inbox.all().len(), received);

    set(&sandbox, &acme, "resume");
    let told = acme.inbox.wait(&ended.uti, "the held notice", |body| {
        body.get("cause").is_some()
    });
    assert_eq!(told["cause"], "SERVICE_INVALID");
    acme.forget_token();
    acme.accept(&pending, &fresh_device()).expect(200);
    assert_eq!(
        acme.inquire_device(&device).expect(200).json()["mappings"][0]["uti"],
        kept.uti
    );
    sandbox.settle();
    assert_eq!(
        acme.inbox
            .about(&ended.uti)
            .iter()
            .filter(|b| b.get("cause").is_some())
            .count(),
        1
    );
}

#[test]
fn what_is_to_tell_a_suspended_third_party_waits_until_it_is_resumed() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    let kept = shop.establish(&acme, "eggs", &device);
    let ended = shop.establish(&acme, "milk", &fresh_device());
    sandbox.settle();
    let received = shop.inbox.all().len();

    set(&sandbox, &shop, "suspend");
    shop.inquire(&kept.service, &kept.uti).expect(401);
    acme.demap(
        "USER_AUTHORIZATION_WITHDRAWN",
        &json!({ "mapping": ended.assignment }),
    )
    .expect(200);
    assert_eq!(waiting(&sandbox, &shop), 1);
    let song = sandbox.music().establish(&acme, "polka", &fresh_device());
    sandbox
        .music()
        .inbox
        .wait(&song.uti, "a later message", |b| {
            b["mappingStatus"] == "ESTABLISHED"
        });
    assert_eq!(shop.inbox.all().len(), received);

    set(&sandbox, &shop, "resume");
    shop.inbox.wait(&ended.uti, "the held notice", |body| {
        body.get("cause").is_some()
    });
    shop.forget_token();
    assert_eq!(shop.status(&kept), "ESTABLISHED");
    assert_eq!(
        shop.inquire(&kept.service, &kept.uti).expect(200).json()["deviceId"],
        device
    );
}

#[test]
fn a_suspension_and_what_waits_for_its_end_outlive_a_restart() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let kept = shop.establish(&acme, "eggs", &fresh_device());
    let ended = shop.establish(&acme, "milk", &fresh_device());
    sandbox.settle();
    set(&sandbox, &shop, "suspend");
    acme.demap("SERVICE_INVALID", &json!({ "mapping": ended.assignment }))
        .expect(200);
    assert!(sandbox.stop().success());
    sandbox.spawn();
    shop.forget_token();
    shop.ask_token("").expect(401);
    assert_eq!(waiting(&sandbox, &shop), 1);
    set(&sandbox, &shop, "resume");
    shop.inbox.wait(&ended.uti, "the held notice", |body| {
        body.get("cause").is_some()
    });
    assert_eq!(shop.status(&kept), "ESTABLISHED");
}

#[test]
fn suspending_twice_and_resuming_twice_do_no_harm() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.establish(&acme, "eggs", &fresh_device());
    for verb in ["suspend", "suspend", "resume", "resume"] {
        set(&sandbox, &shop, verb);
    }
    eventually("the party being served again", || {
        shop.ask_token("").status == 200
    });
    shop.forget_token();
    assert_eq!(shop.status(&mapping), "ESTABLISHED");
    assert_eq!(shop.list().len(), 1);
    let nobody: Option<&Value> = None;
    sandbox
        .operator("POST", "/operator/v1/sps/nobody/suspend", nobody)
        .expect(404);
}
