use std::time::Duration;

use ics_channel::{Format, RefusedAttempt, document};
use ics_core::device::DeviceStatus;
use ics_core::time::Timestamp;

use super::rig::*;
use crate::message::Code;
use crate::resource::DISCOVERY;

const PENDING: u16 = 65020;
const ETAG: u16 = 4;
const FORMAT: u16 = 12;
const ACCEPT: u16 = 17;
const BLOCK2: u16 = 23;
const BLOCK1: u16 = 27;

fn refused(rig: &Rig) -> Vec<RefusedAttempt> {
    let refused = rig.service.take_refused();
    refused.into_iter().map(|(_, attempt)| attempt).collect()
}

#[test]
fn the_whole_story_of_a_device() {
    let mut rig = Rig::new();
    let told = rig.answer(Ask::of(GET, "/.well-known/core"));
    assert_eq!((code(&told).as_str(), text(&told)), ("2.05", DISCOVERY));
    assert_eq!(option(&told, FORMAT), Some(40));

    let none = rig.answer(Ask::of(GET, "/ics/v1/inq"));
    assert_eq!((code(&none).as_str(), text(&none)), ("4.04", "no_mapping"));
    assert_eq!(option(&none, PENDING), Some(0));

    rig.offer(1);
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    assert_eq!(
        (code(&told).as_str(), option(&told, FORMAT)),
        ("2.05", Some(50))
    );
    assert_eq!(option(&told, PENDING), Some(1), "it has not acknowledged");
    let read = document::parse(&told.payload).unwrap();
    assert_eq!(read.entries, [entry(1)]);
    assert_eq!(option(&told, ETAG), u32::try_from(read.version).ok());

    let version = read.version;
    let ack = Ask::of(POST, "/ics/v1/doc/ack").saying(format!("{{\"v\":{version}}}"));
    let done = rig.answer(ack);
    assert_eq!((code(&done).as_str(), done.payload.len()), ("2.04", 0));
    assert_eq!(option(&done, PENDING), Some(0));
    assert_eq!(rig.service.established(), [entry(1).mapping]);

    let own = rig.answer(Ask::of(GET, "/ics/v1/inq"));
    assert_eq!(code(&own), "2.05");
    assert!(
        text(&own).contains(entry(1).key.uti.as_str()),
        "{}",
        text(&own)
    );

    let mapping = entry(1).mapping.to_string();
    let event = format!("{{\"id\":\"{mapping}\",\"data\":{{\"bpm\": 61 }}}}");
    let done = rig.answer(Ask::of(POST, "/ics/v1/evt").saying(event));
    assert_eq!(code(&done), "2.04");
    let events = rig.service.events();
    assert_eq!(
        events,
        [(entry(1).mapping, b"{\"bpm\": 61 }".to_vec(), true)]
    );

    let given = format!("{{\"id\":\"{mapping}\"}}");
    let revoke = Ask::of(POST, "/ics/v1/rev").saying(given);
    assert_eq!(code(&rig.answer(revoke.clone())), "2.04");
    assert_eq!(code(&rig.answer(revoke)), "4.04");
    assert_eq!(code(&rig.answer(Ask::of(GET, "/ics/v1/inq"))), "4.04");
    assert_eq!(refused(&rig), []);
}

#[test]
fn cbor_is_answered_in_cbor_and_problems_too() {
    let mut rig = Rig::new();
    rig.offer(1);
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc").with(ACCEPT, &[60]));
    assert_eq!(option(&told, FORMAT), Some(60));
    assert_eq!(Format::of(&told.payload), Ok(Format::Cbor));
    assert_eq!(document::parse(&told.payload).unwrap().entries, [entry(1)]);
    let none = rig.answer(Ask::of(GET, "/ics/v1/inq").with(ACCEPT, &[60]));
    assert_eq!(
        (code(&none).as_str(), option(&none, FORMAT)),
        ("4.04", Some(257))
    );
    // A FETCH of `{"svc": ..}` in CBOR is answered in CBOR.
    let mut asked = b"\xa1\x63svc\x78\x16".to_vec();
    asked.extend(b"https://shop.example/1");
    let none = rig.answer(
        Ask::of(FETCH, "/ics/v1/inq")
            .with(FORMAT, &[60])
            .saying(asked),
    );
    assert_eq!(
        (code(&none).as_str(), option(&none, FORMAT)),
        ("4.04", Some(257))
    );
}

