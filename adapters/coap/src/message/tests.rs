use proptest::prelude::*;

use super::*;

/// `GET /ics/v1/doc?w=30`, Accept 60, confirmable, token `01 02`.
const GET: &[u8] = b"\x42\x01\x12\x34\x01\x02\xb3ics\x02v1\x03doc\x44w=30\x21\x3c";

fn request(datagram: &[u8]) -> Request {
    match Message::read(datagram) {
        Message::Request(request) => *request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_what_it_says() {
    let read = request(GET);
    assert_eq!(read.method, Method::Get);
    assert_eq!(read.path, ["ics", "v1", "doc"]);
    assert_eq!(read.query, ["w=30"]);
    assert_eq!(read.accept, Some(60));
    let (is_confirmable, id, token) = (true, 0x1234, vec![1, 2]);
    assert_eq!(
        read.heading,
        Heading {
            is_confirmable,
            id,
            token
        }
    );
    assert_eq!(request(b"\x50\x05\0\x01\xffx").method, Method::Fetch);
    assert_eq!(request(b"\x50\x05\0\x01\xffx").payload, b"x");
    assert_eq!(request(b"\x50\x1f\0\x01").method, Method::Other);
}

#[test]
fn what_is_no_request_is_what_the_rfc_says() {
    for (datagram, expected) in [
        (&b"\x40\0\0\x07"[..], Message::Ping(7)),
        (b"\x60\0\0\x07", Message::Acknowledged(7)),
        (b"\x70\0\0\x07", Message::Reset(7)),
        (b"\x50\0\0\x07", Message::Ignored),
        // A response nobody asked for.
        (b"\x40\x45\0\x07", Message::Rejected(7)),
        (b"\x50\x45\0\x07", Message::Ignored),
        // Reserved codes.
        (b"\x40\x20\0\x07", Message::Rejected(7)),
        (b"\x40\xff\0\x07", Message::Rejected(7)),
        // Versions 0, 2, 3.
        (b"\x00\x01\0\x07", Message::Ignored),
        (b"\x80\x01\0\x07", Message::Ignored),
        (b"\xc0\x01\0\x07", Message::Ignored),
        // An empty message with something in it; a token of 9 bytes; cut short.
        (b"\x41\0\0\x07\x01", Message::Rejected(7)),
        (b"\x49\x01\0\x07123456789", Message::Rejected(7)),
        (b"\x42\x01\0\x07\x01", Message::Rejected(7)),
        (b"\x40\x01\0", Message::Ignored),
        (b"", Message::Ignored),
        // A payload that is announced and not there.
        (b"\x40\x01\0\x07\xff", Message::Rejected(7)),
        (b"\x40\x01\0\x07\xb1a\xff", Message::Rejected(7)),
        // An option number 15 for its delta.
        (b"\x40\x01\0\x07\xf1a", Message::Rejected(7)),
    ] {
        assert_eq!(Message::read(datagram), expected, "{datagram:x?}");
    }
}

#[test]
fn a_last_byte_of_an_option_or_a_token_is_no_payload_marker() {
    assert_eq!(request(b"\x41\x01\0\x07\xff").heading.token, [0xff]);
    assert_eq!(request(b"\x40\x01\0\x07\x41\xff").etags, [[0xff]]);
}

#[test]
fn options_that_must_be_understood_refuse_a_request_and_others_do_not() {
    let refused = |datagram: &[u8], why| {
        let Message::Refused(heading, found) = Message::read(datagram) else {
            panic!("{datagram:x?}");
        };
        assert_eq!((heading.id, found), (7, why));
    };
    // If-Match, If-None-Match, 9 (OSCORE), 2049, Accept twice, Block2 with the exponent 7, a path
    // that is not UTF-8.
    for options in [
        &b"\x11a"[..],
        b"\x50",
        b"\x90",
        b"\xe0\x06\xf4",
        b"\xd1\x04\x32\x01\x3c",
        b"\xd1\x0a\x07",
        b"\xb1\xff\x00",
    ] {
        refused(
            &[b"\x40\x01\0\x07", options].concat(),
            Unservable::BadOption,
        );
    }
    refused(b"\x40\x01\0\x07\xd1\x16x", Unservable::Proxying);
    refused(b"\x40\x01\0\x07\xd1\x1ax", Unservable::Proxying);
    // Uri-Host and Uri-Port; Size1 (60); 2048: nothing.
    let elective = request(b"\x40\x01\0\x07\x31a\x41\x10\xd1\x28x\xe1\x06\xb7x");
    assert!(elective.path.is_empty());
    // An elective one of a wrong length is as if it were not there.
    assert_eq!(request(b"\x40\x01\0\x07\x64\0\0\0\0").observe, None);
    assert_eq!(request(b"\x40\x01\0\x07\x60").observe, Some(0));
}

proptest! {
    #[test]
    fn reading_is_total(datagram in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Message::read(&datagram);
    }

    #[test]
    fn of_a_request_any_byte_may_be_another(at in 0..GET.len(), to: u8, cut in 0..GET.len()) {
        let mut datagram = GET.to_vec();
        datagram[at] = to;
        let _ = Message::read(&datagram);
        let _ = Message::read(&datagram[cut..]);
        let _ = Message::read(&datagram[..cut]);
    }
}
