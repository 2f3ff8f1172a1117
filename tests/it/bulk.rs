//! De-mapping of many rows (Y16): gone at once, swept by a job that survives kill -9; and many
//! inquiries in one body.
//!
//! `ICS_BULK_ROWS` says how many rows (12,000 when it does not). They are put into the store as the
//! first row lies in it, which the gateway made: asking for each would take minutes.

use std::collections::BTreeMap;
use std::time::Instant;

use ics_core::change::Change;
use ics_core::id::{DeviceId, MappingId, Uti};
use ics_core::mapping::{Mapping, MappingKey, MappingStatus, State};
use ics_core::outbox::{Message, OutboxEntry, OutboxKey, Subject};
use ics_core::port::{Selection, Store};
use ics_core::reference_point::Role;
use ics_store::contract::Contender;
use ics_tests::{Answer, Curl, Domain, Party, Sandbox, fresh_device, fresh_uuid, wait_for};
use serde_json::{Value, json};

use crate::engine::Engine;

const SERVICE: &str = "https://shop.example/services/eggs";
/// How many rows one transaction of the filling takes.
const BATCH: usize = 2_000;

fn rows_wanted() -> usize {
    std::env::var("ICS_BULK_ROWS").map_or(12_000, |text| text.parse().expect("a number"))
}

fn uti_of(number: usize) -> String {
    format!("0b7f3a52-7d0a-4b1e-9f35-{number:012x}")
}

fn device_of(number: usize) -> String {
    // Letters alone: a run of digits would look like a subscriber's number.
    let letters = format!("{number:06x}")
        .chars()
        .map(|c| char::from(b'a' + c.to_digit(16).map_or(0, |n| n as u8)))
        .collect::<String>();
    format!("device-{letters}")
}

/// A domain whose IoT SP nobody reaches: what it is owed stays in the outbox, to be counted.
struct World {
    engine: Engine,
    domain: Domain,
    shop: Party,
    acme: Party,
    agreement: String,
}

impl World {
    fn create(engine: Engine) -> Self {
        let domain = Domain::start(|text| engine.configure(&text));
        let limits = json!({ "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000_000 });
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": ["https://127.0.0.1:9"], "limits": limits,
        }));
        shop.callback = "https://127.0.0.1:9/shop".into();
        let mut acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": ["https://127.0.0.1:9"], "limits": limits,
        }));
        acme.grant = "ACME-".into();
        let agreement = domain.agree(&acme, &shop);
        Self {
            engine,
            domain,
            shop,
            acme,
            agreement,
        }
    }

    /// Established rows `0..rows` of [`SERVICE`]: the first by the front door, the others like it.
    fn fill(&self, rows: usize) {
        let (uti, serial) = (uti_of(0), self.acme.fresh_serial());
        let first = self.shop.ask_for(&self.acme, SERVICE, &uti, &serial);
        self.acme.accept(&first, &device_of(0)).expect(200);
        self.domain.stop();
        fill_like(self.store().store(), first.id(), rows);
        self.serve();
    }

    fn serve(&self) {
        self.domain.serve();
        self.shop.forget_token();
        self.acme.forget_token();
    }

    /// The store of a gateway that is down.
    fn store(&self) -> Box<dyn Contender> {
        self.engine.open(&self.domain.file("store"))
    }

    fn subscribe_acme(&self) {
        let body = json!({ "notificationDestination": "https://127.0.0.1:9/acme" });
        let path = self.acme.path("ics-device-mapping", "subscriptions");
        self.acme.post(&path, &body).expect(201);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

/// Adds rows `1..rows` to the store of a gateway that is down, each as the established row of that
/// id is.
pub(crate) fn fill_like(store: &dyn Store, first: &str, rows: usize) {
    let runtime = runtime();
    let id = MappingId::parse(first).expect("an id");
    let first = runtime.block_on(store.load(id)).expect("a store");
    let first = first.expect("the row");
    for from in (1..rows).step_by(BATCH) {
        let numbers = from..rows.min(from + BATCH);
        let change = numbers.fold(Change::default(), |change, number| {
            change.with_mapping(None, Some(like(&first, number)))
        });
        runtime.block_on(store.commit(change)).expect("room");
    }
}

/// A row as `first` is, with a transaction and a device of its own.
fn like(first: &Mapping, number: usize) -> Mapping {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let State::Established { since, .. } = first.state else {
        panic!("it was accepted");
    };
    Mapping {
        id: MappingId::mint(first.created, random),
        key: MappingKey {
            service_uri: first.key.service_uri.clone(),
            uti: Uti::parse(&uti_of(number)).expect("a UTI"),
        },
        state: State::Established {
            device_id: DeviceId::parse(&device_of(number)).expect("a device ID"),
            since,
        },
        ..first.clone()
    }
}

fn progress(job: &Answer) -> (String, u64, u64, u64) {
    let job = job.json();
    let mut members: Vec<_> = job.as_object().expect("an object").keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["done", "failed", "status", "total"]);
    let count = |name: &str| job[name].as_u64().expect("a count");
    let status = job["status"].as_str().expect("a status").to_owned();
    (status, count("total"), count("done"), count("failed"))
}

