use std::sync::Arc;

use ics_core::consent::{ConsentBasis, ConsentRecord, ConsentState};
use ics_core::device::{CredentialKind, HostedDevice};
use ics_core::directory::DirectoryRecord;
use ics_core::id::{AeId, CallbackUri, ConsentId, SubscriptionId};
use ics_core::keepsake::{Keepsake, Shelf};
use ics_core::mapping::{
    CauseCode, DemappingCause, Dispatch, EndedBy, FailureCause, Features, Mapping, MappingStatus,
    ResultCause, State, UtiRecord,
};
use ics_core::outbox::{Addressee, DeadReason, Message, OutboxEntry, Subject};
use ics_core::party::{OneM2mAe, Party, Presence, SignatureAlgorithm, Subscription, VerifyingKey};
use ics_core::reference_point::Role;
use ics_core::sealed::Sealed;
use ics_core::time::Timestamp;
use proptest::prelude::*;

use super::{
    DeadDevice, DeviceEntry, Format, LiveEntry, Record, RecordError, Tally, checksum, decode,
    encode, peek_version,
};
use crate::contract::sample;
use crate::index::{self, Table};

fn instants() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.millis()).prop_map(Timestamp::from_millis)
}

fn codes() -> impl Strategy<Value = CauseCode> {
    // Those of many digits are none.
    "[A-Z][A-Z0-9_]{0,63}".prop_filter_map("a code", |text| CauseCode::parse(&text).ok())
}

fn failure_causes() -> impl Strategy<Value = FailureCause> {
    prop_oneof![
        codes().prop_map(FailureCause::Rejected),
        Just(FailureCause::Unreachable),
        Just(FailureCause::TimedOut),
        Just(FailureCause::NoAgreement),
        Just(FailureCause::ConsentRequired),
        Just(FailureCause::UtiInUse),
        Just(FailureCause::DeviceRevoked),
        Just(FailureCause::NotAllowed),
        Just(FailureCause::NotOwner),
    ]
}

fn demapping_causes() -> impl Strategy<Value = DemappingCause> {
    prop_oneof![
        Just(DemappingCause::DeviceUnregistered),
        Just(DemappingCause::UtiInvalid),
        Just(DemappingCause::ServiceInvalid),
        Just(DemappingCause::UserAuthorizationWithdrawn),
    ]
}

fn states() -> impl Strategy<Value = State> {
    let dispatch = prop_oneof![
        Just(Dispatch::Dispatching),
        Just(Dispatch::AwaitingDevice),
        Just(Dispatch::Offered),
    ];
    let by = prop_oneof![
        Just(EndedBy::Party(Role::ThirdPartySp)),
        Just(EndedBy::Party(Role::IotSp)),
        Just(EndedBy::Device),
        Just(EndedBy::User),
        Just(EndedBy::Ics),
    ];
    prop_oneof![
        (
            prop::collection::vec(any::<u8>(), 0..300),
            instants(),
            dispatch
        )
            .prop_map(|(serial, deadline, dispatch)| State::Pending {
                serial: Sealed::from_bytes(serial),
                deadline,
                dispatch
            }),
        ("d[!-~]{0,255}", instants()).prop_filter_map("no device ID", |(id, since)| {
            let device_id = ics_core::id::DeviceId::parse(&id).ok()?;
            Some(State::Established { device_id, since })
        }),
        (failure_causes(), instants(), instants(), instants()).prop_map(
            |(cause, disclose_at, at, deadline)| State::Failing {
                cause,
                disclose_at,
                at,
                deadline,
            }
        ),
        (failure_causes(), instants(), instants()).prop_map(|(cause, at, purge_at)| {
            State::Failed {
                cause,
                at,
                purge_at,
            }
        }),
        (
            prop::option::of(demapping_causes()),
            prop::option::of(codes()),
            by,
            instants(),
            instants()
        )
            .prop_map(|(cause, sub_cause, by, at, purge_at)| State::Deleted {
                cause,
                sub_cause,
                by,
                at,
                purge_at
            }),
    ]
}

