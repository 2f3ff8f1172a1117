//! Whoever did not hear the answer asks again: nothing happens twice.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use ics_tests::{Sandbox, fresh_device, fresh_uuid};
use serde_json::{Value, json};

#[test]
fn the_same_mapping_request_twice_is_one_row_and_one_push() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mut request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
    let first = shop.post_mapping(&request).expect(201);
    let mapping = shop.follow(&acme, &request, &first);
    let again = shop.post_mapping(&request).expect(200);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.json()["self"], mapping.own);
    // Only (SP, service URI, UTI, serial number) are compared.
    request["validityPeriod"] = 600.into();
    request["requestTestNotification"] = true.into();
    let amended = shop.post_mapping(&request).expect(200).json();
    assert_eq!(amended["self"], mapping.own);
    assert_ne!(amended["validityPeriod"], 600);
    sandbox.settle();
    let received = acme.inbox.about(&mapping.uti);
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(shop.inbox.all().len(), 0);
    // Established meanwhile: still the same row.
    acme.accept(&mapping, &fresh_device()).expect(200);
    let late = shop.post_mapping(&request).expect(200).json();
    assert_eq!(
        (&late["self"], &late["mappingStatus"]),
        (&json!(mapping.own), &json!("ESTABLISHED"))
    );
    assert_eq!(shop.list().len(), 1);
}

#[test]
fn the_same_request_from_many_at_once_is_one_row_and_one_push() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for _ in 0..5 {
        let request = shop.request(&shop.service("eggs"), &fresh_uuid(), &acme.fresh_serial());
        shop.token();
        let answers = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| shop.post_mapping(&request));
            let asking: Vec<_> = (0..8).map(|_| ask()).collect();
            asking
                .into_iter()
                .map(|a| a.join().expect("a thread"))
                .collect::<Vec<_>>()
        });
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let found = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((made, found), (1, 7), "{answers:?}");
        sandbox.settle();
        let uti = request["uti"].as_str().expect("a UTI");
        assert_eq!(acme.inbox.about(uti).len(), 1);
    }
    assert_eq!(shop.list().len(), 5);
}

#[test]
fn the_same_answer_to_an_assignment_twice_changes_and_tells_nothing_more() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (accepted, refused) = (shop.ask(&acme, "eggs"), shop.ask(&acme, "milk"));
    let device = fresh_device();
    let first = acme.accept(&accepted, &device).expect(200);
    assert_eq!(
        acme.accept(&accepted, &device).expect(200).json(),
        first.json()
    );
    let row = shop.get(&accepted.own).expect(200).json();
    let first = acme.reject(&refused, "NO_SUCH_DEVICE").expect(200);
    assert_eq!(
        acme.reject(&refused, "NO_SUCH_DEVICE").expect(200).json(),
        first.json()
    );
    // A late change of mind is none; the device keeps what it rightly holds.
    assert_eq!(
        acme.reject(&accepted, "NO_SUCH_DEVICE").expect(409).cause(),
        "DEVICE_ALREADY_ASSIGNED"
    );
    assert_eq!(
        acme.accept(&refused, &device).expect(409).cause(),
        "MAPPING_NOT_PENDING"
    );
    sandbox.settle();
    assert_eq!(shop.get(&accepted.own).expect(200).json(), row);
    for mapping in [&accepted, &refused] {
        let results = |inbox: &ics_tests::Inbox| {
            let bodies = inbox.about(&mapping.uti);
            bodies
                .iter()
                .filter(|body| body.get("mappingStatus").is_some())
                .count()
        };
        assert_eq!((results(&shop.inbox), results(&acme.inbox)), (1, 1));
    }
}

#[test]
fn an_answer_that_was_overruled_is_overruled_again_for_the_same_reason() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let device = fresh_device();
    acme.demap("DEVICE_UNREGISTERED", &json!({ "deviceId": device }))
        .expect(404);
    let mapping = shop.ask(&acme, "eggs");
    for _ in 0..2 {
        let overruled = acme.accept(&mapping, &device).expect(409);
        assert_eq!(overruled.cause(), "DEVICE_REVOKED");
    }
    sandbox.settle();
    for inbox in [&shop.inbox, &acme.inbox] {
        let bodies = inbox.about(&mapping.uti);
        let failures = bodies
            .iter()
            .filter(|body| body["mappingStatus"] == "FAILED");
        assert_eq!(failures.count(), 1, "{bodies:?}");
    }
}

#[test]
fn a_cancellation_and_a_demapping_done_twice_are_not_found_the_second_time() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let cancelled = shop.ask(&acme, "eggs");
    shop.delete(&cancelled.own).expect(204);
    assert_eq!(
        shop.delete(&cancelled.own).expect(404).cause(),
        "MAPPING_NOT_FOUND"
    );
    for cause in [
        "USER_AUTHORIZATION_WITHDRAWN",
        "UTI_INVALID",
        "DEVICE_UNREGISTERED",
    ] {
        let device = fresh_device();
        let mapping = shop.establish(&acme, "eggs", &device);
        let selectors = [
            mapping.key(),
            json!({ "uti": mapping.uti }),
            json!({ "mapping": mapping.own }),
        ];
        shop.demap(cause, &selectors[0]).expect(200);
        for selector in selectors {
            assert_eq!(
                shop.demap(cause, &selector).expect(404).cause(),
                "MAPPING_NOT_FOUND"
            );
        }
        acme.demap(cause, &json!({ "deviceId": device }))
            .expect(404);
        acme.demap(cause, &json!({ "mapping": mapping.assignment }))
            .expect(404);
        sandbox.settle();
        let notices = |inbox: &ics_tests::Inbox| {
            inbox
                .about(&mapping.uti)
                .iter()
                .filter(|b| b.get("cause").is_some())
                .count()
        };
        assert_eq!(
            (notices(&shop.inbox), notices(&acme.inbox)),
            (0, 1),
            "{cause}"
        );
    }
}

