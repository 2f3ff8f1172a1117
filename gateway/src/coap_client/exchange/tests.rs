use super::*;

const FIRST: u16 = 0xfffe;

fn begin() -> (Instant, Exchange) {
    (Instant::now(), Exchange::new(FIRST))
}

fn read(datagram: &[u8]) -> Packet {
    Packet::from_bytes(datagram).unwrap()
}

/// A response to the request in `datagram`.
fn respond(datagram: &[u8], kind: MessageType, id: u16, order: Option<u8>) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.code = MessageClass::Response(ResponseType::Content);
    packet.header.message_id = id;
    packet.set_token(read(datagram).get_token().to_vec());
    if let Some(order) = order {
        packet.add_option(CoapOption::Observe, vec![order]);
    }
    packet.payload = b"{}".to_vec();
    packet.to_bytes().unwrap()
}

fn answer_of(datagram: &[u8], kind: MessageType) -> Vec<u8> {
    respond(datagram, kind, read(datagram).header.message_id, None)
}

fn content(order: Option<u32>) -> Answer {
    Answer {
        code: ResponseType::Content,
        order,
        payload: b"{}".to_vec(),
    }
}

fn confirmed(kind: MessageType, id: u16) -> Option<Vec<u8>> {
    Some(empty(kind, id))
}

#[test]
fn a_request_says_what_is_asked() {
    let (now, mut exchange) = begin();
    let posted = read(&exchange.ask(now, 0, &Request::post("ics/v1/doc/ack", "{}".into())));
    assert_eq!(posted.header.get_code(), "0.02");
    assert_eq!(posted.header.get_type(), MessageType::Confirmable);
    let path: Vec<_> = posted
        .get_option(CoapOption::UriPath)
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(path, [&b"ics"[..], b"v1", b"doc", b"ack"]);
    assert_eq!(
        posted.get_first_option(CoapOption::ContentFormat),
        Some(&vec![JSON])
    );
    assert_eq!(posted.payload, b"{}");

    let read_only = read(&exchange.ask(now, 0, &Request::get("ics/v1/inq")));
    assert_eq!(read_only.header.get_code(), "0.01");
    assert_eq!(
        read_only.get_first_option(CoapOption::Accept),
        Some(&vec![JSON])
    );
    assert!(read_only.get_first_option(CoapOption::Observe).is_none());
    assert_ne!(read_only.get_token(), posted.get_token());
    assert_ne!(read_only.header.message_id, posted.header.message_id);
}

#[test]
fn an_answer_comes_with_the_acknowledgement_and_is_heard_once() {
    let (now, mut exchange) = begin();
    let asked = exchange.ask(now, 0, &Request::get("a"));
    let answer = answer_of(&asked, MessageType::Acknowledgement);
    assert_eq!(
        exchange.take(now, &answer),
        (Came::Answer(content(None)), None)
    );
    assert_eq!(exchange.take(now, &answer), (Came::Nothing, None));
    assert_eq!(exchange.due(), None);
}

#[test]
fn an_answer_to_another_request_is_none() {
    let (now, mut exchange) = begin();
    let before = exchange.ask(now, 0, &Request::get("a"));
    let asked = exchange.ask(now, 0, &Request::get("a"));
    let id = read(&asked).header.message_id;
    let late = respond(&before, MessageType::Acknowledgement, id, None);
    assert_eq!(exchange.take(now, &late), (Came::Nothing, None));
    assert!(exchange.due().is_some());
}

#[test]
fn an_answer_that_comes_apart_is_acknowledged() {
    let (now, mut exchange) = begin();
    let asked = exchange.ask(now, 0, &Request::get("a"));
    let id = read(&asked).header.message_id;
    let received = empty(MessageType::Acknowledgement, id);
    assert_eq!(exchange.take(now, &received), (Came::Nothing, None));
    assert_eq!(exchange.due(), Some(now + SEPARATE));
    let answer = respond(&asked, MessageType::Confirmable, 7, None);
    let acknowledged = confirmed(MessageType::Acknowledgement, 7);
    assert_eq!(
        exchange.take(now, &answer),
        (Came::Answer(content(None)), acknowledged)
    );
}

#[test]
fn a_request_is_sent_five_times_in_ever_longer_pauses_and_given_up() {
    for (chance, first) in [
        (0, Duration::from_secs(2)),
        (u16::MAX, Duration::from_secs(3)),
    ] {
        let (mut now, mut exchange) = begin();
        let asked = exchange.ask(now, chance, &Request::get("a"));
        let mut wait = first;
        for _ in 0..4 {
            assert_eq!(exchange.due(), Some(now + wait));
            assert_eq!(
                exchange.attend(now + wait - Duration::from_millis(1)),
                Ok(None)
            );
            now += wait;
            assert_eq!(exchange.attend(now), Ok(Some(asked.clone())));
            wait *= 2;
        }
        assert_eq!(exchange.attend(now + wait), Err(Unanswered));
        assert_eq!(exchange.due(), None);
    }
}

