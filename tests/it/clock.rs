//! Time: what ends by itself, told to both sides; and a clock that was moved, which ends nothing
//! (spec/t8.md top and A.8; requirements Y15, Y17). The gateway's wall clock is libfaketime's.

use ics_tests::{Mapping, MovableClock, Party, Sandbox, eventually, fresh_device, wait_for};
use serde_json::{Value, json};

/// `ics-gateway status`, the member `clock`.
fn clock_of(sandbox: &Sandbox) -> Value {
    let status = sandbox.operator("GET", "/operator/v1/status", None);
    status.expect(200).json()["clock"].clone()
}

/// Moves the clock and waits until the gateway thinks `state` of it.
fn set(sandbox: &Sandbox, clock: &MovableClock, (offset, state): (&str, &str)) {
    clock.set(offset);
    eventually(state, || clock_of(sandbox)["state"] == state);
}

/// The operator says that the clock is right.
fn accept(sandbox: &Sandbox) {
    let accepted = sandbox.operator("POST", "/operator/v1/clock/accept", None);
    assert_eq!(accepted.expect(200).json()["state"], "trusted");
}

/// Waits until the sweeper has begun and ended a round, whatever it did in it.
fn let_sweeps_pass(sandbox: &Sandbox) {
    let rounds = || {
        let metrics = sandbox.operator("GET", "/operator/v1/metrics", None);
        let text = metrics.expect(200).body;
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("ics_sweeps_total "));
        line.and_then(|count| count.parse::<u64>().ok())
            .expect("a count")
    };
    let begin = rounds();
    // The one under way may have begun before.
    eventually("a whole sweep", || rounds() >= begin + 2);
}

/// An instant as many seconds from now on the right clock.
fn in_seconds(seconds: u64) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("+{seconds} seconds"), "+%FT%TZ"])
        .output();
    let text = String::from_utf8(output.expect("date").stdout).expect("UTF-8");
    text.trim().to_owned()
}

/// A row that is established, asked for with these members besides.
fn establish(shop: &Party, acme: &Party, service: &str, members: Value) -> Mapping {
    let uti = ics_tests::fresh_uuid();
    let mut request = shop.request(&shop.service(service), &uti, &acme.fresh_serial());
    for (name, value) in members.as_object().expect("an object") {
        request[name] = value.clone();
    }
    let answer = shop.post_mapping(&request).expect(201);
    let mapping = shop.follow(acme, &request, &answer);
    acme.accept(&mapping, &fresh_device()).expect(200);
    mapping
}

fn consent_until(end: &str) -> Value {
    json!({ "userConsent": {
        "consentId": "c-1", "grantedAt": "2026-01-01T00:00:00Z",
        "purpose": "dpv:RequestedServiceProvision", "expires": end,
    } })
}

/// The operator's view of a row: status, or nothing once it was purged.
fn operator_status(sandbox: &Sandbox, mapping: &Mapping) -> Option<String> {
    let path = format!("/operator/v1/mappings/{}", mapping.id());
    let answer = sandbox.operator("GET", &path, None);
    if answer.status == 404 {
        return None;
    }
    Some(answer.expect(200).json()["status"].as_str()?.to_owned())
}

/// What both sides were told of the end of a row.
fn told_demapped(parties: [&Party; 2], mapping: &Mapping, (cause, sub_cause): (&str, &str)) {
    for party in parties {
        let told = party
            .inbox
            .wait(&mapping.uti, "its end", |body| body["cause"] == cause);
        assert_eq!(told["subCause"], sub_cause, "{told}");
    }
}

