//! Hosted devices end to end below the channels: what the service writes, and what a device may do
//! by itself, over a store in memory; what adapters keep in the same store; and who is told over
//! oneM2M.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a broken promise ends the test"
)]

#[path = "hosting/consent.rs"]
mod consent;
#[path = "hosting/keepsakes.rs"]
mod keepsakes;
#[path = "hosting/keys.rs"]
mod keys;
#[path = "hosting/limits.rs"]
mod limits;
#[path = "hosting/onboarding.rs"]
mod onboarding;
#[path = "hosting/onem2m.rs"]
mod onem2m;
#[path = "hosting/pairing.rs"]
mod pairing;
#[path = "hosting/passwords.rs"]
mod passwords;
#[path = "hosting/races.rs"]
mod races;
#[path = "hosting/world.rs"]
mod world;

use ics_core::device::{Channel, Channels, DeviceStatus};
use ics_core::device_document::{Acknowledgement, AcknowledgementMeaning};
use ics_core::id::{AgreementId, DeviceId, MappingId};
use ics_core::mapping::{Attribute, Dispatch, EndedBy, MappingStatus, State};
use ics_core::outbox::Message;
use ics_core::port::Store as _;
use ics_core::principal::DeviceIdentity;
use ics_core::reference_point::Role;
use ics_core::service::{
    AnswerError, ChannelError, DeviceAmendment, DeviceError, DeviceRefusal, Given, Manager,
    Unauthenticated,
};
use ics_core::time::Timestamp;
use std::sync::Arc;
use world::{NOW, REGISTERED, World, accepted, principal, run};

/// Says that `version` is stored, counted from that of the registration.
fn acknowledge(
    world: &World,
    device: &Arc<DeviceIdentity>,
    version: u64,
    refused: &[MappingId],
) -> Result<AcknowledgementMeaning, ChannelError> {
    let acknowledgement = Acknowledgement {
        version: REGISTERED + version,
        refused: refused.to_vec(),
    };
    let at = (device, Channel::Mqtt);
    run(world
        .service
        .acknowledge_document(at, &acknowledgement, NOW))
}

/// The newest version, counted from that of the registration, and its rows.
fn document(world: &World, device: &Arc<DeviceIdentity>) -> (u64, Vec<MappingId>) {
    let read = run(world.service.read_document((device, Channel::Mqtt), NOW)).unwrap();
    let rows = read.entries.iter().map(|entry| entry.mapping).collect();
    (read.version - REGISTERED, rows)
}

fn messages(world: &World, role: Role) -> Vec<Message> {
    let told = world.told(role);
    told.into_iter().map(|entry| entry.message).collect()
}

#[test]
fn a_row_for_a_hosted_device_goes_to_its_document_and_not_to_a_push() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    assert_eq!(document(&world, &lock), (0, Vec::new()));
    let row = world.request("acme", "LOCK-1", 1);
    assert_eq!(row.hosted.as_ref(), Some(&lock.device_id));
    assert!(matches!(
        &row.state,
        State::Pending {
            dispatch: Dispatch::Offered,
            ..
        }
    ));
    assert!(messages(&world, Role::IotSp).is_empty());
    let read = run(world.service.read_document((&lock, Channel::Mqtt), NOW)).unwrap();
    assert_eq!((read.version, read.entries.len()), (REGISTERED + 1, 1));
    assert_eq!(read.entries[0].key, row.key);
    assert_eq!(
        read.entries[0].e2e.as_deref(),
        Some(&[0, 159, 146, 150][..]),
        "byte-exact"
    );
    let rung = world.rung.0.lock().unwrap().clone();
    assert_eq!(
        rung.last(),
        Some(&(lock.device_id.clone(), Some(REGISTERED + 1)))
    );
}

