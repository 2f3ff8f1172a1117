//! What the tests stand on: the service with its own rules over a store in memory, two third party
//! SPs, two IoT SPs, one that is both, and what they are told.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_channel::fake::FakeService;
use ics_core::change::Change;
use ics_core::device::HostedDevice;
use ics_core::directory::Directory;
use ics_core::id::{AeId, DeviceId, Origin, ServicePrefix, SpId};
use ics_core::mapping::Features;
use ics_core::outbox::Addressee;
use ics_core::party::{
    ConsentMode, Exposure, Limits, OneM2mAe, SerialMatcher, SerialNamespace, SignatureAlgorithm,
    VerifyingKey,
};
use ics_core::port::{
    AuthorityError, Clock, DeviceAuthority, DeviceBell, DirectorySource, Entropy,
    IssuedCertificate, OutboxBell, PortFuture, SealError, Sealer, SignatureVerifier,
};
use ics_core::principal::{Principal, Proof};
use ics_core::procedure::Knobs;
use ics_core::sealed::{BlindIndex, BlindIndexDomain, Sealed};
use ics_core::service::{AgreementTerms, IcsService, PartyTerms, SubscriptionTerms};
use ics_core::time::Timestamp;
use ics_policies::{Limiter, PolicySet, PolicySources, Rules};
use ics_store::MemoryStore;
use serde_json::{Value, json};

use crate::address::{Address, Names};
use crate::caller::{Originator, Standing};
use crate::ics::{DEFINITION, Handled, Ics, Ports, Views, Watches};
use crate::outbound::{Outbound, Unreachable, Via};
use crate::primitive::{Answer, Content, Filter, Operation, Outcome, Request, Response};
use crate::rsc::Rsc;
use crate::tree::{Parent, Watch};

pub(crate) const SERVICE: &str = "https://shop.example/s/eggs";
pub(crate) const UTI: &str = "0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11";
pub(crate) const SERIAL: &str = "acme-00031";

pub(crate) struct Rig {
    pub(crate) ics: Ics,
    pub(crate) views: Views,
    pub(crate) service: Arc<IcsService>,
    pub(crate) devices: Arc<FakeService>,
    pub(crate) sealer: Arc<PlainSealer>,
    pub(crate) watches: Arc<FakeWatches>,
    pub(crate) outbound: Arc<FakeOutbound>,
    pub(crate) now: Timestamp,
    requests: AtomicU64,
}

pub(crate) fn noon() -> Timestamp {
    Timestamp::parse("2026-11-21T12:00:00Z").unwrap()
}

pub(crate) fn names() -> Names {
    Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    }
}

