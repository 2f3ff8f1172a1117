use ics_core::id::{DeviceId, MappingId, ServiceUri, Uti};
use ics_core::mapping::{CauseCode, DemappingCause};
use ics_core::outbox::{Addressee, OutboxKey};
use ics_core::sealed::Sealed;
use ics_core::service::OpenAssignment;

use super::*;
use crate::ics::tests::rig::{
    FakeOutbound, FakeWatches, Rig, SERIAL, SERVICE, StandingClock, UTI, names, noon, sp,
};

struct Way {
    road: Road,
    watches: Arc<FakeWatches>,
    outbound: Arc<FakeOutbound>,
    rig: Rig,
}

async fn way() -> Way {
    let rig = Rig::new().await;
    let road = Road::new(
        rig.views.clone(),
        rig.outbound.clone(),
        rig.watches.clone(),
        Arc::new(StandingClock(noon())),
    );
    Way {
        road,
        watches: rig.watches.clone(),
        outbound: rig.outbound.clone(),
        rig,
    }
}

const ID: [u8; 16] = [0xab; 16];

fn row() -> String {
    format!("map-{}", "ab".repeat(16))
}

fn pending() -> String {
    format!("pnd-{}", "ab".repeat(16))
}

impl Way {
    fn consignment(&self, role: Role, message: Message) -> Consignment {
        let party = match role {
            Role::ThirdPartySp => "shop",
            Role::IotSp => "acme",
        };
        let directory = self.rig.service.directory();
        Consignment {
            entry: OutboxEntry {
                key: OutboxKey {
                    addressee: Addressee {
                        role,
                        sp: sp(party),
                    },
                    subject: Subject::Mapping(MappingId::from_bytes(ID)),
                    sequence: 2,
                },
                message,
                mapping_key: Some(MappingKey {
                    service_uri: ServiceUri::parse(SERVICE).unwrap(),
                    uti: Uti::parse(UTI).unwrap(),
                }),
                event_time: noon(),
                deadline: noon(),
                attempts: 0,
                next_attempt: noon(),
                dead: None,
            },
            party: directory.party(&sp(party)).unwrap().clone(),
            destination: None,
            websocket: false,
            onem2m: true,
            subscription: None,
            assignment: None,
            event: None,
        }
    }

    /// The push of a row that waits.
    async fn push(&self) -> Consignment {
        let id = self.rig.map(UTI).await;
        let id = MappingId::from_bytes(u128::from_str_radix(&id, 16).unwrap().to_be_bytes());
        let mapping = self.rig.service.show_mapping(id).await.unwrap().unwrap();
        let serial = ics_core::id::DeviceSerialNumber::parse(SERIAL).ok();
        let mut consignment = self.consignment(Role::IotSp, Message::Assignment);
        consignment.entry.key.subject = Subject::Mapping(id);
        consignment.assignment = Some(Box::new(OpenAssignment {
            mapping,
            serial,
            e2e: None,
            owed: ics_core::service::Owed::default(),
        }));
        consignment
    }
}

fn established() -> Message {
    Message::Result {
        status: MappingStatus::Established,
        cause: None,
        undo: false,
    }
}

fn demapped() -> Message {
    Message::Demapped {
        device_id: None,
        cause: DemappingCause::ServiceInvalid,
        sub_cause: CauseCode::parse("RETIRED").ok(),
    }
}

fn signal(request: &Request) -> &Value {
    &request.content.as_ref().unwrap()["m2m:sgn"]
}

#[tokio::test]
async fn without_a_subscription_the_ae_is_told_through_the_registrar() {
    let way = way().await;
    let consignment = way.consignment(Role::ThirdPartySp, established());
    assert_eq!(way.road.deliver(&consignment).await, RoadOutcome::Accepted);
    let sent = way.outbound.take();
    assert_eq!(sent.len(), 1);
    let (via, request) = &sent[0];
    assert_eq!(
        (via, request.to.as_str()),
        (&Via::Registrar, "/id-in/Cshop")
    );
    assert_eq!(request.operation, Operation::Notify);
    assert_eq!(request.from.as_deref(), Some("/id-ics"));
    assert_eq!(request.request_id, consignment.entry.key.notification_id());
    assert!(request.release.is_some());
    let expected = json!({
        "nev": { "net": 1, "rep": { "ics:idmap": {
            "ri": row(), "rn": row(), "ty": 28, "cnd": crate::ics::DEFINITION,
            "lt": "20261121T120000,000", "svu": SERVICE, "uti": UTI, "msta": 2,
        } } },
        "sur": format!("/id-ics/{}", row()),
    });
    assert_eq!(signal(request), &expected);
}

