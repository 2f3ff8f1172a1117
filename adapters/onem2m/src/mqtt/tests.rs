use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt as _;
use ics_channel::fake::SetClock;
use ics_core::time::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::fake::FakeCse;
use crate::handler::Once;
use crate::outbound::{Outbound as _, Unreachable, Via};
use crate::primitive::Response;

/// A broker that keeps what it is given, or is not there.
#[derive(Default)]
struct FakeLine {
    published: Mutex<Vec<(String, Value)>>,
    is_down: Mutex<bool>,
}

impl Publish for FakeLine {
    fn publish(&self, topic: String, payload: Vec<u8>) -> PortFuture<'_, Result<(), NotPublished>> {
        if *self.is_down.lock().unwrap() {
            return Box::pin(async { Err(NotPublished) });
        }
        let payload = serde_json::from_slice(&payload).unwrap();
        self.published.lock().unwrap().push((topic, payload));
        Box::pin(async { Ok(()) })
    }
}

impl FakeLine {
    fn take(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.published.lock().unwrap())
    }
}

struct Stage {
    line: Arc<FakeLine>,
    cse: Arc<FakeCse>,
    outbound: Arc<MqttOutbound>,
    service: Arc<MqttService>,
}

const HOP: &str = "/oneM2M/req/id-in/id-ics/json";
const OTHER: &str = "/oneM2M/req/Cshop/id-ics/json";

fn stage(is_believed: bool, turns: usize) -> Stage {
    let settings = MqttSettings {
        names: Names {
            cse_id: "id-ics".into(),
            cse_name: "ics".into(),
            sp_domain: "ics.example".into(),
        },
        registrar: Some("id-in".into()),
        broker: ("broker.example".into(), 8883),
        is_believed,
    };
    let now = Timestamp::parse("2026-11-21T20:00:00Z").unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SetClock::at(now));
    let line = Arc::new(FakeLine::default());
    let cse = Arc::new(FakeCse::new(turns));
    let outbound = Arc::new(MqttOutbound::new(settings, Arc::clone(&line) as _));
    let handler = Arc::new(Once::new(Arc::clone(&cse) as _, Arc::clone(&clock)));
    let service = MqttService::new(Arc::clone(&outbound), handler, clock);
    Stage {
        line,
        cse,
        outbound,
        service: Arc::new(service),
    }
}

impl Stage {
    /// What is published for a message, once all that it needs was done.
    fn say(&self, topic: &str, payload: &Value) -> Vec<(String, Value)> {
        let payload = payload.to_string().into_bytes();
        let done = self.service.take(topic, payload).now_or_never();
        done.expect("it is done at once");
        self.line.take()
    }
}

fn primitive(from: &str) -> Value {
    json!({"op": 2, "to": "/id-ics/ics", "fr": from, "rqi": "r1", "rvi": "4"})
}

#[test]
fn a_request_from_behind_the_registrar_is_handled_as_its_and_answered_on_its_topic() {
    let stage = stage(false, 1);
    let told = stage.say(HOP, &primitive("/id-in/Cshop"));
    let answer = json!({
        "rsc": 2000, "rqi": "r1", "rvi": "4", "fr": "/id-ics", "to": "/id-in/Cshop",
        "pc": {"m2m:uri": "/id-ics/ics"},
    });
    assert_eq!(
        told,
        [("/oneM2M/resp/id-in/id-ics/json".to_owned(), answer)]
    );
    let [(caller, request)] = &stage.cse.asked()[..] else {
        panic!("asked once");
    };
    assert_eq!(caller, "Cse(\"id-in\")");
    assert_eq!(request.from.as_deref(), Some("/id-in/Cshop"));
}

fn rsc(told: &[(String, Value)]) -> u64 {
    let [(_, answer)] = told else {
        panic!("one answer: {told:?}");
    };
    answer["rsc"].as_u64().unwrap()
}

#[test]
fn an_originator_that_the_topic_does_not_name_is_refused() {
    for is_believed in [false, true] {
        let stage = stage(is_believed, 0);
        assert_eq!(rsc(&stage.say(HOP, &primitive("/id-mn/Cshop"))), 4106);
        assert_eq!(rsc(&stage.say(OTHER, &primitive("Cother"))), 4106);
        assert!(stage.cse.asked().is_empty());
    }
}

#[test]
fn who_is_not_behind_the_registrar_is_heard_where_it_is_believed_alone() {
    assert_eq!(rsc(&stage(false, 0).say(OTHER, &primitive("Cshop"))), 4106);
    let stage = stage(true, 2);
    assert_eq!(rsc(&stage.say(OTHER, &primitive("Cshop"))), 2000);
    assert_eq!(stage.cse.asked()[0].0, "Loopback");
}