pub(crate) fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(Knobs {
            failure_floor: Duration::ZERO,
            ..Knobs::default()
        })
        .await
    }

    /// `shop` and `shop2` are third party SPs, `acme` and `acme2` IoT SPs, `both` both; all have
    /// agreed with all.
    pub(crate) async fn with(knobs: Knobs) -> Self {
        let sealer = Arc::new(PlainSealer::default());
        let limiter = Arc::new(Limiter::new());
        let ports = ics_core::service::Ports {
            store: Arc::new(MemoryStore::in_memory().unwrap()),
            sealer: sealer.clone(),
            decision_point: Arc::new(Rules::new(
                sealer.clone(),
                PolicySet::compile(&PolicySources::default()).unwrap(),
            )),
            directory: Arc::new(Snapshot::default()),
            limiter: limiter.clone(),
            entropy: Arc::new(Counter(AtomicU64::new(0))),
            bell: Arc::new(Silent),
            device_bell: Arc::new(Silent),
            device_authority: Arc::new(Silent),
            password_hasher: None,
        };
        let service = Arc::new(IcsService::new(ports, knobs));
        for (id, third_party_sp, iot_sp) in [
            ("shop", true, false),
            ("shop2", true, false),
            ("slow", true, false),
            ("acme", false, true),
            ("acme2", false, true),
            ("both", true, true),
        ] {
            let terms = party(id, third_party_sp, iot_sp);
            service.onboard_party(&terms, noon()).await.unwrap();
        }
        for third_party_sp in ["shop", "shop2", "slow", "both"] {
            for iot_sp in ["acme", "acme2"] {
                let terms = agreement(iot_sp, third_party_sp);
                service.add_agreement(&terms, noon()).await.unwrap();
            }
        }
        let outbound = Arc::new(FakeOutbound::default());
        let devices = Arc::new(FakeService::new(Arc::new(Silent)));
        let ports = Ports {
            service: service.clone(),
            devices: devices.clone(),
            limiter,
            verifier: Arc::new(FakeSignatures),
        };
        let views = Views::new(names(), DEFINITION.into(), sealer.clone());
        Self {
            ics: Ics::new(ports, views.clone(), noon()),
            views,
            service,
            devices,
            sealer,
            watches: Arc::default(),
            outbound,
            now: noon(),
            requests: AtomicU64::new(0),
        }
    }

    /// Time goes on.
    pub(crate) fn wait(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }

    pub(crate) async fn sweep(&self) {
        while self.service.sweep_due(self.now).await.unwrap() > 0 {}
    }

    /// Asks, of whatever place the address names.
    pub(crate) async fn ask(&self, who: &Originator, request: &Request) -> Outcome {
        self.handle(who, request).await.outcome
    }

    pub(crate) async fn handle(&self, who: &Originator, request: &Request) -> Handled {
        let address = Address::parse(&request.to, &names()).unwrap();
        let place = self.ics.place(&address).expect("a place of the ICS");
        let watches: &dyn Watches = self.watches.as_ref();
        let handled = self.ics.handle((who, place), request, (watches, self.now));
        handled.await
    }

    pub(crate) fn request(&self, operation: Operation, to: &str) -> Request {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let mut request = Request::new(operation, to, format!("r{number}"));
        request.release = Some("3".into());
        request
    }

    pub(crate) fn create(&self, to: &str, content: Value) -> Request {
        let mut request = self.request(Operation::Create, to);
        request.resource_type = Some(28);
        request.content = Some(object(content));
        request
    }

    pub(crate) fn update(&self, to: &str, content: Value) -> Request {
        let mut request = self.request(Operation::Update, to);
        request.content = Some(object(content));
        request
    }

    pub(crate) fn retrieve(&self, to: &str) -> Request {
        self.request(Operation::Retrieve, to)
    }

    /// A retrieve with what a query string said.
    pub(crate) fn query(&self, to: &str, query: &[(&str, &str)]) -> Request {
        let mut request = self.retrieve(to);
        let mut filter = Filter::default();
        for (name, value) in query {
            match *name {
                "rcn" => request.result_content = value.parse().ok(),
                "drt" => request.unstructured_result = *value == "2",
                name => filter.take(name, value).unwrap(),
            }
        }
        request.filter = filter;
        request
    }

    /// A mapping of `uti`, pending; its resource ID without `map-`.
    pub(crate) async fn map(&self, uti: &str) -> String {
        let request = self.create("/id-ics/ics/map", mapping(uti));
        let answer = self.ask(&direct("shop"), &request).await.unwrap();
        assert_eq!(answer.rsc, Rsc::Created);
        let ri = member(&answer, "ics:idmap")["ri"].clone();
        ri.as_str()
            .unwrap()
            .strip_prefix("map-")
            .unwrap()
            .to_owned()
    }

    /// The same, completed.
    pub(crate) async fn established(&self, uti: &str, did: &str) -> String {
        let id = self.map(uti).await;
        let content = json!({ "ics:idmap": { "did": did } });
        let request = self.update(&format!("/id-ics/ics/pnd/pnd-{id}"), content);
        let answer = self.ask(&direct("acme"), &request).await.unwrap();
        assert_eq!(answer.rsc, Rsc::Updated);
        id
    }

    /// What `shop` is shown of a row of its own.
    pub(crate) async fn row(&self, id: &str) -> Value {
        let request = self.retrieve(&format!("/id-ics/map-{id}"));
        let answer = self.ask(&direct("shop"), &request).await.unwrap();
        member(&answer, "ics:idmap").clone()
    }

    /// `acme` takes pushes, so that there are entries in the outbox.
    pub(crate) async fn subscribe_over_t8(&self, id: &str) {
        let Standing::Party(principal) = direct(id).standing else {
            unreachable!()
        };
        let terms = SubscriptionTerms {
            serial_namespaces: Vec::new(),
            destination: Some(
                ics_core::id::CallbackUri::parse(&format!("https://{id}.example/cb")).unwrap(),
            ),
            websocket: false,
            features: Features::default(),
            request_test: false,
        };
        let made = self
            .service
            .create_subscription(&principal, &terms, self.now);
        made.await.unwrap();
    }
}

fn object(value: Value) -> Content {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

/// The content of a mapping request of `shop`.
pub(crate) fn mapping(uti: &str) -> Value {
    json!({ "ics:idmap": {
        "cnd": DEFINITION, "svu": SERVICE, "uti": uti, "dsn": SERIAL,
        "ucid": "c-81", "ucgt": "20261121T110000", "ucpu": "dpv:RequestedServiceProvision",
    } })
}

/// The one member of an answer.
#[track_caller]
pub(crate) fn member<'a>(answer: &'a Answer, name: &str) -> &'a Value {
    let content = answer.content.as_ref().expect("a content");
    content
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {content}"))
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn refused(outcome: Outcome) -> (Rsc, String) {
    let refusal = outcome.expect_err("a refusal");
    (refusal.rsc, refusal.diagnostic.into_owned())
}

