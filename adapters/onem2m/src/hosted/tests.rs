//! A device, its AE and its document, over a service that keeps its devices in memory. Time is tokio's, and
//! goes on by itself where everybody waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_channel::fake::FakeService;
use ics_channel::{AGAIN, RefusedAttempt};
use ics_core::device::{CredentialId, HostedDevice};
use ics_core::device_document::DocumentEntry;
use ics_core::id::{DeviceId, MappingId, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::port::DeviceBell;
use ics_core::principal::DeviceIdentity;
use ics_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Hosted;
use crate::address::Address;
use crate::caller::{Originator, Standing};
use crate::outbound::Via;
use crate::primitive::{Operation, Outcome, Request};
use crate::rsc::Rsc;
use crate::tree::tests::rig::{Rig, create, inner, names, request};

const POINT: &str = "https://lock.example/";

/// Rings whom it was told of later: the service is made first.
#[derive(Default)]
struct LateBell(Mutex<Option<Arc<Hosted>>>);

impl DeviceBell for LateBell {
    fn ring(&self, id: &DeviceId, device: Option<&HostedDevice>) {
        if let Some(hosted) = self.0.lock().unwrap().as_ref() {
            hosted.ring(id, device);
        }
    }

    fn recheck(&self, iot_sp: &SpId) {
        if let Some(hosted) = self.0.lock().unwrap().as_ref() {
            hosted.recheck(iot_sp);
        }
    }
}

struct World {
    rig: Rig,
    service: Arc<FakeService>,
    bell: Arc<LateBell>,
    hosted: Arc<Hosted>,
    running: AbortHandle,
}

fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

/// The device of that name as its own AE.
fn speaker(ae: &str, id: &str) -> Originator {
    Originator {
        id: ae.to_owned(),
        standing: Standing::Device(Arc::new(DeviceIdentity {
            iot_sp: SpId::parse("acme").unwrap(),
            device_id: device(id),
            credential: CredentialId(1),
            not_after: Timestamp::MAX,
        })),
    }
}

fn lock() -> Originator {
    speaker("Clock", "d-lock")
}

fn entry(n: u8) -> DocumentEntry {
    DocumentEntry {
        mapping: MappingId::from_bytes([n; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse("https://shop.example/eggs").unwrap(),
            uti: Uti::parse(&format!("uti-of-many-{n:05}")).unwrap(),
        },
        e2e: None,
    }
}

fn start(rig: &Rig, service: &Arc<FakeService>, bell: &LateBell) -> (Arc<Hosted>, AbortHandle) {
    let clock = Arc::new(ics_channel::fake::SetClock::at(rig.now()));
    let hosted = Hosted::new(rig.tree.clone(), Arc::clone(service) as _, clock);
    let hosted = Arc::new(hosted);
    *bell.0.lock().unwrap() = Some(Arc::clone(&hosted));
    let running = Arc::clone(&hosted);
    let running = tokio::spawn(async move { running.run().await }).abort_handle();
    (hosted, running)
}

impl World {
    async fn new() -> Self {
        let rig = Rig::new().await;
        let bell = Arc::new(LateBell::default());
        let service = Arc::new(FakeService::new(Arc::clone(&bell) as _));
        for id in ["d-lock", "d-light"] {
            service.register(&SpId::parse("acme").unwrap(), &device(id), Timestamp::MAX);
        }
        let (hosted, running) = start(&rig, &service, &bell);
        Self {
            rig,
            service,
            bell,
            hosted,
            running,
        }
    }

    /// The process ends, and another begins.
    async fn restart(self) -> Self {
        self.running.abort();
        let rig = self.rig.reopen().await.unwrap();
        let (hosted, running) = start(&rig, &self.service, &self.bell);
        Self {
            rig,
            hosted,
            running,
            ..self
        }
    }

    async fn send(&self, who: &Originator, request: Request) -> Outcome {
        let address = Address::parse(&request.to, &names())?;
        let heard = self.hosted.hear((who, &address), &request, self.rig.now());
        let outcome = match heard.await {
            Some(outcome) => outcome,
            None => self.rig.send(who, request.clone()).await,
        };
        if let Standing::Device(identity) = &who.standing {
            self.hosted.meet(&identity.device_id, request.operation);
        }
        outcome
    }

    async fn rsc(&self, who: &Originator, request: Request) -> Rsc {
        match self.send(who, request).await {
            Ok(answer) => answer.rsc,
            Err(refusal) => refusal.rsc,
        }
    }

    async fn register(&self, who: &Originator, more: Value) {
        let mut ae = json!({ "rn": who.id, "api": "N.test", "rr": false, "srv": ["4"] });
        for (name, value) in more.as_object().unwrap() {
            ae[name] = value.clone();
        }
        let made = create(2, "ics", json!({ "m2m:ae": ae }));
        assert_eq!(self.rsc(who, made).await, Rsc::Created);
    }

    async fn acknowledge(&self, text: &str) -> Outcome {
        let said = json!({ "m2m:cin": { "con": text } });
        self.send(&lock(), create(4, "ics/Clock/ack", said)).await
    }

    /// The version that lies there, once it is this one.
    async fn document(&self, version: u64) -> Value {
        loop {
            let latest = request(Operation::Retrieve, "ics/Clock/doc/la");
            if let Ok(answer) = self.rig.send(&lock(), latest).await {
                let shown = inner(&answer.content.unwrap());
                let con = serde_json::from_str::<Value>(shown["con"].as_str().unwrap()).unwrap();
                if con["v"] == version {
                    return shown;
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The version that the next notification tells of, and where it went.
    async fn told(&self) -> (u64, Via) {
        let (via, request) = self.rig.targets.next().await;
        let told = Value::Object(request.content.unwrap());
        let event = &told["m2m:sgn"]["nev"];
        assert_eq!(event["net"], 3, "{told}");
        let con = event["rep"]["m2m:cin"]["con"].as_str().unwrap();
        let con: Value = serde_json::from_str(con).unwrap();
        (con["v"].as_u64().unwrap(), via)
    }

    async fn subscribe(&self) {
        let subscription = json!({ "m2m:sub": {
            "rn": "news", "nu": ["https://app.example/"], "enc": { "net": [3] },
        } });
        let made = self
            .rsc(&lock(), create(23, "ics/Clock/doc", subscription))
            .await;
        assert_eq!(made, Rsc::Created);
        let verification = self.rig.targets.next_content().await;
        assert_eq!(verification["m2m:sgn"]["vrq"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_lies_below_the_ae_and_the_device_may_read_and_watch_it_alone() {
    let world = World::new().await;
    world.service.offer(&device("d-lock"), entry(1));
    world.register(&lock(), json!({})).await;
    let shown = world.document(1).await;
    assert_eq!(
        (&shown["rn"], &shown["cr"]),
        (&json!("v1"), &json!("/id-ics"))
    );
    assert_eq!(shown["cnf"], "application/json:0");
    let con = shown["con"].as_str().unwrap();
    assert!(con.contains("uti-of-many-00001"), "{con}");
    world.service.offer(&device("d-lock"), entry(2));
    world.document(2).await;
    let container = request(Operation::Retrieve, "ics/Clock/doc");
    let container = world.send(&lock(), container).await.unwrap();
    let container = inner(&container.content.unwrap());
    assert_eq!(
        (&container["cni"], &container["mni"]),
        (&json!(1), &json!(1))
    );

    let content = json!({ "m2m:cin": { "con": "{\"v\":9,\"m\":[]}" } });
    let update = |to: &str| {
        let mut request = request(Operation::Update, to);
        let content = json!({ "m2m:cnt": { "mni": 5 } });
        request.content = content.as_object().cloned();
        request
    };
    let policies = || {
        let mut request = request(Operation::Update, "ics/Clock/doc");
        let content = json!({ "m2m:cnt": { "acpi": null } });
        request.content = content.as_object().cloned();
        request
    };
    for refused in [
        create(4, "ics/Clock/doc", content.clone()),
        create(3, "ics/Clock/doc", json!({ "m2m:cnt": {} })),
        update("ics/Clock/doc"),
        update("ics/Clock/ack"),
        policies(),
        request(Operation::Delete, "ics/Clock/doc"),
        request(Operation::Delete, "ics/Clock/doc/la"),
        request(Operation::Delete, "ics/Clock/ack"),
        request(Operation::Delete, "ics/Clock/acp-doc"),
        request(Operation::Delete, "ics/Clock/acp-ack"),
    ] {
        let said = format!("{refused:?}");
        let rsc = world.rsc(&lock(), refused).await;
        assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege, "{said}");
    }
    let light = speaker("Clight", "d-light");
    world.register(&light, json!({})).await;
    for refused in [
        request(Operation::Retrieve, "ics/Clock/doc"),
        request(Operation::Retrieve, "ics/Clock/doc/la"),
        create(
            4,
            "ics/Clock/ack",
            json!({ "m2m:cin": { "con": "{\"v\":2}" } }),
        ),
    ] {
        let said = format!("{refused:?}");
        let rsc = world.rsc(&light, refused).await;
        assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege, "{said}");
    }
    assert!(world.service.established().is_empty());
    let noted = world.service.take_refused();
    let foreign = (Some(device("d-light")), RefusedAttempt::RequestForeign);
    assert_eq!(noted, [foreign]);
    // Its AE it may end, and all goes with it.
    let end = request(Operation::Delete, "ics/Clock");
    assert_eq!(world.rsc(&lock(), end).await, Rsc::Deleted);
    let latest = request(Operation::Retrieve, "ics/Clock/doc/la");
    assert_eq!(world.rsc(&light, latest).await, Rsc::NotFound);
}

#[tokio::test(start_paused = true)]
async fn who_watches_is_told_of_each_version_and_again_until_it_is_acknowledged() {
    let world = World::new().await;
    world
        .register(&lock(), json!({ "rr": true, "poa": [POINT] }))
        .await;
    world.subscribe().await;
    world.service.offer(&device("d-lock"), entry(1));
    let app = Via::PointOfAccess("https://app.example/".into());
    assert_eq!(world.told().await, (1, app.clone()));
    let mut sent = Instant::now();
    for pause in AGAIN.into_iter().chain([AGAIN[2]]) {
        tokio::time::sleep(pause / 2).await;
        assert!(world.rig.targets.all().is_empty());
        tokio::time::sleep(pause - pause / 2).await;
        assert_eq!(world.told().await, (1, app.clone()));
        assert!(Instant::now() - sent >= pause);
        sent = Instant::now();
    }
    let answer = world.acknowledge("{\"v\":1}").await.unwrap();
    assert_eq!(answer.rsc, Rsc::Created);
    assert_eq!(world.service.established(), [entry(1).mapping]);
    tokio::time::sleep(AGAIN[2] * 3).await;
    assert!(world.rig.targets.all().is_empty());
    // What it said is not kept.
    let latest = request(Operation::Retrieve, "ics/Clock/ack/la");
    assert_eq!(world.rsc(&lock(), latest).await, Rsc::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_ae_that_does_not_watch_is_notified_where_it_can_be_called() {
    let world = World::new().await;
    world
        .register(&lock(), json!({ "rr": true, "poa": [POINT] }))
        .await;
    world.service.offer(&device("d-lock"), entry(1));
    assert_eq!(
        world.told().await,
        (1, Via::PointOfAccess(POINT.to_owned()))
    );
    world.acknowledge("{\"v\":1}").await.unwrap();
    // It cannot be called: it reads.
    let mut update = request(Operation::Update, "ics/Clock");
    let content = json!({ "m2m:ae": { "rr": false } });
    update.content = content.as_object().cloned();
    assert_eq!(world.rsc(&lock(), update).await, Rsc::Updated);
    world.service.offer(&device("d-lock"), entry(2));
    world.document(2).await;
    tokio::time::sleep(AGAIN[2]).await;
    assert!(world.rig.targets.all().is_empty());
    // Once it watches, it is told of what it owes.
    world.subscribe().await;
    assert_eq!(world.told().await.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_process_lays_it_anew_and_tells_of_it_where_it_is_owed_and_nothing_of_it_is_on_disk()
{
    let world = World::new().await;
    world
        .register(&lock(), json!({ "rr": true, "poa": [POINT] }))
        .await;
    world.service.offer(&device("d-lock"), entry(1));
    assert_eq!(world.told().await.0, 1);
    for record in world.rig.shelf.records().values() {
        assert!(!String::from_utf8_lossy(record).contains("uti-of-many-00001"));
    }
    let world = world.restart().await;
    assert_eq!(world.told().await.0, 1);
    world.acknowledge("{\"v\":1}").await.unwrap();
    let world = world.restart().await;
    assert_eq!(world.document(1).await["rn"], "v1");
    // A change while no process was there.
    world.running.abort();
    *world.bell.0.lock().unwrap() = None;
    world.service.offer(&device("d-lock"), entry(2));
    let world = world.restart().await;
    assert_eq!(world.told().await.0, 2);
    world.document(2).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_acknowledgement_or_of_no_version_changes_nothing() {
    let world = World::new().await;
    world.register(&lock(), json!({})).await;
    world.service.offer(&device("d-lock"), entry(1));
    for text in [
        "",
        "v1",
        "{}",
        "{\"v\":\"1\"}",
        "{\"v\":1,\"no\":[7]}",
        "{\"v\":1}{}",
    ] {
        let refusal = world.acknowledge(text).await.unwrap_err();
        assert_eq!(refusal.rsc, Rsc::BadRequest, "{text}");
        let noted = world.service.take_refused();
        let unreadable = (Some(device("d-lock")), RefusedAttempt::RequestUnreadable);
        assert_eq!(noted, [unreadable], "{text}");
    }
    let never = world.acknowledge("{\"v\":2}").await.unwrap_err();
    assert_eq!(never.rsc, Rsc::Conflict);
    // An answer that is not offered is refused before it is done.
    let said = json!({ "m2m:cin": { "con": "{\"v\":1}" } });
    let mut asked = create(4, "ics/Clock/ack", said);
    asked.result_content = Some(3);
    assert_eq!(world.rsc(&lock(), asked).await, Rsc::BadRequest);
    assert!(world.service.established().is_empty());
    world.acknowledge("{\"v\":1}").await.unwrap();
    assert_eq!(world.service.established(), [entry(1).mapping]);
}

#[tokio::test(start_paused = true)]
async fn nothing_stays_of_a_device_that_is_no_more() {
    let world = World::new().await;
    world.register(&lock(), json!({})).await;
    world.service.offer(&device("d-lock"), entry(1));
    world.document(1).await;
    world.service.change(&device("d-lock"), |device, _| {
        device.document = device.document.changed(&[], &[entry(1).mapping]);
        device.status = ics_core::device::DeviceStatus::Unregistering {
            deadline: Timestamp::MAX,
        };
    });
    world.document(2).await;
    world.acknowledge("{\"v\":2}").await.unwrap();
    assert!(!world.service.is_known(&device("d-lock")));
    while world.rig.tree.has_device(&device("d-lock")) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (rsc, _) = world.rig.get("CAdmin", "ics/Clock/doc/la").await;
    assert_eq!(rsc, Rsc::NotFound);
    let records = world.rig.shelf.records();
    assert!(records.is_empty(), "{records:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_asked_again() {
    let world = World::new().await;
    world
        .register(&lock(), json!({ "rr": true, "poa": [POINT] }))
        .await;
    world.document(0).await;
    world.service.be_down(true);
    world.service.offer(&device("d-lock"), entry(1));
    tokio::time::sleep(AGAIN[0] / 2).await;
    assert!(world.rig.targets.all().is_empty());
    world.service.be_down(false);
    assert_eq!(world.told().await.0, 1);
}