#[test]
fn the_acknowledgement_of_a_version_establishes_its_rows_and_one_above_it_changes_nothing() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let row = world.request("acme", "LOCK-1", 1);
    assert_eq!(
        acknowledge(&world, &lock, 2, &[]),
        Err(ChannelError::NeverOffered)
    );
    assert_eq!(
        acknowledge(&world, &lock, 0, &[]),
        Ok(AcknowledgementMeaning::Stale)
    );
    assert_eq!(world.row(row.id).status(), MappingStatus::Pending);
    for _ in 0..2 {
        assert_eq!(
            acknowledge(&world, &lock, 1, &[]),
            Ok(AcknowledgementMeaning::Current)
        );
        let established = world.row(row.id);
        assert_eq!(established.device_id(), Some(&lock.device_id));
        assert_eq!(established.sequence, 2, "once");
    }
    let found = run(world.service.inquire_own((&lock, Channel::Mqtt), None, NOW)).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].mapping, &found[0].key), (row.id, &row.key));
    assert!(matches!(
        messages(&world, Role::ThirdPartySp).as_slice(),
        [Message::Result {
            status: MappingStatus::Established,
            ..
        }]
    ));
}

#[test]
fn what_the_device_refuses_fails_and_leaves_its_document() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let (kept, refused) = (
        world.request("acme", "LOCK-1", 1),
        world.request("acme", "LOCK-1", 2),
    );
    acknowledge(&world, &lock, 2, &[refused.id]).unwrap();
    assert_eq!(world.row(kept.id).status(), MappingStatus::Established);
    assert_eq!(world.row(refused.id).status(), MappingStatus::Failed);
    assert_eq!(document(&world, &lock), (3, vec![kept.id]));
    let device = run(world.store.load_device(&lock.device_id))
        .unwrap()
        .unwrap();
    assert!(device.is_awaited(), "the device has yet to forget");
    acknowledge(&world, &lock, 3, &[]).unwrap();
    let device = run(world.store.load_device(&lock.device_id))
        .unwrap()
        .unwrap();
    assert!(!device.is_awaited());
}

#[test]
fn a_demapped_row_leaves_the_document_in_the_same_transaction() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let row = world.request("acme", "LOCK-1", 1);
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let request = ics_core::service::DemapRequest {
        cause: ics_core::mapping::DemappingCause::ServiceInvalid,
        sub_cause: None,
        selector: ics_core::service::Selector::Mapping(row.id),
    };
    let shop = principal("shop");
    run(world
        .service
        .demap(&shop, (Role::ThirdPartySp, &request), NOW))
    .unwrap();
    assert_eq!(document(&world, &lock), (2, Vec::new()));
    assert_eq!(
        acknowledge(&world, &lock, 1, &[]),
        Ok(AcknowledgementMeaning::Stale)
    );
    assert_eq!(
        world.row(row.id).status(),
        MappingStatus::Deleted,
        "nothing revives it"
    );
}

#[test]
fn of_a_version_that_is_known_no_row_is_read_unless_it_may_be_behind_a_fence() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    world.request("acme", "LOCK-1", 1);
    let read_newer = |known| {
        let at = (&*lock, Channel::Mqtt);
        run(world
            .service
            .read_newer_document(at, REGISTERED + known, NOW))
    };
    let (version, rows) = document(&world, &lock);
    assert_eq!((version, rows.len()), (1, 1));
    assert_eq!(read_newer(1), Ok(None));
    let older = read_newer(0).unwrap().expect("a newer one");
    assert_eq!((older.version, older.entries.len()), (REGISTERED + 1, 1));
    // More rows than one transaction ends: they are behind a fence first.
    for n in 2..=1001 {
        world.request("acme", &format!("OTHER-{n}"), n);
    }
    let agreement = AgreementId::from_bytes([1; 16]);
    let (_, ended) = run(world.service.end_agreement(&agreement, NOW)).unwrap();
    assert!(!ended.jobs.is_empty(), "{ended:?}");
    let newer = read_newer(1).unwrap().expect("a newer one");
    assert_eq!((newer.version, newer.entries.len()), (REGISTERED + 2, 0));
    assert_eq!(
        read_newer(2).unwrap(),
        Some(newer),
        "not while there is a fence"
    );
}

