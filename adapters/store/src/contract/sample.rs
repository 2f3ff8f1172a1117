//! Rows, entries and records to put into a store under test.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;

use ics_core::change::{Change, Write};
use ics_core::device::{
    Channel, Channels, CredentialId, CredentialKind, DeviceCredential, DeviceStatus, HostedDevice,
    KeySalt, PairingTicket,
};
use ics_core::device_document::DocumentState;
use ics_core::directory::DirectoryRecord;
use ics_core::fence::{Fence, FenceScope};
use ics_core::id::{
    AeId, AgreementId, CallbackUri, DeviceId, JobId, MappingId, Origin, ServicePrefix, ServiceUri,
    SpId, SubscriptionId, Uti,
};
use ics_core::job::{Job, JobOwner, JobStatus};
use ics_core::keepsake::{Keeping, Shelf};
use ics_core::mapping::{
    Attribute, CauseCode, Consent, DemappingCause, Dispatch, EndedBy, FailureCause, Features,
    Mapping, MappingKey, MappingStatus, State, UtiRecord,
};
use ics_core::outbox::{Addressee, DeadReason, Message, OutboxEntry, OutboxKey, Subject};
use ics_core::party::{
    Agreement, CertificateRecord, ConsentMode, Exposure, Limits, OneM2mAe, Party, PartyStatus,
    SerialMatcher, SerialNamespace, SignatureAlgorithm, Subscription, VerifyingKey,
};
use ics_core::port::Cursor;
use ics_core::principal::{CertificateSerial, CertificateThumbprint};
use ics_core::procedure::demapping::Demapping;
use ics_core::reference_point::Role;
use ics_core::sealed::{BlindIndex, Sealed};
use ics_core::time::Timestamp;
use ics_core::timekeeping::ClockMark;

use crate::engine::{Engine, EngineError, Verdict, WriteKeys as _};
use crate::{EmbeddedStore, Table, Upkeep as _, index};

/// An instant some milliseconds into the suite.
#[must_use]
pub const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_780_000_000_000 + millis)
}

/// An SP id.
#[must_use]
pub fn sp(text: &str) -> SpId {
    SpId::parse(text).unwrap()
}

/// A service URI.
#[must_use]
pub fn service(text: &str) -> ServiceUri {
    ServiceUri::parse(text).unwrap()
}

