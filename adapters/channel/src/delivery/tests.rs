use super::*;

fn state(version: u64, acknowledged: u64) -> DocumentState {
    DocumentState {
        version,
        acknowledged,
        rows: Vec::new(),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_document_that_was_never_asked_for_is_never_wanted() {
    let now = Instant::now();
    let mut delivery = Delivery::default();
    delivery.learn(&state(7, 0));
    delivery.contact(now);
    delivery.attend(now + seconds(1000));
    assert!(!delivery.is_wanted());
    assert_eq!(delivery.next_deadline(), None);
}

#[test]
fn a_newer_version_waits_for_the_one_under_way() {
    let now = Instant::now();
    let mut delivery = Delivery::default();
    delivery.want();
    assert!(delivery.is_wanted());
    delivery.sent(1, Some(Some(9)), now);
    assert!(!delivery.is_wanted());
    delivery.learn(&state(2, 0));
    assert!(!delivery.is_wanted());
    delivery.received(8);
    assert!(!delivery.is_wanted());
    delivery.received(9);
    assert!(delivery.is_wanted());
}

#[test]
fn a_version_is_sent_again_ever_more_seldom_until_it_is_acknowledged() {
    let mut now = Instant::now();
    let mut delivery = Delivery::default();
    delivery.want();
    for (version, pause) in [(1, 30), (1, 120), (1, 600), (1, 600), (2, 30), (2, 120)] {
        delivery.sent(version, Some(None), now);
        assert_eq!(delivery.next_deadline(), Some(now + seconds(pause)));
        delivery.attend(now + seconds(pause - 1));
        assert!(!delivery.is_wanted());
        now += seconds(pause);
        delivery.attend(now);
        assert!(delivery.is_wanted());
    }
    delivery.sent(2, Some(None), now);
    delivery.acknowledge(1);
    assert!(delivery.next_deadline().is_some());
    delivery.acknowledge(2);
    assert_eq!(delivery.next_deadline(), None);
    delivery.contact(now + seconds(60));
    assert!(!delivery.is_wanted());
}

#[test]
fn one_that_is_not_even_received_is_not_sent_twice() {
    let now = Instant::now();
    let mut delivery = Delivery::default();
    delivery.want();
    delivery.sent(1, Some(Some(9)), now);
    delivery.attend(now + seconds(30));
    assert!(!delivery.is_wanted());
    assert_eq!(delivery.next_deadline(), Some(now + seconds(150)));
}

#[test]
fn one_that_is_too_long_is_not_tried_again_before_it_changes() {
    let now = Instant::now();
    let mut delivery = Delivery::default();
    delivery.want();
    delivery.sent(1, None, now);
    assert_eq!(delivery.next_deadline(), None);
    delivery.learn(&state(2, 0));
    assert!(delivery.is_wanted());
}
