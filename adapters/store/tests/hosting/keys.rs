//! Pre-shared keys: told once, found by their identity while they hold, and never made again.

use std::collections::BTreeSet;
use std::time::Duration;

use ics_core::change::Change;
use ics_core::device::{Channel, Channels, CredentialId, CredentialKind, HostedDevice};
use ics_core::id::{DeviceId, DeviceSerialNumber, PskIdentity};
use ics_core::party::PartyStatus;
use ics_core::port::Store as _;
use ics_core::service::{
    DeviceAmendment, DeviceClaim, DeviceTerms, IssuedCredential, Manager, NewCredential,
    PreSharedKey, Unauthenticated,
};
use ics_core::time::Timestamp;

use super::races::set;
use super::world::{NOW, World, principal, run};

const HOUR: Duration = Duration::from_secs(3600);
const KEY: NewCredential = NewCredential::PreSharedKey { validity: HOUR };

/// A lock of `acme` that comes over CoAP, with a pre-shared key.
fn register(world: &World, serial: &str) -> (PskIdentity, PreSharedKey) {
    let terms = DeviceTerms {
        serial: DeviceSerialNumber::parse(serial).unwrap(),
        vendor: None,
        model: None,
        owner: None,
        channels: Channels::from_iter([Channel::Coap]),
        credentials: vec![KEY],
    };
    let acme = principal("acme");
    let by = Manager::Party(&acme);
    let made = run(world.service.register_device(by, &terms, NOW)).unwrap();
    let [IssuedCredential::PreSharedKey(identity, key)] = made.credentials.as_slice() else {
        panic!("one key");
    };
    (identity.clone(), key.clone())
}

fn add(world: &World, device: &DeviceId, wanted: &NewCredential) -> IssuedCredential {
    let acme = principal("acme");
    let by = Manager::Party(&acme);
    let made = run(world.service.add_credential(by, (device, wanted), NOW));
    made.unwrap().credentials.remove(0)
}

fn add_key(world: &World, device: &DeviceId) -> (PskIdentity, PreSharedKey) {
    match add(world, device, &KEY) {
        IssuedCredential::PreSharedKey(identity, key) => (identity, key),
        _ => panic!("a key"),
    }
}

fn revoke(world: &World, identity: &PskIdentity) {
    let acme = principal("acme");
    let named = (&identity.device_id, identity.credential);
    let gone = world
        .service
        .revoke_credential(Manager::Party(&acme), named, NOW);
    run(gone).unwrap();
}

fn find_at(world: &World, identity: &PskIdentity, now: Timestamp) -> Option<PreSharedKey> {
    run(world.service.find_device_key(identity, Channel::Coap, now)).unwrap()
}

fn find(world: &World, identity: &PskIdentity) -> Option<PreSharedKey> {
    find_at(world, identity, NOW)
}