/// A caller that proved itself by certificate.
pub(crate) fn direct(id: &str) -> Originator {
    let scopes = [
        ics_core::reference_point::Role::ThirdPartySp,
        ics_core::reference_point::Role::IotSp,
    ];
    Originator {
        id: format!("/id-in/C{id}"),
        standing: Standing::Party(Principal {
            sp: sp(id),
            proof: Proof::Claim(sp(id)),
            scopes: ics_core::reference_point::Scopes::of_roles(scopes),
            consent: None,
        }),
    }
}

/// A caller behind the registrar.
pub(crate) fn behind(id: &str) -> Originator {
    Originator {
        id: format!("/id-in/C{id}"),
        standing: Standing::BehindHop,
    }
}

/// The key of a party: its name, and nothing.
pub(crate) fn key(id: &str) -> VerifyingKey {
    let mut point = id.as_bytes().to_vec();
    point.resize(32, 0);
    VerifyingKey::new(SignatureAlgorithm::EdDsa, point).unwrap()
}

fn party(id: &str, third_party_sp: bool, iot_sp: bool) -> PartyTerms {
    let requests_per_second = if id == "slow" { 1 } else { 10_000 };
    PartyTerms {
        id: sp(id),
        third_party_sp,
        iot_sp,
        services: third_party_sp
            .then(|| ServicePrefix::parse(&format!("https://{id}.example/s")).unwrap())
            .into_iter()
            .collect(),
        claims: Vec::new(),
        serial_namespaces: iot_sp
            .then(|| SerialNamespace {
                vendor: None,
                matcher: SerialMatcher::prefix(&format!("{id}-")).unwrap(),
            })
            .into_iter()
            .collect(),
        callback_origins: vec![Origin::parse(&format!("https://{id}.example")).unwrap()],
        token_endpoint: None,
        onem2m: Some(OneM2mAe {
            ae: AeId::parse(&format!("/id-in/C{id}")).unwrap(),
            key: Some(key(id)),
        }),
        limits: Limits {
            requests_per_second: NonZeroU32::new(requests_per_second).unwrap(),
            failed_mappings_per_day: NonZeroU32::new(2).unwrap(),
        },
    }
}

fn agreement(iot_sp: &str, third_party_sp: &str) -> AgreementTerms {
    AgreementTerms {
        iot_sp: sp(iot_sp),
        third_party_sp: sp(third_party_sp),
        services: Vec::new(),
        valid_from: noon(),
        valid_until: None,
        consent_mode: ConsentMode::Asserted,
        exposure: Exposure::Raw,
        pairing_required: false,
    }
}

/// Seals nothing; out of order while `down`.
#[derive(Default)]
pub(crate) struct PlainSealer {
    pub(crate) down: AtomicBool,
}

impl Sealer for PlainSealer {
    fn seal(&self, _: &[u8], value: &[u8]) -> Result<Sealed, SealError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(SealError::Unavailable);
        }
        Ok(Sealed::from_bytes(value.to_vec()))
    }

    fn open(&self, _: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(SealError::DoesNotOpen);
        }
        Ok(sealed.as_bytes().to_vec())
    }

    fn blind_index(&self, domain: BlindIndexDomain, parts: &[&[u8]]) -> BlindIndex {
        let mut framed = domain.label().as_bytes().to_vec();
        for part in parts {
            framed.extend(part.len().to_be_bytes());
            framed.extend(*part);
        }
        BlindIndex::from_bytes(FakeSignatures.sha256(&framed))
    }
}

/// Digests that are none, and signatures that are digests of key and message.
pub(crate) struct FakeSignatures;

impl FakeSignatures {
    pub(crate) fn sign(&self, key: &VerifyingKey, message: &[u8]) -> Vec<u8> {
        let mut signed = key.point().to_vec();
        signed.extend(message);
        self.sha256(&signed).to_vec()
    }
}

impl SignatureVerifier for FakeSignatures {
    fn is_signed(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
        self.sign(key, message) == signature
    }

    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        for (n, part) in digest.chunks_mut(8).enumerate() {
            let mut hasher = DefaultHasher::new();
            (n, bytes).hash(&mut hasher);
            part.copy_from_slice(&hasher.finish().to_be_bytes());
        }
        digest
    }
}

/// Subscriptions by hand.
#[derive(Default)]
pub(crate) struct FakeWatches {
    pub(crate) by_parent: Mutex<BTreeMap<String, Vec<Watch>>>,
    made: AtomicU64,
    pub(crate) asked: Mutex<Vec<(String, String, Request)>>,
    pub(crate) ended: Mutex<Vec<String>>,
    pub(crate) told: Mutex<Vec<(String, u64, Value)>>,
    pub(crate) local: Mutex<BTreeMap<String, Vec<String>>>,
}

