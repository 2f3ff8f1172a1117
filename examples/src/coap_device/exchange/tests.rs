use coap_lite::ResponseType;

use super::*;

const FIRST: Duration = Duration::from_secs(2);

fn exchange() -> Exchange {
    Exchange::new(FIRST, Dice::of(1))
}

fn document() -> Request {
    Request {
        path: &["doc"],
        is_observed: true,
        ..Request::default()
    }
}

fn message(kind: MessageType, id: u16, token: &[u8]) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.code = MessageClass::Response(ResponseType::Content);
    packet.header.message_id = id;
    packet.set_token(token.to_vec());
    packet.to_bytes().unwrap()
}

fn id_of(datagram: &[u8]) -> u16 {
    u16::from_be_bytes([datagram[2], datagram[3]])
}

#[test]
fn a_request_is_sent_five_times_with_pauses_that_double_and_then_given_up() {
    let (mut exchange, start) = (exchange(), Instant::now());
    let datagram = exchange.ask(start, &document());
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..RETRANSMISSIONS {
        let due = exchange.due().unwrap();
        assert_eq!(exchange.attend(due - Duration::from_millis(1)), Ok(None));
        assert_eq!(exchange.attend(due), Ok(Some(datagram.clone())));
        waits.push(due - now);
        now = due;
    }
    assert!((FIRST..=FIRST * 3 / 2).contains(&waits[0]), "{waits:?}");
    for pair in waits.windows(2) {
        assert_eq!(pair[1], pair[0] * 2);
    }
    let due = exchange.due().unwrap();
    assert_eq!(exchange.attend(due), Err(Unanswered));
}

#[test]
fn an_answer_may_ride_on_the_acknowledgement_or_come_after_it() {
    let (mut exchange, now) = (exchange(), Instant::now());
    let id = id_of(&exchange.ask(now, &document()));
    let (came, reply) = exchange.take(now, &message(MessageType::Acknowledgement, id, b"doc"));
    assert!(matches!(came, Came::Answer(_)) && reply.is_none());
    assert!(exchange.is_free());

    let id = id_of(&exchange.ask(now, &document()));
    let first = empty(MessageType::Acknowledgement, id);
    assert!(matches!(exchange.take(now, &first), (Came::Nothing, None)));
    // It is not sent again meanwhile.
    assert_eq!(exchange.attend(now + FIRST * 3), Ok(None));
    let (came, reply) = exchange.take(now, &message(MessageType::Confirmable, 77, b"doc"));
    assert!(matches!(came, Came::Answer(_)) && exchange.is_free());
    assert_eq!(reply, Some(empty(MessageType::Acknowledgement, 77)));
    // Once more, for our acknowledgement was lost: news, and acknowledged.
    let (came, reply) = exchange.take(now, &message(MessageType::Confirmable, 77, b"doc"));
    assert!(matches!(came, Came::News(_)) && reply.is_some());
}

#[test]
fn what_nobody_waits_for_is_reset_and_another_s_acknowledgement_is_nothing() {
    let (mut exchange, now) = (exchange(), Instant::now());
    let id = id_of(&exchange.ask(now, &document()));
    let (came, reply) = exchange.take(now, &message(MessageType::Confirmable, 5, b"else"));
    assert!(matches!(came, Came::Nothing));
    assert_eq!(reply, Some(empty(MessageType::Reset, 5)));
    let other = message(MessageType::Acknowledgement, id.wrapping_add(1), b"doc");
    assert!(matches!(exchange.take(now, &other), (Came::Nothing, None)));
    assert!(!exchange.is_free());
    let reset = empty(MessageType::Reset, id);
    assert!(matches!(exchange.take(now, &reset), (Came::Reset, None)));
    assert!(exchange.is_free());
}

#[test]
fn a_request_is_the_bytes_it_has_to_be() {
    let mut exchange = Exchange::new(FIRST, Dice::of(1));
    exchange.next = 0x0102;
    let request = Request {
        path: &["doc", "ack"],
        payload: Some("{}".to_owned()),
        ..Request::default()
    };
    let datagram = exchange.ask(Instant::now(), &request);
    let expected = b"\x42\x02\x01\x03\x01\x03\xb3ics\x02v1\x03doc\x03ack\x11\x32\xff{}";
    assert_eq!(datagram, expected);
}

#[test]
fn parts_are_counted_in_an_unsigned_integer() {
    for (number, has_more, exponent, bytes) in [
        (0, false, 2, &b"\x02"[..]),
        (1, false, 6, b"\x16"),
        (16, false, 4, b"\x01\x04"),
        (0, false, 0, b""),
    ] {
        let part = Part {
            number,
            has_more,
            exponent,
        };
        assert_eq!(part.encode(), bytes);
        let mut packet = Packet::new();
        packet.add_option(CoapOption::Block2, bytes.to_vec());
        assert_eq!(Part::of(&packet), Some(part));
    }
    let mut packet = Packet::new();
    packet.add_option(CoapOption::Block2, vec![0x1e]);
    let part = Part::of(&packet).unwrap();
    assert!(part.has_more && part.next().number == 2);
    assert_eq!(unsigned(&[1; 5]), None);
}