/// Which credential a device has shown that names `identity`, its handshake being whole.
fn come(world: &World, identity: &PskIdentity, now: Timestamp) -> Result<CredentialId, String> {
    let claim = DeviceClaim::PreSharedKey { identity };
    let known = world.service.authenticate_device(claim, Channel::Coap, now);
    match run(known) {
        Ok(known) => {
            assert_eq!(known.device_id, identity.device_id);
            assert_eq!(known.iot_sp.as_str(), "acme");
            Ok(known.credential)
        }
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn refused(why: Unauthenticated) -> Result<CredentialId, String> {
    Err(why.to_string())
}

fn load(world: &World, device: &DeviceId) -> HostedDevice {
    run(world.store.load_device(device)).unwrap().unwrap()
}

#[test]
fn a_key_is_found_by_the_identity_it_was_told_with() {
    let world = World::new();
    let (identity, key) = register(&world, "LOCK-1");
    assert_eq!(identity.credential, CredentialId(1));
    assert_eq!(find(&world, &identity), Some(key.clone()));
    assert_eq!(come(&world, &identity, NOW), Ok(CredentialId(1)));
    // As a device names it.
    let shown = identity.to_shown();
    let named = PskIdentity::parse(shown.as_bytes()).unwrap();
    assert_eq!(find(&world, &named), Some(key.clone()));
    // What is kept is what it is made of, and not the key.
    let device = load(&world, &identity.device_id);
    let [credential] = device.credentials.as_slice() else {
        panic!("one credential");
    };
    let CredentialKind::PreSharedKey(salt) = credential.kind else {
        panic!("{:?}", credential.kind);
    };
    assert_ne!(salt.0, *key.expose());
    let told = format!("{key:?} {identity:?}");
    assert!(!told.contains(&key.to_shown()) && !told.contains(identity.device_id.as_str()));
}

#[test]
fn each_key_of_a_device_has_a_name_of_its_own_and_holds_until_it_is_revoked() {
    let world = World::new();
    let (first, first_key) = register(&world, "LOCK-1");
    let (second, second_key) = add_key(&world, &first.device_id);
    assert_ne!(first_key, second_key);
    assert_eq!(find(&world, &first), Some(first_key));
    assert_eq!(find(&world, &second), Some(second_key.clone()));
    revoke(&world, &first);
    assert_eq!(find(&world, &first), None);
    assert_eq!(come(&world, &first, NOW), refused(Unauthenticated::Revoked));
    assert_eq!(find(&world, &second), Some(second_key));
    assert_eq!(come(&world, &second, NOW), Ok(second.credential));
}

#[test]
fn a_key_is_found_as_long_as_it_holds() {
    let world = World::new();
    let (identity, key) = register(&world, "LOCK-1");
    let (last, over) = (NOW.plus(HOUR - Duration::from_millis(1)), NOW.plus(HOUR));
    assert_eq!(find_at(&world, &identity, last), Some(key));
    assert_eq!(find_at(&world, &identity, over), None);
    let expired = refused(Unauthenticated::Expired);
    assert_eq!(come(&world, &identity, over), expired);
    let before = Timestamp::from_millis(NOW.millis() - 1);
    assert_eq!(find_at(&world, &identity, before), None);
}

#[test]
fn a_number_that_is_no_key_s_names_none() {
    let world = World::new();
    let (key, _) = register(&world, "LOCK-1");
    let certificate = NewCredential::Certificate {
        request: "CSR".into(),
        validity: HOUR,
    };
    let password = NewCredential::Password {
        chosen: None,
        validity: HOUR,
    };
    let others = [certificate, password].map(|wanted| add(&world, &key.device_id, &wanted).id());
    assert_eq!(others, [CredentialId(2), CredentialId(3)]);
    for credential in others.into_iter().chain([0, 4, u32::MAX].map(CredentialId)) {
        let named = PskIdentity {
            credential,
            ..key.clone()
        };
        assert_eq!(find(&world, &named), None, "{credential}");
        let unknown = refused(Unauthenticated::Credential);
        assert_eq!(come(&world, &named, NOW), unknown, "{credential}");
    }
    let nobody = PskIdentity {
        device_id: DeviceId::mint([9; 16]),
        credential: key.credential,
    };
    assert_eq!(find(&world, &nobody), None);
    assert_eq!(
        come(&world, &nobody, NOW),
        refused(Unauthenticated::Unknown)
    );
    assert!(find(&world, &key).is_some());
}

#[test]
fn no_key_is_found_over_a_channel_that_is_closed_to_its_device() {
    let world = World::new();
    let (identity, key) = register(&world, "LOCK-1");
    let over = |channel| run(world.service.find_device_key(&identity, channel, NOW)).unwrap();
    assert_eq!(over(Channel::Mqtt), None);
    assert_eq!(over(Channel::Coap), Some(key));
    let amendment = DeviceAmendment {
        channels: Some(Channels::from_iter([Channel::Mqtt])),
        ..DeviceAmendment::default()
    };
    let acme = principal("acme");
    let amended = (&identity.device_id, &amendment);
    let amended = world
        .service
        .amend_device(Manager::Party(&acme), amended, NOW);
    run(amended).unwrap();
    assert_eq!(over(Channel::Coap), None);
    let closed = refused(Unauthenticated::Channel);
    assert_eq!(come(&world, &identity, NOW), closed);
}

#[test]
fn no_key_is_found_while_the_iot_sp_is_suspended() {
    let world = World::new();
    let (identity, key) = register(&world, "LOCK-1");
    set(&world, "acme", PartyStatus::Suspended);
    assert_eq!(find(&world, &identity), None);
    let not_served = refused(Unauthenticated::SpNotServed);
    assert_eq!(come(&world, &identity, NOW), not_served);
    set(&world, "acme", PartyStatus::Active);
    assert_eq!(find(&world, &identity), Some(key));
}

/// It may still fetch and acknowledge its empty document.
#[test]
fn the_key_of_a_device_that_was_unregistered_holds_until_it_is_forgotten() {
    let world = World::new();
    let (identity, key) = register(&world, "LOCK-1");
    let acme = principal("acme");
    let device = &identity.device_id;
    let gone = world
        .service
        .unregister_device(Manager::Party(&acme), device, NOW);
    run(gone).unwrap();
    assert_eq!(find(&world, &identity), Some(key));
    let before = load(&world, device);
    let change = Change::default().with_device(Some(before), None);
    assert!(run(world.store.commit(change)).is_ok());
    assert_eq!(find(&world, &identity), None);
}

#[test]
fn no_two_keys_are_the_same() {
    let world = World::new();
    let mut seen = BTreeSet::new();
    for n in 0..50 {
        let (identity, key) = register(&world, &format!("LOCK-{n}"));
        assert!(seen.insert(*key.expose()), "{n}");
        let (_, key) = add_key(&world, &identity.device_id);
        assert!(seen.insert(*key.expose()), "{n}");
    }
    assert_eq!(seen.len(), 100);
}

/// A copy of one device's salt gives another device another key.
#[test]
fn a_salt_that_is_another_device_s_too_makes_another_key() {
    let world = World::new();
    let [(first, first_key), (second, _)] =
        ["LOCK-1", "LOCK-2"].map(|serial| register(&world, serial));
    let before = load(&world, &second.device_id);
    let mut after = before.clone();
    after.credentials = load(&world, &first.device_id).credentials;
    after.version += 1;
    let change = Change::default().with_device(Some(before), Some(after));
    assert!(run(world.store.commit(change)).is_ok());
    let second_key = find(&world, &second).unwrap();
    assert_ne!(first_key, second_key);
}

/// Names come again after a restore: what was given meanwhile is not in the state that is restored.
#[test]
fn a_key_given_after_the_state_that_is_restored_opens_nothing_though_its_name_comes_again() {
    let world = World::new();
    let (first, first_key) = register(&world, "LOCK-1");
    let device = &first.device_id;
    let saved = load(&world, device);
    let (lost, lost_key) = add_key(&world, device);
    revoke(&world, &lost);
    let now = load(&world, device);
    let restored = HostedDevice {
        version: now.version + 1,
        ..saved
    };
    let change = Change::default().with_device(Some(now), Some(restored));
    assert!(run(world.store.commit(change)).is_ok());
    assert_eq!(find(&world, &lost), None);
    let (again, again_key) = add_key(&world, device);
    assert_eq!(again, lost);
    assert_ne!(again_key, lost_key);
    assert_eq!(find(&world, &again), Some(again_key));
    assert_eq!(find(&world, &first), Some(first_key));
}

#[test]
fn a_key_does_not_come_back_with_the_credential_that_takes_its_place() {
    let world = World::new();
    let (first, first_key) = register(&world, "LOCK-1");
    let device = &first.device_id;
    let mut keys = BTreeSet::from([*first_key.expose()]);
    let mut held = first.clone();
    // More than a device has at a time: those that are over make room.
    for _ in 0..2 * HostedDevice::MOST_CREDENTIALS {
        revoke(&world, &held);
        let (next, key) = add_key(&world, device);
        assert!(next.credential > held.credential, "no name comes again");
        assert!(keys.insert(*key.expose()), "no key comes again");
        assert_eq!(find(&world, &held), None);
        held = next;
    }
    assert_eq!(find(&world, &first), None);
    let gone = come(&world, &first, NOW);
    assert_eq!(gone, refused(Unauthenticated::Credential));
}

#[test]
fn what_the_gateway_keeps_for_a_device_needs_any_credential_that_holds() {
    let world = World::new();
    let (identity, _) = register(&world, "LOCK-1");
    let device_id = &identity.device_id;
    let look = |claim| run(world.service.authenticate_device(claim, Channel::Coap, NOW));
    let kept = DeviceClaim::Kept { device_id };
    assert_eq!(look(kept).unwrap().credential, identity.credential);
    // A broker vouches for certificates alone.
    let vouched = look(DeviceClaim::Vouched { device_id });
    assert_eq!(vouched.unwrap_err(), Unauthenticated::Credential.into());
    revoke(&world, &identity);
    let revoked = look(kept).unwrap_err();
    assert_eq!(revoked, Unauthenticated::Revoked.into());
}