#[test]
fn a_device_gives_up_its_own_row_alone_and_both_sides_are_told_who_did() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let other = world.register("acme", "LOCK-2");
    let row = world.request("acme", "LOCK-1", 1);
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let given = Given::Mapping(row.id);
    let foreign = run(world
        .service
        .give_up_mapping((&other, Channel::Mqtt), &given, NOW));
    assert_eq!(foreign, Err(ChannelError::NotFound));
    run(world
        .service
        .give_up_mapping((&lock, Channel::Mqtt), &given, NOW))
    .unwrap();
    let State::Deleted { by, sub_cause, .. } = world.row(row.id).state else {
        panic!("ended");
    };
    assert_eq!(by, EndedBy::Device);
    assert_eq!(sub_cause.unwrap().as_str(), "DEVICE_REVOKED");
    let told = messages(&world, Role::ThirdPartySp);
    assert!(
        matches!(told.last(), Some(Message::Demapped { .. })),
        "{told:?}"
    );
    let again = run(world
        .service
        .give_up_mapping((&lock, Channel::Mqtt), &given, NOW));
    assert_eq!(again, Err(ChannelError::NotFound));
    assert_eq!(document(&world, &lock), (2, Vec::new()));
}

#[test]
fn an_event_reaches_the_outbox_sealed_for_an_established_row_of_the_device_alone() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let other = world.register("acme", "LOCK-2");
    let row = world.request("acme", "LOCK-1", 1);
    let say = |device: &Arc<DeviceIdentity>| {
        let event = (row.id, b"{\"open\" : true}".as_slice(), true);
        run(world
            .service
            .report_event((device, Channel::Mqtt), event, NOW))
    };
    assert_eq!(
        say(&lock),
        Err(ChannelError::NotFound),
        "not established yet"
    );
    acknowledge(&world, &lock, 1, &[]).unwrap();
    assert_eq!(say(&other), Err(ChannelError::NotFound));
    say(&lock).unwrap();
    let told = world.told(Role::ThirdPartySp);
    let entry = told.last().unwrap();
    let Message::Event { data, is_json } = &entry.message else {
        panic!("an event");
    };
    assert!(is_json);
    assert!(
        !data.as_bytes().windows(4).any(|part| part == b"open"),
        "sealed"
    );
    let ready = run(world.service.consign(entry, NOW)).unwrap().unwrap();
    assert_eq!(
        ready.event.as_deref(),
        Some(b"{\"open\" : true}".as_slice()),
        "byte-exact"
    );
}

#[test]
fn an_iot_sp_that_confirms_first_is_asked_before_its_device() {
    let world = World::new();
    let lock = world.register("asker", "LOCK-1");
    let row = world.request("asker", "LOCK-1", 1);
    assert_eq!(document(&world, &lock), (0, Vec::new()));
    let asker = principal("asker");
    let answer = |id: &DeviceId| {
        let input = accepted(id.clone());
        run(world
            .service
            .answer_assignment(&asker, (row.id, &input), NOW))
    };
    let foreign = DeviceId::parse("d-another").unwrap();
    assert_eq!(answer(&foreign), Err(AnswerError::DeviceAlreadyAssigned));
    for _ in 0..2 {
        let confirmed = answer(&lock.device_id).unwrap();
        assert_eq!(
            confirmed.status(),
            MappingStatus::Pending,
            "step 7 is the device's"
        );
    }
    assert_eq!(document(&world, &lock), (1, vec![row.id]));
    acknowledge(&world, &lock, 1, &[]).unwrap();
    assert_eq!(world.row(row.id).status(), MappingStatus::Established);
}