#[test]
fn a_registration_is_answered_to_the_credential() {
    let stage = stage(true, 1);
    let mut registration = primitive("C");
    registration["op"] = 1.into();
    registration["ty"] = 2.into();
    registration["pc"] = json!({"m2m:ae": {}});
    let told = stage.say("/oneM2M/reg_req/cred/id-ics/json", &registration);
    assert_eq!(told[0].0, "/oneM2M/reg_resp/cred/id-ics/json");
    assert_eq!(rsc(&told), 2000);
    registration["ty"] = 3.into();
    assert_eq!(
        rsc(&stage.say("/oneM2M/reg_req/cred/id-ics/json", &registration)),
        4000
    );
}

#[test]
fn what_the_broker_held_too_long_is_over() {
    let stage = stage(false, 0);
    let mut late = primitive("/id-in/Cshop");
    late["rqet"] = "20261121T195959".into();
    assert_eq!(rsc(&stage.say(HOP, &late)), 4008);
}

#[test]
fn a_malformed_primitive_is_refused_under_its_id() {
    let stage = stage(false, 0);
    let told = stage.say(HOP, &json!({"op": 9, "to": "x", "rqi": "r7"}));
    assert_eq!(rsc(&told), 4000);
    assert_eq!(told[0].1["rqi"], "r7");
    assert_eq!(rsc(&stage.say(HOP, &json!([1]))), 4000);
}

#[test]
fn what_is_not_for_this_cse_is_not_heard() {
    let stage = stage(true, 0);
    for topic in [
        "/oneM2M/req/id-in/id-mn/json",
        "/oneM2M/req/id-in/id-ics/xml",
        "/oneM2M/reg_resp/cred/id-ics/json",
        "/oneM2M/resp/id-ics/id-in/json",
        "elsewhere",
    ] {
        let told = stage.say(topic, &primitive("/id-in/Cshop"));
        assert_eq!(told, [], "{topic}");
    }
    let long = vec![b' '; LONGEST + 1];
    assert!(stage.service.take(HOP, long).now_or_never().is_some());
    assert_eq!(stage.line.take(), []);
}

#[test]
fn a_message_that_comes_twice_is_done_once_and_answered_twice() {
    let stage = stage(false, 5);
    let mut request = primitive("/id-in/Cshop");
    request["op"] = 3.into();
    request["pc"] = json!({"ics:idmap": {}});
    let first = stage.say(HOP, &request);
    assert_eq!(stage.say(HOP, &request), first);
    assert_eq!(stage.cse.asked().len(), 1);
}

#[tokio::test]
async fn more_requests_than_there_are_places_for_are_refused() {
    let stage = stage(false, 0);
    let payload = primitive("/id-in/Cshop").to_string().into_bytes();
    let take = |_| Box::pin(stage.service.take(HOP, payload.clone()));
    let mut at_work: Vec<_> = (0..MOST_AT_WORK).map(take).collect();
    for work in &mut at_work {
        assert!(work.as_mut().now_or_never().is_none());
    }
    assert_eq!(rsc(&stage.say(HOP, &primitive("/id-in/Cshop"))), 5000);
    stage.cse.permit(MOST_AT_WORK + 1);
    for work in at_work {
        work.await;
    }
    stage.line.take();
    stage.service.take(HOP, payload.clone()).await;
    assert_eq!(rsc(&stage.line.take()), 2000);
}

fn notify(to: &str) -> Request {
    let mut request = Request::new(Operation::Notify, to, "q1");
    request.from = Some("/id-ics".into());
    request.release = Some("3".into());
    request.content = json!({"m2m:sgn": {}}).as_object().cloned();
    request
}

/// Asks, and hears `answers` once it has asked.
async fn ask(
    stage: &Stage,
    (via, to): (Via, &str),
    answers: &[(&str, Value)],
) -> (Result<Response, Unreachable>, Vec<(String, Value)>) {
    let request = notify(to);
    let mut asking = stage.outbound.send(&via, &request);
    if let Some(ended) = asking.as_mut().now_or_never() {
        return (ended, stage.line.take());
    }
    let asked = stage.line.take();
    for (topic, answer) in answers {
        stage.say(topic, answer);
    }
    (asking.await, asked)
}

