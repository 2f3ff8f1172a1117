//! Passwords that an IoT SP chose.

use std::time::Duration;

use ics_core::id::DeviceId;
use ics_core::service::{
    ChosenPassword, DeviceRefusal, IssuedCredential, Manager, NewCredential, Unauthenticated,
};

use crate::world::{NOW, World, principal, run};

const CHOSEN: &str = "korrekt Pferd Batterie 7";

fn choose(world: &World, device_id: &DeviceId, password: &str) -> IssuedCredential {
    let wanted = NewCredential::Password {
        chosen: Some(ChosenPassword::parse(password).unwrap()),
        validity: Duration::from_secs(3600),
    };
    let acme = principal("acme");
    let by = Manager::Party(&acme);
    let made = run(world.service.add_credential(by, (device_id, &wanted), NOW));
    made.unwrap().credentials.remove(0)
}

#[test]
fn a_wrong_password_costs_the_same_whether_there_is_a_device_and_whatever_it_has() {
    let world = World::new();
    let with_chosen = world.register("acme", "LOCK-1").device_id.clone();
    let without = world.register("acme", "LOCK-2").device_id.clone();
    for password in [CHOSEN, "another one, for the roll-over"] {
        choose(&world, &with_chosen, password);
    }
    let unknown = DeviceId::mint([9; 16]);
    let costs = |device: &DeviceId| {
        let before = world.stretched();
        let refused = world.log_in(device, "a wrong password").unwrap_err();
        let DeviceRefusal::Unauthenticated(why) = refused else {
            panic!("{refused:?}");
        };
        (why, world.stretched() - before)
    };
    assert_eq!(costs(&with_chosen), (Unauthenticated::Credential, 1));
    assert_eq!(costs(&without), (Unauthenticated::Credential, 1));
    assert_eq!(costs(&unknown), (Unauthenticated::Unknown, 1));
}

#[test]
fn a_chosen_password_is_its_own_device_s_and_holds_while_one_like_it_does() {
    let world = World::new();
    let (lock, light) = ("LOCK-1", "LOCK-2");
    let [lock, light] =
        [lock, light].map(|serial| world.register("acme", serial).device_id.clone());
    let first = choose(&world, &lock, CHOSEN);
    assert!(matches!(first, IssuedCredential::Chosen(_)), "never told");
    assert_eq!(world.log_in(&lock, CHOSEN).unwrap().credential, first.id());
    assert!(world.log_in(&light, CHOSEN).is_err());
    let acme = principal("acme");
    let revoke = |id| {
        let by = Manager::Party(&acme);
        run(world.service.revoke_credential(by, (&lock, id), NOW)).unwrap();
    };
    // The same again, with a new end: revoking the old one leaves the new one.
    let second = choose(&world, &lock, CHOSEN);
    revoke(first.id());
    assert_eq!(world.log_in(&lock, CHOSEN).unwrap().credential, second.id());
    revoke(second.id());
    let refused = world.log_in(&lock, CHOSEN).unwrap_err();
    assert_eq!(
        refused,
        DeviceRefusal::Unauthenticated(Unauthenticated::Revoked)
    );
}
