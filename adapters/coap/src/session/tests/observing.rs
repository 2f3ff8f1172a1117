use std::time::Duration;

use coap_lite::{MessageType, Packet};
use ics_channel::document;

use super::rig::*;

const OBSERVE: u16 = 6;
const ETAG: u16 = 4;

fn observe(rig: &mut Rig) -> Packet {
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc").with(OBSERVE, &[]));
    assert!(option(&told, OBSERVE).is_some());
    told
}

fn settle(rig: &mut Rig, first: u8, notification: &Packet) -> Vec<Packet> {
    let [high, low] = notification.header.message_id.to_be_bytes();
    rig.say(&[first, 0, high, low])
}

fn told_after(rig: &mut Rig, n: u8) -> Vec<Packet> {
    rig.offer(n);
    rig.pass(Duration::ZERO)
}

fn acknowledge(rig: &mut Rig, packet: &Packet) {
    let version = document::parse(&packet.payload).unwrap().version;
    let ack = Ask::of(POST, "/ics/v1/doc/ack").saying(format!("{{\"v\":{version}}}"));
    assert_eq!(code(&rig.answer(ack)), "2.04");
}

#[test]
fn who_observes_is_told_of_each_change_with_the_token_it_gave() {
    let mut rig = Rig::new();
    let first = observe(&mut rig);
    let mut order = option(&first, OBSERVE).unwrap();
    for n in 1..=3 {
        let told = told_after(&mut rig, n);
        let [notification] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!(notification.header.get_type(), MessageType::Confirmable);
        assert_eq!(notification.get_token(), first.get_token());
        let next = option(notification, OBSERVE).unwrap();
        assert!(next > order);
        order = next;
        let read = document::parse(&notification.payload).unwrap();
        assert_eq!(read.entries.len(), usize::from(n));
        assert!(settle(&mut rig, 0x60, notification).is_empty());
        acknowledge(&mut rig, notification);
    }
    assert!(
        rig.pass(Duration::from_secs(3600)).is_empty(),
        "nothing is owed"
    );
}

#[test]
fn while_one_is_under_way_only_the_newest_follows_it() {
    let mut rig = Rig::new();
    observe(&mut rig);
    let one = told_after(&mut rig, 1);
    assert!(told_after(&mut rig, 2).is_empty());
    assert!(told_after(&mut rig, 3).is_empty());
    let next = settle(&mut rig, 0x60, &one[0]);
    assert_eq!(next.len(), 1);
    assert_eq!(document::parse(&next[0].payload).unwrap().entries.len(), 3);
}

#[test]
fn however_often_it_changes_while_it_is_looked_at_it_is_looked_at_once_more() {
    let mut rig = Rig::new();
    observe(&mut rig);
    rig.is_slow = true;
    for n in 1..=5 {
        rig.offer(n);
        assert_eq!(rig.waiting.len(), 1);
    }
    let told = rig.catch_up();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(text(&told[0]).contains("https://shop.example/5"));
    assert!(rig.waiting.is_empty());
}

#[test]
fn a_version_that_is_not_acknowledged_comes_again_after_a_while() {
    let mut rig = Rig::new();
    observe(&mut rig);
    let mut told = told_after(&mut rig, 1);
    for pause in [30, 120, 600, 600] {
        settle(&mut rig, 0x60, &told[0]);
        assert!(
            rig.pass(Duration::from_secs(pause - 1)).is_empty(),
            "{pause}"
        );
        told = rig.pass(Duration::from_secs(1));
        assert_eq!(told.len(), 1, "{pause}");
    }
    settle(&mut rig, 0x60, &told[0]);
    acknowledge(&mut rig, &told[0]);
    assert!(rig.pass(Duration::from_secs(3600)).is_empty());
}

#[test]
fn who_has_no_use_for_it_or_is_gone_is_not_told_again() {
    let mut rig = Rig::new();
    observe(&mut rig);
    let told = told_after(&mut rig, 1);
    settle(&mut rig, 0x70, &told[0]);
    assert!(told_after(&mut rig, 2).is_empty());

    observe(&mut rig);
    let told = told_after(&mut rig, 3);
    let again = rig.pass(Duration::from_secs(100));
    assert_eq!(
        again,
        vec![told[0].clone(); 4],
        "four times more, and no storm"
    );
    assert!(told_after(&mut rig, 4).is_empty());
    // It finds out what it missed by any reply.
    let reply = rig.answer(Ask::of(GET, "/.well-known/core"));
    assert_eq!(option(&reply, 65020), Some(1));
}

#[test]
fn it_takes_its_leave_by_observe_1() {
    let mut rig = Rig::new();
    observe(&mut rig);
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc").with(OBSERVE, &[1]));
    assert_eq!(option(&told, OBSERVE), None);
    assert!(told_after(&mut rig, 1).is_empty());
}

#[test]
fn who_registers_again_is_told_once_with_the_new_token() {
    let mut rig = Rig::new();
    observe(&mut rig);
    let mut ask = Ask::of(GET, "/ics/v1/doc").with(OBSERVE, &[]);
    ask.packet.set_token(vec![0xaa]);
    rig.answer(ask);
    let told = told_after(&mut rig, 1);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].get_token(), [0xaa]);
    settle(&mut rig, 0x60, &told[0]);
    // It tidies up the one before: that is not the one that stands.
    rig.answer(Ask::of(GET, "/ics/v1/doc").with(OBSERVE, &[1]));
    assert_eq!(told_after(&mut rig, 2).len(), 1);
}

#[test]
fn a_long_poll_is_answered_by_the_next_version_or_after_its_time() {
    let mut rig = Rig::new();
    let ask = Ask::of(GET, "/ics/v1/doc").with(15, b"w=30");
    let first = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    acknowledge(&mut rig, &first);
    assert!(rig.ask(ask.clone()).is_empty());
    let empty = rig.pass(Duration::from_secs(20));
    assert_eq!(empty.len(), 1, "acknowledged alone");
    let told = told_after(&mut rig, 1);
    assert_eq!((told.len(), code(&told[0]).as_str()), (1, "2.05"));
    settle(&mut rig, 0x60, &told[0]);
    // What waits is told at once.
    let at_once = rig.answer(ask.clone());
    assert_eq!(code(&at_once), "2.05");
    acknowledge(&mut rig, &at_once);

    let etag = at_once
        .get_first_option(coap_lite::CoapOption::ETag)
        .unwrap()
        .clone();
    assert!(rig.ask(ask.with(ETAG, &etag)).is_empty());
    rig.pass(Duration::from_secs(29));
    let told = rig.pass(Duration::from_secs(1));
    assert_eq!((told.len(), code(&told[0]).as_str()), (1, "2.03"));
}

#[test]
fn nobody_waits_longer_than_two_minutes() {
    let mut rig = Rig::new();
    let first = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    acknowledge(&mut rig, &first);
    let ask = Ask::of(GET, "/ics/v1/doc")
        .with(15, b"w=86400")
        .non_confirmable();
    assert!(rig.ask(ask).is_empty());
    assert!(rig.pass(Duration::from_secs(119)).is_empty());
    assert_eq!(rig.pass(Duration::from_secs(1)).len(), 1);
}