#[test]
fn what_was_acknowledged_is_not_sent_again_and_given_up_in_the_end() {
    let (now, mut exchange) = begin();
    let asked = exchange.ask(now, 0, &Request::get("a"));
    let received = empty(MessageType::Acknowledgement, read(&asked).header.message_id);
    exchange.take(now, &received);
    assert_eq!(exchange.attend(now + SEPARATE / 2), Ok(None));
    assert_eq!(exchange.attend(now + SEPARATE), Err(Unanswered));
}

#[test]
fn a_reset_ends_the_request() {
    let (now, mut exchange) = begin();
    let asked = exchange.ask(now, 0, &Request::get("a"));
    let id = read(&asked).header.message_id;
    let other = empty(MessageType::Reset, id.wrapping_add(1));
    assert_eq!(exchange.take(now, &other), (Came::Nothing, None));
    let reset = empty(MessageType::Reset, id);
    assert_eq!(exchange.take(now, &reset), (Came::Reset, None));
    assert_eq!(exchange.due(), None);
}

/// An exchange that observes, from place 5 on; and its request.
fn observing(now: Instant) -> (Exchange, Vec<u8>) {
    let mut exchange = Exchange::new(FIRST);
    let asked = exchange.ask(now, 0, &Request::observe("doc"));
    assert_eq!(
        read(&asked).get_first_option(CoapOption::Observe),
        Some(&Vec::new())
    );
    let id = read(&asked).header.message_id;
    let first = respond(&asked, MessageType::Acknowledgement, id, Some(5));
    assert_eq!(
        exchange.take(now, &first),
        (Came::Answer(content(Some(5))), None)
    );
    (exchange, asked)
}

#[test]
fn news_are_heard_while_something_else_is_asked_and_acknowledged() {
    let now = Instant::now();
    let (mut exchange, observed) = observing(now);
    let asked = exchange.ask(now, 0, &Request::get("a"));
    let news = respond(&observed, MessageType::Confirmable, 30, Some(6));
    let acknowledged = confirmed(MessageType::Acknowledgement, 30);
    let came = (Came::News(content(Some(6))), acknowledged);
    assert_eq!(exchange.take(now, &news), came);
    let answer = answer_of(&asked, MessageType::Acknowledgement);
    assert_eq!(
        exchange.take(now, &answer),
        (Came::Answer(content(None)), None)
    );
}

#[test]
fn news_that_come_again_or_too_late_are_acknowledged_and_not_heard() {
    let now = Instant::now();
    let (mut exchange, observed) = observing(now);
    for order in [5, 4] {
        let old = respond(&observed, MessageType::Confirmable, 30, Some(order));
        let acknowledged = confirmed(MessageType::Acknowledgement, 30);
        assert_eq!(exchange.take(now, &old), (Came::Nothing, acknowledged));
    }
    // The server counts anew.
    let long_after = now + ORDER_FORGOTTEN + Duration::from_secs(1);
    let anew = respond(&observed, MessageType::NonConfirmable, 31, Some(1));
    let came = (Came::News(content(Some(1))), None);
    assert_eq!(exchange.take(long_after, &anew), came);
}

#[test]
fn places_are_counted_around() {
    let at = Instant::now();
    let last = Observed {
        token: Vec::new(),
        order: 0x00ff_ffff,
        at,
    };
    assert!(last.is_before(at, 0));
    assert!(last.is_before(at, (1 << 23) - 2));
    assert!(!last.is_before(at, (1 << 23) - 1));
    assert!(!last.is_before(at, 0x00ff_ffff));
}

#[test]
fn news_without_a_place_are_the_last() {
    let now = Instant::now();
    let (mut exchange, observed) = observing(now);
    let last = respond(&observed, MessageType::Confirmable, 30, None);
    let acknowledged = confirmed(MessageType::Acknowledgement, 30);
    let came = (Came::News(content(None)), acknowledged);
    assert_eq!(exchange.take(now, &last), came);
    let more = respond(&observed, MessageType::Confirmable, 31, Some(7));
    let reset = confirmed(MessageType::Reset, 31);
    assert_eq!(exchange.take(now, &more), (Came::Nothing, reset));
}

#[test]
fn what_nobody_asked_for_is_reset() {
    let (now, mut exchange) = begin();
    let unasked = respond(
        &Request::get("a").encode(1, vec![9]),
        MessageType::Confirmable,
        8,
        None,
    );
    let reset = confirmed(MessageType::Reset, 8);
    assert_eq!(exchange.take(now, &unasked), (Came::Nothing, reset.clone()));
    let ping = empty(MessageType::Confirmable, 8);
    assert_eq!(exchange.take(now, &ping), (Came::Nothing, reset.clone()));
    let request = Request::get("a").encode(8, vec![9]);
    assert_eq!(exchange.take(now, &request), (Came::Nothing, reset));
    assert_eq!(exchange.take(now, b"\xff"), (Came::Nothing, None));
}