#[test]
fn a_device_hosted_after_the_request_is_asked_all_the_same_once_its_iot_sp_confirmed() {
    let world = World::new();
    let row = world.request("asker", "LOCK-1", 1);
    let lock = world.register("asker", "LOCK-1");
    let input = accepted(lock.device_id.clone());
    let asker = principal("asker");
    let answered = world
        .service
        .answer_assignment(&asker, (row.id, &input), NOW);
    assert_eq!(run(answered).unwrap().status(), MappingStatus::Pending);
    assert_eq!(document(&world, &lock), (1, vec![row.id]));
    acknowledge(&world, &lock, 1, &[]).unwrap();
    assert_eq!(world.row(row.id).status(), MappingStatus::Established);
}

#[test]
fn a_row_that_waited_is_offered_to_the_device_that_is_registered_for_its_serial_number() {
    let world = World::new();
    let row = world.request("acme", "LOCK-1", 1);
    assert_eq!(row.hosted, None);
    let lock = world.register("acme", "LOCK-1");
    assert_eq!(document(&world, &lock), (1, vec![row.id]));
}

#[test]
fn a_full_document_takes_the_next_row_when_one_goes() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let rows: Vec<_> = (0..17)
        .map(|n| world.request("acme", "LOCK-1", n))
        .collect();
    let (version, held) = document(&world, &lock);
    assert_eq!((version, held.len()), (16, 16));
    assert!(!held.contains(&rows[16].id));
    acknowledge(&world, &lock, 16, &[]).unwrap();
    let given = Given::Key(rows[3].key.clone());
    run(world
        .service
        .give_up_mapping((&lock, Channel::Mqtt), &given, NOW))
    .unwrap();
    acknowledge(&world, &lock, 17, &[]).unwrap();
    let (version, held) = document(&world, &lock);
    assert_eq!((version, held.len()), (18, 16));
    assert!(held.contains(&rows[16].id) && !held.contains(&rows[3].id));
}

#[test]
fn an_unregistered_device_may_forget_and_nothing_else_and_is_gone_for_good_then() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let row = world.request("acme", "LOCK-1", 1);
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let acme = principal("acme");
    for _ in 0..2 {
        let by = Manager::Party(&acme);
        let device = run(world.service.unregister_device(by, &lock.device_id, NOW)).unwrap();
        assert!(matches!(device.status, DeviceStatus::Unregistering { .. }));
    }
    assert_eq!(world.row(row.id).status(), MappingStatus::Deleted);
    let asked = run(world.service.inquire_own((&lock, Channel::Mqtt), None, NOW));
    assert_eq!(asked, Err(ChannelError::Unregistering));
    let (version, rows) = document(&world, &lock);
    assert!(version > 1 && rows.is_empty());
    acknowledge(&world, &lock, version, &[]).unwrap();
    let gone = run(world.service.read_document((&lock, Channel::Mqtt), NOW));
    let refused = DeviceRefusal::Unauthenticated(Unauthenticated::Unknown);
    assert_eq!(gone, Err(ChannelError::Refused(refused)));
    let again = world.request("acme", "LOCK-1", 2);
    assert_eq!(again.hosted, None, "its serial number is free again");
}