fn point(url: &str) -> Via {
    Via::PointOfAccess(url.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_request_of_ours_goes_to_the_registrar_and_its_answer_comes_back() {
    let stage = stage(false, 0);
    let answer = json!({"rsc": 2000, "rqi": "q1", "rvi": "3"});
    let answers = [("/oneM2M/resp/id-ics/id-in/json", answer)];
    let (answered, asked) = ask(&stage, (Via::Registrar, "/id-in/Cshop"), &answers).await;
    assert_eq!(answered.unwrap().rsc, Rsc::Ok);
    let expected = json!({
        "op": 5, "to": "/id-in/Cshop", "fr": "/id-ics", "rqi": "q1", "rvi": "3",
        "pc": {"m2m:sgn": {}},
    });
    assert_eq!(
        asked,
        [("/oneM2M/req/id-ics/id-in/json".to_owned(), expected)]
    );
    assert!(stage.outbound.waits_for_nothing());
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_somebody_else_or_to_another_request_is_none() {
    let stage = stage(false, 0);
    let to_q1 = json!({"rsc": 2000, "rqi": "q1"});
    let answers = [
        ("/oneM2M/resp/id-ics/id-mn/json", to_q1.clone()),
        ("/oneM2M/resp/id-mn/id-in/json", to_q1),
        (
            "/oneM2M/resp/id-ics/id-in/json",
            json!({"rsc": 2000, "rqi": "q2"}),
        ),
        ("/oneM2M/resp/id-ics/id-in/json", json!({"rqi": "q1"})),
    ];
    let (answered, _) = ask(&stage, (Via::Registrar, "/id-in/Cshop"), &answers).await;
    assert_eq!(answered, Err(Unreachable::Timeout));
    assert!(stage.outbound.waits_for_nothing());
}

#[tokio::test(start_paused = true)]
async fn points_of_access_on_the_broker_are_reached_by_the_id_they_name() {
    let stage = stage(false, 0);
    let broker = "mqtts://broker.example";
    for (point_of_access, to, receiver, sent_to) in [
        ("", "Cshop", "Cshop", "Cshop"),
        ("/", "/id-ics/Cshop", "Cshop", "/id-ics/Cshop"),
        (
            ":8883",
            "//ics.example/id-ics/Cshop/x",
            "Cshop",
            "//ics.example/id-ics/Cshop/x",
        ),
        ("", "/id-mn/Cother", "id-mn", "/id-mn/Cother"),
        ("/Cshop", "Cx", "Cshop", "Cx"),
        ("//Cshop", "mqtts://broker.example//Cshop", "Cshop", "Cshop"),
        ("/oneM2M/req/id-ics/Cshop/json", "Cx", "Cshop", "Cx"),
    ] {
        let via = point(&format!("{broker}{point_of_access}"));
        let topic = format!("/oneM2M/resp/id-ics/{receiver}/json");
        let answers = [(topic.as_str(), json!({"rsc": 2000, "rqi": "q1"}))];
        let (answered, asked) = ask(&stage, (via, to), &answers).await;
        assert!(answered.is_ok(), "{point_of_access} {to}: {answered:?}");
        assert_eq!(asked[0].0, format!("/oneM2M/req/id-ics/{receiver}/json"));
        assert_eq!(asked[0].1["to"], sent_to);
    }
}

#[tokio::test(start_paused = true)]
async fn other_points_of_access_are_not_called() {
    let stage = stage(false, 0);
    for (url, to) in [
        ("mqtts://other.example", "Cshop"),
        ("mqtt://broker.example", "Cshop"),
        ("mqtts://broker.example:1883", "Cshop"),
        ("mqtts://user:password@broker.example", "Cshop"),
        ("http://broker.example:8883", "Cshop"),
        ("mqtts://broker.example", "mqtts://broker.example"),
        ("mqtts://broker.example/a/b", "Cshop"),
        (
            "mqtts://broker.example/oneM2M/req/id-mn/Cshop/json",
            "Cshop",
        ),
        ("mqtts://broker.example/#", "Cshop"),
    ] {
        let (answered, asked) = ask(&stage, (point(url), to), &[]).await;
        assert_eq!(answered, Err(Unreachable::Address), "{url}");
        assert_eq!(asked, []);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_nobody_waits() {
    let stage = stage(false, 0);
    *stage.line.is_down.lock().unwrap() = true;
    let began = tokio::time::Instant::now();
    let (answered, _) = ask(&stage, (Via::Registrar, "/id-in/Cshop"), &[]).await;
    assert_eq!(answered, Err(Unreachable::Connection));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(stage.outbound.waits_for_nothing());
}