#[test]
fn a_device_that_has_the_document_is_not_sent_it_again() {
    let mut rig = Rig::new();
    rig.offer(1);
    let first = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    let etag = first
        .get_first_option(coap_lite::CoapOption::ETag)
        .unwrap()
        .clone();
    let ask = Ask::of(GET, "/ics/v1/doc").with(ETAG, &etag);
    let valid = rig.answer(ask.clone());
    assert_eq!((code(&valid).as_str(), valid.payload.len()), ("2.03", 0));
    assert_eq!(
        valid.get_first_option(coap_lite::CoapOption::ETag),
        Some(&etag)
    );
    rig.offer(2);
    assert_eq!(code(&rig.answer(ask)), "2.05");
}

#[test]
fn what_is_anothers_or_nowhere_is_refused_and_noted() {
    let mut rig = Rig::new();
    for (method, path, expected, word, noted) in [
        (
            GET,
            "/ics/v1/d/d-other/doc",
            "4.03",
            "foreign",
            RefusedAttempt::RequestForeign,
        ),
        (
            POST,
            "/ics/v1/d/d-other/evt",
            "4.03",
            "foreign",
            RefusedAttempt::RequestForeign,
        ),
        (
            GET,
            "/ics/v1/none",
            "4.04",
            "no_resource",
            RefusedAttempt::RequestUnknown,
        ),
        (
            GET,
            "/",
            "4.04",
            "no_resource",
            RefusedAttempt::RequestUnknown,
        ),
        (
            POST,
            "/ics/v1/doc",
            "4.05",
            "bad_method",
            RefusedAttempt::RequestUnknown,
        ),
        (
            4,
            "/ics/v1/doc",
            "4.05",
            "bad_method",
            RefusedAttempt::RequestUnknown,
        ),
        (
            POST,
            "/ics/v1/rev",
            "4.00",
            "bad_payload",
            RefusedAttempt::RequestUnreadable,
        ),
    ] {
        let told = rig.answer(Ask::of(method, path).saying("{}"));
        assert_eq!(
            (code(&told).as_str(), text(&told)),
            (expected, word),
            "{path}"
        );
        assert_eq!(refused(&rig), [noted], "{path}");
    }
    let own = format!("/ics/v1/d/{}/doc", device().as_str());
    assert_eq!(code(&rig.answer(Ask::of(GET, &own))), "2.05");
}

#[test]
fn formats_that_are_not_known_are_refused() {
    let mut rig = Rig::new();
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc").with(ACCEPT, &[0]));
    assert_eq!(code(&told), "4.06");
    let told = rig.answer(Ask::of(GET, "/.well-known/core").with(ACCEPT, &[50]));
    assert_eq!(code(&told), "4.06");
    let xml = Ask::of(POST, "/ics/v1/rev")
        .with(FORMAT, &[41])
        .saying("<x/>");
    assert_eq!(code(&rig.answer(xml)), "4.15");
    let lie = Ask::of(POST, "/ics/v1/rev")
        .with(FORMAT, &[60])
        .saying("{\"id\":\"x\"}");
    assert_eq!(code(&rig.answer(lie)), "4.00");
    // A critical option nobody knows, and a proxy.
    assert_eq!(
        code(&rig.answer(Ask::of(GET, "/ics/v1/doc").with(9, &[]))),
        "4.02"
    );
    assert_eq!(
        code(&rig.answer(Ask::of(GET, "/ics/v1/doc").with(35, b"coap://x"))),
        "5.05"
    );
}