/// A device ID.
#[must_use]
pub fn device(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

/// A UTI of its own for each number.
#[must_use]
pub fn uti(number: u64) -> Uti {
    Uti::parse(&format!("uti-of-the-suite-{number:x}")).unwrap()
}

/// A keyed hash of its own for each number.
#[must_use]
pub fn hash(number: u64) -> BlindIndex {
    let mut bytes = [0xa5; 32];
    bytes
        .first_chunk_mut()
        .into_iter()
        .for_each(|b| *b = number.to_le_bytes());
    BlindIndex::from_bytes(bytes)
}

/// A mapping id of its own for each number, in their order.
#[must_use]
pub fn mapping_id(number: u64) -> MappingId {
    let mut random = [0; 10];
    random
        .first_chunk_mut()
        .into_iter()
        .for_each(|b| *b = number.to_be_bytes());
    MappingId::mint(at(i64::try_from(number).unwrap()), random)
}

/// A pending row of `shop1` for a device of `maker1`.
#[must_use]
pub fn pending(number: u64) -> Mapping {
    Mapping {
        id: mapping_id(number),
        key: MappingKey {
            service_uri: service("https://shop.example/eggs"),
            uti: uti(number),
        },
        third_party_sp: sp("shop1"),
        iot_sp: sp("maker1"),
        agreement: AgreementId::from_bytes([7; 16]),
        consent: Some(Consent {
            id: attribute("consent-1"),
            purpose: attribute("dpv:RequestedServiceProvision"),
            subject: None,
            granted_at: at(0),
            expires: None,
        }),
        consent_record: None,
        owner: None,
        serial_index: hash(number),
        device_vendor: Some(attribute("Frost & Söhne")),
        device_model: None,
        e2e: Some(Sealed::from_bytes(vec![9; 40])),
        destination: Some(callback()),
        websocket: false,
        hosted: None,
        subscription: Some(SubscriptionId::from_bytes([8; 16])),
        features: Features(3),
        uti_expiry: None,
        state: State::Pending {
            serial: Sealed::from_bytes(vec![1, 2, 3]),
            deadline: at(100_000),
            dispatch: Dispatch::Dispatching,
        },
        created: at(0),
        updated: at(0),
        sequence: 1,
        version: 1,
    }
}

/// The next version of a row, in another state.
#[must_use]
pub fn in_state(row: &Mapping, state: State) -> Mapping {
    let mut next = row.clone();
    next.state = state;
    next.sequence += 1;
    next.version += 1;
    next
}

/// The next version of a row, established.
#[must_use]
pub fn established(row: &Mapping, device_id: &str) -> Mapping {
    in_state(
        row,
        State::Established {
            device_id: device(device_id),
            since: at(1),
        },
    )
}

/// The next version of a row, failed and not yet told.
#[must_use]
pub fn failing(row: &Mapping) -> Mapping {
    let cause = FailureCause::Rejected(CauseCode::parse("USER_SAID_NO").unwrap());
    in_state(
        row,
        State::Failing {
            cause,
            disclose_at: at(500),
            at: at(2),
            deadline: at(100),
        },
    )
}

/// The next version of a row, failed.
#[must_use]
pub fn failed(row: &Mapping) -> Mapping {
    in_state(
        row,
        State::Failed {
            cause: FailureCause::TimedOut,
            at: at(3),
            purge_at: at(900_000),
        },
    )
}

/// The next version of a row, de-mapped.
#[must_use]
pub fn deleted(row: &Mapping) -> Mapping {
    in_state(
        row,
        State::Deleted {
            cause: Some(DemappingCause::UtiInvalid),
            sub_cause: Some(CauseCode::parse("EXPIRED").unwrap()),
            by: EndedBy::Party(Role::ThirdPartySp),
            at: at(4),
            purge_at: at(800_000),
        },
    )
}

/// An SP in the role of third party.
#[must_use]
pub fn third_party(id: &str) -> Addressee {
    Addressee {
        role: Role::ThirdPartySp,
        sp: sp(id),
    }
}

/// What `addressee` is told of row `number` with `sequence`, due from the start.
#[must_use]
pub fn entry(addressee: &Addressee, number: u64, sequence: u64) -> OutboxEntry {
    OutboxEntry {
        key: OutboxKey {
            addressee: addressee.clone(),
            subject: Subject::Mapping(mapping_id(number)),
            sequence,
        },
        message: Message::Result {
            status: MappingStatus::Established,
            cause: None,
            undo: false,
        },
        mapping_key: Some(pending(number).key),
        event_time: at(0),
        deadline: at(1_000_000),
        attempts: 0,
        next_attempt: at(i64::try_from(number).unwrap()),
        dead: None,
    }
}

/// A party with both roles and everything granted.
#[must_use]
pub fn party(id: &str, version: u64) -> DirectoryRecord {
    DirectoryRecord::Party(Arc::new(Party {
        id: sp(id),
        third_party_sp: true,
        iot_sp: true,
        status: PartyStatus::Suspended,
        services: vec![ServicePrefix::parse("https://shop.example/").unwrap()],
        claims: Vec::new(),
        serial_namespaces: vec![
            SerialNamespace {
                vendor: Some(attribute("Frost")),
                matcher: SerialMatcher::prefix("FR-").unwrap(),
            },
            SerialNamespace {
                vendor: None,
                matcher: SerialMatcher::pattern("[0-9]{4}-X").unwrap(),
            },
        ],
        callback_origins: vec![Origin::parse("https://shop.example:8443").unwrap()],
        token_endpoint: Some(callback()),
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: NonZeroU32::MIN,
            failed_mappings_per_day: NonZeroU32::MAX,
        },
        created: at(0),
        version,
    }))
}

/// The same that speaks as the AE `/id-in/<stem>`, and signs.
#[must_use]
pub fn speaking(id: &str, version: u64, stem: &str) -> DirectoryRecord {
    let point = [vec![4], vec![7; 64]].concat();
    let onem2m = OneM2mAe {
        ae: AeId::parse(&format!("/id-in/{stem}")).unwrap(),
        key: VerifyingKey::new(SignatureAlgorithm::Es256, point),
    };
    match party(id, version) {
        DirectoryRecord::Party(party) => DirectoryRecord::Party(Arc::new(Party {
            onem2m: Some(onem2m),
            ..Party::clone(&party)
        })),
        other => other,
    }
}

/// An agreement between `maker1` and `shop1`.
#[must_use]
pub fn agreement(version: u64) -> DirectoryRecord {
    DirectoryRecord::Agreement(Arc::new(Agreement {
        id: AgreementId::from_bytes([7; 16]),
        iot_sp: sp("maker1"),
        third_party_sp: sp("shop1"),
        services: vec![ServicePrefix::parse("https://shop.example/eggs").unwrap()],
        valid_from: at(0),
        valid_until: Some(at(50)),
        consent_mode: ConsentMode::IotSpConfirm,
        exposure: Exposure::Pairwise,
        pairing_required: false,
        ended: Some(at(40)),
        version,
    }))
}

