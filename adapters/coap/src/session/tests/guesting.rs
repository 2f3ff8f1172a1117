use super::rig::{Ask, GET, POST, Rig, code, option, text};
use crate::message::Block;
use crate::session::staged::{Echo, OF_ECHO};

const PUT: u8 = 3;
const ITS_OWN: u16 = OF_ECHO[0];
const BLOCK1: u16 = 27;
const BLOCK2: u16 = 23;
/// What the guest answers with: the method it was asked by.
const METHOD: u16 = 2057;

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.guest = Some(Echo::guest());
    rig
}

fn block(number: u32, more: bool, exponent: u8) -> Vec<u8> {
    Block {
        number,
        more,
        exponent,
    }
    .write()
}

#[test]
fn what_has_an_option_of_a_guest_is_handed_over_whole_and_its_answer_told() {
    let mut rig = rig();
    let ask = Ask::of(PUT, "ics/v1/doc")
        .with(ITS_OWN, b"r1")
        .saying("hello");
    let answer = rig.answer(ask);
    assert_eq!(code(&answer), "2.01");
    assert_eq!(text(&answer), "hello");
    assert_eq!(option(&answer, METHOD), Some(PUT.into()));
    let echoed = answer.get_first_option(coap_lite::CoapOption::from(ITS_OWN));
    assert_eq!(echoed, Some(&b"r1".to_vec()));
}

#[test]
fn a_path_of_a_guest_is_its_own_without_an_option_too() {
    let answer = rig().answer(Ask::of(GET, "~/elsewhere"));
    assert_eq!(
        (code(&answer).as_str(), option(&answer, METHOD)),
        ("2.01", Some(1))
    );
    let own = rig().answer(Ask::of(GET, "ics/v1/doc"));
    assert_eq!((code(&own).as_str(), option(&own, METHOD)), ("2.05", None));
}

#[test]
fn without_a_guest_its_options_are_unknown() {
    let mut rig = Rig::new();
    let answer = rig.answer(Ask::of(GET, "ics/v1/doc").with(ITS_OWN, b"r1"));
    assert_eq!(code(&answer), "4.02");
    // One that is nobody's stays unknown where there is a guest.
    let answer = self::rig().answer(Ask::of(GET, "~").with(2061, b"x"));
    assert_eq!(code(&answer), "4.02");
}

#[test]
fn a_payload_in_parts_is_handed_over_whole() {
    let mut rig = rig();
    let part = |number, more, payload: &[u8]| {
        let ask = Ask::of(POST, "~/x").with(ITS_OWN, b"r1");
        ask.with(BLOCK1, &block(number, more, 0)).saying(payload)
    };
    assert_eq!(code(&rig.answer(part(0, true, &[b'a'; 16]))), "2.31");
    // A part of another request is none of this one.
    let other = Ask::of(POST, "~/x").with(ITS_OWN, b"r2");
    let other = other.with(BLOCK1, &block(1, false, 0)).saying("b");
    assert_eq!(code(&rig.answer(other)), "4.08");
    assert_eq!(code(&rig.answer(part(0, true, &[b'a'; 16]))), "2.31");
    let answer = rig.answer(part(1, false, b"b"));
    assert_eq!(code(&answer), "2.01");
    assert_eq!(text(&answer), "aaaaaaaaaaaaaaaab");
    assert_eq!(option(&answer, BLOCK1), Some(16));
}

#[test]
fn a_long_answer_is_fetched_in_parts_and_asked_for_once() {
    let mut rig = rig();
    let payload: Vec<u8> = (0..40).map(|n| b'a' + n % 26).collect();
    let ask = |number| {
        let ask = Ask::of(POST, "~/x").with(ITS_OWN, b"r1");
        ask.with(BLOCK2, &block(number, false, 0))
    };
    let first = rig.answer(ask(0).saying(&payload));
    assert_eq!(
        (code(&first).as_str(), option(&first, BLOCK2)),
        ("2.01", Some(8))
    );
    assert_eq!(option(&first, 28), Some(40), "how long it is");
    let second = rig.answer(ask(1));
    let third = rig.answer(ask(2));
    let whole = [first.payload, second.payload, third.payload].concat();
    assert_eq!(whole, payload);
    assert_eq!(code(&rig.answer(ask(3))), "4.00");
    // Of another request there is no such part.
    let other = Ask::of(POST, "~/x").with(ITS_OWN, b"r2");
    assert_eq!(
        code(&rig.answer(other.with(BLOCK2, &block(1, false, 0)))),
        "4.08"
    );
}

#[test]
fn a_guest_that_takes_its_time_answers_apart() {
    let mut rig = rig();
    rig.is_slow = true;
    assert_eq!(rig.ask(Ask::of(GET, "~/x")), []);
    let told = rig.pass(std::time::Duration::from_secs(1));
    assert_eq!(told.iter().map(code).collect::<Vec<_>>(), ["0.00"]);
    let told = rig.catch_up();
    assert_eq!(told.iter().map(code).collect::<Vec<_>>(), ["2.01"]);
}

#[test]
fn a_device_that_is_not_served_any_more_reaches_no_guest() {
    let mut rig = rig();
    let iot_sp = rig.session.identity.iot_sp.clone();
    rig.service.suspend(&iot_sp);
    let answer = rig.answer(Ask::of(GET, "~/x"));
    assert_eq!(
        (code(&answer).as_str(), option(&answer, METHOD)),
        ("4.01", None)
    );
    assert!(rig.session.is_over());
}

#[test]
fn what_is_kept_for_a_device_is_counted_and_forgotten() {
    let mut rig = rig();
    let long = rig.answer(Ask::of(POST, "~/x").saying(vec![b'x'; 4000]));
    assert_eq!(code(&long), "2.01");
    assert!(rig.session.remembered_bytes() > 4000);
    rig.session.forget_replies();
    assert_eq!(rig.session.remembered_bytes(), 0);
}