#[test]
fn what_runs_out_ends_with_its_cause_and_both_sides_are_told() {
    let (sandbox, clock) = Sandbox::start_with_clock();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let end = in_seconds(3600);
    let uti = establish(&shop, &acme, "eggs", json!({ "utiExpiry": end }));
    let consent = establish(&shop, &acme, "milk", consent_until(&end));
    let kept = establish(&shop, &acme, "beer", json!({}));
    let pending = shop.ask(&acme, "wine");
    sandbox.settle();

    // Moved, not yet believed: nothing has ended, and what may have run out is not shown.
    set(&sandbox, &clock, ("+2h", "ahead"));
    let_sweeps_pass(&sandbox);
    for row in [&uti, &consent, &kept] {
        assert_eq!(shop.status(row), "ESTABLISHED");
    }
    assert_eq!(shop.status(&pending), "PENDING");
    shop.inquire(&uti.service, &uti.uti).expect(404);
    shop.inquire(&consent.service, &consent.uti).expect(404);
    shop.inquire(&kept.service, &kept.uti).expect(200);

    accept(&sandbox);
    let parties = [&shop, &acme];
    told_demapped(parties, &uti, ("UTI_INVALID", "EXPIRED"));
    let withdrawn = ("USER_AUTHORIZATION_WITHDRAWN", "CONSENT_EXPIRED");
    told_demapped(parties, &consent, withdrawn);
    // Tokens of before are over: two hours have passed.
    shop.get(&kept.own).expect(401);
    [&shop, &acme].into_iter().for_each(Party::forget_token);
    for row in [&uti, &consent] {
        assert_eq!(shop.status(row), "DELETED");
    }
    shop.inquire(&kept.service, &kept.uti).expect(200);
    // Y15: a UTI that was invalidated never comes back.
    let again = shop.request(&uti.service, &uti.uti, &uti.serial);
    assert_eq!(shop.post_mapping(&again).expect(409).cause(), "UTI_IN_USE");

    // The deadline of a request nobody answered.
    set(&sandbox, &clock, ("+26h", "ahead"));
    accept(&sandbox);
    let failed = |party: &Party| {
        party.inbox.wait(&pending.uti, "its failure", |body| {
            body["mappingStatus"] == "FAILED"
        })
    };
    assert_eq!(failed(&shop)["mappingCause"], "DEVICE_NOT_AVAILABLE");
    let undo = failed(&acme);
    assert_eq!(
        (&undo["mappingCause"], &undo["undo"]),
        (&json!("TIMED_OUT"), &json!(true))
    );
    sandbox.settle();

    // Retention: the tombstones go, what lives stays.
    set(&sandbox, &clock, ("+9d", "ahead"));
    for row in [&uti, &consent, &pending] {
        assert!(operator_status(&sandbox, row).is_some());
    }
    accept(&sandbox);
    for row in [&uti, &consent, &pending] {
        eventually("a purge", || operator_status(&sandbox, row).is_none());
    }
    let kept = operator_status(&sandbox, &kept);
    assert_eq!(kept.as_deref(), Some("ESTABLISHED"));
}

#[test]
fn a_moved_clock_ends_nothing_and_the_gateway_serves_on() {
    let (sandbox, clock) = Sandbox::start_with_clock();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let soon = in_seconds(7 * 86_400);
    let rows = [
        establish(&shop, &acme, "eggs", json!({ "utiExpiry": soon })),
        establish(&shop, &acme, "milk", consent_until(&soon)),
        establish(&shop, &acme, "beer", json!({})),
        shop.ask(&acme, "wine"),
    ];
    let ended = shop.establish(&acme, "cheese", &fresh_device());
    shop.demap("SERVICE_INVALID", &ended.key()).expect(200);
    sandbox.settle();
    let before = shop.list();
    let unchanged = |what: &str| {
        let_sweeps_pass(&sandbox);
        assert_eq!(shop.list(), before, "{what}");
    };

    set(&sandbox, &clock, ("+365d", "ahead"));
    unchanged("a year forward");
    let ready = sandbox.operator("GET", "/operator/v1/health/ready", None);
    let ready = ready.expect(200).json();
    assert_eq!(
        (&ready["status"], &ready["clock"]["state"]),
        (&json!("ready"), &json!("ahead"))
    );

    // A restart does not make it right.
    assert!(sandbox.stop().success());
    sandbox.spawn();
    [&shop, &acme].into_iter().for_each(Party::forget_token);
    assert_eq!(clock_of(&sandbox)["state"], "ahead");
    unchanged("restarted a year ahead");

    // Back, it is believed without a word.
    set(&sandbox, &clock, ("+0", "trusted"));
    unchanged("back again");
    shop.inquire(&rows[0].service, &rows[0].uti).expect(200);

    set(&sandbox, &clock, ("-365d", "behind"));
    unchanged("a year back");
    // Nothing is shut: tokens, rate limits, new rows.
    shop.forget_token();
    let row = shop.establish(&acme, "bread", &fresh_device());
    assert_eq!(shop.list().len(), before.len() + 1);
    let log = wait_for("the log", || {
        Some(sandbox.log()).filter(|log| !log.is_empty())
    });
    assert!(
        log.contains("wall clock moved and is not believed"),
        "{log}"
    );
    set(&sandbox, &clock, ("+0", "trusted"));
    // What its receiver, by the wrong clock, took for a certificate of the future.
    shop.inbox.wait(&row.uti, "a result", |body| {
        body["mappingStatus"] == "ESTABLISHED"
    });
}

#[test]
fn a_clock_set_back_and_accepted_leaves_no_eternal_token_and_nothing_stuck() {
    let (sandbox, clock) = Sandbox::start_with_clock();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let row = shop.ask(&acme, "eggs");
    set(&sandbox, &clock, ("-2m", "behind"));
    let token = shop.token();
    accept(&sandbox);
    // Issued two minutes from now: it would live as long, and ten minutes.
    let list = shop.path("ics-mapping", "mappings");
    shop.curl("GET", &list).bearer(&token).send().expect(401);
    [&shop, &acme].into_iter().for_each(Party::forget_token);
    acme.accept(&row, &fresh_device()).expect(200);
    shop.inbox.wait(&row.uti, "a result", |body| {
        body["mappingStatus"] == "ESTABLISHED"
    });
    sandbox.settle();
}