fn mappings() -> impl Strategy<Value = Mapping> {
    let options = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let numbers = (any::<u32>(), any::<u64>(), any::<u64>());
    (
        0..1_000_000_u64,
        states(),
        prop::option::of(instants()),
        options,
        numbers,
    )
        .prop_map(
            |(number, state, expiry, (consent, destination, e2e, subscription), numbers)| {
                let mut row = sample::pending(number);
                row.state = state;
                row.uti_expiry = expiry;
                if let Some(consent) = &mut row.consent {
                    consent.expires = expiry;
                    consent.subject = row.device_vendor.clone();
                }
                row.consent = row.consent.filter(|_| consent);
                row.device_model = row.device_vendor.clone().filter(|_| consent);
                row.destination =
                    destination.then(|| CallbackUri::parse("https://a.example/cb?x=1").unwrap());
                row.websocket = !destination;
                row.e2e = row.e2e.filter(|_| e2e);
                row.hosted = subscription.then(|| sample::hosted_id(number));
                row.subscription = subscription.then_some(SubscriptionId::from_bytes([3; 16]));
                row.consent_record = consent.then_some(ConsentId::from_bytes([5; 16]));
                row.owner = e2e.then(|| sample::hash(numbers.1));
                (row.features, row.sequence, row.version) =
                    (Features(numbers.0), numbers.1, numbers.2);
                row
            },
        )
}

fn consents() -> impl Strategy<Value = ConsentRecord> {
    let flags = (any::<bool>(), any::<bool>());
    let numbers = (0..1_000_000_u64, any::<u64>(), 0..3_u8, 0..3_u8);
    let times = (instants(), instants(), instants());
    (flags, numbers, times, prop::option::of(instants())).prop_map(
        |((told, named), (number, version, basis, state), (granted, due, at), expires)| {
            let mut record = sample::given(number);
            let evidence = record.purpose.clone();
            let subject = named.then(|| record.purpose.clone());
            let mapping = sample::mapping_id(number);
            record.basis = match basis {
                0 => record.basis,
                1 => ConsentBasis::Asserted { evidence, subject },
                _ => ConsentBasis::Confirmed {
                    evidence: told.then_some(evidence),
                },
            };
            record.state = match state {
                0 => ConsentState::Given { until: at },
                1 => ConsentState::Used { mapping },
                _ => ConsentState::Ended { mapping, at },
            };
            (record.granted_at, record.due, record.expires) = (granted, due, expires);
            record.version = version;
            record
        },
    )
}

fn messages() -> impl Strategy<Value = Message> {
    let causes = prop_oneof![
        Just(ResultCause::DeviceNotAvailable),
        Just(ResultCause::NoAgreement),
        Just(ResultCause::ConsentRequired),
        Just(ResultCause::Cancelled),
        Just(ResultCause::UtiInUse),
        Just(ResultCause::DeviceRevoked),
        Just(ResultCause::NotAllowed),
        Just(ResultCause::NotOwner),
        Just(ResultCause::Rejected),
        Just(ResultCause::Unreachable),
        Just(ResultCause::TimedOut),
    ];
    let statuses = prop_oneof![
        Just(MappingStatus::Pending),
        Just(MappingStatus::Established),
        Just(MappingStatus::Failed),
        Just(MappingStatus::Deleted),
    ];
    prop_oneof![
        Just(Message::Assignment),
        Just(Message::Test),
        any::<(Vec<u8>, bool)>().prop_map(|(data, is_json)| Message::Event {
            data: Sealed::from_bytes(data),
            is_json,
        }),
        (statuses, prop::option::of(causes), any::<bool>()).prop_map(|(status, cause, undo)| {
            Message::Result {
                status,
                cause,
                undo,
            }
        }),
        (any::<bool>(), demapping_causes(), prop::option::of(codes())).prop_map(
            |(device, cause, sub_cause)| Message::Demapped {
                device_id: device.then(|| sample::device("d-1")),
                cause,
                sub_cause
            }
        ),
    ]
}