/// A subscription of `maker1`.
#[must_use]
pub fn subscription(version: u64) -> DirectoryRecord {
    DirectoryRecord::Subscription(Arc::new(Subscription {
        id: SubscriptionId::from_bytes([8; 16]),
        iot_sp: sp("maker1"),
        serial_namespaces: Vec::new(),
        destination: Some(callback()),
        websocket: false,
        features: Features(1),
        created: at(0),
        version,
    }))
}

/// A revoked certificate of `shop1`.
#[must_use]
pub fn certificate(version: u64) -> DirectoryRecord {
    DirectoryRecord::Certificate(Arc::new(CertificateRecord {
        serial: CertificateSerial::from_der_integer(&[0, 200, 0, 1]),
        thumbprint: Some(CertificateThumbprint([6; 32])),
        sp: sp("shop1"),
        not_after: at(1_000_000),
        revoked: Some(at(3)),
        version,
    }))
}

/// The fence of job `number`: over the rows of a service of `shop1`, of a UTI, of a device, under
/// an agreement, in turn.
#[must_use]
pub fn fence(number: u8) -> DirectoryRecord {
    let (third_party_sp, iot_sp) = (sp("shop1"), sp("maker1"));
    let MappingKey { service_uri, uti } = pending(1).key;
    let scope = match number % 4 {
        0 => FenceScope::Service {
            third_party_sp,
            service_uri,
        },
        1 => FenceScope::Uti {
            third_party_sp,
            uti,
        },
        2 => FenceScope::Device {
            iot_sp,
            device_id: DeviceId::parse("d-1").unwrap(),
            service_uri: Some(service_uri),
        },
        _ => FenceScope::Agreement {
            agreement: AgreementId::from_bytes([7; 16]),
            iot_sp,
        },
    };
    DirectoryRecord::Fence(Arc::new(Fence {
        job: JobId::from_bytes([number; 16]),
        scope,
        demapping: Demapping {
            cause: DemappingCause::ServiceInvalid,
            sub_cause: Some(CauseCode::parse("RETIRED").unwrap()),
            by: EndedBy::Party(Role::ThirdPartySp),
        },
        at: at(9),
    }))
}

/// Job `number` in a version, half way; the operator's, where the number is even.
#[must_use]
pub fn job(number: u8, version: u64) -> DirectoryRecord {
    let of_party = !number.is_multiple_of(2);
    DirectoryRecord::Job(Arc::new(Job {
        id: JobId::from_bytes([number; 16]),
        owner: if of_party {
            JobOwner::Party(sp("shop1"), Role::IotSp)
        } else {
            JobOwner::Operator
        },
        status: JobStatus::Failed,
        total: 100_000,
        done: 4_000,
        failed: 1,
        cursor: Some(Cursor(vec![0, 1, 0xff])),
        created: at(9),
        finished: Some(at(10)),
        version,
    }))
}

