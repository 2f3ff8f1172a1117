use std::time::Duration;

use coap_lite::MessageType;

use super::rig::*;

#[test]
fn a_request_that_is_repeated_is_done_once_and_answered_alike() {
    let mut rig = Rig::new();
    rig.offer(1);
    let version = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    let version = ics_channel::document::parse(&version.payload)
        .unwrap()
        .version;
    rig.answer(Ask::of(POST, "/ics/v1/doc/ack").saying(format!("{{\"v\":{version}}}")));
    let mapping = entry(1).mapping.to_string();
    let event = Ask::of(POST, "/ics/v1/evt")
        .saying(format!("{{\"id\":\"{mapping}\",\"data\":1}}"))
        .with_id(7);
    let first = rig.ask(event.clone());
    assert_eq!(rig.ask(event.clone()), first);
    assert_eq!(rig.ask(event.clone()), first);
    assert_eq!(rig.service.events().len(), 1);
    // One that wants no acknowledgement is not answered again either.
    let event = event.with_id(8).non_confirmable();
    assert_eq!(rig.ask(event.clone()).len(), 1);
    assert!(rig.ask(event).is_empty());
    assert_eq!(rig.service.events().len(), 2);
}

#[test]
fn an_answer_that_takes_its_time_comes_apart() {
    let mut rig = Rig::new();
    rig.is_slow = true;
    let ask = Ask::of(GET, "/ics/v1/doc").with_id(7);
    assert!(rig.ask(ask.clone()).is_empty());
    assert!(rig.pass(Duration::from_millis(499)).is_empty());
    let told = rig.pass(Duration::from_millis(1));
    let [acknowledgement] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        (
            code(acknowledgement).as_str(),
            acknowledgement.header.message_id
        ),
        ("0.00", 7)
    );
    assert_eq!(rig.ask(ask.clone()), told, "repeated while at work");
    let told = rig.catch_up();
    let [answer] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(answer.header.get_type(), MessageType::Confirmable);
    assert_eq!(
        (code(answer).as_str(), answer.get_token()),
        ("2.05", &[GET, 9][..])
    );
    assert_ne!(answer.header.message_id, 7);
    assert_eq!(code(&rig.answer(ask)), "0.00", "repeated after it");
    // It is repeated until it is acknowledged.
    assert_eq!(rig.pass(Duration::from_secs(3)), told);
    let [high, low] = answer.header.message_id.to_be_bytes();
    rig.say(&[0x60, 0, high, low]);
    assert!(rig.pass(Duration::from_secs(200)).is_empty());
}

#[test]
fn no_more_than_four_are_at_work() {
    let mut rig = Rig::new();
    rig.is_slow = true;
    for _ in 0..4 {
        assert!(rig.ask(Ask::of(GET, "/ics/v1/doc")).is_empty());
    }
    assert_eq!(code(&rig.answer(Ask::of(GET, "/ics/v1/doc"))), "4.29");
    assert_eq!(code(&rig.answer(Ask::of(GET, "/.well-known/core"))), "2.05");
    assert_eq!(rig.catch_up().len(), 4);
}

#[test]
fn a_ping_is_answered_and_what_is_no_request_is_reset() {
    let mut rig = Rig::new();
    for said in [
        &b"\x40\0\0\x07"[..],
        b"\x40\x45\0\x07",
        b"\x49\x01\0\x07123456789",
    ] {
        let told = rig.say(said);
        assert_eq!(told.len(), 1, "{said:x?}");
        assert_eq!(told[0].header.get_type(), MessageType::Reset);
        assert_eq!(told[0].header.message_id, 7);
    }
    for said in [
        &b""[..],
        b"\x40",
        b"\x50\0\0\x07",
        b"\x50\x45\0\x07",
        b"\x60\0\0\x07",
        b"\x70\0\0\x07",
    ] {
        assert!(rig.say(said).is_empty(), "{said:x?}");
    }
}
