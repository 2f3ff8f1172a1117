//! AEs and devices that register at the gateway itself (Mca), with curl: pairs of request and answer.

use ics_tests::{OneM2mAnswer, OneM2mClient, PointOfAccess, Sandbox};
use serde_json::{Value, json};

/// One request, and the code of its answer.
type Pair<'a> = (&'a str, &'a str, Option<Value>, u16);

/// `POST 3`: a CREATE of a container.
#[track_caller]
fn ask(client: &OneM2mClient, (how, to, content, rsc): Pair<'_>) -> OneM2mAnswer {
    let (method, ty) = how.split_once(' ').unwrap_or((how, ""));
    let mut request = client.request(method, to);
    if let Some(content) = &content {
        request = match ty.parse() {
            Ok(ty) => request.typed(ty, content),
            Err(_) => request.content(content),
        };
    }
    let answer = request.send();
    assert_eq!(answer.rsc, rsc, "{how} {to} {content:?}: {answer:?}");
    answer
}

#[track_caller]
fn ask_all(client: &OneM2mClient, pairs: &[Pair<'_>]) {
    for pair in pairs {
        ask(client, pair.clone());
    }
}

fn ae(name: &str) -> Option<Value> {
    Some(json!({"m2m:ae": {"rn": name, "api": "N.org.example.test", "rr": false, "srv": ["4"]}}))
}

fn cnt(name: &str) -> Option<Value> {
    Some(json!({"m2m:cnt": {"rn": name}}))
}

fn cin(content: &str) -> Option<Value> {
    Some(json!({"m2m:cin": {"con": content}}))
}

#[test]
fn the_base_is_there_for_the_admin_in_every_form_of_address() {
    let sandbox = Sandbox::start();
    let admin = sandbox.cse();
    for to in [
        "ics",
        "-",
        "id-ics",
        "/id-ics/ics",
        "/id-ics/-",
        "//ics.example/id-ics/ics",
        "//ics.example/id-ics/-",
    ] {
        let base = ask(&admin, ("GET", to, None, 2000)).member("m2m:cb");
        assert_eq!(base["csi"], "/id-ics", "{to}");
        assert_eq!(base["ty"], 5, "{to}");
        let types = base["srt"].as_array().expect("types");
        for ty in [1, 2, 3, 4, 5, 16, 23, 28] {
            assert!(types.contains(&json!(ty)), "{ty}: {base}");
        }
    }
    ask_all(
        &admin,
        &[
            ("GET", "ics/nothing", None, 4004),
            ("GET", "nothing", None, 4004),
            ("GET", "/id-other/ics", None, 4004),
            ("GET", "ics/", None, 4000),
            ("DELETE", "ics", None, 4005),
            ("GET", "ics?fu=9", None, 4000),
            ("GET", "ics?rcn=2", None, 4000),
        ],
    );
    for release in ["1", "99"] {
        ask(&admin.release(release), ("GET", "ics", None, 4001));
    }
    for release in ["2a", "3", "4", "5"] {
        ask(&admin.release(release), ("GET", "ics", None, 2000));
    }
    ask(&admin.originator("Cstranger"), ("GET", "ics", None, 4103));
    ask(&admin.anonymous(), ("GET", "ics", None, 4000));
}

#[test]
fn an_ae_registers_keeps_things_and_leaves() {
    let sandbox = Sandbox::start();
    let admin = sandbox.cse();
    // A name of the CSE's choice, or of the AE's.
    for chosen in ["C", "S", ""] {
        let made = ask(
            &admin.originator(chosen),
            ("POST 2", "ics", ae(&format!("x{chosen}")), 2001),
        );
        let id = made.member("m2m:ae")["aei"]
            .as_str()
            .expect("an AE-ID")
            .to_owned();
        let first = if chosen == "S" { 'S' } else { 'C' };
        assert!(id.starts_with(first) && id.len() > 1, "{id}");
    }
    let lock = admin.originator("Clock");
    let made = ask(&lock, ("POST 2", "ics", ae("lock"), 2001));
    assert_eq!(made.member("m2m:ae")["aei"], "Clock");
    assert_eq!(made.http.status, 201);
    ask_all(
        &lock,
        &[
            ("POST 2", "ics", ae("lock"), 4117),
            ("POST 2", "ics", ae("again"), 4117),
        ],
    );
    ask(
        &admin.originator("Cthief"),
        ("POST 2", "ics", ae("lock"), 4105),
    );
    ask(
        &admin.originator("Xlock"),
        ("POST 2", "ics", ae("wrong"), 4107),
    );
    ask_all(
        &lock,
        &[
            ("POST 3", "ics/lock", cnt("state"), 2001),
            ("POST 3", "ics/lock", cnt("state"), 4105),
            ("POST 4", "ics/lock", cin("x"), 4108),
            ("GET", "ics/lock/state/la", None, 4004),
            ("POST 4", "ics/lock/state", cin("shut"), 2001),
            ("POST 4", "ics/lock/state", cin("open"), 2001),
            (
                "PUT",
                "ics/lock/state",
                Some(json!({"m2m:cnt": {"mni": 1}})),
                2004,
            ),
            (
                "PUT",
                "ics/lock/state",
                Some(json!({"m2m:cnt": {"ty": 4}})),
                4000,
            ),
            (
                "PUT",
                "ics/lock/state",
                Some(json!({"m2m:cnt": {"unknown": 4}})),
                4000,
            ),
            (
                "PUT",
                "ics/lock/state/la",
                Some(json!({"m2m:cin": {"con": "x"}})),
                4005,
            ),
        ],
    );
    let newest = ask(&lock, ("GET", "ics/lock/state/la", None, 2000));
    assert_eq!(newest.member("m2m:cin")["con"], "open");
    let oldest = ask(&lock, ("GET", "ics/lock/state/ol", None, 2000));
    assert_eq!(
        oldest.member("m2m:cin")["con"],
        "open",
        "one alone was left"
    );
    let found = ask(&lock, ("GET", "ics/lock?fu=1&ty=4", None, 2000));
    assert_eq!(found.member("m2m:uril").as_array().map(Vec::len), Some(1));
    let other = admin.originator("Cother");
    ask(&other, ("POST 2", "ics", ae("other"), 2001));
    ask_all(
        &other,
        &[
            ("GET", "ics/lock", None, 4103),
            ("POST 3", "ics/lock", cnt("mine"), 4103),
            ("DELETE", "ics/lock/state", None, 4103),
        ],
    );
    ask(&lock, ("DELETE", "ics/lock", None, 2002));
    ask(&admin, ("GET", "ics/lock/state", None, 4004));
}

#[test]
fn a_subscription_is_verified_tells_and_says_goodbye() {
    let sandbox = Sandbox::start();
    let lock = sandbox.cse().originator("Clock");
    ask(&lock, ("POST 2", "ics", ae("lock"), 2001));
    ask(&lock, ("POST 3", "ics/lock", cnt("state"), 2001));
    let target = PointOfAccess::open();
    let watch = |net: Value| {
        Some(json!({"m2m:sub": {
            "rn": "watch", "nu": [target.url()], "su": target.url(), "nct": 1, "enc": {"net": net},
        }}))
    };
    target.refuse(4103);
    ask(
        &lock,
        ("POST 23", "ics/lock/state", watch(json!([3])), 5204),
    );
    ask(&lock, ("GET", "ics/lock/state/watch", None, 4004));
    target.accept();
    ask(
        &lock,
        ("POST 23", "ics/lock/state", watch(json!([1, 2, 3])), 2001),
    );
    target.notified("the verification", |told| told["vrq"] == true);
    ask(&lock, ("POST 4", "ics/lock/state", cin("open"), 2001));
    let told = target.notified("the instance", |told| told["nev"]["net"] == 3);
    assert_eq!(told["nev"]["rep"]["m2m:cin"]["con"], "open");
    ask(
        &lock,
        (
            "PUT",
            "ics/lock/state",
            Some(json!({"m2m:cnt": {"lbl": ["x"]}})),
            2004,
        ),
    );
    target.notified("the change", |told| told["nev"]["net"] == 1);
    ask(&lock, ("DELETE", "ics/lock/state/watch", None, 2002));
    target.notified("the end", |told| told["sud"] == true);
}

#[test]
fn what_aes_keep_outlives_the_gateway() {
    let sandbox = Sandbox::start();
    let lock = sandbox.cse().originator("Clock");
    ask(&lock, ("POST 2", "ics", ae("lock"), 2001));
    ask(&lock, ("POST 3", "ics/lock", cnt("state"), 2001));
    ask(&lock, ("POST 4", "ics/lock/state", cin("open"), 2001));
    let before = ask(&lock, ("GET", "ics/lock?rcn=4", None, 2000)).content();
    sandbox.kill();
    sandbox.spawn();
    let after = ask(&lock, ("GET", "ics/lock?rcn=4", None, 2000)).content();
    assert_eq!(after, before);
    ask(&lock, ("DELETE", "ics/lock", None, 2002));
    sandbox.kill();
    sandbox.spawn();
    ask(&sandbox.cse(), ("GET", "ics/lock", None, 4004));
}
