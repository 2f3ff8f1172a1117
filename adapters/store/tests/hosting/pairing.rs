//! Pairing codes: minted for a device, used up by the request that shows one.

use std::time::Duration;

use ics_core::id::PairingCode;
use ics_core::mapping::{MappingStatus, State};
use ics_core::outbox::Message;
use ics_core::port::Store as _;
use ics_core::principal::DeviceIdentity;
use ics_core::reference_point::Role;
use ics_core::service::{DeviceError, DeviceRefusal, Manager, RequestError, Unauthenticated};
use ics_core::time::Timestamp;

use super::world::{NOW, World, principal, run};
use super::{acknowledge, document, messages};

fn code_of(world: &World, lock: &DeviceIdentity) -> PairingCode {
    let by = principal(lock.iot_sp.as_str());
    let order = (&lock.device_id, Duration::from_secs(600));
    let minted = world
        .service
        .mint_pairing_code(Manager::Party(&by), order, NOW);
    let (code, not_after) = run(minted).unwrap();
    assert_eq!(not_after, NOW.plus(Duration::from_secs(600)));
    code
}

fn tickets(world: &World, lock: &DeviceIdentity) -> usize {
    let device = run(world.store.load_device(&lock.device_id)).unwrap();
    device.unwrap().pairing.len()
}

#[test]
fn a_pairing_code_is_used_up_by_the_request_that_makes_a_row_and_its_replay_finds_the_row() {
    let world = World::new();
    let lock = world.register("pairer", "LOCK-1");
    let code = code_of(&world, &lock);
    assert_eq!(tickets(&world, &lock), 1);
    let of = ("pairer", "LOCK-1");
    let (row, is_new) = world.request_with(of, 1, Some(code.clone())).unwrap();
    assert!(is_new && row.is_to_be_held());
    assert_eq!(tickets(&world, &lock), 0);
    assert_eq!(document(&world, &lock).1, [row.id]);
    let (again, is_new) = world.request_with(of, 1, Some(code.clone())).unwrap();
    assert_eq!((again.id, is_new), (row.id, false));
    acknowledge(&world, &lock, 1, &[]).unwrap();
    let (again, is_new) = world.request_with(of, 1, Some(code.clone())).unwrap();
    assert_eq!((again.id, is_new), (row.id, false));
    // For another service it is spent.
    let (other, _) = world.request_with(of, 2, Some(code)).unwrap();
    assert!(
        matches!(other.state, State::Failing { .. }),
        "{:?}",
        other.state
    );
}

#[test]
fn every_way_a_pairing_code_fails_looks_to_the_third_party_as_a_device_that_does_not_answer() {
    let world = World::new();
    let [lock, other] = ["LOCK-1", "LOCK-2"].map(|serial| world.register("acme", serial));
    let (code, of_other) = (code_of(&world, &lock), code_of(&world, &other));
    let guess = PairingCode::mint([9; 12]);
    let late = {
        let by = principal("acme");
        let order = (&lock.device_id, Duration::from_secs(60));
        let before = Timestamp::from_millis(NOW.millis() - 60_000);
        let minted = world
            .service
            .mint_pairing_code(Manager::Party(&by), order, before);
        run(minted).unwrap().0
    };
    let cases = [
        ("LOCK-1", of_other, "of another device"),
        ("LOCK-1", guess.clone(), "guessed"),
        ("LOCK-1", late, "expired"),
        ("LOCK-9", guess, "no such device is hosted"),
    ];
    for (n, (serial, shown, case)) in cases.into_iter().enumerate() {
        let made = world.request_with(("acme", serial), n, Some(shown.clone()));
        let (row, is_new) = made.unwrap();
        assert!(is_new, "{case}");
        let towards = row.status_towards(Role::ThirdPartySp);
        assert_eq!(towards, MappingStatus::Pending, "{case}");
        assert_eq!(
            row.status_towards(Role::IotSp),
            MappingStatus::Failed,
            "{case}"
        );
        assert!(!row.is_to_be_held(), "{case}");
        // The same request again is the same row, and no second guess.
        let again = world
            .request_with(("acme", serial), n, Some(shown))
            .unwrap();
        assert_eq!((again.0.id, again.1), (row.id, false), "{case}");
    }
    assert!(document(&world, &lock).1.is_empty());
    // Nobody was sent a serial number, and the right code still is.
    let pushed = messages(&world, Role::IotSp);
    assert!(!pushed.contains(&Message::Assignment), "{pushed:?}");
    let (row, _) = world
        .request_with(("acme", "LOCK-1"), 7, Some(code))
        .unwrap();
    assert!(row.is_to_be_held());
    // In the end the third party is told one cause for all of them.
    run(world.service.sweep_due(NOW.plus(Duration::from_secs(600)))).unwrap();
    let told = messages(&world, Role::ThirdPartySp);
    let failed: Vec<_> = told
        .iter()
        .filter(|message| matches!(message, Message::Result { .. }))
        .collect();
    assert_eq!(failed.len(), 4);
    assert!(
        failed.windows(2).all(|pair| pair[0] == pair[1]),
        "{failed:?}"
    );
}

#[test]
fn an_agreement_can_demand_a_pairing_code() {
    let world = World::new();
    let lock = world.register("pairer", "LOCK-1");
    let asked = world.request_with(("pairer", "LOCK-1"), 1, None);
    assert_eq!(asked.map(drop), Err(RequestError::PairingRequired));
    // Whether there is such a device does not show in it.
    let asked = world.request_with(("pairer", "LOCK-9"), 1, None);
    assert_eq!(asked.map(drop), Err(RequestError::PairingRequired));
    let (row, _) = world
        .request_with(("pairer", "LOCK-1"), 1, Some(code_of(&world, &lock)))
        .unwrap();
    assert!(row.is_to_be_held());
}

#[test]
fn of_more_than_four_pairing_codes_the_oldest_goes_and_a_code_is_nobodys_login() {
    let world = World::new();
    let lock = world.register("acme", "LOCK-1");
    let codes: Vec<_> = (0..5).map(|_| code_of(&world, &lock)).collect();
    assert_eq!(tickets(&world, &lock), 4);
    let (first, _) = world
        .request_with(("acme", "LOCK-1"), 0, Some(codes[0].clone()))
        .unwrap();
    assert!(!first.is_to_be_held());
    let (second, _) = world
        .request_with(("acme", "LOCK-1"), 1, Some(codes[1].clone()))
        .unwrap();
    assert!(second.is_to_be_held());
    let logged_in = world.log_in(&lock.device_id, codes[2].expose());
    let refused = DeviceRefusal::Unauthenticated(Unauthenticated::Credential);
    assert_eq!(logged_in.map(drop), Err(refused));
    let acme = principal("acme");
    let gone = world
        .service
        .unregister_device(Manager::Party(&acme), &lock.device_id, NOW);
    assert!(run(gone).unwrap().pairing.is_empty());
    let order = (&lock.device_id, Duration::from_secs(600));
    let minted = run(world
        .service
        .mint_pairing_code(Manager::Party(&acme), order, NOW));
    assert!(matches!(minted, Err(DeviceError::Unregistering)));
}