fn entries() -> impl Strategy<Value = OutboxEntry> {
    let numbers = (any::<u64>(), any::<u32>(), any::<bool>(), any::<bool>());
    (messages(), numbers, 0..3_u8, instants()).prop_map(
        |(message, (sequence, attempts, of_mapping, of_maker), dead, instant)| {
            let mut entry = sample::entry(&sample::third_party("shop1"), 1, sequence);
            entry.message = message;
            entry.attempts = attempts;
            entry.next_attempt = instant;
            entry.dead = match dead {
                0 => None,
                1 => Some(DeadReason::DeadlinePassed),
                _ => Some(DeadReason::NoDestination),
            };
            if !of_mapping {
                entry.key.subject = Subject::Subscription(SubscriptionId::from_bytes([1; 16]));
                entry.mapping_key = None;
            }
            if of_maker {
                entry.key.addressee = Addressee {
                    role: Role::IotSp,
                    sp: sample::sp("maker1"),
                };
            }
            entry
        },
    )
}

fn round_trip<T: Record + PartialEq + std::fmt::Debug>(key: &[u8], record: &T) {
    assert_eq!(decode::<T>(key, &encode(key, record)).as_ref(), Ok(record));
}

fn directory() -> [DirectoryRecord; 4] {
    [
        sample::party("shop1", 1),
        sample::agreement(2),
        sample::subscription(3),
        sample::certificate(4),
    ]
}