#[tokio::test]
async fn an_assignment_is_told_with_its_serial_number_to_the_iot_sp() {
    let way = way().await;
    let consignment = way.push().await;
    assert_eq!(way.road.deliver(&consignment).await, RoadOutcome::Accepted);
    let (via, request) = &way.outbound.take()[0];
    assert_eq!(
        (via, request.to.as_str()),
        (&Via::Registrar, "/id-in/Cacme")
    );
    let event = &signal(request)["nev"];
    assert_eq!(event["net"], 3);
    let told = &event["rep"]["ics:idmap"];
    assert_eq!((&told["dsn"], &told["msta"]), (&json!(SERIAL), &json!(1)));
    assert!(told["ri"].as_str().unwrap().starts_with("pnd-"));
}

#[tokio::test]
async fn what_is_watched_for_goes_to_whoever_watches() {
    let way = way().await;
    let url = "https://acme.example/ntfy";
    let sub = way.watches.add("pnd", "/id-in/Cacme", url, &[3], 1);
    let push = way.push().await;
    assert_eq!(way.road.deliver(&push).await, RoadOutcome::Accepted);
    let sent = way.outbound.take();
    assert_eq!(sent.len(), 1);
    let (via, request) = &sent[0];
    assert_eq!(via, &Via::PointOfAccess(url.into()));
    assert_eq!(signal(request)["sur"], format!("/id-ics/{sub}"));
    let id = push.entry.key.notification_id();
    assert_eq!(request.request_id, format!("{id}.{sub}"));
}

#[tokio::test]
async fn only_the_addressees_subscriptions_to_that_event_count() {
    let way = way().await;
    // Another party's, one for another event, one to the collection of all.
    way.watches
        .add("pnd", "/id-in/Cacme2", "/id-in/Cacme2", &[3], 1);
    way.watches
        .add("pnd", "/id-in/Cacme", "/id-in/Cwrong", &[4], 1);
    way.watches
        .add("map", "/id-in/Cshop", "/id-in/Cwrong", &[3], 1);
    let push = way.push().await;
    way.road.deliver(&push).await;
    let sent = way.outbound.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1.to, "/id-in/Cacme");
}

#[tokio::test]
async fn a_watch_is_told_as_much_as_it_asked_for() {
    for (nct, expected) in [
        (
            2,
            json!({ "ics:idmap": { "lt": "20261121T120000,000", "msta": 2 } }),
        ),
        (3, json!({ "m2m:uri": format!("/id-ics/{}", row()) })),
    ] {
        let way = way().await;
        way.watches
            .add(&row(), "/id-in/Cshop", "/id-in/Cshop", &[1], nct);
        let consignment = way.consignment(Role::ThirdPartySp, established());
        way.road.deliver(&consignment).await;
        assert_eq!(signal(&way.outbound.take()[0].1)["nev"]["rep"], expected);
    }
}

#[tokio::test]
async fn the_iot_sp_hears_of_results_at_either_name_of_the_row() {
    for parent in [row(), pending()] {
        let way = way().await;
        let sub = way
            .watches
            .add(&parent, "/id-in/Cacme", "/id-in/Cacme", &[1], 1);
        let consignment = way.consignment(Role::IotSp, established());
        way.road.deliver(&consignment).await;
        let sent = way.outbound.take();
        assert_eq!(sent.len(), 1);
        assert_eq!(signal(&sent[0].1)["sur"], format!("/id-ics/{sub}"));
    }
}

