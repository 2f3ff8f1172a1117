//! A tree on a shelf in memory, with a clock that is set and targets that answer as they are told.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_core::port::{Clock, Entropy, PortFuture, StoreError};
use ics_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::address::{Address, Names};
use crate::caller::{Originator, Standing};
use crate::outbound::{Outbound, Unreachable, Via};
use crate::primitive::{Answer, Operation, Outcome, Request, Response};
use crate::rsc::Rsc;
use crate::shelf::{Kept, Shelf};
use crate::tree::{Ports, Settings, Tree};

/// 2026-11-21T20:00:00Z.
pub(crate) const START: i64 = 1_795_291_200_000;

#[derive(Default)]
pub(crate) struct MemoryShelf {
    records: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    fails: AtomicBool,
}

impl MemoryShelf {
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    pub(crate) fn records(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.records.lock().unwrap().clone()
    }

    pub(crate) fn put(&self, key: &[u8], value: &[u8]) {
        self.records
            .lock()
            .unwrap()
            .insert(key.to_vec(), value.to_vec());
    }
}

impl Shelf for MemoryShelf {
    fn load(&self) -> PortFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        let records = self.records().into_iter().collect();
        Box::pin(async move { Ok(records) })
    }

    fn keep(&self, records: Vec<Kept>) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if self.fails.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable);
            }
            let mut kept = self.records.lock().unwrap();
            for (key, value) in records {
                match value {
                    Some(value) => kept.insert(key, value),
                    None => kept.remove(&key),
                };
            }
            Ok(())
        })
    }
}

/// Answers every notification, and remembers it.
#[derive(Default)]
pub(crate) struct Targets {
    sent: Mutex<Vec<(Via, Request)>>,
    arrived: Notify,
    answers: Mutex<HashMap<String, Result<Rsc, Unreachable>>>,
}

impl Targets {
    /// From now on `to` answers that.
    pub(crate) fn answer(&self, to: &str, answer: Result<Rsc, Unreachable>) {
        self.answers.lock().unwrap().insert(to.to_owned(), answer);
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        let sent = self.sent.lock().unwrap();
        sent.iter().map(|(_, request)| request.clone()).collect()
    }

    /// The next one that has not been taken yet.
    pub(crate) async fn next(&self) -> (Via, Request) {
        let wait = async {
            loop {
                let arrived = self.arrived.notified();
                {
                    let mut sent = self.sent.lock().unwrap();
                    if !sent.is_empty() {
                        return sent.remove(0);
                    }
                }
                arrived.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("a notification")
    }

    /// The content of the next one.
    pub(crate) async fn next_content(&self) -> Value {
        Value::Object(self.next().await.1.content.expect("content"))
    }
}

impl Outbound for Targets {
    fn send<'a>(
        &'a self,
        via: &'a Via,
        request: &'a Request,
    ) -> PortFuture<'a, Result<Response, Unreachable>> {
        self.sent
            .lock()
            .unwrap()
            .push((via.clone(), request.clone()));
        self.arrived.notify_one();
        let answer = self.answers.lock().unwrap().get(&request.to).copied();
        Box::pin(async move {
            let rsc = answer.unwrap_or(Ok(Rsc::Ok))?;
            Ok(Response::to(request, Ok(Answer::empty(rsc))))
        })
    }
}

pub(crate) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        for (to, from) in out.iter_mut().rev().zip(count.iter().rev()) {
            *to = *from;
        }
    }
}

pub(crate) struct Rig {
    pub(crate) tree: Tree,
    pub(crate) shelf: Arc<MemoryShelf>,
    pub(crate) targets: Arc<Targets>,
    pub(crate) settings: Settings,
    clock: Arc<SetClock>,
    entropy: Arc<Counting>,
}

pub(crate) fn names() -> Names {
    Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    }
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new(names(), &["2a", "3", "4", "5"]);
    settings.admin = Some("CAdmin".into());
    settings.points_of_access = vec!["http://ics.example:8000".into()];
    settings.peers = vec!["id-in".into()];
    settings.pauses = vec![Duration::ZERO, Duration::ZERO];
    settings
}