proptest! {
    #[test]
    fn rows_survive_a_round_trip(row in mappings()) {
        round_trip(index::mapping(row.id).as_bytes(), &row);
    }

    #[test]
    fn consents_survive_a_round_trip(record in consents()) {
        round_trip(index::consent(record.id).as_bytes(), &record);
    }

    #[test]
    fn entries_survive_a_round_trip(entry in entries()) {
        round_trip(index::outbox(&entry.key).as_bytes(), &entry);
    }

    #[test]
    fn uti_records_survive_a_round_trip(
        (device, serial) in any::<(Option<u64>, Option<u64>)>(), live: u32, dead: bool
    ) {
        let record = UtiRecord {
            device: device.map(sample::hash), serial: serial.map(sample::hash), live, dead
        };
        round_trip(b"key", &record);
    }

    #[test]
    fn any_bytes_give_a_record_or_an_error(body in prop::collection::vec(any::<u8>(), 0..400)) {
        // With a checksum that holds, so that the fields are read.
        for version in 1..=6 {
            let mut bytes = vec![version];
            bytes.extend_from_slice(&body);
            let sum = checksum(b"key", &bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            let _ = decode::<Mapping>(b"key", &bytes);
            let _ = decode::<OutboxEntry>(b"key", &bytes);
            let _ = decode::<UtiRecord>(b"key", &bytes);
            let _ = decode::<DirectoryRecord>(b"key", &bytes);
            let _ = decode::<HostedDevice>(b"key", &bytes);
            let _ = decode::<ConsentRecord>(b"a key of seventeen", &bytes);
            let _ = decode::<Tally>(b"key", &bytes);
            let _ = decode::<LiveEntry>(b"key", &bytes);
            let _ = decode::<DeviceEntry>(b"key", &bytes);
            prop_assert!(decode::<Format>(b"other key", &bytes).is_err());
        }
        let _ = decode::<Mapping>(b"key", &body);
    }

    #[test]
    fn damage_is_an_error(row in mappings(), at: prop::sample::Index, bit in 0..8_u8) {
        let key = index::mapping(row.id);
        let mut bytes = encode(key.as_bytes(), &row);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(decode::<Mapping>(key.as_bytes(), &bytes), Err(RecordError::Checksum));
        bytes.truncate(at);
        prop_assert!(decode::<Mapping>(key.as_bytes(), &bytes).is_err());
    }

    /// Fields damaged before the checksum was made: still no panic.
    #[test]
    fn damaged_fields_are_read_without_panic(row in mappings(), at: prop::sample::Index, byte: u8) {
        let key = index::mapping(row.id);
        let bytes = encode(key.as_bytes(), &row);
        let mut body = bytes[..bytes.len() - 8].to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        body.extend_from_slice(&checksum(key.as_bytes(), &body).to_le_bytes());
        let _ = decode::<Mapping>(key.as_bytes(), &body);
    }
}

#[test]
fn directory_records_survive_a_round_trip_and_show_their_version() {
    for record in directory() {
        let key = index::directory(&record.key());
        round_trip(key.as_bytes(), &record);
        let bytes = encode(key.as_bytes(), &record);
        assert_eq!(peek_version(key.as_bytes(), &bytes), Ok(record.version()));
    }
}

#[test]
fn a_record_under_a_foreign_key_is_found_out() {
    let (row, other) = (sample::pending(1), sample::pending(2));
    let bytes = encode(index::mapping(row.id).as_bytes(), &row);
    let read = decode::<Mapping>(index::mapping(other.id).as_bytes(), &bytes);
    assert_eq!(read, Err(RecordError::Checksum));
}

#[test]
fn a_record_of_a_later_version_is_refused_by_name() {
    let mut bytes = encode(b"key", &Format(1));
    let body = bytes.len() - 8;
    bytes[0] = 2;
    bytes.truncate(body);
    bytes.extend_from_slice(&checksum(b"key", &bytes).to_le_bytes());
    let read = decode::<Format>(b"key", &bytes);
    assert_eq!(read, Err(RecordError::Newer { found: 2, known: 1 }));
}

#[test]
fn counters_from_before_a_table_was_added_are_read() {
    let mut tally = Tally::default();
    assert!(tally.count_in(Table::Mapping));
    assert!(!tally.count_out(Table::Live), "none to count out");
    tally.digest = 5;
    // Two counters instead of all: meta and mapping.
    let mut bytes = vec![1, 2, 0, 1, 5, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&checksum(b"key", &bytes).to_le_bytes());
    assert_eq!(decode::<Tally>(b"key", &bytes), Ok(tally));
    // All but the last four, keepsakes and consents: a store of before they were kept counts them from none.
    let mut bytes = vec![2, 17];
    bytes.extend_from_slice(&[0; 17]);
    bytes.extend_from_slice(&5_u64.to_le_bytes());
    bytes.push(9);
    bytes.extend_from_slice(&checksum(b"key", &bytes).to_le_bytes());
    let mut tally = decode::<Tally>(b"key", &bytes).unwrap();
    assert_eq!((tally.digest, tally.commits), (5, 9));
    assert!(tally.count_in(Table::Keepsake));
    assert!(tally.count_in(Table::Owner));
    assert_eq!(tally.count(Table::Keepsake), 1);
    assert_eq!(tally.count(Table::Owner), 1);
}

/// The format on disk: it must not change under stores that are out there. A deliberate change is
/// a new version of the record, and a new line here.
#[test]
fn golden_bytes() {
    let golden = include_str!("golden.txt").lines();
    let golden: Vec<_> = golden.filter(|line| !line.starts_with('#')).collect();
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let found: Vec<_> = samples()
        .into_iter()
        .map(|(name, bytes)| format!("{name} {}", hex(bytes)))
        .collect();
    assert_eq!(found, golden);
}

/// What an older release wrote is read as what it meant.
#[test]
fn records_of_older_versions_are_read() {
    let row = sample::pending(1);
    let rows = [
        ("mapping-pending", row.clone()),
        ("mapping-established", sample::established(&row, "d-1")),
        ("mapping-deleted", sample::deleted(&row)),
        ("mapping-failing", sample::failing(&row)),
        ("mapping-failed", sample::failed(&row)),
    ];
    for (name, row) in rows {
        assert!(!row.websocket);
        let key = index::mapping(row.id);
        assert_eq!(
            decode(key.as_bytes(), &older(name)).as_ref(),
            Ok(&row),
            "{name}"
        );
        for version in [2, 3] {
            let bytes = older(&format!("{name}-{version}"));
            assert_eq!(decode(key.as_bytes(), &bytes).as_ref(), Ok(&row), "{name}");
        }
    }
    let told = sample::entry(&sample::third_party("shop1"), 1, 300);
    let key = index::outbox(&told.key);
    for name in ["outbox-1", "outbox-2"] {
        let read = decode(key.as_bytes(), &older(name));
        assert_eq!(read.as_ref(), Ok(&told), "{name}");
    }
    for (name, device) in hosted_devices() {
        // Of the first version, the highest of its credentials' names is how many it was given.
        let key = index::hosted_device(&device.id);
        let second = older(&format!("{name}-2"));
        assert_eq!(decode(key.as_bytes(), &second).as_ref(), Ok(&device));
        assert_eq!(decode(key.as_bytes(), &older(name)), Ok(device), "{name}");
    }
    let names = ["party", "agreement", "subscription", "certificate"];
    for (name, record) in names.into_iter().zip(directory()) {
        let key = index::directory(&record.key());
        for version in [2, 3, 4, 5] {
            let bytes = older(&format!("{name}-{version}"));
            assert_eq!(decode(key.as_bytes(), &bytes).as_ref(), Ok(&record));
        }
        assert_eq!(decode(key.as_bytes(), &older(name)), Ok(record), "{name}");
    }
    let speaking = sample::speaking("shop1", 5, "Cshop");
    let key = index::directory(&speaking.key());
    for version in [4, 5] {
        let bytes = older(&format!("party-onem2m-{version}"));
        assert_eq!(decode(key.as_bytes(), &bytes).as_ref(), Ok(&speaking));
    }
}

#[test]
fn where_the_users_of_a_party_log_in_comes_back_with_a_secret_and_without() {
    let DirectoryRecord::Party(party) = sample::party("maker1", 1) else {
        panic!("a party");
    };
    for client_secret in [None, Some(Sealed::from_bytes(vec![3; 40]))] {
        let presence = Presence {
            issuer: CallbackUri::parse("https://login.maker.example/op").unwrap(),
            client_id: "ics".into(),
            client_secret,
        };
        let record = DirectoryRecord::Party(Arc::new(Party {
            presence: Some(presence),
            ..Party::clone(&party)
        }));
        round_trip(index::directory(&record.key()).as_bytes(), &record);
    }
}

#[test]
fn the_ae_of_a_party_comes_back_with_its_key_and_without() {
    let parties = directory().into_iter().filter_map(|record| match record {
        DirectoryRecord::Party(party) => Some(Party::clone(&party)),
        _ => None,
    });
    let keys = [
        None,
        VerifyingKey::new(SignatureAlgorithm::EdDsa, vec![9; 32]),
        VerifyingKey::new(SignatureAlgorithm::Es256, [vec![4], vec![7; 64]].concat()),
    ];
    for party in parties {
        for key in keys.clone() {
            let ae = AeId::parse("/id-in/Cshop").unwrap();
            let record = DirectoryRecord::Party(Arc::new(Party {
                onem2m: Some(OneM2mAe { ae, key }),
                ..party.clone()
            }));
            let name = index::directory(&record.key());
            round_trip(name.as_bytes(), &record);
        }
    }
}

/// The bytes of that name, of an older version.
fn older(name: &str) -> Vec<u8> {
    let lines = include_str!("golden_older.txt").lines();
    let mut of_name = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let hex = of_name.next().expect("a line");
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2).expect("two digits"), 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn a_subscription_without_a_destination_comes_back() {
    let subscriptions = directory().into_iter().filter_map(|record| match record {
        DirectoryRecord::Subscription(s) => Some(Subscription::clone(&s)),
        _ => None,
    });
    for mut subscription in subscriptions {
        (subscription.destination, subscription.websocket) = (None, true);
        let record = DirectoryRecord::Subscription(Arc::new(subscription));
        let key = index::directory(&record.key());
        let bytes = encode(key.as_bytes(), &record);
        assert_eq!(decode(key.as_bytes(), &bytes), Ok(record));
    }
}

fn keepsake(key: &[u8], value: &[u8]) -> Keepsake {
    Keepsake {
        shelf: Shelf::OneM2m,
        key: key.to_vec(),
        value: value.to_vec(),
    }
}

/// In every state, known in every way.
fn kept_consents() -> [(&'static str, ConsentRecord); 4] {
    let given = sample::given(1);
    let asserted = sample::asserted(2);
    [
        ("consent-used", sample::used(&given)),
        ("consent-given", given),
        ("consent-ended", sample::ended(&sample::used(&asserted))),
        ("consent-asserted", asserted),
    ]
}

fn hosted_devices() -> [(&'static str, HostedDevice); 2] {
    let device = sample::hosted(1);
    let leaving = sample::unregistering(&device);
    [
        ("hosted-device", device),
        ("hosted-device-leaving", leaving),
    ]
}

/// One that no older version could write.
fn keyed_device() -> (&'static str, HostedDevice) {
    ("hosted-device-keyed", sample::keyed(3))
}

proptest! {
    #[test]
    fn keepsakes_survive_a_round_trip(key: Vec<u8>, value: Vec<u8>) {
        let kept = keepsake(&key, &value);
        round_trip(index::keepsake(kept.shelf, &key).as_bytes(), &kept);
    }
}

#[test]
fn hosted_devices_survive_a_round_trip() {
    for (_, device) in hosted_devices().into_iter().chain([keyed_device()]) {
        round_trip(index::hosted_device(&device.id).as_bytes(), &device);
    }
    let mut device = sample::hosted(1);
    let [_, password] = device.credentials.as_mut_slice() else {
        panic!("two credentials");
    };
    password.kind = CredentialKind::ChosenPassword(sample::hash(7));
    round_trip(index::hosted_device(&device.id).as_bytes(), &device);
}

/// A gateway that knows no pre-shared keys must take it for newer, and not for damaged.
#[test]
fn a_device_with_a_pre_shared_key_is_written_in_a_version_that_older_gateways_refuse_by_name() {
    let device = sample::keyed(3);
    let key = index::hosted_device(&device.id);
    let bytes = encode(key.as_bytes(), &device);
    let read = super::open(key.as_bytes(), &bytes, 2).map(drop);
    assert_eq!(read, Err(RecordError::Newer { found: 3, known: 2 }));
}

#[test]
fn a_document_whose_rows_are_out_of_order_or_acknowledged_beyond_its_version_is_refused() {
    let mut device = sample::hosted(1);
    device.document.rows.reverse();
    let key = index::hosted_device(&device.id);
    let read = decode::<HostedDevice>(key.as_bytes(), &encode(key.as_bytes(), &device));
    assert_eq!(read, Err(RecordError::Value));
    device.document.rows.reverse();
    device.document.acknowledged = device.document.version + 1;
    let read = decode::<HostedDevice>(key.as_bytes(), &encode(key.as_bytes(), &device));
    assert_eq!(read, Err(RecordError::Value));
}

#[test]
fn a_device_with_more_credentials_than_it_was_given_is_refused() {
    let mut device = sample::hosted(1);
    device.credentials_given = 1;
    let key = index::hosted_device(&device.id);
    let read = decode::<HostedDevice>(key.as_bytes(), &encode(key.as_bytes(), &device));
    assert_eq!(read, Err(RecordError::Value));
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let row = sample::pending(1);
    let (established, deleted) = (sample::established(&row, "d-1"), sample::deleted(&row));
    let (failing, failed) = (sample::failing(&row), sample::failed(&row));
    let key = index::mapping(row.id);
    let of_row = |row: &Mapping| encode(key.as_bytes(), row);
    let told = sample::entry(&sample::third_party("shop1"), 1, 300);
    let uti = UtiRecord {
        device: Some(sample::hash(1)),
        serial: None,
        live: 2,
        dead: false,
    };
    let kept = keepsake(b"ae\0-1", b"{}");
    let mut all = vec![
        ("mapping-pending", of_row(&row)),
        ("mapping-established", of_row(&established)),
        ("mapping-deleted", of_row(&deleted)),
        ("mapping-failing", of_row(&failing)),
        ("mapping-failed", of_row(&failed)),
        ("outbox", encode(index::outbox(&told.key).as_bytes(), &told)),
        (
            "uti-record",
            encode(index::uti_record(sample::hash(1)).as_bytes(), &uti),
        ),
        (
            "dead-device",
            encode(index::dead_device(sample::hash(1)).as_bytes(), &DeadDevice),
        ),
        ("format", encode(index::format().as_bytes(), &Format(1))),
        (
            "tally",
            encode(index::tally().as_bytes(), &Tally::default()),
        ),
    ];
    for (name, device) in hosted_devices().into_iter().chain([keyed_device()]) {
        all.push((
            name,
            encode(index::hosted_device(&device.id).as_bytes(), &device),
        ));
    }
    all.push((
        "keepsake",
        encode(index::keepsake(kept.shelf, &kept.key).as_bytes(), &kept),
    ));
    for (name, record) in kept_consents() {
        let key = index::consent(record.id);
        all.push((name, encode(key.as_bytes(), &record)));
    }
    let owned = sample::owned(&established);
    all.push(("mapping-owned", of_row(&owned)));
    let names = ["party", "agreement", "subscription", "certificate"];
    all.extend(names.into_iter().zip(directory()).map(|(name, record)| {
        (
            name,
            encode(index::directory(&record.key()).as_bytes(), &record),
        )
    }));
    let speaking = sample::speaking("shop1", 5, "Cshop");
    all.push((
        "party-onem2m",
        encode(index::directory(&speaking.key()).as_bytes(), &speaking),
    ));
    for (entry, _) in index::entries_of(&established) {
        all.push(("index-key", entry.into_bytes()));
    }
    all.extend(
        index::entries_of(&owned)
            .into_iter()
            .filter_map(|(key, _)| {
                let of_owner = Table::of_key(key.as_bytes()) == Some(Table::Owner);
                of_owner.then(|| ("owner-key", key.into_bytes()))
            }),
    );
    let given = sample::given(1);
    all.push(("consent-key", index::consent(given.id).into_bytes()));
    for (entry, _) in index::entries_of_consent(&given) {
        all.push(("consent-due-key", entry.into_bytes()));
    }
    for (_, device) in hosted_devices() {
        for (entry, _) in index::entries_of_device(&device) {
            all.push(("hosted-index-key", entry.into_bytes()));
        }
    }
    all.push((
        "keepsake-key",
        index::keepsake(kept.shelf, &kept.key).into_bytes(),
    ));
    all.push(("outbox-key", index::outbox(&told.key).into_bytes()));
    all.push(("outbox-due-key", index::outbox_due(&told).into_bytes()));
    for row in [&row, &established] {
        let entries = index::entries_of(row).into_iter();
        let told = entries.filter(|(_, value)| !value.is_empty());
        all.extend(told.map(|(_, value)| ("index-value", value)));
    }
    all
}