#[test]
fn notifications_of_a_row_are_told_apart_by_id_and_ordered_by_sequence() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.establish(&acme, "eggs", &fresh_device());
    shop.demap("SERVICE_INVALID", &mapping.key()).expect(200);
    sandbox.settle();
    let bodies = acme.inbox.about(&mapping.uti);
    assert_eq!(bodies.len(), 3, "push, result, notice: {bodies:?}");
    let sequences: Vec<_> = bodies
        .iter()
        .map(|b| b["sequence"].as_u64().expect("a number"))
        .collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    let mut ids: Vec<_> = bodies
        .iter()
        .map(|b| b["notificationId"].to_string())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let all: Vec<Value> = acme.inbox.all();
    let headers = all.iter().map(|n| &n["headers"]);
    for name in ["signature", "signature-input", "content-digest"] {
        assert!(headers.clone().all(|h| h[name].is_string()), "{name}");
    }
}

/// The sample receiver of `examples/`, with what a service provider keeps beside it.
struct SampleReceiver<'s> {
    sandbox: &'s Sandbox,
    folder: tempfile::TempDir,
}

impl<'s> SampleReceiver<'s> {
    /// One that knows the gateway's key, fetched as a service provider would.
    fn new(sandbox: &'s Sandbox) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let found = sandbox.shop().curl("GET", "/.well-known/ics").send();
        std::fs::write(folder.path().join("ics.json"), found.expect(200).body).expect("a file");
        Self { sandbox, folder }
    }

    /// What it says to an item of the inbox: exit code and words.
    fn take(&self, item: &str, more: &[&str]) -> (i32, String) {
        let own = std::env::current_exe().expect("a test binary");
        let profile = own
            .parent()
            .and_then(Path::parent)
            .expect("target/<profile>/deps");
        let mut receiver = Command::new(profile.join("callback_receiver"))
            .arg("--jwk")
            .arg(self.folder.path().join("ics.json"))
            .arg("--seen")
            .arg(self.folder.path().join("seen.jsonl"))
            .args(["--target-origin", self.sandbox.env("ICS_CALLBACK_URL")])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sample receiver is built: cargo build --workspace");
        let mut input = receiver.stdin.take().expect("piped");
        input.write_all(item.as_bytes()).expect("it reads");
        drop(input);
        let output = receiver.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), said)
    }
}

#[test]
fn a_push_altered_or_sent_again_is_refused_by_the_sample_receiver() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.ask(&acme, "eggs");
    acme.inbox.wait(&mapping.uti, "the push", |body| {
        body.get("assignment").is_some()
    });
    let items = acme.inbox.items();
    let push = items
        .iter()
        .find(|item| item.contains(&mapping.uti))
        .expect("the push");

    let receiver = SampleReceiver::new(&sandbox);
    let other = acme.fresh_serial();
    let altered = [
        push.replace(&mapping.serial, &other),
        push.replace(&mapping.assignment, &format!("{}x", mapping.assignment)),
        push.replace("\"path\":\"/acme-iot\"", "\"path\":\"/bolt-iot\""),
        push.replace("created=", "created=1"),
        push.replace("tag=\\\"ics-callback\\\"", "tag=\\\"another\\\""),
    ];
    for altered in altered {
        assert_ne!(altered, *push);
        let (code, said) = receiver.take(&altered, &[]);
        assert_eq!(
            (code, said.starts_with("refused: 401")),
            (1, true),
            "{said}"
        );
    }
    let late = receiver.take(push, &["--at", "4102444800"]);
    assert_eq!(late.0, 1, "too old: {late:?}");
    // As it came: taken once.
    let (code, said) = receiver.take(push, &[]);
    assert_eq!(
        (code, said.as_str()),
        (0, "accepted: 204 to be acted upon\n")
    );
    let (code, said) = receiver.take(push, &[]);
    assert_eq!(
        (code, said.starts_with("refused: 409")),
        (1, true),
        "{said}"
    );
}

#[test]
fn the_sample_receiver_takes_every_notification_of_both_sides() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mapping = shop.establish(&acme, "eggs", &fresh_device());
    shop.demap("SERVICE_INVALID", &mapping.key()).expect(200);
    sandbox.settle();
    let receiver = SampleReceiver::new(&sandbox);
    let items: Vec<_> = [acme.inbox.items(), shop.inbox.items()].concat();
    assert_eq!(items.len(), 4, "push, result, notice; result");
    for item in items {
        let (code, said) = receiver.take(&item, &[]);
        assert_eq!(
            (code, said.contains("to be acted upon")),
            (0, true),
            "{said} {item}"
        );
    }
}
