use super::*;
use crate::message::{Heading, Message};

fn part(number: u32, more: bool, payload: &[u8]) -> Request {
    let Message::Request(request) = Message::read(b"\x40\x02\0\x07\xb3evt") else {
        panic!("a request");
    };
    let exponent = 0;
    Request {
        block1: Some(Block {
            number,
            more,
            exponent,
        }),
        payload: payload.to_vec(),
        heading: Heading {
            id: u16::try_from(number).unwrap(),
            ..request.heading.clone()
        },
        ..*request
    }
}

fn code_of(part: &Part) -> Option<Code> {
    match part {
        Part::Whole => None,
        Part::Answer(answer) => Some(answer.code),
    }
}

#[test]
fn parts_in_their_order_are_one_payload() {
    let mut upload = Upload::default();
    for number in 0..3 {
        let mut request = part(number, true, &[u8::try_from(number).unwrap(); 16]);
        let taken = upload.take(&mut request);
        assert_eq!(code_of(&taken), Some(Code::CONTINUE));
        let Part::Answer(answer) = taken else {
            unreachable!()
        };
        assert_eq!(answer.block1, request.block1);
    }
    let mut last = part(3, false, b"end");
    assert_eq!(upload.take(&mut last), Part::Whole);
    assert_eq!(
        last.payload,
        [&[0; 16][..], &[1; 16], &[2; 16], b"end"].concat()
    );
}

#[test]
fn a_part_out_of_turn_or_of_another_request_is_refused_and_forgets_the_rest() {
    let mut upload = Upload::default();
    assert_eq!(
        code_of(&upload.take(&mut part(1, true, &[0; 16]))),
        Some(Code::INCOMPLETE)
    );
    upload.take(&mut part(0, true, &[0; 16]));
    assert_eq!(
        code_of(&upload.take(&mut part(2, false, &[0; 16]))),
        Some(Code::INCOMPLETE)
    );
    assert_eq!(
        code_of(&upload.take(&mut part(1, false, &[0; 16]))),
        Some(Code::INCOMPLETE)
    );
    upload.take(&mut part(0, true, &[0; 16]));
    let mut other = part(1, false, b"x");
    other.path = vec!["rev".into()];
    assert_eq!(code_of(&upload.take(&mut other)), Some(Code::INCOMPLETE));
    // A part that is shorter than it says, and one that is longer.
    for payload in [&[0; 15][..], &[0; 17]] {
        let taken = upload.take(&mut part(0, true, payload));
        assert_eq!(code_of(&taken), Some(Code::INCOMPLETE));
    }
    assert_eq!(
        code_of(&upload.take(&mut part(0, false, &[0; 17]))),
        Some(Code::INCOMPLETE)
    );
    assert_eq!(code_of(&upload.take(&mut part(0, false, b""))), None);
}

#[test]
fn a_payload_has_eight_kibibytes_at_most_in_parts_or_whole() {
    let mut upload = Upload::default();
    let fitting = u32::try_from(LONGEST / 16).unwrap();
    for number in 0..fitting {
        let taken = upload.take(&mut part(number, true, &[0; 16]));
        assert_eq!(code_of(&taken), Some(Code::CONTINUE));
    }
    let taken = upload.take(&mut part(fitting, false, b"x"));
    let Part::Answer(answer) = taken else {
        panic!("one too many");
    };
    assert_eq!((answer.code, answer.size1), (Code::TOO_LARGE, Some(8192)));
    let mut whole = Request {
        block1: None,
        ..part(0, false, &vec![0; LONGEST + 1])
    };
    assert_eq!(code_of(&upload.take(&mut whole)), Some(Code::TOO_LARGE));
}
