//! What the tests stand on: a small authority, peers on loopback, a standing clock, consignments.

mod peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use ics_core::id::{CallbackUri, MappingId, ServiceUri, SpId, SubscriptionId, Uti};
use ics_core::mapping::{Features, MappingKey};
use ics_core::outbox::{Addressee, Message, OutboxEntry, OutboxKey, Subject};
use ics_core::party::{Limits, Party, PartyStatus, Subscription};
use ics_core::port::{Clock, Entropy, ResourceNames};
use ics_core::reference_point::Role;
use ics_core::service::Consignment;
use ics_core::time::Timestamp;

pub(crate) use peer::{Peer, Pki, Reply};

use crate::driver::{Driver, Patience};
use crate::signature::CallbackSigner;
use crate::vetting::AddressRules;

/// 2026-11-21T20:00:00.000Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_291_200_000);

pub(crate) struct StandingClock(pub(crate) AtomicI64);

impl StandingClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOW.millis())))
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Role, party and id, one after the other.
pub(crate) struct PlainNames;

impl ResourceNames for PlainNames {
    fn uri(&self, addressee: &Addressee, subject: Subject) -> String {
        let subject = match subject {
            Subject::Mapping(id) => format!("mapping:{id}"),
            Subject::Subscription(id) => format!("subscription:{id}"),
        };
        format!("urn:{:?}:{}:{subject}", addressee.role, addressee.sp)
    }
}

/// Not random at all, but never the same twice in a row.
#[derive(Default)]
pub(crate) struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::SeqCst));
    }
}

pub(crate) struct SeededKey(pub(crate) Ed25519KeyPair);

impl SeededKey {
    pub(crate) fn new() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }
}

impl CallbackSigner for SeededKey {
    fn key_id(&self) -> &str {
        "seeded"
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().unwrap()
    }
}

/// As long as a test on loopback ever takes.
pub(crate) const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(10),
};

/// Peers of loopback alone.
pub(crate) fn loopback() -> AddressRules {
    AddressRules {
        allowed: vec!["127.0.0.0/8".parse().unwrap()],
        forbidden: Vec::new(),
    }
}

/// Reaches peers of loopback.
pub(crate) fn driver(pki: &Pki) -> Arc<Driver> {
    Arc::new(Driver::new(pki.client_config(), loopback(), PATIENCE))
}

pub(crate) fn addressee(role: Role) -> Addressee {
    let sp = match role {
        Role::ThirdPartySp => "shop",
        Role::IotSp => "acme-iot",
    };
    Addressee {
        role,
        sp: SpId::parse(sp).unwrap(),
    }
}

pub(crate) fn mapping_id(n: u8) -> MappingId {
    MappingId::mint(NOW, [n; 10])
}

pub(crate) fn mapping_key() -> MappingKey {
    MappingKey {
        service_uri: ServiceUri::parse("https://shop.example/services/eggs").unwrap(),
        uti: Uti::parse("urn:uuid:0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11").unwrap(),
    }
}

pub(crate) fn entry(role: Role, (n, sequence): (u8, u64), message: Message) -> OutboxEntry {
    OutboxEntry {
        key: OutboxKey {
            addressee: addressee(role),
            subject: Subject::Mapping(mapping_id(n)),
            sequence,
        },
        message,
        mapping_key: Some(mapping_key()),
        event_time: NOW,
        deadline: NOW.plus(Duration::from_secs(86_400)),
        attempts: 0,
        next_attempt: NOW,
        dead: None,
    }
}

pub(crate) fn party(id: &SpId) -> Party {
    let many = std::num::NonZeroU32::new(1000).unwrap();
    Party {
        id: id.clone(),
        third_party_sp: true,
        iot_sp: true,
        status: PartyStatus::Active,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: Vec::new(),
        callback_origins: Vec::new(),
        token_endpoint: None,
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: many,
            failed_mappings_per_day: many,
        },
        created: NOW,
        version: 1,
    }
}

pub(crate) fn subscription(iot_sp: &SpId, destination: &CallbackUri) -> Subscription {
    Subscription {
        id: SubscriptionId::mint(NOW, [9; 10]),
        iot_sp: iot_sp.clone(),
        serial_namespaces: Vec::new(),
        destination: Some(destination.clone()),
        websocket: false,
        features: Features::default(),
        created: NOW,
        version: 1,
    }
}

pub(crate) fn consignment(entry: OutboxEntry, destination: &str) -> Consignment {
    let destination = CallbackUri::parse(destination).unwrap();
    let sp = entry.key.addressee.sp.clone();
    let to_iot_sp = entry.key.addressee.role == Role::IotSp;
    Consignment {
        event: None,
        party: Arc::new(party(&sp)),
        subscription: to_iot_sp.then(|| Arc::new(subscription(&sp, &destination))),
        destination: Some(destination),
        websocket: false,
        onem2m: false,
        assignment: None,
        entry,
    }
}
