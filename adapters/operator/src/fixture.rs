//! A world to test in: a store in memory that can be switched off, an authority that counts, a
//! clock that stands, and rows put there by hand.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ics_core::device::HostedDevice;
use ics_core::id::{AgreementId, DeviceId, MappingId, ServiceUri, SpId, Uti};
use ics_core::mapping::{Dispatch, Features, Mapping, MappingKey, State};
use ics_core::outbox::{Addressee, DeadReason, Message, OutboxEntry, OutboxKey, Subject};
use ics_core::party::Limits;
use ics_core::port::{DeviceBell, OutboxBell, PortFuture};
use ics_core::principal::{CertificateThumbprint, OperatorCertificate};
use ics_core::procedure::Knobs;
use ics_core::reference_point::Role;
use ics_core::sealed::{BlindIndex, Sealed};
use ics_core::service::{self, IcsService};
use ics_core::time::Timestamp;

use crate::api::{Caller, Invitations, OperatorApi, Policies, Ports, Settings};
use crate::wire::{InvitationView, PolicyView, VerdictView};

mod store;
mod surroundings;

pub(crate) use store::FakeStore;
use surroundings::Surroundings;

/// What must never be seen outside.
pub(crate) const SERIAL: &[u8] = b"SERIAL-NUMBER-4711";
pub(crate) const SERVICE: &str = "https://shop.example/eggs";
pub(crate) const UTI: &str = "0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11";
pub(crate) const DEVICE: &str = "d-5f0c77aab1e24f06";

pub(crate) struct World {
    pub(crate) api: Arc<OperatorApi>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) bell: Arc<FakeBell>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (store, bell) = (
            Arc::new(FakeStore::default()),
            Arc::new(FakeBell::default()),
        );
        let surroundings = Arc::new(Surroundings::default());
        let ports = service::Ports {
            store: store.clone(),
            sealer: surroundings.clone(),
            decision_point: surroundings.clone(),
            directory: surroundings.clone(),
            limiter: surroundings.clone(),
            entropy: surroundings.clone(),
            bell: bell.clone(),
            device_bell: bell.clone(),
            device_authority: surroundings.clone(),
            password_hasher: None,
        };
        let ports = Ports {
            service: Arc::new(IcsService::new(ports, Knobs::default())),
            authority: surroundings.clone(),
            clock: surroundings.clone(),
            clocks: surroundings,
            status: store.clone(),
            observation: store.clone(),
            archive: store.clone(),
            onem2m: None,
            invitations: Some(Arc::new(FakeInvitations)),
            policies: Arc::new(FakePolicies),
        };
        let settings = Settings {
            version: "1.2.3",
            started: at(-3600),
            default_limits: Limits {
                requests_per_second: NonZeroU32::new(100).unwrap(),
                failed_mappings_per_day: NonZeroU32::new(1000).unwrap(),
            },
            certificate_validity: Duration::from_secs(7 * 86_400),
        };
        Self {
            api: Arc::new(OperatorApi::new(ports, settings)),
            store,
            bell,
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        self.api.admit(Some(&operator())).unwrap()
    }
}

/// One verdict, once.
struct FakePolicies;

impl Policies for FakePolicies {
    fn show(&self) -> PolicyView {
        PolicyView {
            set: "00000000000000aa".into(),
            own_policies: 1,
            trial: None,
        }
    }

    fn decisions(&self) -> Vec<VerdictView> {
        vec![VerdictView {
            verdict: "00000000000000bb".into(),
            permitted: false,
            reason: Some("refused for this device".into()),
            policies: Vec::new(),
            errors: Vec::new(),
            asked: 1,
            facts: serde_json::Value::Null,
        }]
    }
}

/// Gives out a code that says whom it is for, and for how long.
struct FakeInvitations;

impl Invitations for FakeInvitations {
    fn invite<'a>(
        &'a self,
        sp: &'a SpId,
        lifetime: Duration,
    ) -> PortFuture<'a, Result<InvitationView, service::Failure>> {
        let view = InvitationView {
            sp_id: sp.to_string(),
            code: format!("{sp}-{}", lifetime.as_secs()),
            expires: at(0).plus(lifetime).to_rfc3339(),
            url: "https://ics.example/.well-known/est".into(),
        };
        Box::pin(async { Ok(view) })
    }
}

/// The time it is, and instants around it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

pub(crate) fn operator() -> OperatorCertificate {
    OperatorCertificate {
        name: SpId::parse("cli").unwrap(),
        thumbprint: CertificateThumbprint([1; 32]),
        not_after: at(60),
    }
}

pub(crate) fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

/// Row number `n` of shop and vendor under `agreement`, established.
pub(crate) fn established(n: u8, agreement: &str) -> Mapping {
    let device_id = DeviceId::parse(DEVICE).unwrap();
    Mapping {
        hosted: None,
        id: MappingId::from_bytes([n; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse(&format!("{SERVICE}/{n}")).unwrap(),
            uti: Uti::parse(UTI).unwrap(),
        },
        third_party_sp: sp("shop"),
        iot_sp: sp("vendor"),
        agreement: AgreementId::parse(agreement).unwrap(),
        consent: None,
        consent_record: None,
        owner: None,
        serial_index: BlindIndex::from_bytes([n; 32]),
        device_vendor: None,
        device_model: None,
        e2e: None,
        destination: None,
        websocket: false,
        subscription: None,
        features: Features(0),
        uti_expiry: None,
        state: State::Established {
            device_id,
            since: at(-10),
        },
        created: at(-20),
        updated: at(-10),
        sequence: 2,
        version: 2,
    }
}

pub(crate) fn pending(n: u8, agreement: &str) -> Mapping {
    Mapping {
        state: State::Pending {
            serial: Sealed::from_bytes(SERIAL.to_vec()),
            deadline: at(3600),
            dispatch: Dispatch::Dispatching,
        },
        ..established(n, agreement)
    }
}

/// The notification of row `n` to shop.
pub(crate) fn notification(n: u8, dead: Option<DeadReason>) -> OutboxEntry {
    let addressee = Addressee {
        role: Role::ThirdPartySp,
        sp: sp("shop"),
    };
    OutboxEntry {
        key: OutboxKey {
            addressee,
            subject: Subject::Mapping(MappingId::from_bytes([n; 16])),
            sequence: 2,
        },
        message: Message::Test,
        mapping_key: None,
        event_time: at(-10),
        deadline: at(-5),
        attempts: 3,
        next_attempt: at(-6),
        dead,
    }
}

#[derive(Default)]
pub(crate) struct FakeBell(pub(crate) AtomicUsize);

impl OutboxBell for FakeBell {
    fn ring(&self, _: &Addressee) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl DeviceBell for FakeBell {
    fn ring(&self, _: &DeviceId, _: Option<&HostedDevice>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn recheck(&self, _: &SpId) {}
}
