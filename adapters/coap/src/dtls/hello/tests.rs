use proptest::prelude::*;

use super::*;

/// A ClientHello of libcoap's client with OpenSSL, without extensions, message `number`.
pub(crate) fn hello(number: u8, cookie: &[u8]) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend([0x5a; 32]);
    body.push(0);
    body.push(u8::try_from(cookie.len()).unwrap());
    body.extend(cookie);
    // One suite, TLS_PSK_WITH_AES_128_CCM_8, and no compression.
    body.extend([0, 2, 0xc0, 0xa8, 1, 0, 0, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, number, 0, length + 12];
    record.extend([1, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length]);
    record.extend(body);
    record
}

#[test]
fn the_first_message_is_what_the_second_was_without_its_cookie() {
    let (first, second) = (hello(0, &[]), hello(1, &[7; COOKIE]));
    let read = ClientHello::read(&second).unwrap();
    assert_eq!(read.cookie(), [7; COOKIE]);
    // In a record of DTLS 1.2.
    let mut begun = first.clone();
    begun[2] = 0xfd;
    assert_eq!(read.first(), begun);
    let mut again = second.clone();
    again[2] = 0xfd;
    assert_eq!(read.second(), Some(again));
    let read_first = ClientHello::read(&first).unwrap();
    assert_eq!(read_first.cookie(), [0; 0]);
    assert_eq!(read_first.parts(), read.parts());
    assert_eq!(read_first.second(), None);
}

#[test]
fn what_answers_it_is_shorter_and_in_its_own_record() {
    let first = hello(3, &[]);
    let answer = ClientHello::read(&first)
        .unwrap()
        .verify_request(&[9; COOKIE]);
    let head = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 3, 0, 35];
    let message = [3, 0, 0, 23, 0, 0, 0, 0, 0, 0, 0, 23, 0xfe, 0xfd, 20];
    assert_eq!(answer, [&head[..], &message, &[9; COOKIE]].concat());
    assert!(answer.len() < first.len());
}

#[test]
fn what_is_no_whole_client_hello_in_epoch_0_is_not_read() {
    let whole = hello(0, &[]);
    assert!(ClientHello::read(&whole).is_some());
    for cut in 0..whole.len() {
        assert_eq!(ClientHello::read(&whole[..cut]), None, "{cut}");
    }
    // Content type, epoch, message type, lengths, offset.
    for at in [0, 3, 4, 11, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 24] {
        let mut other = whole.clone();
        other[at] ^= 1;
        assert_eq!(ClientHello::read(&other), None, "{at}");
    }
    let mut behind = whole;
    behind.extend([23, 0xfe, 0xfd]);
    assert!(ClientHello::read(&behind).is_some(), "records behind it");
}

proptest! {
    #[test]
    fn reading_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(hello) = ClientHello::read(&bytes) {
            prop_assert!(ClientHello::read(&hello.first()).is_some());
        }
    }

    #[test]
    fn any_byte_may_be_another(at in 0usize..120, to in any::<u8>()) {
        let mut bytes = hello(1, &[7; COOKIE]);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Some(hello) = ClientHello::read(&bytes) {
            let first = hello.first();
            let read = ClientHello::read(&first).expect("a ClientHello");
            prop_assert_eq!(read.parts(), hello.parts());
            prop_assert!(read.cookie().is_empty());
        }
    }
}