/// The ID of hosted device `number`.
#[must_use]
pub fn hosted_id(number: u64) -> DeviceId {
    let mut random = [0; 16];
    random
        .first_chunk_mut()
        .into_iter()
        .for_each(|b| *b = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    DeviceId::mint(random)
}

/// A hosted device of `maker1`, its serial number that of [`pending`] row `number`.
#[must_use]
pub fn hosted(number: u64) -> HostedDevice {
    let credential = |id, kind, revoked| DeviceCredential {
        id: CredentialId(id),
        kind,
        not_before: at(0),
        not_after: at(1_000_000),
        revoked,
    };
    HostedDevice {
        id: hosted_id(number),
        iot_sp: sp("maker1"),
        serial: Sealed::from_bytes(vec![4, 5, 6]),
        serial_index: hash(number),
        vendor: Some(attribute("Frost & Söhne")),
        model: None,
        owner: Some(attribute("owner-1")),
        channels: Channels::from_iter([Channel::Mqtt, Channel::OneM2m]),
        credentials: vec![
            credential(
                1,
                CredentialKind::Certificate(CertificateThumbprint([3; 32])),
                Some(at(7)),
            ),
            credential(2, CredentialKind::Password(hash(number + 100)), None),
        ],
        credentials_given: 2,
        pairing: vec![PairingTicket {
            index: hash(number + 200),
            not_after: at(900_000),
        }],
        document: DocumentState::default().changed(&[mapping_id(1), mapping_id(2)], &[]),
        status: DeviceStatus::Active,
        created: at(0),
        updated: at(7),
        version: 1,
    }
}

/// A hosted device that comes over CoAP, with a password and two pre-shared keys, the first of them
/// revoked.
#[must_use]
pub fn keyed(number: u64) -> HostedDevice {
    let key = |id: u8, revoked| DeviceCredential {
        id: CredentialId(id.into()),
        kind: CredentialKind::PreSharedKey(KeySalt([id; 16])),
        not_before: at(0),
        not_after: at(1_000_000),
        revoked,
    };
    let mut device = hosted(number);
    device.channels = Channels::from_iter([Channel::Coap]);
    device.credentials.retain(|credential| credential.id.0 == 2);
    device.give_credential(key(3, Some(at(7))));
    device.give_credential(key(4, None));
    device
}

/// The next version of a hosted device.
#[must_use]
pub fn next_hosted(device: &HostedDevice) -> HostedDevice {
    HostedDevice {
        version: device.version + 1,
        ..device.clone()
    }
}

/// The same, unregistered.
#[must_use]
pub fn unregistering(device: &HostedDevice) -> HostedDevice {
    HostedDevice {
        status: DeviceStatus::Unregistering {
            deadline: at(900_000),
        },
        document: device
            .document
            .changed(&[], &[mapping_id(1), mapping_id(2)]),
        ..next_hosted(device)
    }
}

/// A keepsake, put.
#[must_use]
pub fn keeping(key: &[u8], value: &[u8]) -> Keeping {
    Keeping {
        shelf: Shelf::OneM2m,
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

/// Something of every kind that a store keeps for others.
#[must_use]
pub fn everything() -> Change {
    let named = |record: DirectoryRecord| (record.key(), new(record));
    let rows = [
        pending(1),
        established(&pending(2), "d-2"),
        failing(&pending(3)),
        failed(&pending(4)),
        deleted(&pending(5)),
    ];
    let change = rows.into_iter().fold(Change::default(), |change, row| {
        change.with_mapping(None, Some(row))
    });
    let record = UtiRecord {
        device: Some(hash(1)),
        serial: None,
        live: 2,
        dead: false,
    };
    let mut dead_letter = entry(&third_party("shop1"), 2, 1);
    dead_letter.dead = Some(DeadReason::DeadlinePassed);
    let entries = [
        entry(&third_party("shop1"), 1, 1),
        entry(&third_party("shop1"), 1, 2),
        dead_letter,
    ];
    let change = entries
        .into_iter()
        .fold(change, |change, entry| change.with_entry(None, Some(entry)));
    let records = [
        party("shop1", 1),
        agreement(2),
        subscription(3),
        certificate(4),
        fence(0),
        fence(1),
        fence(2),
        fence(3),
        job(1, 1),
        job(2, 1),
    ];
    records
        .into_iter()
        .map(named)
        .fold(change, |change, (key, write)| {
            change.with_record(key, write)
        })
        .with_uti_record(hash(6), new(record))
        .with_dead_device(hash(7))
        .with_device(None, Some(hosted(1)))
        .with_device(None, Some(unregistering(&hosted(2))))
        .with_device(None, Some(keyed(3)))
        .with_keeping(keeping(b"ae-1", &[0, 1, 0xff]))
        .with_clock_mark(ClockMark {
            seen: at(8),
            trusted: true,
        })
}

/// Key and value of the format record as the next format would write them.
#[must_use]
pub fn newer_format() -> (Vec<u8>, Vec<u8>) {
    let key = index::format().into_bytes();
    let value = crate::record::encode(&key, &crate::record::Format(crate::FORMAT + 1));
    (key, value)
}

/// A write of something new.
#[must_use]
pub const fn new<T>(after: T) -> Write<T> {
    Write {
        before: None,
        after: Some(after),
    }
}

fn attribute(text: &str) -> Attribute {
    Attribute::parse(text).unwrap()
}

fn callback() -> CallbackUri {
    CallbackUri::parse("https://shop.example:8443/cb").unwrap()
}

/// Takes the last key of `table` (of [`Table::Meta`]: the counters) out of a store behind its back.
pub fn lose<E: Engine>(store: &EmbeddedStore<E>, table: Table) {
    let mut last = index::tally().as_bytes().to_vec();
    if table != Table::Meta {
        let visited = store.visit(&[table], &mut |key, _| {
            key.clone_into(&mut last);
            ControlFlow::Continue(())
        });
        visited.unwrap();
    }
    let lost = store.engine().write(|transaction| {
        transaction.delete(&last)?;
        Ok::<_, EngineError>(Verdict::Commit)
    });
    lost.unwrap();
}
