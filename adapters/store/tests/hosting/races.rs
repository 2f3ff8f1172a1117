//! What happens to a device between the moment a request is read and the moment it is committed;
//! what is one change and must not be two.

use std::sync::Arc;

use ics_core::change::Change;
use ics_core::device::Channel;
use ics_core::device_document::Acknowledgement;
use ics_core::id::DeviceId;
use ics_core::mapping::{Dispatch, Mapping, MappingStatus, State};
use ics_core::party::PartyStatus;
use ics_core::port::{Denied, Store as _};
use ics_core::service::{AnswerError, AssignmentError, Given, Manager, RequestError};

use super::world::{NOW, REGISTERED, World, accepted, principal, run, sp};
use super::{acknowledge, document};

#[test]
fn a_place_that_comes_free_while_a_row_is_requested_is_offered_to_it() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let rows: Vec<_> = (0..16)
        .map(|n| world.request("acme", "LOCK-1", n))
        .collect();
    acknowledge(&world, &lock, 16, &[]).unwrap();
    let (service, device) = (Arc::clone(&world.service), Arc::clone(&lock));
    let given = Given::Mapping(rows[3].id);
    world.meanwhile(move || {
        let at = (&device, Channel::Mqtt);
        run(service.give_up_mapping(at, &given, NOW)).unwrap();
        let acknowledgement = Acknowledgement {
            version: REGISTERED + 17,
            refused: Vec::new(),
        };
        run(service.acknowledge_document(at, &acknowledgement, NOW)).unwrap();
    });
    let row = world.request("acme", "LOCK-1", 16);
    assert!(row.is_to_be_held());
    assert_eq!(document(&world, &lock).1.len(), 16);
}

#[test]
fn a_row_requested_while_its_device_is_unregistered_is_not_for_that_device() {
    let world = World::new();
    let lock = world.register("asker", "LOCK-1");
    let (service, device) = (Arc::clone(&world.service), Arc::clone(&lock));
    world.meanwhile(move || {
        let by = principal("asker");
        let by = Manager::Party(&by);
        run(service.unregister_device(by, &device.device_id, NOW)).unwrap();
    });
    let row = world.request("asker", "LOCK-1", 1);
    assert_eq!(row.hosted, None);
}

#[test]
fn a_row_requested_while_its_device_is_registered_is_offered_to_it() {
    let world = Arc::new(World::new());
    let beside = Arc::clone(&world);
    world.meanwhile(move || drop(beside.register("acme", "LOCK-1")));
    let row = world.request("acme", "LOCK-1", 1);
    assert!(row.is_to_be_held());
}

#[test]
fn an_iot_sp_is_told_whether_its_device_is_full_or_gone() {
    let world = World::new();
    let lock = world.register("asker", "LOCK-1");
    let asker = principal("asker");
    let confirm = |row: &Mapping| {
        let input = accepted(lock.device_id.clone());
        run(world
            .service
            .answer_assignment(&asker, (row.id, &input), NOW))
    };
    let rows: Vec<_> = (0..17)
        .map(|n| world.request("asker", "LOCK-1", n))
        .collect();
    for row in &rows[..16] {
        confirm(row).unwrap();
    }
    assert_eq!(confirm(&rows[16]), Err(AnswerError::DeviceFull));
    assert_eq!(world.row(rows[16].id).status(), MappingStatus::Pending);
    let by = Manager::Party(&asker);
    run(world.service.unregister_device(by, &lock.device_id, NOW)).unwrap();
    // As if it had been requested while the device was unregistered.
    let ended = world.row(rows[16].id);
    let pending = Mapping {
        version: ended.version + 1,
        sequence: ended.sequence,
        ..rows[16].clone()
    };
    let again = Change::default().with_mapping(Some(ended), Some(pending));
    run(world.store.commit(again)).unwrap();
    assert_eq!(confirm(&rows[16]), Err(AnswerError::DeviceRevoked));
    assert_eq!(world.row(rows[16].id).status(), MappingStatus::Failed);
}

#[test]
fn all_that_an_acknowledgement_refuses_ends_in_one_change() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let under = |n, uti| {
        let of = ("acme", "LOCK-1");
        world.request_under((of, uti), n, None).unwrap().0
    };
    let kept = under(0, "uti-of-the-row-that-is-kept");
    let (held, beside) = (under(1, "uti-that-is-killed"), "uti-that-is-killed");
    acknowledge(&world, &lock, 2, &[]).unwrap();
    let offered = [
        under(2, beside),
        under(3, "uti-of-two-rows-offered"),
        under(4, "uti-of-two-rows-offered"),
    ];
    let refused: Vec<_> = [&held]
        .into_iter()
        .chain(&offered)
        .map(|row| row.id)
        .collect();
    let rung = || world.rung.0.lock().unwrap().len();
    let before = rung();
    acknowledge(&world, &lock, 5, &refused).unwrap();
    assert_eq!(rung(), before + 1, "one change of the device");
    assert_eq!(document(&world, &lock), (6, vec![kept.id]));
    let status = |row: &Mapping| world.row(row.id).status();
    assert_eq!(status(&held), MappingStatus::Deleted);
    assert_eq!(
        offered.each_ref().map(status),
        [
            MappingStatus::Deleted,
            MappingStatus::Failed,
            MappingStatus::Failed
        ],
        "a killed UTI takes its rows along"
    );
    // The record of the UTI knows that none of its rows is left: another device may have it.
    world.register("acme", "LOCK-2");
    let of_other = (("acme", "LOCK-2"), "uti-of-two-rows-offered");
    let (row, is_new) = world.request_under(of_other, 3, None).unwrap();
    assert!(is_new);
    assert!(matches!(
        row.state,
        State::Pending {
            dispatch: Dispatch::Offered,
            ..
        }
    ));
}

pub(crate) fn set(world: &World, id: &str, status: PartyStatus) {
    let id = sp(id);
    run(world.service.change_party_status(&id, status, NOW)).unwrap();
}

#[test]
fn an_iot_sp_that_is_suspended_while_it_answers_changes_no_row() {
    let world = Arc::new(World::new());
    let row = world.request("acme", "LOCK-1", 1);
    let beside = Arc::clone(&world);
    world.meanwhile(move || set(&beside, "acme", PartyStatus::Suspended));
    let input = accepted(DeviceId::parse("d-1").unwrap());
    let acme = principal("acme");
    let answer = || {
        run(world
            .service
            .answer_assignment(&acme, (row.id, &input), NOW))
    };
    let not_served = AnswerError::Assignment(AssignmentError::Denied(Denied::NotServed));
    assert_eq!(answer(), Err(not_served));
    assert_eq!(world.row(row.id), row);
    set(&world, "acme", PartyStatus::Active);
    assert_eq!(answer().unwrap().status(), MappingStatus::Established);
}

#[test]
fn a_request_repeated_while_its_iot_sp_is_suspended_is_told_of_its_row_and_no_other_is() {
    let world = World::new();
    let row = world.request("acme", "LOCK-1", 1);
    set(&world, "acme", PartyStatus::Suspended);
    let (same, is_new) = world.request_with(("acme", "LOCK-1"), 1, None).unwrap();
    assert_eq!((same, is_new), (row, false));
    let refused = Err(RequestError::Denied(Denied::NoAgreement));
    for (serial, n) in [("LOCK-2", 1), ("LOCK-1", 2)] {
        let asked = world.request_with(("acme", serial), n, None);
        assert_eq!(asked.map(drop), refused, "{serial} {n}");
    }
}