#[tokio::test]
async fn a_demapped_row_is_told_as_deleted_and_its_watches_end() {
    let way = way().await;
    let sub = way
        .watches
        .add(&row(), "/id-in/Cshop", "/id-in/Cshop", &[2], 1);
    way.watches
        .add("map", "/id-in/Cshop", "/id-in/Cshop", &[4], 1);
    let consignment = way.consignment(Role::ThirdPartySp, demapped());
    assert_eq!(way.road.deliver(&consignment).await, RoadOutcome::Accepted);
    let sent = way.outbound.take();
    let nets: Vec<_> = sent
        .iter()
        .map(|(_, r)| signal(r)["nev"]["net"].clone())
        .collect();
    assert_eq!(nets, [4, 2]);
    let told = &signal(&sent[1].1)["nev"]["rep"]["ics:idmap"];
    assert_eq!(
        (&told["msta"], &told["mcau"]),
        (&json!(3), &json!("SERVICE_INVALID"))
    );
    assert_eq!((&told["scau"], told.get("did")), (&json!("RETIRED"), None));
    assert_eq!(*way.watches.ended.lock().unwrap(), [sub]);
}

#[tokio::test]
async fn the_iot_sp_is_told_which_device_and_to_forget() {
    let way = way().await;
    let gone = Message::Demapped {
        device_id: DeviceId::parse("d-1").ok(),
        cause: DemappingCause::UtiInvalid,
        sub_cause: None,
    };
    way.road.deliver(&way.consignment(Role::IotSp, gone)).await;
    let failed = Message::Result {
        status: MappingStatus::Failed,
        cause: Some(ResultCause::TimedOut),
        undo: true,
    };
    way.road
        .deliver(&way.consignment(Role::IotSp, failed))
        .await;
    let sent = way.outbound.take();
    let told = |n: usize| signal(&sent[n].1)["nev"]["rep"]["ics:idmap"].clone();
    assert_eq!(told(0)["did"], "d-1");
    let (msta, mcau, undo) = (&told(1)["msta"], &told(1)["mcau"], &told(1)["undo"]);
    assert_eq!(
        (msta, mcau, undo),
        (&json!(4), &json!("TIMED_OUT"), &json!(true))
    );
}

#[tokio::test]
async fn what_a_device_says_is_an_instance_of_its_row() {
    for (data, is_json, con, cnf) in [
        (
            &b"{\"t\":1}"[..],
            true,
            json!("{\"t\":1}"),
            "application/json:0",
        ),
        (
            &b"\xff\x00"[..],
            false,
            json!("/wA="),
            "application/octet-stream:1",
        ),
    ] {
        let way = way().await;
        let sealed = Sealed::from_bytes(Vec::new());
        let event = Message::Event {
            data: sealed,
            is_json,
        };
        let mut consignment = way.consignment(Role::ThirdPartySp, event);
        consignment.event = Some(data.to_vec());
        way.road.deliver(&consignment).await;
        let sent = way.outbound.take();
        let event = &signal(&sent[0].1)["nev"];
        assert_eq!(event["net"], 3);
        assert_eq!(event["rep"]["m2m:cin"], json!({ "con": con, "cnf": cnf }));
        assert_eq!(signal(&sent[0].1)["sur"], format!("/id-ics/{}", row()));
    }
}

#[tokio::test]
async fn an_ae_of_this_cse_is_called_where_it_is_reached() {
    let way = way().await;
    let urls = ["http://127.0.0.1:1/", "http://127.0.0.1:2/"];
    let local = urls.map(str::to_owned).to_vec();
    way.watches
        .local
        .lock()
        .unwrap()
        .insert("Cshop".into(), local);
    way.outbound.answer(urls[0], Err(Unreachable::Connection));
    for nu in ["Cshop", "/id-ics/Cshop"] {
        way.watches.by_parent.lock().unwrap().clear();
        way.watches.add(&row(), "/id-in/Cshop", nu, &[1], 1);
        let consignment = way.consignment(Role::ThirdPartySp, established());
        assert_eq!(way.road.deliver(&consignment).await, RoadOutcome::Accepted);
        let vias: Vec<_> = way
            .outbound
            .take()
            .into_iter()
            .map(|(via, _)| via)
            .collect();
        assert_eq!(vias, urls.map(|url| Via::PointOfAccess(url.into())));
    }
}

