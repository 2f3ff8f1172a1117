//! Who is told over oneM2M: a party that speaks as an AE, and named no other way.

use ics_core::id::{CallbackUri, Origin};
use ics_core::mapping::{Dispatch, Features, Mapping, State};
use ics_core::outbox::{DeadReason, Message, OutboxEntry};
use ics_core::procedure::delivery::DeliveryReport;
use ics_core::reference_point::Role;
use ics_core::service::{Consignment, MappingRequest, Route, SubscriptionTerms};

use crate::world::{NOW, World, mapping_request, principal, run};
use crate::{Channel, acknowledge};

const OVER_ONEM2M: Route = Route {
    callback: None,
    websocket: false,
    onem2m: true,
};

fn by_callback() -> Route {
    Route {
        callback: Some(Origin::parse("https://shop.example").unwrap()),
        websocket: false,
        onem2m: false,
    }
}

fn route(world: &World, entry: &OutboxEntry) -> Route {
    run(world.service.route(entry)).unwrap()
}

fn consign(world: &World, entry: &OutboxEntry) -> Option<Consignment> {
    run(world.service.consign(entry, NOW)).unwrap()
}

/// A request that names no destination.
fn silent_request() -> MappingRequest {
    MappingRequest {
        destination: None,
        ..mapping_request((("acme", "LOCK-1"), "uti-of-the-lock-at-service-1"), 1)
    }
}

/// The one thing that `role` is to be told.
fn only(world: &World, role: Role) -> OutboxEntry {
    let [only] = world.told(role).try_into().unwrap();
    only
}

fn dispatch_of(row: &Mapping) -> Dispatch {
    let State::Pending { dispatch, .. } = row.state else {
        panic!("pending");
    };
    dispatch
}

/// A registration at a callback, for serial numbers that begin so.
fn register_callback(world: &World, prefix: &str) -> ics_core::id::SubscriptionId {
    let matcher = ics_core::party::SerialMatcher::prefix(prefix).unwrap();
    let terms = SubscriptionTerms {
        serial_namespaces: vec![ics_core::party::SerialNamespace {
            vendor: None,
            matcher,
        }],
        destination: Some(CallbackUri::parse("https://shop.example/acme").unwrap()),
        websocket: false,
        features: Features::default(),
        request_test: false,
    };
    let acme = principal("acme");
    let made = run(world.service.create_subscription(&acme, &terms, NOW));
    made.unwrap().id
}

#[test]
fn an_iot_sp_with_an_ae_and_no_registration_gets_its_push_with_the_serial_number() {
    let world = World::new();
    world.give_ae("acme");
    let row = world.request("acme", "LOCK-1", 1);
    assert_eq!(dispatch_of(&row), Dispatch::Dispatching);
    let push = only(&world, Role::IotSp);
    assert_eq!(push.message, Message::Assignment);
    assert!(world.service.speaks_onem2m(&push.key.addressee));
    assert_eq!(route(&world, &push), OVER_ONEM2M);
    let ready = consign(&world, &push).unwrap();
    assert!(ready.onem2m && !ready.websocket);
    assert_eq!((ready.destination, ready.subscription), (None, None));
    let assignment = ready.assignment.unwrap();
    assert_eq!(assignment.serial.unwrap().expose(), "LOCK-1");
    let accepted = DeliveryReport::Accepted;
    run(world.service.report_delivery(&push.key, accepted, NOW)).unwrap();
    let taken = world.row(row.id);
    assert_eq!(dispatch_of(&taken), Dispatch::AwaitingDevice);
    assert_eq!(world.told(Role::IotSp), []);
}

#[test]
fn an_iot_sp_without_an_ae_pulls() {
    let world = World::new();
    world.give_ae("asker");
    let row = world.request("acme", "LOCK-1", 1);
    assert_eq!(dispatch_of(&row), Dispatch::AwaitingDevice);
    assert_eq!(world.told(Role::IotSp), []);
}

#[test]
fn a_registration_goes_before_the_ae_and_what_waits_goes_over_onem2m_when_it_is_gone() {
    let world = World::new();
    world.give_ae("acme");
    let id = register_callback(&world, "LOCK-1");
    world.request("acme", "LOCK-1", 1);
    let push = only(&world, Role::IotSp);
    assert_eq!(route(&world, &push), by_callback());
    assert!(!consign(&world, &push).unwrap().onem2m);
    // None of its registrations wants this one: it pulls, as it would without an AE.
    let other = world.request("acme", "LOCK-2", 2);
    assert_eq!(dispatch_of(&other), Dispatch::AwaitingDevice);
    let push = only(&world, Role::IotSp);
    let acme = principal("acme");
    run(world.service.delete_subscription(&acme, id, NOW)).unwrap();
    assert_eq!(route(&world, &push), OVER_ONEM2M);
    assert!(consign(&world, &push).unwrap().assignment.is_some());
}

#[test]
fn a_third_party_that_named_no_destination_is_told_results_and_events_over_onem2m() {
    let world = World::new();
    world.give_ae("shop");
    let lock = world.register("acme", "LOCK-1");
    let (row, _) = world.request_as(&silent_request()).unwrap();
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let result = only(&world, Role::ThirdPartySp);
    assert!(matches!(result.message, Message::Result { .. }));
    assert_eq!(route(&world, &result), OVER_ONEM2M);
    assert!(consign(&world, &result).unwrap().onem2m);
    let event = (row.id, b"ajar".as_slice(), false);
    let said = world
        .service
        .report_event((&lock, Channel::Mqtt), event, NOW);
    run(said).unwrap();
    let event = world.told(Role::ThirdPartySp).pop().unwrap();
    let ready = consign(&world, &event).unwrap();
    assert!(ready.onem2m);
    assert_eq!(ready.event.unwrap(), b"ajar");
}

#[test]
fn a_destination_goes_before_the_ae() {
    let world = World::new();
    world.give_ae("shop");
    let lock = world.register("acme", "LOCK-1");
    world.request("acme", "LOCK-1", 1);
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let result = only(&world, Role::ThirdPartySp);
    assert_eq!(route(&world, &result), by_callback());
}

#[test]
fn with_neither_destination_nor_ae_a_third_party_is_told_nothing() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    world.request_as(&silent_request()).unwrap();
    acknowledge(&world, &lock, 1, &[]).unwrap();
    assert_eq!(world.told(Role::ThirdPartySp), []);
}

/// It would wait before all that the row has to say, and no NOTIFY says it.
#[test]
fn there_is_no_test_notification_over_onem2m() {
    let world = World::new();
    world.give_ae("shop");
    let request = MappingRequest {
        request_test: true,
        ..silent_request()
    };
    world.request_as(&request).unwrap();
    assert_eq!(world.told(Role::ThirdPartySp), []);
}

#[test]
fn what_waits_for_an_ae_that_is_gone_has_no_destination() {
    let world = World::new();
    world.give_ae("shop");
    world.give_ae("acme");
    let (row, _) = world.request_as(&silent_request()).unwrap();
    let shop = principal("shop");
    let push = only(&world, Role::IotSp);
    world.take_ae("acme");
    assert!(consign(&world, &push).is_none());
    assert_eq!(dispatch_of(&world.row(row.id)), Dispatch::AwaitingDevice);
    world.give_ae("acme");
    run(world.service.cancel_mapping(&shop, row.id, NOW)).unwrap();
    let result = only(&world, Role::IotSp);
    world.take_ae("acme");
    assert!(consign(&world, &result).is_none());
    let dead = only(&world, Role::IotSp).dead;
    assert_eq!(dead, Some(DeadReason::NoDestination));
}
