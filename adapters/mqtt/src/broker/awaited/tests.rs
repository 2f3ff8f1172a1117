use ics_core::device::CredentialId;
use ics_core::id::SpId;
use ics_core::time::Timestamp;

use super::*;
use crate::roster::Sessions;
use ics_channel::DeviceService as _;
use ics_channel::fake::FakeService;

fn device() -> DeviceId {
    DeviceId::mint([1; 16])
}

fn at(seconds: u64) -> Instant {
    // Instants have no fixed beginning; the tests' clock is paused, so this is one.
    *START.get_or_init(Instant::now) + Duration::from_secs(seconds)
}

fn identity() -> Arc<DeviceIdentity> {
    Arc::new(DeviceIdentity {
        iot_sp: SpId::parse("iot").unwrap(),
        device_id: device(),
        credential: CredentialId(1),
        not_after: Timestamp::MAX,
    })
}

static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();

/// A hosted device whose document is so.
async fn hosted(version: u64, acknowledged: u64) -> HostedDevice {
    let service = FakeService::new(Arc::new(Sessions::default()));
    let iot_sp = SpId::parse("iot").unwrap();
    service.register(&iot_sp, &device(), Timestamp::from_millis(i64::MAX));
    service.change(&device(), |device, _| {
        device.document.version = version;
        device.document.acknowledged = acknowledged;
    });
    let claim = ics_core::service::DeviceClaim::Vouched {
        device_id: &device(),
    };
    let now = Timestamp::from_millis(0);
    let identity = service.authenticate(claim, now).await.unwrap();
    service.admit(&identity, now).await.unwrap()
}

fn send(awaited: &Awaited, version: u64, now: Instant) -> Option<Option<Duration>> {
    let due = awaited.take(now)?;
    let expiry = due.expiry(version);
    awaited.settle(&due, Outcome::Sent(version), now);
    Some(expiry)
}

#[tokio::test]
async fn a_version_goes_out_again_after_30_seconds_2_minutes_and_10_and_then_rests() {
    let awaited = Awaited::default();
    awaited.ring(&device(), Some(&hosted(7, 6).await));
    let seconds = |n| Some(Some(Duration::from_secs(n)));
    assert_eq!(send(&awaited, 7, at(0)), seconds(30));
    assert_eq!(send(&awaited, 7, at(29)), None);
    assert_eq!(send(&awaited, 7, at(30)), seconds(120));
    assert_eq!(send(&awaited, 7, at(149)), None);
    assert_eq!(send(&awaited, 7, at(150)), seconds(600));
    assert_eq!(send(&awaited, 7, at(749)), None);
    // The last copy is the broker's to keep.
    assert_eq!(send(&awaited, 7, at(750)), Some(None));
    assert_eq!(send(&awaited, 7, at(1_000_000)), None);
    assert!(awaited.lock().entries.is_empty(), "nothing is kept of it");
}

#[tokio::test]
async fn a_newer_version_begins_anew_and_waits_for_the_one_under_way() {
    let awaited = Awaited::default();
    awaited.ring(&device(), Some(&hosted(7, 6).await));
    let due = awaited.take(at(0)).unwrap();
    awaited.ring(&device(), Some(&hosted(8, 6).await));
    assert_eq!(awaited.take(at(1)), None, "one at a time");
    awaited.settle(&due, Outcome::Sent(7), at(1));
    let due = awaited.take(at(1)).unwrap();
    assert_eq!(due.expiry(8), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn an_acknowledgement_ends_it_and_one_of_an_older_version_does_not() {
    let awaited = Awaited::default();
    awaited.ring(&device(), Some(&hosted(8, 6).await));
    awaited.ring(&device(), Some(&hosted(7, 7).await));
    let due = awaited.take(at(0)).unwrap();
    // It comes before the broker's receipt.
    awaited.ring(&device(), Some(&hosted(8, 8).await));
    awaited.settle(&due, Outcome::Sent(8), at(0));
    assert_eq!(awaited.take(at(1_000)), None);
    assert!(awaited.lock().entries.is_empty());
}

#[tokio::test]
async fn a_contact_sends_again_what_did_not_just_go_out_and_a_greeting_always() {
    let awaited = Awaited::default();
    awaited.contact(&identity(), at(0));
    assert!(!awaited.take(at(0)).is_some_and(|due| due.is_forced));
    let awaited = Awaited::default();
    awaited.ring(&device(), Some(&hosted(7, 6).await));
    assert!(send(&awaited, 7, at(0)).is_some());
    awaited.contact(&identity(), at(4));
    assert_eq!(awaited.take(at(4)), None);
    awaited.greet(&device());
    assert!(awaited.take(at(4)).unwrap().is_forced);
}

#[tokio::test]
async fn what_was_lost_with_a_connection_goes_out_on_the_next() {
    let awaited = Awaited::default();
    awaited.greet(&device());
    let due = awaited.take(at(0)).unwrap();
    awaited.settle(&due, Outcome::Lost, at(0));
    assert!(awaited.take(at(0)).unwrap().is_forced);
}

#[tokio::test]
async fn what_failed_waits_and_what_is_not_owed_is_forgotten() {
    let awaited = Awaited::default();
    awaited.contact(&identity(), at(0));
    let due = awaited.take(at(0)).unwrap();
    awaited.settle(&due, Outcome::Failed, at(0));
    assert_eq!(awaited.take(at(29)), None);
    let due = awaited.take(at(30)).unwrap();
    awaited.settle(&due, Outcome::Nothing, at(30));
    assert!(awaited.lock().entries.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_by_a_ring_and_by_time() {
    let awaited = Awaited::default();
    awaited.contact(&identity(), Instant::now());
    awaited.wait().await;
    let due = awaited.take(Instant::now()).unwrap();
    awaited.settle(&due, Outcome::Failed, Instant::now());
    let before = Instant::now();
    awaited.wait().await;
    assert!(before.elapsed() >= Duration::from_secs(30));
    assert!(awaited.take(Instant::now()).is_some());
}

#[tokio::test]
async fn a_device_of_another_channel_and_one_that_is_gone_are_owed_nothing() {
    let awaited = Awaited::default();
    let mut other = hosted(7, 6).await;
    awaited.ring(&device(), Some(&other));
    other.channels = ics_core::device::Channels::NONE.with(Channel::Coap);
    awaited.ring(&device(), Some(&other));
    assert_eq!(awaited.take(at(0)), None);
    awaited.greet(&device());
    awaited.ring(&device(), None);
    assert_eq!(awaited.take(at(0)), None);
}