#[test]
fn a_long_document_comes_in_parts_of_the_size_that_is_asked_for() {
    let mut rig = Rig::new();
    for n in 1..=16 {
        rig.offer(n);
    }
    let first = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    assert_eq!(
        (first.payload.len(), option(&first, BLOCK2)),
        (1024, Some(0x0e))
    );
    let mut whole = Vec::new();
    for number in 0.. {
        let block = (number << 4 | 2_u32).to_be_bytes();
        let part = rig.answer(Ask::of(GET, "/ics/v1/doc").with(BLOCK2, &block[2..]));
        assert_eq!(code(&part), "2.05");
        assert_eq!(option(&part, ETAG), option(&first, ETAG));
        whole.extend_from_slice(&part.payload);
        let more = option(&part, BLOCK2).unwrap() & 8 != 0;
        assert_eq!(part.payload.len() == 64, more || whole.len() % 64 == 0);
        if !more {
            break;
        }
    }
    assert_eq!(option(&first, 28), u32::try_from(whole.len()).ok());
    assert_eq!(document::parse(&whole).unwrap().entries.len(), 16);
    let beyond = (200_u32 << 4 | 6).to_be_bytes();
    let none = rig.answer(Ask::of(GET, "/ics/v1/doc").with(BLOCK2, &beyond[2..]));
    assert_eq!(code(&none), "4.00");
}

#[test]
fn a_long_payload_comes_in_parts() {
    let mut rig = Rig::new();
    rig.offer(1);
    let version = document::parse(&rig.answer(Ask::of(GET, "/ics/v1/doc")).payload)
        .unwrap()
        .version;
    rig.answer(Ask::of(POST, "/ics/v1/doc/ack").saying(format!("{{\"v\":{version}}}")));
    let mapping = entry(1).mapping.to_string();
    let data = format!("\"{}\"", "x".repeat(3000));
    let event = format!("{{\"id\":\"{mapping}\",\"data\":{data}}}");
    let parts: Vec<&[u8]> = event.as_bytes().chunks(1024).collect();
    for (number, part) in parts.iter().enumerate() {
        let more = number + 1 < parts.len();
        let block = u8::try_from(number << 4 | usize::from(more) << 3 | 6).unwrap();
        let ask = Ask::of(POST, "/ics/v1/evt")
            .with(BLOCK1, &[block])
            .saying(part);
        let told = rig.answer(ask);
        assert_eq!(code(&told), if more { "2.31" } else { "2.04" });
        assert_eq!(option(&told, BLOCK1), Some(u32::from(block)));
    }
    assert_eq!(
        rig.service.events(),
        [(entry(1).mapping, data.into_bytes(), true)]
    );
}

#[test]
fn who_wants_no_answer_gets_none() {
    const NO_RESPONSE: u16 = 258;
    let mut rig = Rig::new();
    let ask = Ask::of(GET, "/ics/v1/inq").with(NO_RESPONSE, &[26]);
    let told = rig.answer(ask.clone());
    assert_eq!(
        (code(&told).as_str(), told.header.get_type()),
        ("0.00", coap_lite::MessageType::Acknowledgement)
    );
    assert!(rig.ask(ask.non_confirmable()).is_empty());
    // Successes are unwanted, this is none.
    let ask = Ask::of(GET, "/ics/v1/inq")
        .with(NO_RESPONSE, &[2])
        .non_confirmable();
    assert_eq!(code(&rig.answer(ask)), "4.04");
    let astray = Ask::of(GET, "/none")
        .with(NO_RESPONSE, &[8])
        .non_confirmable();
    assert!(rig.ask(astray).is_empty());
}

#[test]
fn a_device_that_is_not_served_any_more_is_told_so_once() {
    let mut rig = Rig::new();
    rig.service.change(&device(), |device, _| {
        device.credentials[0].revoked = Some(Timestamp::from_millis(1));
    });
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    assert_eq!(code(&told), "4.01");
    assert!(told.payload.is_empty());
    assert!(rig.session.is_over());
}

#[test]
fn a_ring_ends_the_session_of_a_device_that_is_not_served_any_more() {
    let mut rig = Rig::new();
    rig.service.change(&device(), |device, _| {
        device.credentials[0].revoked = Some(Timestamp::from_millis(1));
    });
    rig.session.ring();
    assert!(rig.pass(Duration::ZERO).is_empty());
    // What is wanted by a ring is asked with the next message or at once by who rings.
    rig.offer(1);
    assert!(rig.session.is_over());
}

