//! The device channel over CoAP: datagrams on the plain listener, and a whole session.

use std::time::Duration;

use coap_lite::{MessageType, Packet};
use ics_coap::fuzzing::{Conversation, Line, answer_plain};
use ics_coap::{ServerCredential, Trust};

use super::script::Script;

/// The longest message that goes out: a part of 1,024 bytes, with its header and options.
const LONGEST: usize = 1100;
/// Sixteen replies, each no longer than that, and a document.
const MOST_REMEMBERED: usize = 17 * LONGEST;

/// A datagram of a stranger: what is answered can be read, and is no longer than three times it.
pub(super) fn datagram(data: &[u8]) {
    let Some(answer) = answer_plain(data) else {
        return;
    };
    assert!(answer.len() <= 3 * data.len(), "{answer:x?} for {data:x?}");
    let packet = Packet::from_bytes(&answer).expect("a message");
    assert_eq!(packet.header.get_version(), 1);
    if packet.header.get_type() == MessageType::Acknowledgement {
        assert_eq!(answer[2..4], data[2..4], "the id of the request");
    }
}

/// A line between a device and the socket, each step with a byte for its kind: datagrams of its
/// handshake and after it arrive, are lost, doubled, changed; strangers send what they like, from its
/// address too. An association that stands goes on, and what it says arrives once.
pub(super) fn line(data: &[u8]) {
    let mut line = TRUST.with(Line::begin).expect("all is fixed");
    let mut script = Script(data);
    while let Some(kind) = script.byte() {
        let was_met = line.is_met();
        match kind % 8 {
            0 | 1 => line.arrive(|_| {}),
            2 => line.arrive(Vec::clear),
            3 => line.repeat(),
            4 => {
                let (at, to) = (script.byte().unwrap_or(0), script.byte().unwrap_or(0));
                line.arrive(|datagram| change(datagram, at, to));
            }
            5 => line.intrude(kind & 8 == 0, script.bytes()),
            6 => line.pass(Duration::from_millis(
                u64::from(script.byte().unwrap_or(0)) * 40,
            )),
            _ => line.say(&[script.byte().unwrap_or(0)]),
        }
        // Nobody but the device ends it: a changed datagram of its own is anybody's.
        let is_intruded = matches!(kind % 8, 4 | 5);
        assert!(
            line.is_met() || !was_met || !is_intruded,
            "ended by a stranger"
        );
    }
    line.deliver();
    if line.stands() {
        line.say(b"still here");
        line.deliver();
        let times = line.heard().iter().filter(|said| *said == b"still here");
        assert_eq!(times.count(), 1);
    }
}

/// One byte is another, or the datagram ends there.
fn change(datagram: &mut Vec<u8>, at: u8, to: u8) {
    let at = usize::from(at) % datagram.len().max(1);
    if to == 0 {
        datagram.truncate(at);
    } else if let Some(byte) = datagram.get_mut(at) {
        *byte ^= to;
    }
}

thread_local! {
    static TRUST: Trust = {
        let credential = ServerCredential {
            chain: vec![include_bytes!("coap/certificate.der").to_vec().into()],
            key: include_bytes!("coap/key.der").to_vec().into(),
        };
        Trust::new(credential, std::sync::Arc::new(|_| None)).expect("a credential")
    };
}

/// What happens to a session, each with a byte for its kind: something is said, time passes, a row
/// is offered, the service is slow or not.
pub(super) fn session(data: &[u8]) {
    let mut conversation = Conversation::begin().expect("fixed identifiers");
    let mut script = Script(data);
    let (mut last, mut offered, mut said) = (Vec::new(), 8, 0);
    check(&conversation.told(), 1, &mut last);
    while let Some(kind) = script.byte() {
        match kind % 8 {
            0 => conversation.say(script.bytes()),
            1 | 2 => conversation.say(&request(&mut script)),
            3 => conversation.pass(Duration::from_millis(
                u64::from(script.byte().unwrap_or(0)) * 97,
            )),
            4 => conversation.pass(Duration::from_secs(script.byte().unwrap_or(0).into())),
            5 if offered < 23 => {
                conversation.offer(offered).expect("fixed identifiers");
                offered += 1;
            }
            6 => conversation.be_slow(script.byte().unwrap_or(0) % 2 == 1),
            7 => {
                // What came last is acknowledged, or refused.
                let first = if script.byte().unwrap_or(0) % 2 == 1 {
                    0x60
                } else {
                    0x70
                };
                conversation.say(&[&[first, 0], last.get(2..4).unwrap_or(&[0, 0])].concat());
            }
            _ => {}
        }
        said += 1;
        check(&conversation.told(), said, &mut last);
        assert!(conversation.remembered() <= MOST_REMEMBERED);
        // Four requests, a look, a document.
        assert!(conversation.waiting() <= 6, "{}", conversation.waiting());
    }
}