impl FakeWatches {
    pub(crate) fn add(
        &self,
        parent: &str,
        creator: &str,
        nu: &str,
        net: &[u64],
        nct: u64,
    ) -> String {
        let ri = format!("sub{}", self.made.fetch_add(1, Ordering::SeqCst));
        let mut all = self.by_parent.lock().unwrap();
        all.entry(parent.to_owned()).or_default().push(Watch {
            ri: ri.clone(),
            nu: vec![nu.to_owned()],
            net: net.to_vec(),
            nct,
            creator: creator.to_owned(),
        });
        ri
    }
}

impl Watches for FakeWatches {
    fn subscribe_at<'a>(
        &'a self,
        parent: &'a Parent<'a>,
        _: &'a Originator,
        request: &'a Request,
        _: Timestamp,
    ) -> PortFuture<'a, Outcome> {
        let asked = (
            parent.ri.to_owned(),
            parent.path.to_owned(),
            request.clone(),
        );
        self.asked.lock().unwrap().push(asked);
        Box::pin(async { Ok(Answer::empty(Rsc::Created)) })
    }

    fn subscriptions_of(&self, parent_ri: &str) -> Vec<Watch> {
        let all = self.by_parent.lock().unwrap();
        all.get(parent_ri).cloned().unwrap_or_default()
    }

    fn tell(&self, subscription_ri: &str, net: u64, representation: Value) {
        let told = (subscription_ri.to_owned(), net, representation);
        self.told.lock().unwrap().push(told);
    }

    fn end<'a>(&'a self, watch: &'a Watch, _: Timestamp) -> PortFuture<'a, Outcome> {
        for watches in self.by_parent.lock().unwrap().values_mut() {
            watches.retain(|other| other.ri != watch.ri);
        }
        self.ended.lock().unwrap().push(watch.ri.clone());
        Box::pin(async { Ok(Answer::empty(Rsc::Deleted)) })
    }

    fn points_of_access(&self, stem: &str) -> Option<Vec<String>> {
        self.local.lock().unwrap().get(stem).cloned()
    }
}

/// Notes what goes out, and answers as it was told; where it was told nothing, 2000.
#[derive(Default)]
pub(crate) struct FakeOutbound {
    pub(crate) sent: Mutex<Vec<(Via, Request)>>,
    pub(crate) answers: Mutex<BTreeMap<String, Result<Rsc, Unreachable>>>,
}

impl FakeOutbound {
    /// What is sent by this way is answered so: `registrar`, or a URL.
    pub(crate) fn answer(&self, way: &str, answer: Result<Rsc, Unreachable>) {
        self.answers.lock().unwrap().insert(way.to_owned(), answer);
    }

    pub(crate) fn take(&self) -> Vec<(Via, Request)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

impl Outbound for FakeOutbound {
    fn send<'a>(
        &'a self,
        via: &'a Via,
        request: &'a Request,
    ) -> PortFuture<'a, Result<Response, Unreachable>> {
        self.sent
            .lock()
            .unwrap()
            .push((via.clone(), request.clone()));
        let way = match via {
            Via::Registrar => "registrar",
            Via::PointOfAccess(url) => url,
        };
        let answer = self.answers.lock().unwrap().get(way).copied();
        let answer = answer.unwrap_or(Ok(Rsc::Ok));
        Box::pin(async move { answer.map(|rsc| Response::to(request, Ok(Answer::empty(rsc)))) })
    }
}

#[derive(Default)]
struct Snapshot(Mutex<Arc<Directory>>);

impl DirectorySource for Snapshot {
    fn snapshot(&self) -> Arc<Directory> {
        self.0.lock().unwrap().clone()
    }

    fn update(&self, change: &Change) {
        let mut snapshot = self.0.lock().unwrap();
        let mut next = Directory::clone(&snapshot);
        next.apply(change);
        *snapshot = Arc::new(next);
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
        out.fill(0);
        out.iter_mut()
            .rev()
            .zip(number)
            .for_each(|(to, from)| *to = from);
    }
}

struct Silent;

impl OutboxBell for Silent {
    fn ring(&self, _: &Addressee) {}
}

impl DeviceBell for Silent {
    fn ring(&self, _: &DeviceId, _: Option<&HostedDevice>) {}

    fn recheck(&self, _: &SpId) {}
}

impl DeviceAuthority for Silent {
    fn issue_device(
        &self,
        _: (&SpId, &DeviceId),
        _: &str,
        _: Duration,
        _: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        Err(AuthorityError::Unavailable)
    }
}

/// A clock that stands.
pub(crate) struct StandingClock(pub(crate) Timestamp);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}
