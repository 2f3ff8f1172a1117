//! What a device may have much of: events that wait, credentials over the years.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ics_core::device::{Channel, CredentialId};
use ics_core::id::MappingId;
use ics_core::outbox::{Message, OutboxEntry};
use ics_core::port::Store as _;
use ics_core::principal::DeviceIdentity;
use ics_core::procedure::Knobs;
use ics_core::procedure::delivery::DeliveryReport;
use ics_core::reference_point::Role;
use ics_core::service::{ChannelError, Manager, NewCredential};

use super::acknowledge;
use super::world::{NOW, World, principal, run};

/// At most three events of a row wait.
fn started_again(world: &World) -> World {
    let knobs = Knobs {
        waiting_events: NonZeroU32::new(3).unwrap(),
        ..Knobs::default()
    };
    World::over(Arc::clone(&world.store), knobs)
}

fn say(world: &World, device: &Arc<DeviceIdentity>, row: MappingId) -> Result<(), ChannelError> {
    let event = (row, b"ajar".as_slice(), false);
    run(world
        .service
        .report_event((device, Channel::Mqtt), event, NOW))
}

/// The events that lie in the outbox, by sequence.
fn events(world: &World) -> Vec<OutboxEntry> {
    let mut told = world.told(Role::ThirdPartySp);
    told.retain(|entry| matches!(entry.message, Message::Event { .. }));
    told
}

fn report(world: &World, entry: &OutboxEntry, report: DeliveryReport) {
    run(world.service.report_delivery(&entry.key, report, NOW)).unwrap();
}

#[test]
fn an_event_more_than_may_wait_is_refused_until_one_was_told_and_after_a_restart_too() {
    let world = started_again(&World::new());
    let lock = world.register("acme", "LOCK-1");
    let [row, other] = [1, 2].map(|n| world.request("acme", "LOCK-1", n).id);
    acknowledge(&world, &lock, 2, &[]).unwrap();
    for _ in 0..3 {
        say(&world, &lock, row).unwrap();
    }
    assert_eq!(say(&world, &lock, row), Err(ChannelError::TooManyEvents));
    let world = started_again(&world);
    assert_eq!(say(&world, &lock, row), Err(ChannelError::TooManyEvents));
    assert_eq!(events(&world).len(), 3);
    say(&world, &lock, other).unwrap();
    for _ in 0..4 {
        let waiting = events(&world);
        let head = waiting
            .iter()
            .find(|entry| entry.mapping_key == world.row(row).key.into());
        report(&world, head.unwrap(), DeliveryReport::Accepted);
        say(&world, &lock, row).unwrap();
        assert_eq!(say(&world, &lock, row), Err(ChannelError::TooManyEvents));
    }
    assert_eq!(events(&world).len(), 4);
}

#[test]
fn events_that_were_given_up_make_room_the_oldest_first() {
    let world = started_again(&World::new());
    let lock = world.register("acme", "LOCK-1");
    let row = world.request("acme", "LOCK-1", 1).id;
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let result = world.told(Role::ThirdPartySp);
    for _ in 0..3 {
        say(&world, &lock, row).unwrap();
    }
    let given_up = events(&world);
    for entry in &given_up {
        report(&world, entry, DeliveryReport::NoDestination);
    }
    for n in 1..=3 {
        say(&world, &lock, row).unwrap();
        let found = events(&world);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].key.sequence, given_up[0].key.sequence + n);
    }
    assert_eq!(say(&world, &lock, row), Err(ChannelError::TooManyEvents));
    let left = world.told(Role::ThirdPartySp);
    assert_eq!(left[..1], result, "what is no event stays");
}

#[test]
fn the_name_of_a_credential_that_is_gone_does_not_come_again() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let acme = principal("acme");
    let by = Manager::Party(&acme);
    let validity = Duration::from_secs(3600);
    let add = || {
        let wanted = (
            &lock.device_id,
            &NewCredential::Password {
                chosen: None,
                validity,
            },
        );
        let given = run(world.service.add_credential(by, wanted, NOW)).unwrap();
        given.credentials[0].id()
    };
    let given: Vec<_> = (0..7).map(|_| add()).collect();
    assert_eq!(given.last(), Some(&CredentialId(8)));
    let which = (&lock.device_id, CredentialId(8));
    run(world.service.revoke_credential(by, which, NOW)).unwrap();
    assert_eq!(add(), CredentialId(9));
    let device = run(world.store.load_device(&lock.device_id)).unwrap();
    assert!(device.unwrap().credential(CredentialId(8)).is_none());
}
