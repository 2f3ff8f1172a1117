use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use ics_channel::fake::SetClock;
use serde_json::json;
use tokio::sync::oneshot;

use super::*;
use crate::primitive::{Answer, Outcome};
use crate::rsc::Rsc;

struct Stage {
    repeats: Repeats<Response>,
    clock: SetClock,
    done: AtomicUsize,
}

impl Stage {
    fn new() -> Self {
        Self {
            repeats: Repeats::new(|response| response),
            clock: SetClock::at(Timestamp::from_millis(1_700_000_000_000)),
            done: AtomicUsize::new(0),
        }
    }

    /// Answers with how many were done before.
    async fn ask(&self, caller: &str, request: &Request, rsc: Rsc) -> Response {
        let work = async {
            let done = self.done.fetch_add(1, Ordering::Relaxed);
            response(request, rsc, done)
        };
        self.repeats
            .once((caller, request), &self.clock, work)
            .await
    }

    async fn ask_well(&self, request: &Request) -> Option<u64> {
        content(&self.ask("id-in", request, Rsc::Created).await)
    }
}

fn response(request: &Request, rsc: Rsc, done: usize) -> Response {
    let outcome: Outcome = Ok(Answer::with(rsc, "n", json!(done)));
    Response::to(request, outcome)
}

fn content(response: &Response) -> Option<u64> {
    response.content.as_ref()?.get("n")?.as_u64()
}

fn request() -> Request {
    let mut request = Request::new(Operation::Create, "/id-ics/ics/map", "r1");
    request.from = Some("/id-in/Cshop".into());
    request
}

#[tokio::test]
async fn the_same_request_is_answered_the_same_and_done_once() {
    let stage = Stage::new();
    for _ in 0..3 {
        assert_eq!(stage.ask_well(&request()).await, Some(0));
    }
}

#[tokio::test]
async fn another_id_originator_caller_or_content_is_another_request() {
    let stage = Stage::new();
    stage.ask_well(&request()).await;
    let mut other_id = request();
    other_id.request_id = "r2".into();
    assert_eq!(stage.ask_well(&other_id).await, Some(1));
    let mut other_originator = request();
    other_originator.from = Some("/id-in/Cother".into());
    assert_eq!(stage.ask_well(&other_originator).await, Some(2));
    let elsewhere = stage.ask("id-mn", &request(), Rsc::Created).await;
    assert_eq!(content(&elsewhere), Some(3));
    let mut other_content = request();
    other_content.content = json!({"tok": "another"}).as_object().cloned();
    assert_eq!(stage.ask_well(&other_content).await, Some(4));
    assert_eq!(
        stage.ask_well(&request()).await,
        Some(0),
        "it is still known"
    );
}

#[tokio::test]
async fn what_was_not_done_or_changes_nothing_is_done_again() {
    let stage = Stage::new();
    for n in 0..2 {
        let refused = stage
            .ask("id-in", &request(), Rsc::InternalServerError)
            .await;
        assert_eq!(content(&refused), Some(n));
    }
    let mut retrieve = request();
    retrieve.operation = Operation::Retrieve;
    assert_eq!(stage.ask_well(&retrieve).await, Some(2));
    assert_eq!(stage.ask_well(&retrieve).await, Some(3));
}

#[tokio::test]
async fn an_answer_is_forgotten_in_time() {
    let stage = Stage::new();
    stage.ask_well(&request()).await;
    let end = stage.clock.now().plus(KEPT);
    stage.clock.set(Timestamp::from_millis(end.millis() - 1));
    assert_eq!(stage.ask_well(&request()).await, Some(0));
    stage.clock.set(end);
    assert_eq!(stage.ask_well(&request()).await, Some(1));
}

#[tokio::test]
async fn no_more_is_kept_than_there_is_room_for() {
    let stage = Stage::new();
    for n in 0..=MOST {
        let mut request = request();
        request.request_id = n.to_string();
        stage.ask_well(&request).await;
    }
    {
        let known = stage.repeats.lock();
        assert!(known.answered.len() <= MOST && known.entries.len() <= MOST);
    }
    let mut newest = request();
    newest.request_id = MOST.to_string();
    assert_eq!(stage.ask_well(&newest).await, u64::try_from(MOST).ok());
}

#[tokio::test]
async fn large_answers_make_room_for_each_other() {
    let repeats = Repeats::new(|response: &Response| response);
    let clock = SetClock::at(Timestamp::from_millis(0));
    for n in 0..40 {
        let mut request = request();
        request.request_id = n.to_string();
        let text = "x".repeat(1 << 20);
        let outcome = Ok(Answer::with(Rsc::Created, "n", json!(text)));
        let answer = Response::to(&request, outcome);
        let work = async { answer };
        repeats.once(("id-in", &request), &clock, work).await;
    }
    let mut known = repeats.lock();
    known.forget(Timestamp::from_millis(0));
    assert!(known.bytes <= MOST_BYTES, "{}", known.bytes);
    assert_eq!(known.entries.len(), known.answered.len());
    assert!(!known.entries.is_empty());
}

#[tokio::test]
async fn who_asks_again_meanwhile_waits_for_the_same_answer() {
    let repeats = Repeats::new(|response: &Response| response);
    let clock = SetClock::at(Timestamp::from_millis(0));
    let request = request();
    let (go, gone) = oneshot::channel();
    let slow = async {
        gone.await.unwrap();
        response(&request, Rsc::Created, 0)
    };
    let never = async { panic!("done twice") };
    let first = repeats.once(("id-in", &request), &clock, slow);
    let second = repeats.once(("id-in", &request), &clock, never);
    let both = futures_util::future::join(first, second);
    tokio::pin!(both);
    assert!(both.as_mut().now_or_never().is_none());
    go.send(()).unwrap();
    let (first, second) = both.await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn what_was_left_undone_is_done_by_who_asks_again() {
    let stage = Stage::new();
    let request = request();
    let never = std::future::pending::<Response>();
    let mut first = Box::pin(stage.repeats.once(("id-in", &request), &stage.clock, never));
    assert!(first.as_mut().now_or_never().is_none());
    let second = stage.ask_well(&request);
    tokio::pin!(second);
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(second.await, Some(0));
}