/// Waits for the end of a job that goes on from `done`; it never falls back.
fn wait_for_end(shop: &Party, job: &str, mut done: u64) -> (String, u64, u64, u64) {
    loop {
        let next = wait_for("the job to go on", || {
            let next = progress(&shop.get(job).expect(200));
            assert!(next.2 >= done, "{next:?} after {done}");
            (next.2 > done || next.0 != "RUNNING").then_some(next)
        });
        if next.0 != "RUNNING" {
            return next;
        }
        done = next.2;
    }
}

/// What is in the store when all is done: every row is ended once, and told once to each.
fn check_store(contender: &dyn Contender, rows: usize) {
    contender.assert_sound();
    let store = contender.store();
    let runtime = runtime();
    let (mut cursor, mut deleted, mut pending) = (None, 0, 0);
    loop {
        let page = runtime.block_on(store.walk(&Selection::All, cursor.as_ref(), 1_000));
        let page = page.expect("a page");
        for row in &page.mappings {
            match row.status() {
                MappingStatus::Deleted => deleted += 1,
                MappingStatus::Pending => pending += 1,
                other => panic!("{other:?} is left"),
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(
        (deleted, pending),
        (rows, 2),
        "the rest was asked for later"
    );
    let mut told: BTreeMap<(Role, Subject), usize> = BTreeMap::new();
    let mut after: Option<OutboxKey> = None;
    loop {
        let page = runtime.block_on(store.walk_outbox(after.as_ref(), 1_000));
        let page: Vec<OutboxEntry> = page.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for entry in page {
            if matches!(entry.message, Message::Demapped { .. }) {
                let key = (entry.key.addressee.role, entry.key.subject);
                *told.entry(key).or_default() += 1;
            }
        }
    }
    assert_eq!(told.len(), rows, "each row is news to the other side alone");
    assert!(told.keys().all(|(role, _)| *role == Role::IotSp));
    assert!(told.values().all(|times| *times == 1), "and told once");
}

#[test]
fn a_service_of_many_rows_is_gone_at_once_and_swept_over_a_kill() {
    is_gone_at_once_and_swept_over_a_kill(Engine::Redb);
}

#[test]
fn on_sled_a_service_of_many_rows_is_gone_at_once_and_swept_over_a_kill() {
    is_gone_at_once_and_swept_over_a_kill(Engine::Sled);
}

fn is_gone_at_once_and_swept_over_a_kill(engine: Engine) {
    let rows = rows_wanted();
    let world = World::create(engine);
    world.fill(rows);
    world.subscribe_acme();
    let (shop, acme) = (&world.shop, &world.acme);
    let last = rows - 1;
    shop.inquire(SERVICE, &uti_of(last)).expect(200);
    acme.inquire_device(&device_of(last)).expect(200);
    let far = acme.inquire_device(&device_of(last)).json();
    assert_eq!(far["mappings"][0]["uti"], uti_of(last));

    let began = Instant::now();
    let answer = shop
        .demap("SERVICE_INVALID", &json!({ "serviceUri": SERVICE }))
        .expect(202);
    println!(
        "{}: {rows} rows: 202 after {:.1?}",
        engine.name(),
        began.elapsed()
    );
    let job = answer.header("location").expect("a job").to_owned();
    assert_eq!(progress(&answer), ("RUNNING".into(), rows as u64, 0, 0));
    // Every read and every request knows, before the sweep has come so far.
    for number in [0, rows / 2, last] {
        shop.inquire(SERVICE, &uti_of(number)).expect(404);
        acme.inquire_device(&device_of(number)).expect(404);
    }
    let again = json!({ "serviceUri": SERVICE });
    shop.demap("SERVICE_INVALID", &again).expect(404);
    // Rows of fresh UTIs made after it are not touched, before the kill and after it.
    let fresh = shop.ask_for(acme, SERVICE, &fresh_uuid(), &acme.fresh_serial());

    let half_way = wait_for("the job to be half way", || {
        let progress = progress(&shop.get(&job).expect(200));
        (progress.2 > 0).then_some(progress)
    });
    assert_eq!(half_way.0, "RUNNING", "raise ICS_BULK_ROWS: {half_way:?}");
    world.domain.kill();
    world.serve();
    shop.inquire(SERVICE, &uti_of(last)).expect(404);
    let first = shop.ask_for(acme, SERVICE, &fresh_uuid(), &acme.fresh_serial());
    let resumed = Instant::now();
    let ended = wait_for_end(shop, &job, half_way.2);
    println!(
        "{}: {} rows swept in {:.1?}",
        engine.name(),
        rows as u64 - half_way.2,
        resumed.elapsed()
    );
    assert_eq!(ended, ("DONE".into(), rows as u64, rows as u64, 0));
    for mapping in [&fresh, &first] {
        assert_eq!(shop.status(mapping), "PENDING");
    }
    // A job is its owner's alone; to others it is like one that never was.
    let other_end = if job.ends_with('0') { '1' } else { '0' };
    let unknown = format!("{}{other_end}", &job[..job.len() - 1]);
    let never = shop.get(&unknown).expect(404);
    let id = job.rsplit('/').next().expect("an id");
    let foreign = acme.get(&acme.path("ics-demapping", &format!("jobs/{id}")));
    assert_eq!(foreign.expect(404).body, never.body);
    world.domain.stop();
    check_store(&*world.store(), rows);
}

#[test]
fn an_agreement_of_many_rows_ends_by_a_job_that_the_command_line_waits_for() {
    let world = World::create(Engine::Redb);
    world.fill(1_500);
    let path = format!("/operator/v1/agreements/{}/end", world.agreement);
    let unsure = world.domain.operator("POST", &path, Some(&json!({})));
    assert_eq!(unsure.expect(409).json()["affectedMappings"], 1_500);
    let config = world.domain.configuration();
    let config = config.to_str().expect("UTF-8");
    let told = |arguments: &[&str]| -> Value {
        let more = ["--json", "--config", config];
        let output = ics_tests::Gateway::run(&[arguments, &more].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let ended = told(&["agreement", "end", &world.agreement, "--yes"]);
    assert_eq!(ended["agreement"]["status"], "ENDED");
    let job = &ended["jobs"][0];
    assert_eq!(
        (&job["status"], &job["done"]),
        (&json!("DONE"), &json!(1_500))
    );
    assert_eq!(told(&["job", "list"])[0]["jobId"], job["jobId"]);
    let id = job["jobId"].as_str().expect("an id");
    assert_eq!(told(&["job", "show", id, "--wait"])["done"], 1_500);
    world.shop.inquire(SERVICE, &uti_of(7)).expect(404);
    // The operator's job is nobody's on T8.
    let path = world.shop.path("ics-demapping", &format!("jobs/{id}"));
    world.shop.get(&path).expect(404);
    let again = world.domain.operator(
        "POST",
        &format!("/operator/v1/agreements/{}/end", world.agreement),
        Some(&json!({ "confirm": true })),
    );
    assert_eq!(again.expect(200).json()["demapped"], 0);
}

/// `retrieve-bulk` of these lines.
fn retrieve(party: &Party, lines: &[String]) -> Answer {
    let body = lines
        .iter()
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    bulk_call(party).bytes(body.as_bytes()).send()
}

fn bulk_call(party: &Party) -> Curl {
    party
        .curl("POST", "/ics-inquiry/v1/retrieve-bulk")
        .bearer(&party.token())
        .header("Content-Type", "application/x-ndjson")
}

#[test]
fn a_bulk_inquiry_answers_each_line_as_it_would_be_answered_alone() {
    let sandbox = Sandbox::start();
    let (shop, acme, bolt) = (sandbox.shop(), sandbox.acme(), sandbox.bolt());
    let device = fresh_device();
    let mapping = shop.establish(&acme, "bulk", &device);
    let pending = shop.ask(&acme, "bulk");
    let by_key =
        |service: &str, uti: &str| json!({ "serviceUri": service, "uti": uti }).to_string();
    let lines = [
        by_key(&mapping.service, &mapping.uti),
        by_key(&pending.service, &pending.uti),
        by_key(&mapping.service, &fresh_uuid()),
        json!({ "deviceId": device }).to_string(),
        json!({ "deviceId": device, "serviceUri": mapping.service }).to_string(),
        json!({ "deviceId": "262011234567890" }).to_string(),
        json!({ "serviceUri": mapping.service }).to_string(),
        json!({ "serviceUri": mapping.service, "uti": mapping.uti, "extra": 1 }).to_string(),
        "no json".to_owned(),
        String::new(),
        by_key(&mapping.service, &mapping.uti),
    ];
    for party in [&shop, &acme, &bolt] {
        let answer = retrieve(party, &lines).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        let answers: Vec<_> = answer.body.lines().collect();
        assert_eq!(answers.len(), lines.len(), "{answer:?}");
        for (line, told) in lines.iter().zip(answers) {
            let is_of_device = line.contains("deviceId");
            let path = if is_of_device {
                "/ics-inquiry/v1/retrieve-by-device"
            } else {
                "/ics-inquiry/v1/retrieve-by-transaction"
            };
            let alone = party
                .curl("POST", path)
                .bearer(&party.token())
                .header("Content-Type", "application/json")
                .bytes(line.as_bytes())
                .send();
            assert_eq!(told, alone.body, "{} {line}", party.id);
        }
    }
}

#[test]
fn a_bulk_inquiry_has_limits_and_its_lines_are_counted() {
    let domain = Domain::start(|text| text);
    let third_party = |id: &str, requests: u32| {
        domain.onboard(&json!({
            "id": id, "roles": ["THIRD_PARTY_SP"], "services": [format!("https://{id}.example/")],
            "callbackOrigins": [], "limits": { "requestsPerSecond": requests, "failedMappingsPerDay": 9 },
        }))
    };
    let line = |n: usize| json!({ "serviceUri": SERVICE, "uti": uti_of(n) }).to_string();
    let fast = third_party("fast", 1_000_000);
    let most: Vec<_> = (0..10_000).map(line).collect();
    let answer = retrieve(&fast, &most).expect(200);
    assert_eq!(answer.body.lines().count(), 10_000);
    assert!(
        answer
            .body
            .lines()
            .all(|line| line.contains("MAPPING_NOT_FOUND"))
    );
    let too_many: Vec<_> = (0..10_001).map(line).collect();
    retrieve(&fast, &too_many).expect(413);
    let too_large = vec![b' '; 8 * 1024 * 1024 + 1];
    bulk_call(&fast).bytes(&too_large).send().expect(413);
    fast.curl("POST", "/ics-inquiry/v1/retrieve-bulk")
        .bearer(&fast.token())
        .json(&json!({ "serviceUri": SERVICE, "uti": uti_of(0) }))
        .send()
        .expect(415);
    retrieve(&fast, &[]).expect(200);

    let slow = third_party("slow", 50);
    // Owed: 5,000 lines at 50 a second.
    retrieve(&slow, &most[..5_000]).expect(200);
    let refused = retrieve(&slow, &most[..1]).expect(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((60..=100).contains(&wait), "{wait}");
}