#[tokio::test]
async fn an_answer_decides_whether_it_is_tried_again() {
    let again = RoadOutcome::Failed;
    for (answer, expected) in [
        (Ok(Rsc::Ok), RoadOutcome::Accepted),
        (Ok(Rsc::Accepted), RoadOutcome::Accepted),
        (Ok(Rsc::OriginatorHasNoPrivilege), RoadOutcome::Refused),
        (Ok(Rsc::ReceiverHasNoPrivilege), RoadOutcome::Refused),
        (Ok(Rsc::BadRequest), RoadOutcome::Refused),
        (Ok(Rsc::NotFound), again),
        (Ok(Rsc::TargetNotReachable), again),
        (Ok(Rsc::RequestTimeout), again),
        (Ok(Rsc::InternalServerError), again),
        (Err(Unreachable::Connection), RoadOutcome::Unreachable),
        (Err(Unreachable::Timeout), RoadOutcome::Unreachable),
        (Err(Unreachable::Answer), RoadOutcome::Unreachable),
        (Err(Unreachable::Address), RoadOutcome::Unreachable),
    ] {
        let way = way().await;
        way.outbound.answer("registrar", answer);
        let consignment = way.consignment(Role::ThirdPartySp, demapped());
        let outcome = way.road.deliver(&consignment).await;
        assert_eq!(outcome, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_party_was_told_when_one_of_its_watches_took_it() {
    let way = way().await;
    way.watches
        .add(&row(), "/id-in/Cshop", "https://a.example/", &[2], 1);
    way.watches
        .add(&row(), "/id-in/Cshop", "https://b.example/", &[2], 1);
    way.outbound
        .answer("https://a.example/", Ok(Rsc::OriginatorHasNoPrivilege));
    let consignment = way.consignment(Role::ThirdPartySp, demapped());
    assert_eq!(way.road.deliver(&consignment).await, RoadOutcome::Accepted);
    assert_eq!(way.outbound.take().len(), 2);
}

#[tokio::test]
async fn watches_of_the_other_side_are_left_to_it() {
    let way = way().await;
    way.watches
        .add(&row(), "/id-in/Cacme", "/id-in/Cacme", &[2], 1);
    let consignment = way.consignment(Role::ThirdPartySp, demapped());
    assert_eq!(way.road.deliver(&consignment).await, RoadOutcome::Accepted);
    assert_eq!(way.outbound.take()[0].1.to, "/id-in/Cshop");
    assert!(way.watches.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_party_may_speak_as_an_ae_of_this_cse() {
    let way = way().await;
    let directory = way.rig.service.directory();
    let mut party = Party::clone(directory.party(&sp("shop")).unwrap());
    let mut own = party.onem2m.clone().unwrap();
    own.ae = ics_core::id::AeId::parse("/id-ics/Cshop").unwrap();
    party.onem2m = Some(own);
    way.watches
        .add(&row(), "Cshop", "https://shop.example/", &[1], 1);
    for (id, is_own) in [
        ("Cshop", true),
        ("/id-ics/Cshop", true),
        ("/id-in/Cshop", false),
    ] {
        let mut watch = way.watches.subscriptions_of(&row()).remove(0);
        watch.creator = id.into();
        assert_eq!(is_of(&names(), &watch, &party), is_own, "{id}");
    }
}

#[test]
fn an_address_is_a_url_an_own_ae_or_somebody_elsewhere() {
    let watches = FakeWatches::default();
    let resolve = |nu: &str| notice(&names(), &watches, nu).map(|(vias, _)| vias);
    assert_eq!(resolve("/id-in/Cx"), Some(vec![Via::Registrar]));
    assert_eq!(
        resolve("//other.example/id-x/Cx"),
        Some(vec![Via::Registrar])
    );
    assert_eq!(resolve("Cx"), None);
    let url = "mqtt://broker.example:1883";
    assert_eq!(resolve(url), Some(vec![Via::PointOfAccess(url.into())]));
}