/// Each message can be read and is not too long; time that passes repeats one message at a time.
fn check(told: &[Vec<u8>], said: usize, last: &mut Vec<u8>) {
    assert!(told.len() <= 64, "{} after {said}", told.len());
    for message in told {
        assert!(message.len() <= LONGEST, "{}", message.len());
        let packet = Packet::from_bytes(message).expect("a message");
        assert_eq!(packet.header.get_version(), 1);
        if packet.header.get_type() == MessageType::Confirmable {
            last.clone_from(message);
        }
    }
}

/// A request that can be read: to one of the resources, with options and a payload of the script's.
fn request(script: &mut Script<'_>) -> Vec<u8> {
    let kind = script.byte().unwrap_or(0);
    let confirmable = if kind & 1 == 0 { 0x40 } else { 0x50 };
    let method = [1, 2, 5, 1][usize::from(kind >> 1 & 3)];
    let id = script.byte().unwrap_or(0);
    let mut message = vec![confirmable | 1, method, 0, id, 9];
    let path: &[&[u8]] = match kind >> 3 & 7 {
        0 | 1 => &[b"ics", b"v1", b"doc"],
        2 => &[b"ics", b"v1", b"doc", b"ack"],
        3 => &[b"ics", b"v1", b"inq"],
        4 => &[b"ics", b"v1", b"evt"],
        5 => &[b"ics", b"v1", b"rev"],
        6 => &[b".well-known", b"core"],
        _ => &[b"ics", b"v1", b"d"],
    };
    let mut options: Vec<(u16, Vec<u8>)> = Vec::new();
    if kind & 0x40 != 0 {
        options.push((6, vec![kind >> 7]));
    }
    for segment in path {
        options.push((11, segment.to_vec()));
    }
    let more = script.byte().unwrap_or(0);
    if more & 1 != 0 {
        options.push((15, format!("w={}", more >> 1).into_bytes()));
    }
    if more & 2 != 0 {
        options.push((17, vec![[50, 60, 0, 60][usize::from(more >> 2 & 3)]]));
    }
    if more & 0x10 != 0 {
        options.push((23, vec![script.byte().unwrap_or(0)]));
    }
    if more & 0x20 != 0 {
        options.push((27, vec![script.byte().unwrap_or(0)]));
    }
    if more & 0x40 != 0 {
        options.push((258, vec![script.byte().unwrap_or(0) & 26]));
    }
    options.sort_by_key(|(number, _)| *number);
    let mut before = 0;
    for (number, value) in options {
        let delta = number - before;
        before = number;
        let length = u8::try_from(value.len()).expect("short");
        match u8::try_from(delta) {
            Ok(delta) if delta < 13 => message.push(delta << 4 | length),
            Ok(delta) => message.extend([0xd0 | length, delta - 13]),
            Err(_) => message.extend([0xd0 | length, u8::try_from(delta - 13).unwrap_or(255)]),
        }
        message.extend(value);
    }
    let payload = match script.byte().unwrap_or(0) % 4 {
        0 => Vec::new(),
        1 => format!("{{\"v\":{}}}", script.byte().unwrap_or(0)).into_bytes(),
        2 => b"{\"id\":\"07070707-0707-0707-0707-070707070707\",\"data\":1}".to_vec(),
        _ => script.bytes().to_vec(),
    };
    if !payload.is_empty() {
        message.push(0xff);
        message.extend(payload);
    }
    message
}
