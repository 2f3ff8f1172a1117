use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;

const RATE: Rate = Rate {
    per_second: 1,
    burst: 2,
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(0).plus(Duration::from_secs(1_000_000 + seconds))
}

fn enter(sessions: &Arc<Sessions>, sp: &str, device: &str, now: Timestamp) -> Seated {
    let (sp, device) = (SpId::parse(sp).unwrap(), DeviceId::parse(device).unwrap());
    let seated = sessions.enter((&sp, &device), RATE, now).unwrap();
    // Each looks once by itself.
    assert_eq!(heard(&seated), Some(CHANGED));
    seated
}

/// What is signalled by now.
fn heard(seated: &Seated) -> Option<u8> {
    let signalled = pin!(seated.signalled());
    match signalled.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(signals) => Some(signals),
        Poll::Pending => None,
    }
}

#[test]
fn a_ring_reaches_the_device_it_is_for() {
    let sessions = Arc::new(Sessions::default());
    let one = enter(&sessions, "acme", "d-one", at(0));
    let two = enter(&sessions, "acme", "d-two", at(0));
    let foreign = enter(&sessions, "other", "d-three", at(0));
    sessions.ring(&DeviceId::parse("d-one").unwrap(), None);
    sessions.ring(&DeviceId::parse("d-nobody").unwrap(), None);
    assert_eq!(
        [heard(&one), heard(&two), heard(&foreign)],
        [Some(CHANGED), None, None]
    );
    assert_eq!(heard(&one), None);
    sessions.recheck(&SpId::parse("acme").unwrap());
    assert_eq!([heard(&one), heard(&two)], [Some(CHANGED), Some(CHANGED)]);
    assert_eq!(heard(&foreign), None);
}

#[test]
fn the_older_session_is_told_and_its_leaving_is_not_that_of_the_newer() {
    let sessions = Arc::new(Sessions::default());
    let old = enter(&sessions, "acme", "d-one", at(0));
    let new = enter(&sessions, "acme", "d-one", at(0));
    assert_eq!([heard(&old), heard(&new)], [Some(TAKEN_OVER), None]);
    drop(old);
    assert_eq!(sessions.count(), 1);
    sessions.ring(&DeviceId::parse("d-one").unwrap(), None);
    assert_eq!(heard(&new), Some(CHANGED));
    drop(new);
    assert_eq!(sessions.count(), 0);
}

#[test]
fn a_device_that_takes_itself_over_has_no_more_messages_for_it() {
    let sessions = Arc::new(Sessions::default());
    let old = enter(&sessions, "acme", "d-one", at(0));
    assert_eq!(old.take_message(RATE, at(0)), Taken::Within);
    let new = enter(&sessions, "acme", "d-one", at(0));
    assert_eq!(new.take_message(RATE, at(0)), Taken::Within);
    assert_ne!(new.take_message(RATE, at(0)), Taken::Within);
    assert_ne!(old.take_message(RATE, at(0)), Taken::Within);
    // What the older one leaves behind gives nothing back.
    drop(old);
    assert_ne!(new.take_message(RATE, at(0)), Taken::Within);
}

#[test]
fn what_a_device_used_up_outlives_its_connection_and_then_nothing_does() {
    let sessions = Arc::new(Sessions::default());
    let (sp, device) = (
        SpId::parse("acme").unwrap(),
        DeviceId::parse("d-one").unwrap(),
    );
    let seated = enter(&sessions, "acme", "d-one", at(0));
    assert_eq!(seated.take_message(RATE, at(0)), Taken::Within);
    drop(seated);
    let seated = enter(&sessions, "acme", "d-one", at(0));
    assert_eq!(seated.take_message(RATE, at(0)), Taken::Within);
    let beyond = Taken::Beyond { is_news: true };
    assert_eq!(seated.take_message(RATE, at(0)), beyond);
    let often = sessions.enter((&sp, &device), RATE, at(0));
    assert_eq!(often.err(), Some(TooOften { is_news: true }));
    assert!(sessions.bars(&device, RATE, at(0)));
    let stranger = DeviceId::parse("d-nobody").unwrap();
    assert!(!sessions.bars(&stranger, RATE, at(0)));
    assert!(!sessions.bars(&device, RATE, at(1)));
    drop(seated);
    // Strangers come and go: what is kept of them does not grow.
    for n in 0..10_000 {
        drop(enter(&sessions, "acme", &format!("d-{n}x"), at(10 + n)));
    }
    assert!(sessions.lock().by_device.len() <= 2 * FEW);
}