#[test]
fn an_unregistering_device_fetches_and_acknowledges_and_nothing_else() {
    let mut rig = Rig::new();
    rig.service.change(&device(), |device, entries| {
        let deadline = Timestamp::MAX;
        device.status = DeviceStatus::Unregistering { deadline };
        device.document = device.document.changed(&[], &[]);
        entries.clear();
    });
    rig.session.ring();
    let told = rig.answer(Ask::of(GET, "/ics/v1/inq"));
    assert_eq!(
        (code(&told).as_str(), text(&told)),
        ("4.03", "unregistering")
    );
    assert_eq!(code(&rig.answer(Ask::of(GET, "/ics/v1/doc"))), "2.05");
    assert!(!rig.session.is_over());
    rig.pass(Duration::from_secs(300));
    assert!(rig.session.is_over());
}

#[test]
fn a_service_that_fails_is_asked_again_by_the_device() {
    let mut rig = Rig::new();
    rig.service.be_down(true);
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    assert_eq!((code(&told).as_str(), text(&told)), ("5.03", "unavailable"));
    assert_eq!(option(&told, 14), Some(5), "Max-Age");
    rig.service.be_down(false);
    assert_eq!(code(&rig.answer(Ask::of(GET, "/ics/v1/doc"))), "2.05");
}

#[test]
fn a_version_that_was_never_offered_is_a_conflict() {
    let mut rig = Rig::new();
    rig.offer(1);
    let told = rig.answer(Ask::of(POST, "/ics/v1/doc/ack").saying("{\"v\":9007199254740990}"));
    assert_eq!(
        (code(&told).as_str(), text(&told)),
        ("4.09", "never_offered")
    );
    assert_eq!(Code::CONFLICT.byte(), 0x89);
}

#[test]
fn who_asks_again_is_told_what_is_kept_until_there_is_something_newer() {
    let mut rig = Rig::new();
    rig.offer(1);
    let document = || Ask::of(GET, "/ics/v1/doc");
    let first = rig.answer(document());
    let in_cbor = rig.answer(document().with(ACCEPT, &[60]));
    assert_ne!(first.payload, in_cbor.payload);
    let first = rig.answer(document());
    // Without another version: a row that goes takes one with it.
    rig.service.change(&device(), |_, entries| entries.clear());
    let again = rig.answer(document());
    assert_eq!(
        (&again.payload, option(&again, ETAG)),
        (&first.payload, option(&first, ETAG)),
        "no row was read"
    );
    rig.offer(2);
    let newer = rig.answer(document());
    assert_ne!(option(&newer, ETAG), option(&first, ETAG));
    assert!(text(&newer).contains("https://shop.example/2"));
    rig.session.forget_replies();
    assert_eq!(rig.session.remembered_bytes(), 0);
    assert_eq!(rig.answer(document()).payload, newer.payload);
}

#[test]
fn a_document_that_is_kept_is_not_shown_to_who_is_not_served_any_more() {
    let mut rig = Rig::new();
    rig.offer(1);
    rig.answer(Ask::of(GET, "/ics/v1/doc"));
    rig.service.change(&device(), |device, _| {
        device.credentials[0].revoked = Some(Timestamp::from_millis(1));
    });
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc"));
    assert_eq!(code(&told), "4.01");
    assert!(told.payload.is_empty() && rig.session.is_over());
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let mut rig = Rig::new();
    rig.messages.burst = 2;
    assert_eq!(code(&rig.answer(Ask::of(GET, "/.well-known/core"))), "2.05");
    assert_eq!(code(&rig.answer(Ask::of(GET, "/.well-known/core"))), "2.05");
    let told = rig.answer(Ask::of(GET, "/.well-known/core"));
    assert_eq!((code(&told).as_str(), text(&told)), ("4.29", "too_many"));
    assert_eq!(option(&told, 14), Some(5), "Max-Age");
    let told = rig.answer(Ask::of(GET, "/ics/v1/doc").with(ACCEPT, &[60]));
    assert_eq!(option(&told, FORMAT), Some(257), "RFC 9290");
    assert_eq!(refused(&rig), [RefusedAttempt::TooFast], "told once");
}