#[test]
fn an_unregistered_device_that_never_comes_again_is_forgotten_at_its_deadline() {
    let world = World::new();
    let [lock, kept] = ["LOCK-1", "LOCK-2"].map(|serial| world.register("acme", serial));
    world.request("acme", "LOCK-1", 1);
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let acme = principal("acme");
    let left = run(world
        .service
        .unregister_device(Manager::Party(&acme), &lock.device_id, NOW))
    .unwrap();
    let deadline = left.due().expect("a deadline");
    assert_eq!(deadline, NOW.plus(world.service.knobs().unregistering));
    let sweep = |millis| {
        let at = Timestamp::from_millis(millis);
        run(world.service.sweep_devices(at)).unwrap()
    };
    assert_eq!(sweep(deadline.millis() - 1), 0);
    assert!(document(&world, &lock).1.is_empty(), "served until then");
    assert_eq!(sweep(deadline.millis()), 1);
    let gone = run(world.service.read_document((&lock, Channel::Mqtt), NOW));
    let refused = DeviceRefusal::Unauthenticated(Unauthenticated::Unknown);
    assert_eq!(gone, Err(ChannelError::Refused(refused)));
    let rung = world.rung.0.lock().unwrap().clone();
    assert_eq!(rung.last(), Some(&(lock.device_id.clone(), None)), "closed");
    assert_eq!(sweep(deadline.millis()), 0);
    assert_eq!(document(&world, &kept), (0, Vec::new()), "no other");
}

#[test]
fn a_wrong_or_revoked_credential_and_another_channel_are_refused() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let refused = |because: Unauthenticated| Err(DeviceRefusal::Unauthenticated(because));
    assert_eq!(
        world.log_in(&lock.device_id, "guess"),
        refused(Unauthenticated::Credential)
    );
    let stranger = DeviceId::mint([1; 16]);
    assert_eq!(
        world.log_in(&stranger, "guess"),
        refused(Unauthenticated::Unknown)
    );
    let coap = run(world.service.admit_device(&lock, Channel::Coap, NOW));
    assert_eq!(coap.map(drop), refused(Unauthenticated::Channel).map(drop));
    let late = run(world
        .service
        .admit_device(&lock, Channel::Mqtt, lock.not_after));
    assert_eq!(late.map(drop), refused(Unauthenticated::Expired).map(drop));
    let acme = principal("acme");
    let which = (&lock.device_id, lock.credential);
    run(world
        .service
        .revoke_credential(Manager::Party(&acme), which, NOW))
    .unwrap();
    let revoked = run(world.service.admit_device(&lock, Channel::Mqtt, NOW));
    assert_eq!(
        revoked.map(drop),
        refused(Unauthenticated::Revoked).map(drop)
    );
    let shop = principal("asker");
    let foreign = run(world
        .service
        .read_device(Manager::Party(&shop), &lock.device_id, NOW));
    assert_eq!(foreign.map(drop), Err(DeviceError::NotFound));
}

#[test]
fn a_registration_is_amended_in_what_may_change() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let acme = principal("acme");
    let amend = |amendment: &DeviceAmendment| {
        let named = (&lock.device_id, amendment);
        run(world
            .service
            .amend_device(Manager::Party(&acme), named, NOW))
    };
    let attribute = |text| Some(Attribute::parse(text).unwrap());
    let changed = amend(&DeviceAmendment {
        vendor: Some(attribute("acme")),
        owner: Some(attribute("user-7")),
        ..DeviceAmendment::default()
    });
    let changed = changed.unwrap();
    assert_eq!(
        (&changed.vendor, &changed.owner),
        (&attribute("acme"), &attribute("user-7"))
    );
    let same = amend(&DeviceAmendment::default()).unwrap();
    assert_eq!(same, changed, "nothing to write");
    let removed = DeviceAmendment {
        vendor: Some(None),
        channels: Some(Channels::NONE.with(Channel::Coap)),
        ..DeviceAmendment::default()
    };
    let changed = amend(&removed).unwrap();
    assert_eq!(
        (&changed.vendor, &changed.owner),
        (&None, &attribute("user-7"))
    );
    // It came over the channel that is closed to it now.
    let admitted = run(world.service.admit_device(&lock, Channel::Mqtt, NOW));
    let refused = DeviceRefusal::Unauthenticated(Unauthenticated::Channel);
    assert_eq!(admitted.map(drop), Err(refused));
    let none = DeviceAmendment {
        channels: Some(Channels::NONE),
        ..DeviceAmendment::default()
    };
    assert_eq!(amend(&none), Err(DeviceError::Credentials));
}