/// Who says it is `id`, in a sandbox.
pub(crate) fn originator(id: &str) -> Originator {
    let standing = if id == "CAdmin" {
        Standing::Admin
    } else {
        Standing::Believed
    };
    Originator {
        id: id.to_owned(),
        standing,
    }
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let shelf = Arc::new(MemoryShelf::default());
        let entropy = Arc::new(Counting::default());
        let clock = Arc::new(SetClock(AtomicI64::new(START)));
        let targets = Arc::new(Targets::default());
        let tree = open(&shelf, &settings, (&targets, &clock, &entropy))
            .await
            .expect("a tree");
        Self {
            tree,
            shelf,
            targets,
            settings,
            clock,
            entropy,
        }
    }

    /// With requests of the tree going there.
    pub(crate) async fn over(outbound: Arc<dyn Outbound>) -> Self {
        let rig = Self::new().await;
        let ports = Ports {
            outbound,
            clock: Arc::clone(&rig.clock) as Arc<dyn Clock>,
            entropy: Arc::clone(&rig.entropy) as Arc<dyn Entropy>,
        };
        let shelf = Arc::clone(&rig.shelf) as Arc<dyn Shelf>;
        let tree = Tree::open(shelf, &rig.settings, ports)
            .await
            .expect("a tree");
        Self { tree, ..rig }
    }

    /// Another process on the same shelf.
    pub(crate) async fn reopen(&self) -> Result<Self, StoreError> {
        let around = (&self.targets, &self.clock, &self.entropy);
        Ok(Self {
            tree: open(&self.shelf, &self.settings, around).await?,
            shelf: Arc::clone(&self.shelf),
            targets: Arc::clone(&self.targets),
            settings: self.settings.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass(&self, span: Duration) {
        let later = self.now().plus(span).millis();
        self.clock.0.store(later, Ordering::SeqCst);
    }

    /// A timestamp so many seconds from now.
    pub(crate) fn in_seconds(&self, seconds: i64) -> String {
        let millis = self.now().millis() + seconds * 1000;
        crate::time::format(Timestamp::from_millis(millis))
    }

    pub(crate) async fn send(&self, who: &Originator, request: Request) -> Outcome {
        let address = Address::parse(&request.to, &names())?;
        self.tree
            .handle((who, &address), &request, self.now())
            .await
    }

    /// The code and the content of the answer to a request as `from`.
    pub(crate) async fn ask(&self, from: &str, request: Request) -> (Rsc, Value) {
        match self.send(&originator(from), request).await {
            Ok(answer) => (answer.rsc, answer.content.unwrap_or(Value::Null)),
            Err(refusal) => (refusal.rsc, Value::Null),
        }
    }

    pub(crate) async fn create(
        &self,
        from: &str,
        (ty, to): (u16, &str),
        content: Value,
    ) -> (Rsc, Value) {
        self.ask(from, create(ty, to, content)).await
    }

    /// The attributes of what was made; it has to be.
    pub(crate) async fn made(&self, from: &str, place: (u16, &str), content: Value) -> Value {
        let (rsc, answer) = self.create(from, place, content.clone()).await;
        assert_eq!(rsc, Rsc::Created, "{place:?} {content}");
        inner(&answer)
    }

    pub(crate) async fn get(&self, from: &str, to: &str) -> (Rsc, Value) {
        self.ask(from, request(Operation::Retrieve, to)).await
    }

    /// The attributes of what is there; it has to be.
    pub(crate) async fn shown(&self, from: &str, to: &str) -> Value {
        let (rsc, answer) = self.get(from, to).await;
        assert_eq!(rsc, Rsc::Ok, "{to}");
        inner(&answer)
    }

    /// A retrieve with a query as HTTP has it.
    pub(crate) async fn query(&self, from: &str, to: &str, query: &str) -> (Rsc, Value) {
        match with_query(request(Operation::Retrieve, to), query) {
            Some(request) => self.ask(from, request).await,
            None => (Rsc::BadRequest, Value::Null),
        }
    }

    pub(crate) async fn put(&self, from: &str, to: &str, content: Value) -> (Rsc, Value) {
        let mut request = request(Operation::Update, to);
        request.content = content.as_object().cloned();
        self.ask(from, request).await
    }

    pub(crate) async fn delete(&self, from: &str, to: &str) -> Rsc {
        self.ask(from, request(Operation::Delete, to)).await.0
    }

    /// An AE of that name, with a point of access.
    pub(crate) async fn ae(&self, id: &str) -> String {
        let poa = format!("http://{id}.example");
        let ae = json!({ "m2m:ae": {
            "rn": id, "api": "N.test", "rr": true, "srv": ["3"], "poa": [poa],
        } });
        self.made(id, (2, "ics"), ae).await;
        format!("ics/{id}")
    }
}

async fn open(
    shelf: &Arc<MemoryShelf>,
    settings: &Settings,
    (targets, clock, entropy): (&Arc<Targets>, &Arc<SetClock>, &Arc<Counting>),
) -> Result<Tree, StoreError> {
    let ports = Ports {
        outbound: Arc::clone(targets) as Arc<dyn Outbound>,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::clone(entropy) as Arc<dyn Entropy>,
    };
    Tree::open(Arc::clone(shelf) as Arc<dyn Shelf>, settings, ports).await
}

pub(crate) fn request(operation: Operation, to: &str) -> Request {
    let mut request = Request::new(operation, to, "r1");
    request.release = Some("4".into());
    request
}

pub(crate) fn create(ty: u16, to: &str, content: Value) -> Request {
    let mut request = request(Operation::Create, to);
    request.resource_type = Some(ty);
    if let Value::Object(content) = content {
        request.content = Some(content);
    }
    request
}

/// `rcn=4&ty=3`, as the HTTP binding reads it; `None` where it would refuse it.
pub(crate) fn with_query(mut request: Request, query: &str) -> Option<Request> {
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "rcn" => request.result_content = Some(value.parse().ok()?),
            "drt" => request.unstructured_result = value == "2",
            _ => request.filter.take(name, value).ok()?,
        }
    }
    Some(request)
}

/// What is in the one member.
pub(crate) fn inner(content: &Value) -> Value {
    let members = content.as_object().expect("an object");
    members.values().next().expect("a member").clone()
}
